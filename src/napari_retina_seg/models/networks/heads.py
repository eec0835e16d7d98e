"""Give a network what a trained one has learnt, though it draws other classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_HEAD = "head"


def copy_with_other_head(trained: Any, network: Any, matches: Mapping[int, int]) -> None:
    """Copy all weights but the head's, and of the head those of the classes that both draw.

    The scores of the trained network's classes are copied less their mean, which leaves its
    probabilities as they are: a class without a counterpart then begins at the mean of the others.
    A sigmoid is a softmax of two classes, so that one kind of head can follow the other.

    Parameters
    ----------
    trained, network : keras.Model
        Of one architecture, but for the number of classes.
    matches : mapping
        Values of classes of the new network, and of those that are the same in the trained one.

    Raises
    ------
    ValueError
        If they are of different architectures.
    """
    if [layer.name for layer in trained.layers] != [layer.name for layer in network.layers]:
        raise ValueError("the networks have different layers")
    for source, target in zip(trained.layers, network.layers, strict=True):
        if source.name == _HEAD:
            _copy_head(source, target, matches)
        else:
            target.set_weights(source.get_weights())


def _copy_head(source: Any, target: Any, matches: Mapping[int, int]) -> None:
    pairs = zip(_by_class(source), _by_class(target), strict=True)
    kernel, bias = (_chosen(old, new, matches) for old, new in pairs)
    if len(target.get_weights()[1]) == 1:
        kernel, bias = kernel[1:] - kernel[:1], bias[1:] - bias[:1]
    target.set_weights([np.moveaxis(kernel, 0, _axis(target)), bias])


def _by_class(head: Any) -> tuple[Array, Array]:
    """Return kernel and bias with the classes in front; a sigmoid's as those of two classes."""
    kernel, bias = head.get_weights()
    kernel = np.moveaxis(kernel, _axis(head), 0)
    if len(bias) > 1:
        return kernel, bias
    return np.concatenate([-kernel, kernel]) / 2, np.concatenate([-bias, bias]) / 2


def _axis(head: Any) -> int:
    """Return the axis of the kernel that holds the classes."""
    from keras import layers

    return -2 if isinstance(head, layers.Conv2DTranspose) else -1


def _chosen(old: Array, new: Array, matches: Mapping[int, int]) -> Array:
    """Return the rows of the classes: the trained ones, or else the new network's own."""
    centred = old - old.mean(axis=0)
    return np.stack(
        [centred[matches[value]] if value in matches else row for value, row in enumerate(new)]
    )
