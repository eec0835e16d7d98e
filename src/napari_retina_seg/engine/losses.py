"""Losses on ``(batch, rows, columns, 2)`` targets: class or share, and the weight of the pixel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def cross_entropy_dice(classes: int, dice_weight: float) -> Callable[[Any, Any], Any]:
    """Cross-entropy + `dice_weight` · (1 - mean Dice of the classes), over weighted pixels.

    Parameters
    ----------
    classes : int
        2 for one sigmoid output, else that many softmax outputs.
    dice_weight : float
        Weight of the Dice term (Milletari et al. 2016, without squares).

    Returns
    -------
    callable
        ``loss(target, probabilities)``: target ``(batch, rows, columns, 2)``, probabilities
        ``(batch, rows, columns, outputs)``; a scalar.
    """
    from keras import ops

    def loss(target: Any, probabilities: Any) -> Any:
        weight = target[..., 1:]
        truth = target[..., :1]
        if classes == 2:
            truth = ops.concatenate([1 - truth, truth], axis=-1)
            probabilities = ops.concatenate([1 - probabilities, probabilities], axis=-1)
        else:
            truth = ops.one_hot(ops.cast(truth[..., 0], "int32"), classes)
        log = ops.log(ops.clip(probabilities, 1e-6, 1))
        pixels = ops.maximum(ops.sum(weight), 1)
        entropy = -ops.sum(weight * truth * log) / pixels
        axes = (0, 1, 2)
        both = ops.sum(weight * truth * probabilities, axis=axes)
        either = ops.sum(weight * (truth + probabilities), axis=axes)
        dice = (2 * both + 1) / (either + 1)
        scored = dice[1:] if classes == 2 else dice
        return entropy + dice_weight * (1 - ops.mean(scored))

    return loss
