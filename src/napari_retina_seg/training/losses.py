"""Losses on ``(batch, rows, columns, 2)`` targets: class or share, and the weight of the pixel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_retina_seg.models.recipe import Loss

_TINY = 1e-6  # from 0 and 1, nearer to which focal loss is as good as constant
# Below it a logarithm is cut, and there is no slope: a network that is sure of the wrong class
# must still learn, so that it is as small as float32 allows.
_LEAST = 1e-30
_SMOOTH = 1.0  # px; centre lines that neither mask has then agree


def make_loss(loss: Loss, classes: int) -> Callable[[Any, Any], Any]:
    """Return the weighted sum of a recipe's terms.

    Parameters
    ----------
    loss : Loss
        The terms and their weights.
    classes : int
        2 for one sigmoid output, else that many softmax outputs.

    Returns
    -------
    callable
        ``loss(target, probabilities)``: target ``(batch, rows, columns, 2)``, probabilities
        ``(batch, rows, columns, outputs)``; a scalar.
    """
    from keras import ops

    share = loss.focal_share
    focal_weight = loss.focal * (1 if share is None else share)
    dice_weight = loss.dice * (1 if share is None else 1 - share)

    def total(target: Any, probabilities: Any) -> Any:
        weight = target[..., 1:]
        truth = target[..., :1]
        if classes == 2:
            truth = ops.concatenate([1 - truth, truth], axis=-1)
            probabilities = ops.concatenate([1 - probabilities, probabilities], axis=-1)
        else:
            truth = ops.one_hot(ops.cast(truth[..., 0], "int32"), classes)
        value = 0.0
        if loss.cross_entropy:
            value += loss.cross_entropy * cross_entropy(truth, probabilities, weight)
        if focal_weight:
            value += focal_weight * focal(
                truth, probabilities, weight, loss.focal_alpha, loss.focal_gamma
            )
        if dice_weight:
            dice = soft_dice(truth, probabilities, weight, loss.dice_smoothing)
            value += dice_weight * (1 - dice)
        if loss.cl_dice:
            value += loss.cl_dice * (1 - soft_cl_dice(truth, probabilities, weight))
        return value

    return total


def cross_entropy(truth: Any, probabilities: Any, weight: Any) -> Any:
    """Mean cross-entropy of the weighted pixels.

    Parameters
    ----------
    truth, probabilities : tensor
        ``(batch, rows, columns, classes)``, each summing to 1 over the classes.
    weight : tensor
        ``(batch, rows, columns, 1)``.

    Returns
    -------
    tensor
        A scalar, in nats per pixel.
    """
    from keras import ops

    log = ops.log(ops.clip(probabilities, _LEAST, 1))
    return -ops.sum(weight * truth * log) / ops.maximum(ops.sum(weight), 1)


def focal(truth: Any, probabilities: Any, weight: Any, alpha: float, gamma: float) -> Any:
    """Mean focal loss of the weighted pixels, Lin et al. 2017, eq. 5.

    Parameters
    ----------
    truth, probabilities, weight : tensor
        As of `cross_entropy`.
    alpha : float
        Weight of all classes but background, which has ``1 - alpha``.
    gamma : float
        Exponent of ``1 - p``; 0 leaves a balanced cross-entropy.

    Returns
    -------
    tensor
        A scalar.
    """
    from keras import ops

    certain = ops.clip(probabilities, _TINY, 1 - _TINY)
    balance = [1 - alpha, *[alpha] * (truth.shape[-1] - 1)]
    terms = truth * ops.convert_to_tensor(balance, truth.dtype) * ops.log(certain)
    hard = (1 - certain) ** gamma
    return -ops.sum(weight * hard * terms) / ops.maximum(ops.sum(weight), 1)


def soft_dice(truth: Any, probabilities: Any, weight: Any, smoothing: float) -> Any:
    """Mean Dice of the classes over the batch; of two classes that of the second.

    Milletari et al. 2016, without squares.

    Parameters
    ----------
    truth, probabilities, weight : tensor
        As of `cross_entropy`.
    smoothing : float
        Added to numerator and denominator, px.

    Returns
    -------
    tensor
        A scalar.
    """
    from keras import ops

    axes = (0, 1, 2)
    both = ops.sum(weight * truth * probabilities, axis=axes)
    either = ops.sum(weight * (truth + probabilities), axis=axes)
    dice = (2 * both + smoothing) / (either + smoothing)
    return ops.mean(dice[1:] if truth.shape[-1] == 2 else dice)


def soft_cl_dice(truth: Any, probabilities: Any, weight: Any, steps: int = 8) -> Any:
    """Centre-line Dice of all classes but background, which penalises disconnected structures.

    Shit et al. 2021, algorithm 1 and 2: the share of the predicted centre line that lies within
    the truth, and of the true one within the prediction, as their harmonic mean.

    Parameters
    ----------
    truth, probabilities, weight : tensor
        As of `cross_entropy`.
    steps : int
        Erosions, the half width in px of the widest structure.

    Returns
    -------
    tensor
        A scalar.
    """
    from keras import ops

    truth, probabilities = weight * truth[..., 1:], weight * probabilities[..., 1:]
    predicted_line = soft_skeleton(probabilities, steps)
    true_line = soft_skeleton(truth, steps)
    precision = (ops.sum(predicted_line * truth) + _SMOOTH) / (ops.sum(predicted_line) + _SMOOTH)
    recall = (ops.sum(true_line * probabilities) + _SMOOTH) / (ops.sum(true_line) + _SMOOTH)
    return 2 * precision * recall / (precision + recall)


def soft_skeleton(x: Any, steps: int) -> Any:
    """Return the centre lines of ``(batch, rows, columns, channels)``, Shit et al. 2021, alg. 1."""
    from keras import ops

    def erode(x: Any) -> Any:
        down = -ops.max_pool(-x, (3, 1), 1, "same")
        along = -ops.max_pool(-x, (1, 3), 1, "same")
        return ops.minimum(down, along)

    def beyond_opening(x: Any) -> Any:
        return ops.relu(x - ops.max_pool(erode(x), 3, 1, "same"))

    line = beyond_opening(x)
    for _ in range(steps):
        x = erode(x)
        rest = beyond_opening(x)
        line = line + ops.relu(rest - line * rest)
    return line
