"""Edges of a B-scan that a boundary line snaps to: minimal paths between two clicks.

In the manner of live wire (Mortensen & Barrett 1995) and of the graph search for retinal layers
(Chiu et al. 2010, Opt. Express 18(18): 19413). The constants are those that came closest to the
experts of Tian et al. 2015, over stretches of 30 to 160 columns. ``benchmarks/snapping.py``
compares with a second expert, and with straight lines, which do as well between near clicks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from skimage.graph import MCP

from napari_retina_seg.core.surfaces import Heights

_SIGMA = (1.0, 3.0)  # px down and along the columns, against speckle
_HOLD = 3  # px that a click may miss the edge by
_BESIDE = 5  # columns beside a click that tell how strong the edge is
_STRONG = 5.0  # how much a full edge attracts
_BAND = 12  # px above and below the straight way that are searched, and …
_WIDER = 0.25  # … more for each column of the stretch
_STEEP = 2  # px that a line may rise or fall from column to column
_EVEN = 2.0  # columns over which the path is evened: so rough are lines that experts draw
_AGREE = 0.6  # share of the columns that must agree which side of a line is brighter


def vertical_gradient(image: npt.NDArray[Any]) -> Heights:
    """Return how much brighter an image becomes across each height.

    Parameters
    ----------
    image : array
        ``(rows, columns)`` grey values.

    Returns
    -------
    array
        ``(rows + 1, columns)`` float32: at the index ``h`` row ``h`` less row ``h - 1``, of the
        smoothed image; 0 at the image's edges.
    """
    smooth = gaussian_filter(np.asarray(image, np.float32), _SIGMA, mode="nearest")
    gradient: Heights = np.diff(smooth, axis=0, prepend=smooth[:1], append=smooth[-1:])
    return gradient


def polarity(gradient: Heights, row: npt.NDArray[Any]) -> int:
    """Tell from a line as it lies which of its sides is the brighter one.

    Parameters
    ----------
    gradient : array
        From `vertical_gradient`.
    row : array
        ``(columns,)`` heights in px; NaN where there is no line.

    Returns
    -------
    int
        1 if it is brighter below, -1 if it is brighter above, 0 if the columns don't agree.
    """
    columns = np.flatnonzero(~np.isnan(row))
    heights = np.clip(np.rint(row[columns]), 0, len(gradient) - 1).astype(np.intp)
    share = (gradient[heights, columns] > 0).mean() if columns.size else 0.5
    return int(share > _AGREE) - int(share < 1 - _AGREE)


def snap(
    gradient: Heights, start: tuple[float, float], end: tuple[float, float], sign: int
) -> Heights:
    """Find the edge between two clicks: one height for each column, by minimal path.

    Parameters
    ----------
    gradient : array
        From `vertical_gradient`.
    start, end : tuple of float
        Column and height of the clicks in px, in either order; each may miss the edge by 3 px.
    sign : int
        From `polarity`; 0 takes edges of either kind.

    Returns
    -------
    array
        ``(columns,)`` float32 heights, between pixels; NaN beside the stretch.
    """
    result = np.full(gradient.shape[1], np.nan, np.float32)
    (left, first), (right, last) = sorted((start, end))
    columns = np.arange(max(round(left), 0), min(round(right), gradient.shape[1] - 1) + 1)
    if columns.size < 2:
        result[columns] = last
        return result
    chord = np.interp(columns, (left, right), (first, last))
    margin = _BAND + _WIDER * columns.size
    top = int(np.clip(chord.min() - margin, 0, len(gradient) - 1))
    bottom = int(np.clip(chord.max() + margin, top + 1, len(gradient)))
    band = gradient[top:bottom, columns]
    strength = np.maximum(band * sign, 0) if sign else np.abs(band)
    way = _cheapest(strength, chord - top)
    line = top + way + _between_pixels(strength, way)
    result[columns] = gaussian_filter1d(line, _EVEN, mode="nearest")
    return result


def _cheapest(strength: Heights, chord: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Walk from the first column to the last, a step at a time, where the edge is strong.

    An edge stronger than that under the clicks attracts no more than it: else the path would
    leave a faint boundary for the next strong one.
    """
    length = len(chord)
    starts, ends = _around(chord[0], len(strength)), _around(chord[-1], len(strength))
    full = _full(strength[starts, :_BESIDE]) + _full(strength[ends, -_BESIDE:])
    cost = np.exp(-_STRONG * np.minimum(strength / max(full / 2, 1e-6), 1))
    away = np.abs(np.arange(len(strength))[:, np.newaxis] - chord)
    steep = max(_STEEP, int(np.abs(np.diff(chord)).max()) + 2)
    # Steps to the next column only: the path has one height for each.
    search = MCP(cost + away / length, offsets=[(step, 1) for step in range(-steep, steep + 1)])
    total, _ = search.find_costs([(row, 0) for row in starts])
    best = ends[total[ends, -1].argmin()]
    return np.array(search.traceback((best, length - 1)), np.intp)[:, 0]


def _around(height: float, rows: int) -> npt.NDArray[np.intp]:
    middle = np.clip(round(height), 0, rows - 1)
    return np.arange(max(middle - _HOLD, 0), min(middle + _HOLD, rows - 1) + 1)


def _full(strength: Heights) -> float:
    return float(strength.mean(axis=1).max())


def _between_pixels(strength: Heights, way: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
    """Return how far beside each height the edge is strongest, by a parabola through three."""
    column, last = np.arange(len(way)), len(strength) - 1
    above = strength[np.maximum(way - 1, 0), column]
    below = strength[np.minimum(way + 1, last), column]
    bend = above + below - 2 * strength[way, column]
    peak = (bend < 0) & (way > 0) & (way < last)
    offset = np.where(peak, (above - below) / np.where(peak, 2 * bend, 1), 0)
    return np.clip(offset, -0.5, 0.5)
