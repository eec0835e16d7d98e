"""Masks to boundary heights and back, always in anatomical order.

A boundary height is a float row: 0 is the upper edge of the image, heights grow with depth. The
layer ``k`` covers the rows ``round(upper) <= row < round(lower)``.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_retina_seg.types.errors import ImageError

Heights = npt.NDArray[np.float32]

_SHARPEST = -9.0  # log-probability below which more certainty says nothing more
_NARROW = 15  # columns
_THIN = 0.3  # of the thickness in other columns; healthy maculas have over 0.5, the pit included
_NOTHING = 1e-3  # probability of a layer that is none


def decode(probabilities: npt.NDArray[Any]) -> Heights:
    """Find the ordered boundaries that the class probabilities support best.

    For every column the boundaries ``b_1 <= … <= b_k`` are those that maximise the summed log
    probability of the labelling background, layer 1 … layer k-1, background. With ``L_c`` the
    running sum of class ``c``'s log-probability down the column the score is a sum of one term
    per boundary, so a running maximum solves it exactly, boundary by boundary. Each is then
    placed between rows where the two classes it divides are equally likely.

    Parameters
    ----------
    probabilities : array
        ``(classes, rows, columns)``; class 0 lies above the first and below the last boundary.

    Returns
    -------
    array
        ``(classes, columns)`` float32 heights in px, none above the one before it.
    """
    if probabilities.ndim != 3 or len(probabilities) < 2:
        raise ImageError(
            "Boundaries need probabilities of shape (classes, rows, columns):"
            f" received {probabilities.shape}."
        )
    ratio, first = log_ratios(probabilities)
    classes, rows, columns = ratio.shape
    # change[k, r]: gain of ending class k-1 and beginning class k at row r
    change = np.empty((classes, rows + 1, columns), np.float32)
    change[:, 0] = 0
    # Row by row: NumPy's own accumulation down the rows takes five times as long.
    for row in range(rows):
        np.add(change[:, row], ratio[:, row], out=change[:, row + 1])
    best = np.empty_like(change)
    best[0] = change[0]
    for k in range(1, classes):
        best[k, 0] = best[k - 1, 0]
        for row in range(rows):
            np.maximum(best[k, row], best[k - 1, row + 1], out=best[k, row + 1])
        best[k] += change[k]
    heights = _between_rows(_trace_back(best), ratio)
    return np.maximum.accumulate(heights, axis=0) + np.float32(first)


def log_ratios(probabilities: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float32], int]:
    """Return how much more probable each class is than the one below it, and the first row.

    Parameters
    ----------
    probabilities : array
        ``(classes, rows, columns)``; class 0 lies above the first and below the last boundary.

    Returns
    -------
    tuple of array and int
        Difference of the logarithms, ``(classes, rows, columns)`` float32, of those rows in which
        there may be layers, and the first of them.
    """
    band = _retina_rows(probabilities[0])
    seen = np.ascontiguousarray(probabilities[:, band], np.float32)
    log = np.log(np.maximum(seen, np.float32(np.exp(_SHARPEST))))
    return log - np.roll(log, -1, axis=0), band.start


def drawn_columns(background: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return the columns in which the class probabilities show layers at all.

    A column shows them if some pixel in it is more probably a layer than background, and the
    layers are together not much thinner than in other columns: in noise a network now and then
    takes a speck for one. Gaps and islands narrower than `_NARROW` columns follow their
    neighbours: a shadow is no gap.

    Parameters
    ----------
    background : array
        ``(rows, columns)`` probability of background.

    Returns
    -------
    array
        ``(columns,)`` bool.
    """
    expected = (1 - background).sum(axis=0)  # pixels of layers
    shows = (background.min(axis=0) < 0.5) & (expected >= _THIN * np.percentile(expected, 90))
    if shows.all() or not shows.any():
        return np.asarray(shows)
    width = min(_NARROW, len(shows))
    closed = ndimage.grey_closing(shows.astype(np.uint8), width, mode="nearest")
    return np.asarray(ndimage.grey_opening(closed, width, mode="nearest") > 0)


