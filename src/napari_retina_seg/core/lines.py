"""Boundary lines that a person moves, and the mask that is drawn between them.

Heights are as in `surfaces`: float32 rows of shape ``(boundaries, columns)``, ordered down each
column. A column that is NaN has no layers; neither line nor mask is there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.core.surfaces import Heights, from_labels, to_labels


def draw(heights: Heights, rows: int) -> npt.NDArray[np.uint8]:
    """Draw the mask between ordered boundaries, nothing where there are none.

    Parameters
    ----------
    heights : array
        ``(boundaries, columns)`` in px; NaN where a column has no layers.
    rows : int
        Rows of the mask.

    Returns
    -------
    array
        ``(rows, columns)`` uint8; layer ``k`` lies between boundaries ``k`` and ``k + 1``.
    """
    seen = np.flatnonzero(~np.isnan(heights).any(axis=0))
    labels = np.zeros((rows, heights.shape[1]), np.uint8)
    if not seen.size:
        return labels
    inside = np.clip(heights[:, seen], 0, rows)
    # Only the rows of the retina are drawn; from an even one halves are rounded as from 0.
    top, bottom = int(inside.min()) // 2 * 2, int(np.ceil(inside.max()))
    drawn = to_labels(inside - np.float32(top), bottom - top)
    if seen.size == heights.shape[1]:
        labels[top:bottom] = drawn
    else:
        labels[top:bottom, seen] = drawn
    return labels


def reconcile(heights: Heights, labels: npt.NDArray[Any]) -> Heights:
    """Make lines say what a mask shows, keeping what they know better than pixels do.

    Columns whose mask the lines redraw exactly keep their heights, which lie between pixels; the
    others are read anew from the mask, unless that would draw it worse: where layers are out of
    order or have gaps, as above a stray stroke, lines can't say what the mask shows.

    Parameters
    ----------
    heights : array
        ``(…, boundaries, columns)`` in px: the last known lines, perhaps older than the mask. All
        NaN if none are known.
    labels : array
        ``(…, rows, columns)`` class values; the leading axes are those of the heights.

    Returns
    -------
    array
        float32 of the heights' shape.
    """
    if heights.ndim > 2:
        planes = [reconcile(*plane) for plane in zip(heights, labels, strict=True)]
        return np.stack(planes) if planes else heights.astype(np.float32)
    result = heights.astype(np.float32)
    wrong = _wrong(result, labels)
    differs = np.flatnonzero(wrong)
    if differs.size:
        read = from_labels(labels[:, differs], len(heights))
        better = _wrong(read, labels[:, differs]) < wrong[differs]
        result[:, differs[better]] = read[:, better]
    return result


def _wrong(heights: Heights, labels: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Count the pixels of each column that lines draw otherwise than a mask shows."""
    return np.asarray((draw(heights, len(labels)) != labels).sum(axis=0))
