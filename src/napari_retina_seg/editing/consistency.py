"""Keep boundary lines and the mask drawn between them consistent.

Heights are as in `surfaces`: float32 rows of shape ``(boundaries, columns)``, ordered down each
column. A column that is NaN has no layers; neither line nor mask is there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.surfaces import Heights, from_labels, to_labels


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
    """Update lines to match a mask, keeping their sub-pixel heights where they agree.

    Only the columns and lines that a stroke touched move: columns whose mask the lines redraw
    exactly keep their heights, which lie between pixels; in the others, lines above and below the
    rows that differ stay, and those amid them go where they draw most pixels right. Where layers
    are out of order or have gaps, as above a stray stroke, lines can't say what the mask shows.

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
    wrong = _find_wrong(result, labels)
    both = labels[:, wrong].any(axis=0) & draw(result[:, wrong], len(labels)).any(axis=0)
    unknown = wrong[~both]
    result[:, unknown] = from_labels(labels[:, unknown], len(heights))
    wrong = wrong[_find_wrong(result[:, wrong], labels[:, wrong])]
    if wrong.size:
        result[:, wrong] = _follow(result[:, wrong], labels[:, wrong])
    return result


def _find_wrong(heights: Heights, labels: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Return the columns in which lines and mask differ."""
    return np.flatnonzero((draw(heights, len(labels)) != labels).any(axis=0))


def _follow(heights: Heights, labels: npt.NDArray[Any]) -> Heights:
    """Update lines only in the columns where they differ from a mask."""
    rows = len(labels)
    before = np.rint(np.clip(heights, 0, rows)).astype(np.intp)
    differs = draw(heights, rows) != labels
    first, last = differs.argmax(axis=0), rows - differs[::-1].argmax(axis=0)
    free = (first <= before) & (before <= last)
    after = _best_edges(labels, before, np.where(free, first, before), np.where(free, last, before))
    stays = after == before
    # A line that moved is at a whole pixel now; those that stay lie between, perhaps beyond it.
    above = np.maximum.accumulate(np.where(stays, heights, -np.inf), axis=0)
    below = np.minimum.accumulate(np.where(stays, heights, np.inf)[::-1], axis=0)[::-1]
    return np.clip(np.where(stays, heights, after), above, below).astype(np.float32)


def _best_edges(
    labels: npt.NDArray[Any],
    before: npt.NDArray[np.intp],
    least: npt.NDArray[np.intp],
    most: npt.NDArray[np.intp],
) -> npt.NDArray[np.intp]:
    """Return the ordered integer heights within bounds that reproduce most pixels of each column.

    The number of these pixels is a sum with one term for each boundary, so that a running maximum
    finds the best, as in `surfaces.decode`. Of equally good heights the nearest to those before
    are taken.
    """
    top, bottom = int(least.min()), int(most.max())
    seen, edges = labels[top:bottom], np.arange(top, bottom + 1)[:, np.newaxis]
    count, never = len(before), np.iinfo(np.int64).min // 2
    pixel = count * len(edges)  # counts for more than all distances together
    ways = np.empty((count, len(edges), labels.shape[1]), np.int64)
    for line in range(count):
        # Each row above a boundary is right if it is of the class there, and not of that below.
        right = (seen == line).astype(np.int64) - (seen == (line + 1) % count)
        ways[line] = pixel * np.pad(np.cumsum(right, axis=0), ((1, 0), (0, 0)))
        ways[line] -= np.abs(edges - before[line])
        if line:
            ways[line] += np.maximum.accumulate(ways[line - 1], axis=0)
        ways[line][(edges < least[line]) | (edges > most[line])] = never
    best, limit = np.empty_like(before), np.full(labels.shape[1], bottom)
    for line in reversed(range(count)):
        limit = best[line] = top + np.where(edges <= limit, ways[line], never).argmax(axis=0)
    return best