def nearest_column(wanted: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Return for each column the nearest selected one; at least one must be selected."""
    nearest = ndimage.distance_transform_edt(~wanted, return_distances=False, return_indices=True)
    return np.asarray(nearest[0], np.intp)


def _retina_rows(background: npt.NDArray[Any]) -> slice:
    """Crop rows above and below where background is certain."""
    rows = np.flatnonzero(background.min(axis=1) < 1 - _NOTHING)
    if not rows.size:
        return slice(0, len(background))
    return slice(max(0, int(rows[0]) - 1), min(len(background), int(rows[-1]) + 2))


def _trace_back(best: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    """Read the best rows off, deepest boundary first, each no deeper than the one below."""
    classes, edges, columns = best.shape
    rows_at = np.empty((classes, columns), np.intp)
    limit = np.full(columns, edges - 1)
    depth = np.arange(edges)[:, np.newaxis]
    for k in reversed(range(classes)):
        reachable = np.where(depth <= limit, best[k], -np.inf)
        limit = rows_at[k] = reachable.argmax(axis=0)
    return rows_at


def _between_rows(rows_at: npt.NDArray[np.intp], ratio: npt.NDArray[np.float32]) -> Heights:
    """Move each boundary to where the log ratio of its two classes crosses zero."""
    classes, rows, columns = ratio.shape
    k, column = np.arange(classes)[:, np.newaxis], np.arange(columns)
    above = ratio[k, np.clip(rows_at - 1, 0, rows - 1), column]
    below = ratio[k, np.clip(rows_at, 0, rows - 1), column]
    crosses = (above > 0) & (below < 0) & (rows_at > 0) & (rows_at < rows)
    fraction = np.where(crosses, above / np.where(crosses, above - below, 1), 0.5)
    return (rows_at - 0.5 + fraction).astype(np.float32)


def smooth(heights: Heights, sigma: float) -> Heights:
    """Take out single-column jumps (median) and smooth along the columns (Gaussian).

    Parameters
    ----------
    heights : array
        ``(boundaries, columns)`` in px, in order.
    sigma : float
        Standard deviation in columns; 0 leaves the heights alone.

    Returns
    -------
    array
        Same shape, still in order: both filters are monotone.
    """
    if not sigma:
        return heights
    size = (1, 2 * round(2 * sigma) + 1)
    steady = ndimage.median_filter(heights, size, mode="nearest")
    result: Heights = ndimage.gaussian_filter1d(steady, sigma, axis=1, mode="nearest")
    return np.maximum.accumulate(result, axis=0)


def to_labels(heights: Heights, rows: int) -> npt.NDArray[np.uint8]:
    """Draw the mask between ordered boundaries.

    Parameters
    ----------
    heights : array
        ``(boundaries, columns)`` in px.
    rows : int
        Rows of the mask.

    Returns
    -------
    array
        ``(rows, columns)`` uint8; layer ``k`` lies between boundaries ``k`` and ``k + 1``.
    """
    # A background pixel has passed no boundary or all of them, which is the same modulo their
    # number, so that counting passed boundaries is the whole of drawing.
    n = len(heights)
    steps = np.zeros((rows + 1, heights.shape[1]), np.uint8)
    edges = np.clip(np.rint(np.maximum.accumulate(heights, axis=0)), 0, rows).astype(np.intp)
    columns = np.arange(heights.shape[1])
    for edge in edges:
        np.add.at(steps, (edge, columns), 1)
    passed = np.cumsum(steps[:rows], axis=0, dtype=np.uint8)
    return np.where(passed == n, 0, passed).astype(np.uint8)


def connect(heights: Heights, rows: int) -> Heights:
    """Make every layer one connected band, at least a pixel thick, by moving boundaries down.

    The lower boundary of a layer may nowhere lie above the upper one's rounded row plus one, nor
    above the upper boundary of a neighbouring column: then consecutive columns touch.

    Parameters
    ----------
    heights : array
        ``(boundaries, columns)`` in px, in order.
    rows : int
        Rows of the image; nothing is moved past the last.

    Returns
    -------
    array
        Same shape, in order.
    """
    result = np.clip(heights, 0, rows).astype(np.float32)
    last = len(result) - 1
    for k in range(last):
        upper = np.minimum(result[k], rows - (last - k))
        result[k] = upper
        neighbours = ndimage.maximum_filter1d(np.rint(upper), 3, mode="nearest")
        least = np.maximum(np.rint(upper) + 1, neighbours)
        too_high = np.rint(result[k + 1]) < least
        result[k + 1] = np.where(too_high, least, result[k + 1])
    return np.minimum(result, rows)


def from_labels(labels: npt.NDArray[Any], boundaries: int) -> Heights:
    """Read the boundaries off a mask of stacked layers.

    Parameters
    ----------
    labels : array
        ``(rows, columns)``, values 0 to ``boundaries - 1``, layers in order down each column.
    boundaries : int
        How many boundaries the scheme has.

    Returns
    -------
    array
        ``(boundaries, columns)`` float32 heights in px. A layer that a column lacks gets the
        same height above and below; a column without any layer gets NaN.
    """
    heights = np.full((boundaries, labels.shape[1]), np.nan, np.float32)
    anything = (labels > 0).any(axis=0)
    inside = labels[:, anything]
    top = (inside > 0).argmax(axis=0)
    counts = np.stack([(inside == k).sum(axis=0) for k in range(1, boundaries)])
    heights[:, anything] = np.concatenate([top[np.newaxis], top + np.cumsum(counts, axis=0)])
    return heights


def resample(
    heights: Heights,
    *,
    from_grid: tuple[int, int],
    to_grid: tuple[int, int],
) -> Heights:
    """Bring boundaries from one grid to another that covers the same field.

    Parameters
    ----------
    heights : array
        ``(boundaries, columns)`` in px of `from_grid`.
    from_grid, to_grid : tuple of int
        ``(rows, columns)``.

    Returns
    -------
    array
        ``(boundaries, columns of to_grid)`` in px of `to_grid`.
    """
    if from_grid == to_grid:
        return heights
    scaled = heights * np.float32(to_grid[0] / from_grid[0])
    if from_grid[1] == to_grid[1]:
        return scaled
    resized: Heights = cv2.resize(
        scaled, (to_grid[1], len(heights)), interpolation=cv2.INTER_LINEAR
    )
    return resized


def stacked_heights(labels: npt.NDArray[np.uint8], boundaries: int) -> npt.NDArray[np.float64]:
    """Extract boundaries from a mask where its layers are in order, without gaps.

    Parameters
    ----------
    labels : array
        ``(rows, columns)``, values below `boundaries`.
    boundaries : int
        How many there are.

    Returns
    -------
    array
        ``(boundaries, columns)`` heights in px; NaN in columns where there is no layer, or they
        lie in another order.
    """
    heights = from_labels(labels, boundaries).astype(np.float64)
    redrawn = to_labels(np.nan_to_num(heights).astype(np.float32), len(labels))
    heights[:, (redrawn != labels).any(axis=0)] = np.nan
    return heights
