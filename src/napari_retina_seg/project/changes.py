"""Differences between two versions of a mask, class by class."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_retina_seg.metrics.segmentation import confusion, scores
from napari_retina_seg.project.values import Change

Labels = npt.NDArray[np.uint8]


def find_change(before: Labels, after: Labels, classes: int, against: int) -> Change:
    """Compare two masks of an image, class by class.

    Parameters
    ----------
    before, after : array
        Class values, ``(rows, columns)`` or ``(slices, rows, columns)``.
    classes : int
        Number of classes.
    against : int
        Number of the version with the mask `before`.

    Returns
    -------
    Change
        Pixels and columns that changed, and Dice.
    """
    counts = confusion(before, after, classes)
    both = np.diagonal(counts)
    pixels = counts.sum(axis=0) + counts.sum(axis=1) - 2 * both
    dice = scores(counts).dice
    return Change(
        against=against,
        pixels=tuple(int(number) for number in pixels),
        columns=_columns(before, after, classes),
        dice=tuple(None if np.isnan(value) else float(value) for value in dice),
    )


def _columns(before: Labels, after: Labels, classes: int) -> tuple[int, ...]:
    changed = (before != after).any(axis=-2)  # (columns,) or (slices, columns)
    # Most columns are unchanged by most corrections: only the others are compared by class.
    old = np.moveaxis(before, -2, 0)[:, changed]
    new = np.moveaxis(after, -2, 0)[:, changed]
    return tuple(
        int(((old == value) != (new == value)).any(axis=0).sum()) for value in range(classes)
    )
