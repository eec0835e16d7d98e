"""Boundaries that do not leap: the best continuous course of each through a whole B-scan.

`surfaces.decode` finds the best boundaries of every column by itself. Where the network is wrong
over some columns, as under a cyst, in a shadow or at a margin, they leap there, or no layer is
drawn at all. Here the columns are looked at together, as in graph-based segmentation with bounded
slopes (Garvin et al. 2009, IEEE TMI 28(9)), but boundary by boundary: what a column says against
a course counts only so much, and a course may rise and fall only so fast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage

from napari_retina_seg.imaging.surfaces import Heights, log_ratios

Float = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_STEEPEST = 5  # rows per column; a pit, a drusen and strong myopia have 1 to 3
_ACROSS, _DOWN = 6, 3  # columns and rows that are taken together for the courses
_MOST = 12.0  # log-probability that a column can set against a course, per column
_STIFF = 1.0  # log-probability per column that a slope of one row per column costs, squared
_BESIDE = 8.0  # rows that a column's own boundary may lie beside the course
_WIDEST = 0.35  # of the columns: a wider gap is not bridged
_STEEP = 1.5  # rows per column: nor is a steeper one
_SOME = 0.04  # of the thickness elsewhere: less is as good as nothing; fluid leaves over 0.05
_DISC = 0.28  # share of the innermost layer beside a disc; a macula has up to 0.2
_RIM = 30  # columns beside a gap in which that is looked at
_THIN = 0.45  # of the median thickness of all layers: a column that shows less is not heard
_MARGIN = 9  # columns, by half of which the columns beside a gap are not heard either
_SPIKE = 5  # columns: what stands out in fewer is noise
_EVEN = 6.0  # columns over which a course is smoothed
_FAINT = 0.1  # of the usual contrast: a network goes on where a column shows no more than that
_SEEN = 15  # columns over which contrast is averaged


@dataclass(frozen=True, eq=False)
class Continuous:
    """Boundaries without leaps.

    Attributes
    ----------
    heights : array
        ``(boundaries, columns)`` in px.
    drawn : array
        ``(columns,)`` bool: in which columns there are layers.
    doubtful : array
        ``(columns,)`` bool: where the column itself said something else, or nothing.
    """

    heights: Heights
    drawn: Mask
    doubtful: Mask


def make_continuous(
    probabilities: npt.NDArray[np.floating], heights: Heights, drawn: Mask
) -> Continuous:
    """Take leaps out of boundaries, and draw layers through gaps between columns that show some.

    Boundaries without either are returned as they are. A gap stays one if it is wide or steep, if
    next to nothing in it is taken for a layer, or beside an optic disc, where the innermost layer
    is thick.

    Parameters
    ----------
    probabilities : array
        ``(classes, rows, columns)``.
    heights : array
        ``(boundaries, columns)`` in px, as `surfaces.decode` returns them.
    drawn : array
        ``(columns,)`` bool, as `surfaces.drawn_columns` returns it.
    """
    nothing = np.zeros(len(drawn), bool)
    if not drawn.any() or not (_inner_gaps(drawn) or _leaps(heights, drawn)):
        return Continuous(heights, drawn, nothing)
    trusted = _trusted(heights, drawn)
    course = _courses(probabilities, trusted)
    # Where no column is heard any course is as good as a straight one.
    known, every = np.flatnonzero(trusted), np.arange(len(drawn))
    course = np.stack([np.interp(every, known, line[known]) for line in course])
    away = np.abs(heights - course) > _BESIDE
    bridged = nothing.copy()
    shown = (1 - probabilities[0]).sum(axis=0)  # rows of layers, even if none is certain
    for gap in _inner_gaps(drawn):
        some = np.median(shown[gap]) > _SOME * np.median(shown[drawn])
        bridged[gap] = some and _is_bridgeable(gap, course)
    course = ndimage.gaussian_filter1d(course, _EVEN, axis=1, mode="nearest")
    result = np.where(away | bridged, course, heights).astype(np.float32)
    # Where one or two columns stand out there is no doubt.
    overruled = ndimage.binary_opening(drawn & away.any(axis=0), np.ones(_SPIKE))
    doubtful = overruled | bridged
    return Continuous(np.maximum.accumulate(result, axis=0), drawn | bridged, doubtful)


def blind_ends(pixels: npt.NDArray[np.generic], labels: npt.NDArray[np.uint8]) -> Mask:
    """Find columns at either end of the layers in which the image itself shows none.

    A network learns to draw layers through shadows, and so goes on for some columns where the
    signal is lost for good. There, the image is no brighter within the layers than above them.

    Parameters
    ----------
    pixels : array
        ``(rows, columns)`` or ``(rows, columns, channels)`` B-scan.
    labels : array
        ``(rows, columns)`` uint8 layers, 0 for none.

    Returns
    -------
    array
        ``(columns,)`` bool.
    """
    layers: Mask = labels > 0
    drawn: Mask = np.any(layers, axis=0)
    blind = np.zeros(len(drawn), bool)
    if not drawn.any():
        return blind
    light = pixels.reshape(*labels.shape, -1).mean(axis=2, dtype=np.float32)
    above = np.cumsum(layers, axis=0) == 0
    with np.errstate(invalid="ignore"):
        inner = (light * layers).sum(axis=0) / layers.sum(axis=0)
        contrast = inner - (light * above).sum(axis=0) / above.sum(axis=0)
    known: Mask = drawn & np.isfinite(contrast)
    if not known.any():
        return blind
    usual = np.median(contrast[known])
    # With layers from the image's top on there is nothing to compare: that counts as seen.
    shown = np.where(known, contrast, np.where(drawn, usual, 0))
    even = ndimage.uniform_filter1d(shown, _SEEN, mode="nearest")
    seen = np.flatnonzero(drawn & (even > _FAINT * usual))
    if usual > 0 and len(seen):
        blind[: seen[0]] = blind[seen[-1] + 1 :] = True
    return blind & drawn


def _leaps(heights: Heights, drawn: Mask) -> bool:
    steps = np.abs(np.diff(heights, axis=1))[:, drawn[1:] & drawn[:-1]]
    return bool(steps.max(initial=0) > _STEEPEST)


def _inner_gaps(drawn: Mask) -> list[slice]:
    """Return the runs of columns without layers between columns with layers."""
    runs, _ = ndimage.label(~drawn)
    gaps = [part for (part,) in ndimage.find_objects(runs)]
    return [gap for gap in gaps if gap.start > 0 and gap.stop < len(drawn)]


def _is_bridgeable(gap: slice, course: npt.NDArray[np.floating]) -> bool:
    """Whether the layers may go on through a gap, on courses that are straight in it."""
    first, last = course[:, gap.start], course[:, gap.stop - 1]
    width, columns = gap.stop - gap.start, course.shape[1]
    if width > _WIDEST * columns or np.abs(last - first).max() > _STEEP * width:
        return False
    beside = [slice(max(gap.start - _RIM, 0), gap.start), slice(gap.stop, gap.stop + _RIM)]
    thick = [np.diff(course[:, part], axis=0).mean(axis=1) for part in beside]
    return all(layers[0] < _DISC * layers.sum() for layers in thick)


def _trusted(heights: Heights, drawn: Mask) -> Mask:
    """Return the columns whose layers are together not much thinner than usual, nor at a gap."""
    total = heights[-1] - heights[0]
    full = drawn & (total >= _THIN * np.median(total[drawn]))
    inner = ndimage.binary_erosion(full, np.ones(_MARGIN), border_value=1)
    return np.asarray(inner if inner.any() else full)


def _courses(probabilities: npt.NDArray[np.floating], trusted: Mask) -> Heights:
    """Return the best course of each boundary, ``(boundaries, columns)`` in px."""
    # Two columns of six tell as much as all, in a third of the time.
    ratio, first = log_ratios(probabilities[:, :, :: _ACROSS // 2])
    heard = trusted[:: _ACROSS // 2]
    boundaries, rows, columns = ratio.shape
    if columns % 2:
        ratio = np.concatenate([ratio, ratio[:, :, -1:]], axis=2)
        heard = np.append(heard, heard[-1])
    gain = np.zeros((boundaries, rows + 1, len(heard) // 2), np.float32)
    np.cumsum((ratio[:, :, ::2] + ratio[:, :, 1::2]) / 2, axis=1, out=gain[:, 1:])
    support = _support(gain[:, ::_DOWN])
    support = np.maximum(support - support.max(axis=1, keepdims=True), -_MOST)
    support *= (heard[::2] & heard[1::2]).astype(np.float32)
    path = _best_paths(_ACROSS * support) * np.float32(_DOWN)
    middle = np.arange(path.shape[1]) * _ACROSS + _ACROSS / 4
    fine = [np.interp(np.arange(len(trusted)), middle, line) for line in path]
    return np.maximum.accumulate(np.stack(fine), axis=0).astype(np.float32) + np.float32(first)


def _support(gain: Float) -> Float:
    """Return the score of a column's best ordered boundaries that pass through each row.

    Parameters
    ----------
    gain : array
        ``(boundaries, rows, columns)``: score of each boundary by itself at each row.
    """
    from_above, from_below = gain.copy(), gain.copy()
    for k in range(1, len(gain)):
        from_above[k] += np.maximum.accumulate(from_above[k - 1], axis=0)
        below = from_below[-k][::-1]
        from_below[-k - 1] += np.maximum.accumulate(below, axis=0)[::-1]
    return np.asarray(from_above + from_below - gain, np.float32)


def _best_paths(support: Float) -> Float:
    """Return the row of each boundary on its best course, ``(boundaries, columns)``."""
    boundaries, rows, columns = support.shape
    reach = _STEEPEST * _ACROSS // _DOWN
    slope = np.arange(-reach, reach + 1) * (_DOWN / _ACROSS)
    cost = (_ACROSS * _STIFF * slope**2).astype(np.float32)
    came_from = np.empty((columns, boundaries, rows), np.int16)
    padded = np.full((boundaries, rows + 2 * reach), -np.inf, np.float32)
    score = support[:, :, 0].copy()
    for column in range(1, columns):
        padded[:, reach : reach + rows] = score
        options = sliding_window_view(padded, 2 * reach + 1, axis=1) - cost
        step = options.argmax(axis=2)
        came_from[column] = step - reach
        best = np.take_along_axis(options, step[..., np.newaxis], 2)[..., 0]
        score = np.asarray(best + support[:, :, column], np.float32)
    path = np.empty((columns, boundaries), np.intp)
    path[-1] = score.argmax(axis=1)
    every = np.arange(boundaries)
    for column in reversed(range(1, columns)):
        path[column - 1] = path[column] + came_from[column, every, path[column]]
    return path.T.astype(np.float32)
