"""Pictures of the agreement of two masks of an image."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.overlay import display
from napari_retina_seg.imaging.pixels import resize

AGREED = (255, 255, 255)
MISSED = (60, 120, 255)  # false negative: blue, light enough to be seen on black
INVENTED = (255, 60, 60)  # false positive
OUTSIDE = (48, 48, 48)

REFERENCE = (86, 180, 233)  # Okabe and Ito's sky blue and orange
DRAWN = (230, 159, 0)
FIELD = (240, 228, 66)  # their yellow

_SHIFT = 4  # OpenCV draws to 1/16 px


def draw_agreement(
    reference: npt.NDArray[np.uint8],
    drawn: npt.NDArray[np.uint8],
    inside: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.uint8]:
    """Show a mask of two classes against the reference.

    Parameters
    ----------
    reference, drawn : array
        ``(rows, columns)``, 0 or 1.
    inside : array, optional
        ``(rows, columns)`` bool, where the masks count; elsewhere it is grey.

    Returns
    -------
    array
        ``(rows, columns, 3)`` uint8: agreement white, false negatives blue, false positives red.
    """
    colors = np.array([(0, 0, 0), INVENTED, MISSED, AGREED], np.uint8)
    picture: npt.NDArray[np.uint8] = colors[2 * (reference > 0) + (drawn > 0)]
    if inside is not None:
        picture[~inside] = OUTSIDE
    return picture


def draw_field(
    picture: npt.NDArray[np.uint8], field: npt.NDArray[np.bool_]
) -> npt.NDArray[np.uint8]:
    """Outline a field of view, if it is not the whole picture.

    Parameters
    ----------
    picture : array
        ``(rows, columns, 3)`` uint8, of any scale.
    field : array
        ``(rows, columns)`` bool on the image's own grid.

    Returns
    -------
    array
        A copy of the picture with a yellow line along the rim.
    """
    if field.all():
        return picture
    grid = picture.shape[0], picture.shape[1]
    inside = resize(field.astype(np.float32), grid) > 0.5
    inner = cv2.erode(inside.view(np.uint8), np.ones((3, 3), np.uint8)).view(bool)
    outlined = picture.copy()
    outlined[inside & ~inner] = FIELD
    return outlined


def draw_boundaries(
    plane: npt.NDArray[Any], reference: npt.NDArray[Any], drawn: npt.NDArray[Any]
) -> npt.NDArray[np.uint8]:
    """Show the boundaries of both over the image.

    Parameters
    ----------
    plane : array
        ``(rows, columns)`` or ``(rows, columns, channels)``.
    reference, drawn : array
        Heights ``(boundaries, columns)`` in px; NaN is left open.

    Returns
    -------
    array
        ``(rows, columns, 3)`` uint8: the reference blue, what was drawn orange.
    """
    picture = display(plane).copy()
    for heights, color in ((reference, REFERENCE), (drawn, DRAWN)):
        for line in heights:
            _draw_line(picture, line, color)
    return picture


def _draw_line(
    picture: npt.NDArray[np.uint8], heights: npt.NDArray[Any], color: tuple[int, int, int]
) -> None:
    columns = np.flatnonzero(np.isfinite(heights))
    for run in np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1):
        # A height is a row's upper edge, and OpenCV's whole numbers are the middles of pixels.
        points = np.column_stack([run, heights[run] - 0.5]) * 2**_SHIFT
        line = np.rint(points).astype(np.int32)
        cv2.polylines(picture, [line], False, color, 1, cv2.LINE_AA, _SHIFT)


def draw_outlines(
    plane: npt.NDArray[Any], reference: npt.NDArray[np.uint8], drawn: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """Show the outlines of the classes of both over the image.

    Parameters
    ----------
    plane : array
        ``(rows, columns)`` or ``(rows, columns, channels)``.
    reference, drawn : array
        ``(rows, columns)`` class values.

    Returns
    -------
    array
        ``(rows, columns, 3)`` uint8: the reference blue, what was drawn orange.
    """
    picture = display(plane).copy()
    for labels, color in ((reference, REFERENCE), (drawn, DRAWN)):
        edges = np.zeros(labels.shape, bool)
        edges[1:] |= labels[1:] != labels[:-1]
        edges[:, 1:] |= labels[:, 1:] != labels[:, :-1]
        picture[edges] = color
    return picture
