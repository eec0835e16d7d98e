"""Edits of boundary lines: pull, redraw and smooth, always in anatomical order.

Every gesture says where it wants the line, as one row of heights that is NaN where the line is to
stay; `move` puts it there and pushes the neighbours.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from napari_retina_seg.imaging.surfaces import Heights


def move(heights: Heights, line: int, wanted: npt.NDArray[Any], rows: int) -> Heights:
    """Move a line; lines in its way are pushed along, never crossed.

    Parameters
    ----------
    heights : array
        ``(boundaries, columns)`` in px, ordered down each column; NaN where there are no layers.
    line : int
        Which boundary, 0 for the uppermost.
    wanted : array
        ``(columns,)`` heights in px; NaN where nothing is to change.
    rows : int
        Rows of the image; no line leaves it.

    Returns
    -------
    array
        Same shape, ordered; columns that nothing was wanted of are the same to the bit. In a
        column that had no layers all lines begin at the height wanted, so that the next can be
        drawn from there.
    """
    target = np.clip(wanted, 0, rows).astype(np.float32)
    touched = ~np.isnan(target) & (target != heights[line])
    result = heights.copy()
    target, columns = target[touched], heights[:, touched]
    columns = np.where(np.isnan(columns).any(axis=0), target, columns)
    columns[:line] = np.minimum(columns[:line], target)
    columns[line:] = np.maximum(columns[line:], target)
    columns[line] = target
    result[:, touched] = columns
    return result


def pull(row: npt.NDArray[Any], column: int, offset: float, reach: int) -> Heights:
    """Pull a line at a column; the effect falls off to zero at `reach`.

    Parameters
    ----------
    row : array
        ``(columns,)`` heights in px of the line; NaN where there is none.
    column : int
        Where it is held.
    offset : float
        How far, in px; positive is down.
    reach : int
        Columns to either side that follow, on a cosine's slope.

    Returns
    -------
    array
        ``(columns,)`` float32 heights; NaN beyond the reach.
    """
    distance = np.abs(np.arange(len(row)) - column)
    share = (1 + np.cos(np.pi * distance / (reach + 1))) / 2
    return np.where(distance <= reach, row + offset * share, np.nan).astype(np.float32)


def trace_stroke(points: npt.NDArray[Any], columns: int) -> Heights:
    """Return a freehand line as one height per column.

    Parameters
    ----------
    points : array
        ``(points, 2)`` places in px: column (0 is the middle of the first) and height. Where the
        hand passes a column twice, the last time counts.
    columns : int
        Of the image; what lies beside it is left out.

    Returns
    -------
    array
        ``(columns,)`` float32 heights; NaN where the hand did not pass.
    """
    result = np.full(columns, np.nan, np.float32)
    for start, end in pairwise([points[0], *points]):
        (left, first), (right, last) = sorted((tuple(start), tuple(end)))
        passed = np.arange(max(round(left), 0), min(round(right), columns - 1) + 1)
        result[passed] = end[1]
        if left < right:
            result[passed] = np.interp(passed, [left, right], [first, last])
    return result


def smooth(row: npt.NDArray[Any], first: int, last: int, sigma: float) -> Heights:
    """Smooth a section of a line, tapered towards its ends to avoid steps.

    Parameters
    ----------
    row : array
        ``(columns,)`` heights in px; NaN where there is no line, which counts for nothing.
    first, last : int
        The stretch, in either order, both ends included.
    sigma : float
        Standard deviation of the Gaussian, in columns.

    Returns
    -------
    array
        ``(columns,)`` float32 heights; NaN outside the stretch and where there is no line.
    """
    seen = ~np.isnan(row)
    weight = gaussian_filter1d(seen.astype(float), sigma, mode="nearest")
    total = gaussian_filter1d(np.where(seen, row, 0).astype(float), sigma, mode="nearest")
    mean = np.divide(total, weight, out=np.zeros_like(total), where=seen)
    place = np.arange(len(row))
    first, last = sorted((first, last))
    inside = np.minimum(place - first, last - place) + 1
    share = np.clip(inside / min(sigma, (last - first) / 2 + 1), 0, 1)
    return np.where(share > 0, row + share * (mean - row), np.nan).astype(np.float32)
