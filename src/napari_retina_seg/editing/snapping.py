"""Edges of a B-scan that a boundary line snaps to: minimal paths between two clicks.

The way is that of live wire (Mortensen & Barrett 1995, SIGGRAPH: 191), which also learns from
where it was clicked what the edge looks like, and of the graph search for retinal layers (Chiu et
al. 2010, Opt. Express 18(18): 19413). It is sought beside the straight line between the clicks,
which holds it where there is no edge. The constants are those that came closest to the experts of
Tian et al. 2015 on their training scans; ``benchmarks/snapping.py`` compares with straight lines
and with a second expert.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import gaussian_filter, gaussian_filter1d, map_coordinates

from napari_retina_seg.imaging.surfaces import Heights

_SIGMA = (1.0, 3.0)  # px down and along the columns, against speckle
_FINE = 2  # heights that are tried in each pixel
_BAND = 12  # px above and below the straight line that are searched, and …
_WIDER = 0.25  # … more for each column of the stretch
_HOLD = 3  # px that a click may miss the edge by
_BESIDE = 5  # columns beside a click that show what the edge looks like …
_AROUND = 8  # … from so many px above it to so many below
_ALIKE = 1.5  # what looking alike counts for, where the strength of the edge counts for 1
_CHANCE = 0.3  # correlation that speckle may well show
_RISE = 1.5  # what each px costs by which the path rises or falls beside the straight line
_AWAY = 20.0  # what it costs to be as far beside the straight line as the stretch is long
_STEEP = 2  # px that the path may rise or fall from column to column
_EVEN = 2.0  # columns over which the path is evened: so rough are lines that experts draw

# Nerve fibres, plexiform layers, ellipsoid zone and pigment epithelium are bright in OCT; vitreous,
# ganglion cells, nuclear layers and outer segments are dark (Staurenghi et al. 2014, Ophthalmology
# 121(8): 1572). Choroid and sclera are either.
_BRIGHTER_BELOW = {
    "ILM": 1,
    "RNFL-GCL": -1,
    "IPL-INL": -1,
    "INL-OPL": 1,
    "OPL-ONL": -1,
    "ONL-EZ": 1,
    "EZ-OS": -1,
    "EZ-RPE": 1,
    "RPE-BM": -1,
}


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


def polarity(boundary: str) -> int:
    """Return which side of a boundary is brighter, by anatomy.

    Parameters
    ----------
    boundary : str
        Name of a surface of `types.labels`.

    Returns
    -------
    int
        1 if it is brighter below, -1 if it is brighter above, 0 if that is not known.
    """
    return _BRIGHTER_BELOW.get(boundary, 0)


def snap(
    gradient: Heights, start: tuple[float, float], end: tuple[float, float], sign: int
) -> Heights:
    """Find the edge between two clicks: one height for each column, by minimal path.

    The path has the least sum, over its ``n`` columns, of ::

        20 (d / n)² + 1.5 |Δd| - min(s / f, 1) - 1.5 max((c - 0.3) / 0.7, 0)

    where ``d`` is how far it lies beside the straight line between the clicks, in px, and ``Δd`` by
    how much that changes from the column before; ``s`` is the strength of the edge and ``f`` that
    under the clicks; ``c`` is the correlation of the gradient around the path with that around the
    clicks. A stronger edge than that under the clicks attracts no more than it: else the path would
    leave a faint boundary for the next strong one.

    Parameters
    ----------
    gradient : array
        From `vertical_gradient`.
    start, end : tuple of float
        Column and height of the clicks in px, in either order; the line passes through both.
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
    reach = _FINE * (_BAND + round(_WIDER * columns.size))
    away = np.arange(-reach, reach + 1)[:, np.newaxis] / _FINE
    beyond = reach + _FINE * _AROUND
    heights = chord + np.arange(-beyond, beyond + 1)[:, np.newaxis] / _FINE
    flat = map_coordinates(
        gradient, [heights, np.broadcast_to(columns, heights.shape)], order=1, mode="nearest"
    )
    edge = _strength(flat[beyond - reach : beyond + reach + 1], sign)
    cost = _AWAY * (away / columns.size) ** 2 - edge - _ALIKE * _likeness(flat)
    line = chord + _even(away[_cheapest(cost), 0])
    result[columns] = np.clip(line, 0, len(gradient) - 1)
    return result


def _strength(flat: Heights, sign: int) -> npt.NDArray[Any]:
    """Return the edge strength relative to that at the clicks, 1 at most."""
    strength = np.maximum(flat * sign, 0) if sign else np.abs(flat)
    middle, hold = len(flat) // 2, _FINE * _HOLD
    near = strength[middle - hold : middle + hold + 1]
    full = near[:, :_BESIDE].mean(axis=1).max() + near[:, -_BESIDE:].mean(axis=1).max()
    attracts: npt.NDArray[Any] = np.minimum(strength / max(full / 2, 1e-6), 1)
    return attracts


def _likeness(flat: Heights) -> npt.NDArray[Any]:
    """Return the similarity of the gradient around each place to that around the clicks, 0 to 1."""
    middle, reach = len(flat) // 2, _FINE * _AROUND
    seen = flat[middle - reach : middle + reach + 1]
    share = np.linspace(0, 1, flat.shape[1])
    first, last = seen[:, :_BESIDE].mean(axis=1), seen[:, -_BESIDE:].mean(axis=1)
    sought = np.outer(1 - share, first) + np.outer(share, last)  # from the one to the other
    around = sliding_window_view(flat, len(seen), axis=0)
    product = np.einsum("hcw,cw->hc", around, sought)
    energy = np.einsum("hcw,hcw->hc", around, around) * (sought**2).sum(axis=1)
    correlation = product / np.maximum(np.sqrt(energy), 1e-6)
    alike: npt.NDArray[Any] = np.maximum((correlation - _CHANCE) / (1 - _CHANCE), 0)
    return alike


def _cheapest(cost: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Find the minimal path from the middle of the first column to that of the last."""
    rows, length = cost.shape
    steep = _FINE * _STEEP
    steps = np.arange(-steep, steep + 1)
    total = np.full(rows, np.inf)
    total[rows // 2] = 0
    came = np.empty((length, rows), np.intp)
    for column in range(1, length):
        before = sliding_window_view(np.pad(total, steep, constant_values=np.inf), steps.size)
        ways = before + _RISE * np.abs(steps) / _FINE
        came[column] = ways.argmin(axis=1)
        total = ways.min(axis=1) + cost[:, column]
    path = np.full(length, rows // 2)
    for column in range(length - 1, 0, -1):
        path[column - 1] = path[column] + steps[came[column, path[column]]]
    return path


def _even(away: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Smooth the path; odd reflection at the ends keeps its endpoints."""
    width = min(int(4 * _EVEN), len(away) - 1)
    padded = np.pad(away, width, mode="reflect", reflect_type="odd")
    even: npt.NDArray[Any] = gaussian_filter1d(padded, _EVEN, radius=width)[width:-width]
    return even
