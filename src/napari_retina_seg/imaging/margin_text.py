"""Text in the margin of a picture, which pseudonyms do not remove: a hint, not a reading."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.overlay import display

_MARGIN = 0.2  # of the picture, along each edge
_STROKE = 21  # px; strokes of letters are thinner
_LEAST_STEP = 60  # of 255, from the surround to a stroke
_HEIGHTS = (6, 80)  # px of letters
_WIDEST = 1.6  # of a letter's height
_FULLEST = 0.9  # of a letter's box, unless it is a thin stroke as "1"
_MOST_NOISE = 0.2  # of the step, the deviation of the surround within a letter's box
_ALIKE = 0.35  # by which the heights of letters of a line differ
_APART = 1.5  # letter heights between letters of a line
_LEAST_LETTERS = 4

Letters = npt.NDArray[np.int64]  # a row for each: left, top, width, height


def has_margin_text(pixels: npt.NDArray[Any]) -> bool:
    """Whether there is what looks like a line of text along an edge of a picture.

    Looked for are rows of at least four small shapes of one height that stand out from a flat
    surround, as letters do. Text over the retina is not found, nor what is hardly brighter or
    darker than its surround.

    Parameters
    ----------
    pixels : array
        ``(rows, columns)`` or ``(rows, columns, 3)``, of any number type.
    """
    grey = np.asarray(display(pixels).max(axis=2))
    if min(grey.shape) < 2 * _STROKE:
        return False
    return any(_has_line(_find_letters(signed)) for signed in (grey, 255 - grey))


def _find_letters(grey: npt.NDArray[np.uint8]) -> Letters:
    """Return the boxes of small bright shapes on a flat surround in the margin."""
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (_STROKE, _STROKE))
    strokes = cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, kernel) > _LEAST_STEP
    _, _, stats, centres = cv2.connectedComponentsWithStats(strokes.view(np.uint8))
    stats, centres = stats[1:].astype(np.int64), centres[1:]
    _, _, width, height, area = stats.T
    small = (height >= _HEIGHTS[0]) & (height <= _HEIGHTS[1]) & (width <= _WIDEST * height)
    thin = width < height / 2
    chosen = small & ((area < _FULLEST * width * height) | thin) & _is_marginal(centres, grey.shape)
    return np.array(
        [box[:4] for box in stats[chosen] if _is_flat(grey, strokes, box)], np.int64
    ).reshape(-1, 4)


def _is_marginal(centres: npt.NDArray[np.float64], shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    place = centres / np.array(shape[::-1])
    return np.asarray((np.minimum(place, 1 - place) < _MARGIN).any(axis=1))


def _is_flat(
    grey: npt.NDArray[np.uint8], strokes: npt.NDArray[np.bool_], box: npt.NDArray[np.int64]
) -> bool:
    left, top, width, height = box[:4]
    part = np.s_[max(0, top - 2) : top + height + 2, max(0, left - 2) : left + width + 2]
    near = cv2.dilate(strokes[part].view(np.uint8), np.ones((3, 3), np.uint8)) > 0
    around, letter = grey[part][~near], grey[part][strokes[part]]
    if not around.size:
        return False
    step = float(letter.mean()) - float(around.mean())
    return float(around.std()) < _MOST_NOISE * step


def _has_line(letters: Letters) -> bool:
    """Whether some letters of one height stand side by side."""
    letters = letters[np.argsort(letters[:, 0])]
    left, top, width, height = letters.T
    bottom = top + height
    length = np.ones(len(letters), np.int64)
    for i in range(len(letters)):
        gap = left[i] - (left[:i] + width[:i])
        beside = (np.abs(bottom[:i] - bottom[i]) <= _ALIKE * height[i]) & (gap >= -1)
        alike = np.abs(height[:i] - height[i]) <= _ALIKE * height[i]
        before = length[:i][beside & alike & (gap < _APART * height[i])]
        length[i] += before.max(initial=0)
    return bool((length >= _LEAST_LETTERS).any())
