"""Whether vessels hang together as they should: clDice, and interrupted segments.

F1 counts pixels, most of which belong to a few wide vessels. A gap of three pixels in a thin one
costs nothing there, and cuts a vessel in two for whoever measures lengths or follows branches.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.morphology import skeletonize

Mask = npt.NDArray[np.bool_]

_EIGHT = np.ones((3, 3), np.uint8)
_SHORTEST = 3  # px: shorter gaps are an edge's roughness


def centreline_dice(reference: Mask, drawn: Mask, inside: Mask) -> float:
    """Score how much of each mask's centre lines lies in the other mask (clDice).

    The harmonic mean of two shares: of the drawn centre lines in the reference, and of the
    reference's centre lines in the drawn mask. Shit et al. 2021, CVPR: 16560.

    Parameters
    ----------
    reference, drawn : array
        ``(rows, columns)`` bool.
    inside : array
        ``(rows, columns)`` bool, what is scored.

    Returns
    -------
    float
        0 … 1; NaN if neither mask has a centre line inside.
    """
    true_lines, drawn_lines = (skeletonize(mask & inside) for mask in (reference, drawn))
    total = int(true_lines.sum()) + int(drawn_lines.sum())
    if not total:
        return float("nan")
    found, right = int((true_lines & drawn).sum()), int((drawn_lines & reference).sum())
    if not found or not right:
        return 0.0
    recall, precision = found / true_lines.sum(), right / drawn_lines.sum()
    return float(2 * precision * recall / (precision + recall))


def interruptions(reference: Mask, drawn: Mask, inside: Mask) -> int:
    """Count the gaps that a drawn mask has in vessels of the reference.

    A gap is a stretch of a reference's centre line of at least 3 px that is not drawn and has
    drawn stretches at two of its ends or more: what is missed to the end of a vessel is none. A
    centre line counts as drawn within a pixel of the mask.

    Parameters
    ----------
    reference, drawn, inside : array
        As in `centreline_dice`.
    """
    lines = skeletonize(reference & inside)
    near = cv2.dilate(drawn.astype(np.uint8), _EIGHT) > 0
    missed, count = ndimage.label(lines & ~near, _EIGHT)
    sizes = np.bincount(missed.ravel(), minlength=count + 1)
    covered, _ = ndimage.label(lines & near, _EIGHT)
    gaps = 0
    for number, part in enumerate(ndimage.find_objects(missed), start=1):
        if sizes[number] < _SHORTEST:
            continue
        window = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in part)
        gap = cv2.dilate((missed[window] == number).astype(np.uint8), _EIGHT) > 0
        _, ends = ndimage.label(gap & (covered[window] > 0), _EIGHT)
        gaps += ends >= 2
    return gaps
