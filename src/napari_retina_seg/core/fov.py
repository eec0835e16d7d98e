"""The field of view of a fundus photograph: the part of the frame that shows retina."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from napari_retina_seg.core.errors import ImageError
from napari_retina_seg.core.pixels import resize

RIM = 0.005  # of the diameter, along the rim, where the optics blur into the surround
_RIM_SIZE = 1536  # longer side of the copy on which distances to the rim are measured, px
_SEARCH_SIZE = 512  # longer side of the small copy on which the circle is looked for, px
_BLUR = 0.003  # against noise, standard deviation in longer sides
_TOLERANCE = 0.008  # distance to the circle that still counts as on it, in diameters
_DARK = 0.4  # of the brightness inside; photographs have under 0.05, cut-outs over 0.6
_TRIES = 100
_FEWEST_POINTS = 20
_MOST_POINTS = 400  # of the outline; more make the circle no rounder


class FieldOrigin(StrEnum):
    """Where a field of view came from."""

    GIVEN = "given"
    FOUND = "found"
    FRAME = "whole image"


@dataclass(frozen=True, eq=False)
class FieldOfView:
    """The part of a photograph that shows retina, of whatever shape a camera leaves.

    Attributes
    ----------
    pixels : array
        ``(rows, columns)`` bool, True on the retina.
    center : tuple of float
        ``(row, column)`` of the middle of the disc in px; may lie outside the frame.
    diameter : float
        Diameter in px of the disc that the field is cut from, or the field's width where it is
        no part of a disc; the frame's longer side if `found` is False.
    found : bool
        Whether the field has a rim that tells its scale; False where it is the whole frame.
    origin : FieldOrigin
        Given with the photograph, found in its pixels, or the whole image for want of a rim.
    """

    pixels: npt.NDArray[np.bool_]
    center: tuple[float, float]
    diameter: float
    found: bool
    origin: FieldOrigin = FieldOrigin.FOUND

    @classmethod
    def whole(cls, grid: tuple[int, int]) -> FieldOfView:
        """Return the field of view of a photograph without a rim: the whole frame."""
        center = (grid[0] - 1) / 2, (grid[1] - 1) / 2
        return cls(np.ones(grid, bool), center, float(max(grid)), False, FieldOrigin.FRAME)

    @classmethod
    def given(cls, pixels: npt.NDArray[np.bool_]) -> FieldOfView:
        """Return a field of view that came with its photograph.

        Parameters
        ----------
        pixels : array
            ``(rows, columns)`` bool, True on the retina.

        Raises
        ------
        ImageError
            If no pixel is True.
        """
        if not pixels.any():
            raise ImageError("The field of view is empty: give one that shows where the retina is.")
        if pixels.all():
            return replace(cls.whole(pixels.shape), origin=FieldOrigin.GIVEN)
        row, column, diameter = _measure(pixels)
        return cls(pixels, (row, column), diameter, True, FieldOrigin.GIVEN)

    @property
    def grid(self) -> tuple[int, int]:
        """``(rows, columns)`` of the photograph."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @cached_property
    def box(self) -> tuple[int, int, int, int]:
        """First row, first column, end row, end column of the smallest box around the field."""
        rows, columns = (np.flatnonzero(self.pixels.any(axis=axis)) for axis in (1, 0))
        return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1

    def scaled(self, box: tuple[int, int, int, int], size: tuple[int, int]) -> FieldOfView:
        """Return the field of view of a part of the photograph that was resized.

        Parameters
        ----------
        box : tuple of int
            First row, first column, end row, end column of the part.
        size : tuple of int
            ``(rows, columns)`` to which it was resized.
        """
        top, left, bottom, right = box
        scales = size[0] / (bottom - top), size[1] / (right - left)
        center = [
            (place - start + 0.5) * scale - 0.5
            for place, start, scale in zip(self.center, (top, left), scales, strict=True)
        ]
        part = np.ascontiguousarray(self.pixels[top:bottom, left:right]).view(np.uint8)
        pixels = resize(part * 255, size) > 127
        diameter = self.diameter * (scales[0] + scales[1]) / 2
        return FieldOfView(pixels, (center[0], center[1]), diameter, self.found, self.origin)

    def mask(self, margin: float = 0.0) -> npt.NDArray[np.bool_]:
        """Return the field, or all of it but a margin along its rim.

        Parameters
        ----------
        margin : float
            Width to leave out along the rim, in diameters. The edge of the frame is no rim.

        Returns
        -------
        array of bool
            ``(rows, columns)``, True inside.
        """
        if margin <= 0 or not self.found:
            return self.pixels
        return _erode(self.pixels, margin * self.diameter)

    @cached_property
    def core(self) -> npt.NDArray[np.bool_]:
        """The field less the rim, where the optics blur into black and nothing is predicted."""
        return self.mask(RIM)


