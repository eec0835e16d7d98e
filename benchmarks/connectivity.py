"""How well a mask keeps vessels together, beside how many of its pixels are right."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from skimage.morphology import skeletonize

Mask = npt.NDArray[Any]

_AROUND = np.ones((3, 3), np.uint8)


def cl_dice(truth: Mask, drawn: Mask) -> float:
    """Return the centre-line Dice of two masks (Shit et al. 2021, eq. 3), 0 … 1.

    The harmonic mean of the share of the drawn centre lines within the truth, and of the true ones
    within what is drawn.
    """
    true_line, drawn_line = skeletonize(truth), skeletonize(drawn)
    precision = (drawn_line & truth).sum() / max(drawn_line.sum(), 1)
    recall = (true_line & drawn).sum() / max(true_line.sum(), 1)
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def gaps(truth: Mask, drawn: Mask) -> int:
    """Count the places where a vessel is interrupted.

    That is a run of a true centre line outside of the mask, with the mask on both its ends; what
    is missing at the end of a vessel interrupts nothing.
    """
    line = skeletonize(truth)
    missing, covered = (line & ~drawn).astype(np.uint8), (line & drawn).astype(np.uint8)
    count, runs = cv2.connectedComponents(missing, connectivity=8)
    interrupted = 0
    boxes = cv2.connectedComponentsWithStats(missing, connectivity=8)[2]
    for run in range(1, count):
        left, top, width, height = boxes[run, :4]
        part = slice(max(0, top - 2), top + height + 2), slice(max(0, left - 2), left + width + 2)
        around = cv2.dilate((runs[part] == run).astype(np.uint8), _AROUND) & covered[part]
        interrupted += cv2.connectedComponents(around, connectivity=8)[0] - 1 >= 2
    return interrupted
