"""Where on a page a photograph may be: beside bands, within borders, as a small figure."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Box = tuple[int, int, int, int]
Signal = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_STEP = 3  # px across an edge
_LEAST_STEP = 0.04  # of the range of values, across the edge of a band
_LINE = 0.8  # of the frame's length over which the edge of a band runs
_WIDEST_BAND = 0.3  # of the frame
_EDGE = 3  # px along the frame that show the surround
_NOISES = 6.0  # a figure differs from the surround by so many of its deviations
_LEAST_CONTRAST = 0.04  # of the range of values, between figure and surround
_LEAST_FIGURE = 0.008  # of the page
_MOST_FIGURES = 0.75  # of the page
_MOST_NOISE = 0.2  # of what differs most: a threshold above it is within the retina
_NEAR = 3  # px around a figure that are no surround
_MOST_FIGURES_SEARCHED = 3
_MOST_UNCLEAR = 0.015  # of the surround, that is half as bright as figures are
_MARGIN = 0.3  # around a figure, in its longer sides


def find_page(small: Signal) -> Box:
    """Return the part of a frame that is left without bands and borders along its edges.

    Their inner edges run straight across the frame.

    Parameters
    ----------
    small : array
        ``(rows, columns, channels)`` from 0 to 1.

    Returns
    -------
    tuple of int
        First row, first column, end row, end column.
    """
    (top, bottom), (left, right) = (_strip(np.swapaxes(small, 0, axis)) for axis in (0, 1))
    return top, left, bottom, right


def _strip(rows: Signal) -> tuple[int, int]:
    """Return the first and end row between the bands at the top and the bottom."""
    step = rows[2 * _STEP :] - rows[: -2 * _STEP]
    rises = (step > _LEAST_STEP).mean(axis=1).max(axis=1)
    falls = (step < -_LEAST_STEP).mean(axis=1).max(axis=1)
    lines = np.flatnonzero(np.maximum(rises, falls) > _LINE) + _STEP
    steepness = np.abs(np.diff(rows, axis=0)).sum(axis=2).mean(axis=1)
    widest = round(_WIDEST_BAND * len(rows))
    top, bottom = lines[lines < widest], lines[lines >= len(rows) - widest]
    first, end = 0, len(rows)
    if len(top):
        start = max(0, int(top[-1]) - 2 * _STEP)
        first = start + int(steepness[start : top[-1] + 1].argmax()) + 2
    if len(bottom):
        end = int(bottom[0]) + int(steepness[bottom[0] : bottom[0] + 2 * _STEP].argmax())
    return first, end


@dataclass(frozen=True, eq=False)
class Figure:
    """What stands alone on a flat surround.

    Attributes
    ----------
    box : tuple of int
        First row, first column, end row, end column, with a margin of the surround.
    others : array
        ``(rows, columns)`` bool of the box, True on other figures.
    surround : array
        ``(channels,)``, the surround's colour.
    """

    box: Box
    others: Mask
    surround: Signal


def find_figures(small: Signal) -> list[Figure]:
    """Return what stands alone on a flat surround, largest first.

    Parameters
    ----------
    small : array
        ``(rows, columns, channels)`` from 0 to 1, without bands.

    Returns
    -------
    list
        None where the surround is not flat, as is the retina around a bright optic disc.
    """
    edges = (small[:_EDGE], small[-_EDGE:], small[:, :_EDGE], small[:, -_EDGE:])
    frame = np.concatenate([part.reshape(-1, small.shape[2]) for part in edges])
    surround = np.median(frame, axis=0)
    away = np.abs(small - surround).max(axis=2)
    noise = 1.48 * float(np.median(np.abs(frame - surround).max(axis=1)))
    least = max(_NOISES * noise, _LEAST_CONTRAST)
    if least > _MOST_NOISE * away.max():
        return []
    figures = _clean(away > least)
    near = cv2.dilate(figures.view(np.uint8), np.ones((2 * _NEAR + 1, 2 * _NEAR + 1), np.uint8))
    around = away[near == 0]
    if figures.mean() > _MOST_FIGURES or not around.size:
        return []
    if (around > least / 2).mean() > _MOST_UNCLEAR:
        return []
    count, named, stats, _ = cv2.connectedComponentsWithStats(near)
    order = 1 + np.argsort(-stats[1:count, cv2.CC_STAT_AREA], kind="stable")
    found = []
    for i in order[:_MOST_FIGURES_SEARCHED]:
        if stats[i, cv2.CC_STAT_AREA] > _LEAST_FIGURE * away.size:
            box = top, left, bottom, right = _around(stats[i], away.shape)
            others = (near > 0) & (named != i)
            found.append(Figure(box, others[top:bottom, left:right], surround))
    return found


def _clean(mask: Mask) -> Mask:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    closed = cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_CLOSE, kernel)
    return np.asarray(cv2.morphologyEx(closed, cv2.MORPH_OPEN, kernel)).view(bool)


def _around(stat: npt.NDArray[np.int32], shape: tuple[int, ...]) -> Box:
    left, top, width, height = (int(value) for value in stat[:4])
    margin = round(_MARGIN * max(width, height))
    return (
        max(0, top - margin),
        max(0, left - margin),
        min(shape[0], top + height + margin),
        min(shape[1], left + width + margin),
    )