def _erode(pixels: npt.NDArray[np.bool_], width: float) -> npt.NDArray[np.bool_]:
    """Take `width` px off the rim of a mask."""
    # The distance is smooth: from a smaller copy it is as good, and much faster.
    scale = min(1.0, _RIM_SIZE / max(pixels.shape))
    rows, columns = (max(1, round(side * scale)) for side in pixels.shape)
    small = resize(pixels.view(np.uint8) * 255, (rows, columns)) > 127
    distance = cv2.distanceTransform(small.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    kept = resize(distance, (pixels.shape[0], pixels.shape[1])) > width * scale
    return np.asarray(kept & pixels)


def _measure(pixels: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return row, column and diameter of the disc that a mask is cut from, or its own width."""
    scale = min(1.0, _SEARCH_SIZE / max(pixels.shape))
    rows, columns = (max(1, round(side * scale)) for side in pixels.shape)
    small = resize(pixels.view(np.uint8) * 255, (rows, columns)) > 127
    circle = _fit_circle(_outline_of(small.view(np.uint8)))
    if circle is not None:
        row, column, diameter = circle
        return (row + 0.5) / scale - 0.5, (column + 0.5) / scale - 0.5, diameter / scale
    spans = [np.flatnonzero(pixels.any(axis=axis))[[0, -1]] for axis in (1, 0)]
    (top, bottom), (left, right) = spans
    width = max(bottom - top, right - left) + 1
    return float(top + bottom) / 2, float(left + right) / 2, float(width)


def detect_fov(image: npt.NDArray[Any]) -> FieldOfView:
    """Find the disc of retina in a photograph.

    A circle is fitted to the outline of the bright part, leaving out what lies on the frame, so
    that a disc cut at top and bottom gets its true diameter and a notch none of it; random
    triples of outline points vote (RANSAC, Fischler and Bolles 1981), always the same ones.

    Parameters
    ----------
    image : array
        ``(rows, columns)`` or ``(rows, columns, channels)``, any real dtype, finite.

    Returns
    -------
    FieldOfView
        The disc; or the whole frame, where no outline is round.
    """
    grid = image.shape[0], image.shape[1]
    frame = FieldOfView.whole(grid)
    scale = min(1.0, _SEARCH_SIZE / max(grid))
    brightness = _shrunken_brightness(image, scale)
    outline = _outline(brightness)
    circle = _fit_circle(outline)
    if circle is None or not _is_dark_around(brightness, circle):
        return frame
    row, column, diameter = circle
    if not 0.5 * min(grid) <= diameter / scale <= 3 * max(grid):
        return frame
    center = ((row + 0.5) / scale - 0.5, (column + 0.5) / scale - 0.5)
    pixels = _draw_disc(grid, center, diameter / scale)
    return FieldOfView(pixels, center, diameter / scale, found=True)


def _draw_disc(
    grid: tuple[int, int], center: tuple[float, float], diameter: float
) -> npt.NDArray[np.bool_]:
    # OpenCV draws to 1/16 px, and much faster than comparing distances.
    row, column, radius = (round(16 * value) for value in (*center, diameter / 2))
    mask = np.zeros(grid, np.uint8)
    cv2.circle(mask, (column, row), radius, 1, thickness=-1, shift=4)
    return mask.astype(bool)


def _shrunken_brightness(image: npt.NDArray[Any], scale: float) -> npt.NDArray[np.float32]:
    rows, columns = (max(1, round(size * scale)) for size in image.shape[:2])
    # Skipping pixels before converting them keeps a 12-megapixel photograph cheap.
    stride = max(1, int(1 / scale))
    small = resize(image[::stride, ::stride], (rows, columns)).astype(np.float32)
    brightness = small.max(axis=2) if small.ndim == 3 else small
    blur = _BLUR * max(rows, columns)
    return np.asarray(cv2.GaussianBlur(brightness, (0, 0), blur), np.float32)


def _outline(brightness: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the outline of the bright part as ``(points, 2)`` rows and columns, frame left out."""
    dark, bright = np.percentile(brightness, [1, 75])
    mask = (brightness > dark + 0.15 * (bright - dark)).astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    mask = cv2.morphologyEx(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, kernel), cv2.MORPH_OPEN, kernel)
    return _outline_of(mask)


def _outline_of(mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Return the outline of the largest part of a mask as rows and columns, frame left out."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return np.empty((0, 2))
    points = max(contours, key=cv2.contourArea)[:, 0, ::-1].astype(np.float64)
    last = np.array(mask.shape) - 1
    margin = 4
    inside = ((points >= margin) & (points <= last - margin)).all(axis=1)
    return np.asarray(points[inside])


def _fit_circle(points: npt.NDArray[np.float64]) -> tuple[float, float, float] | None:
    """Fit ``(row, column, diameter)`` to the largest part of the points that is round."""
    if len(points) < _FEWEST_POINTS:
        return None
    points = points[:: -(-len(points) // _MOST_POINTS)]
    rng = np.random.default_rng(0)
    candidates = _circles_through(points[rng.integers(0, len(points), (_TRIES, 3))])
    if not len(candidates):
        return None
    distance = np.linalg.norm(points[np.newaxis] - candidates[:, np.newaxis, :2], axis=2)
    tolerance = np.maximum(1.0, _TOLERANCE * candidates[:, 2:])
    on_circle = np.abs(distance - candidates[:, 2:] / 2) <= tolerance
    best = on_circle.sum(axis=1).argmax()
    if on_circle[best].mean() < 0.4:
        return None
    return _nearest_circle(points[on_circle[best]])


def _is_dark_around(
    brightness: npt.NDArray[np.float32], circle: tuple[float, float, float]
) -> bool:
    """Whether all but specks and captions beyond the circle is dark: in a cut-out it is not."""
    step = 3  # one pixel in nine tells as much
    thin = brightness[::step, ::step]
    rows, columns = np.ogrid[: brightness.shape[0] : step, : brightness.shape[1] : step]
    share = np.hypot(rows - circle[0], columns - circle[1]) / (circle[2] / 2)
    beyond, inside = thin[share > 1.03], thin[share < 1]
    if not beyond.size or not inside.size:
        return False
    least = thin.min()
    return bool(np.percentile(beyond, 95) - least < _DARK * (np.median(inside) - least))


def _circles_through(triples: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return ``(circles, 3)`` rows, columns, diameters through triples that are not on a line."""
    origin = triples[:, 0]
    (b_row, b_column), (c_row, c_column) = (triples[:, 1:] - origin[:, np.newaxis]).transpose(
        1, 2, 0
    )
    twice_area = 2 * (b_row * c_column - b_column * c_row)
    b_square, c_square = b_row**2 + b_column**2, c_row**2 + c_column**2
    with np.errstate(divide="ignore", invalid="ignore"):
        row = (c_column * b_square - b_column * c_square) / twice_area
        column = (b_row * c_square - c_row * b_square) / twice_area
    circles = np.column_stack(
        [origin[:, 0] + row, origin[:, 1] + column, 2 * np.hypot(row, column)]
    )
    return np.asarray(circles[np.isfinite(circles).all(axis=1)])


def _nearest_circle(points: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """Return row, column, diameter of the least-squares circle (Kåsa 1976)."""
    system = np.column_stack([2 * points, np.ones(len(points))])
    row, column, rest = np.linalg.lstsq(system, (points**2).sum(axis=1), rcond=None)[0]
    return float(row), float(column), 2 * float(np.sqrt(max(rest + row**2 + column**2, 0)))
