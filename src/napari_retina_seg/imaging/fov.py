"""The field of view of a fundus photograph: the part of the frame that shows retina."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.aperture import Aperture, find_aperture, fit_circle
from napari_retina_seg.imaging.page import Box, find_figures, find_page
from napari_retina_seg.imaging.pixels import resize
from napari_retina_seg.imaging.rim import Rim, fit_to_rim, trace_rim
from napari_retina_seg.types.errors import ImageError

Signal = npt.NDArray[np.float32]

RIM = 0.005  # of the diameter, along the rim, where the optics blur into the surround
_RIM_SIZE = 1536  # longer side of the copy on which distances to the rim are measured, px
_SEARCH_SIZE = 512  # longer side of the small copy on which the rim is looked for, px
_EDGE = 3  # px of the small copy along the frame that show the surround
_LARGEST_HUE_NOISE = 0.05  # of the difference in hue between retina and surround
_BLUR = 0.002  # against noise, standard deviation in longer sides
_LEAST_RIM = 0.05  # of all directions, in which the rim lies within the frame
_LEAST_SHARPNESS = 0.55  # mean over the rim; shading within the retina has less
_ALIKE = 0.02  # of the way from the surround's colour to a field's: they look the same
_MOST_ALIKE = 0.33  # of a field
_ROUND = 0.9  # of the area of its disc: less of it is cut off than of a box
_SHARPER = 0.15  # that it must be, the less of it lies within the frame
_BRIGHTEST_SURROUND = 0.35  # of the way from the surround's colour to the retina's


class FieldOrigin(StrEnum):
    """Where a field of view came from."""

    GIVEN = "given"
    FOUND = "found"
    FRAME = "whole image"


@dataclass(frozen=True, eq=False)
class FieldOfView:
    """The part of a photograph that shows retina, of any shape.

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
        Whether the field has a rim from which its scale follows; False where it is the whole frame.
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

    def placed(self, start: tuple[int, int], grid: tuple[int, int]) -> FieldOfView:
        """Return the field of view of the photograph that this is the field of a part of.

        Parameters
        ----------
        start : tuple of int
            First row and column of the part.
        grid : tuple of int
            ``(rows, columns)`` of the photograph.
        """
        pixels = np.zeros(grid, bool)
        rows, columns = self.grid
        pixels[start[0] : start[0] + rows, start[1] : start[1] + columns] = self.pixels
        center = self.center[0] + start[0], self.center[1] + start[1]
        return replace(self, pixels=pixels, center=center)

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
        """The field without the rim, where the image fades to black and nothing is predicted."""
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
    circle = fit_circle(small)
    if circle is None:
        return _span(pixels)
    row, column, radius = circle
    return (row + 0.5) / scale - 0.5, (column + 0.5) / scale - 0.5, 2 * radius / scale


def _span(pixels: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return row and column of the middle of a mask, and its width."""
    spans = [np.flatnonzero(pixels.any(axis=axis))[[0, -1]] for axis in (1, 0)]
    (top, bottom), (left, right) = spans
    width = max(bottom - top, right - left) + 1
    return float(top + bottom) / 2, float(left + right) / 2, float(width)


def detect_fov(image: npt.NDArray[Any]) -> FieldOfView:
    """Find the part of a photograph that shows retina.

    Bands, borders and what else stands beside the photograph on a page are left out first
    (`page`). The surround is what the frame's edge is like where it is darkest (or, where nothing
    is found so, brightest). A circle and straight cuts are fitted to the outline of what differs
    from it (`aperture`), and the rim is traced around them (`rim`): a disc that is cut on any
    side, with a notch, a tab or a vignette keeps its shape, and what is dark inside stays inside.

    Parameters
    ----------
    image : array
        ``(rows, columns)`` or ``(rows, columns, channels)``, any real dtype, finite.

    Returns
    -------
    FieldOfView
        The field; or the whole frame, where no rim is seen.
    """
    grid = image.shape[0], image.shape[1]
    for start, part in _parts(image):
        field = _search(part)
        if field is not None:
            return field.placed(start, grid)
    return FieldOfView.whole(grid)


def _parts(image: npt.NDArray[Any]) -> Iterator[tuple[tuple[int, int], npt.NDArray[Any]]]:
    """Yield the parts of a frame in which to look for a field, and where they start.

    The closest views come first: a single figure on the page, the page without its bands.
    """
    scale = _search_scale(image)
    small, offset, gain = _shrunken(image, scale)
    top, left, bottom, right = find_page(small)
    page = _cut(image, (top, left, bottom, right), scale)
    for figure in find_figures(small[top:bottom, left:right]):
        start, part = _cut(page[1], figure.box, scale)
        if figure.others.any():
            size = part.shape[1], part.shape[0]
            others = cv2.resize(figure.others.view(np.uint8), size, interpolation=cv2.INTER_NEAREST)
            part = part.copy()
            color = (figure.surround * gain + offset).astype(part.dtype)
            part[others > 0] = color if part.ndim == 3 else color[0]
        yield (page[0][0] + start[0], page[0][1] + start[1]), part
    if page[1].shape != image.shape:
        yield page
    yield (0, 0), image


def _cut(
    image: npt.NDArray[Any], box: Box, scale: float
) -> tuple[tuple[int, int], npt.NDArray[Any]]:
    """Return where a box that was found at another scale starts, and what of the image it holds."""
    top, left, bottom, right = (round(place / scale) for place in box)
    return (top, left), image[top:bottom, left:right]


def _search_scale(image: npt.NDArray[Any]) -> float:
    return float(min(1.0, _SEARCH_SIZE / max(image.shape[:2])))


def _search(image: npt.NDArray[Any]) -> FieldOfView | None:
    """Find the field of view whose surround is what the frame is like, if there is one."""
    grid = image.shape[0], image.shape[1]
    scale = _search_scale(image)
    small, _, _ = _shrunken(image, scale)
    for brightest in (False, True):
        view = _seen_against(small, brightest)
        found = None if view is None else _find_rim(*view)
        if found is not None and not _is_paper(small, *found):
            return _at_full_size(*found, grid, scale)
    return None


def _shrunken(image: npt.NDArray[Any], scale: float) -> tuple[Signal, float, float]:
    """Return a small copy of ``(rows, columns, channels)`` from 0 to 1, and its offset and gain."""
    rows, columns = (max(1, round(size * scale)) for size in image.shape[:2])
    # Skipping pixels before converting them keeps a 12-megapixel photograph cheap.
    stride = max(1, int(1 / scale))
    small = resize(np.ascontiguousarray(image[::stride, ::stride]), (rows, columns))
    values = small.astype(np.float64)
    offset = float(values.min())
    values -= offset
    gain = float(values.max()) or 1.0
    values /= gain  # squares of very large or small values are no float32
    blurred = cv2.GaussianBlur(values.astype(np.float32), (0, 0), _BLUR * max(rows, columns))
    return blurred if blurred.ndim == 3 else blurred[..., np.newaxis], offset, gain


def _seen_against(small: Signal, brightest: bool) -> tuple[Signal, float] | None:
    """Project each pixel onto the axis from the surround's colour to the retina's.

    Returns
    -------
    tuple or None
        The signal, 0 in the surround and about 1 on the retina, and the standard deviation of the
        surround; None where there is no surround of that kind.
    """
    rows, columns = (small[:_EDGE], small[-_EDGE:]), (small[:, :_EDGE], small[:, -_EDGE:])
    frame = np.concatenate([part.reshape(-1, small.shape[2]) for part in (*rows, *columns)])
    brightness, contrast = frame.max(axis=1), float(np.ptp(small))
    if brightest:
        alike = brightness >= np.percentile(brightness, 90) - 0.03 * contrast
    else:
        alike = brightness <= np.percentile(brightness, 10) + 0.03 * contrast
    surround = np.median(frame[alike], axis=0)
    difference = small - surround
    size = np.linalg.norm(difference, axis=2)
    retina = np.median(difference[size >= np.percentile(size[::2, ::2], 75)], axis=0)
    if not retina.any():
        return None
    weights = _weigh_colors(retina, frame[alike] - surround)
    noise = np.median(np.abs((frame[alike] - surround) @ weights))
    return np.asarray(difference @ weights, np.float32), 1.48 * float(noise)


def _weigh_colors(retina: Signal, surround: Signal) -> Signal:
    """Return the weights of the channels that separate the retina from its surround.

    Half by brightness, half by hue: a dim rim is no brighter than a grey surround, but redder.

    Parameters
    ----------
    retina : array
        ``(channels,)``, how the retina differs from the surround.
    surround : array
        ``(pixels, channels)``, how pixels of the surround differ from its colour.
    """
    by_brightness = retina / (retina @ retina)
    hue = retina - retina.mean()
    power = float(hue @ hue)
    if power == 0 or np.median(np.abs(surround @ hue)) / power > _LARGEST_HUE_NOISE:
        return np.asarray(by_brightness)
    return np.asarray((by_brightness + hue / power) / 2)


def _find_rim(signal: Signal, noise: float) -> tuple[Aperture, Rim] | None:
    aperture = find_aperture(signal, noise)
    if aperture is None:
        return None
    rim = trace_rim(signal, noise, aperture)
    seen = rim.sharpness[np.isfinite(rim.sharpness)]
    hidden = 1 - len(seen) / len(rim.angles)
    if hidden > 1 - _LEAST_RIM or seen.mean() < _LEAST_SHARPNESS + _SHARPER * hidden:
        return None
    around = ~_fill_rim(signal.shape[:2], aperture, rim, 1.03)
    # Captions may be in the surround, but within the retina as much varies as beyond a shadow.
    if around.any() and np.percentile(signal[around], 90) > _BRIGHTEST_SURROUND:
        return None
    return aperture, rim


def _is_paper(small: Signal, aperture: Aperture, rim: Rim) -> bool:
    """Whether a field is a box of paper: no disc, and mostly of one colour."""
    field = _fill_rim(small.shape[:2], aperture, rim)
    if aperture.is_round and field.sum() > _ROUND * np.pi * aperture.radius**2:
        return False
    inside = small[field]
    color, surround = np.median(inside, axis=0), np.median(small[~field], axis=0)
    away = np.abs(inside - color).max(axis=1)
    return bool((away < _ALIKE * np.abs(color - surround).max()).mean() > _MOST_ALIKE)


def _at_full_size(aperture: Aperture, rim: Rim, grid: tuple[int, int], scale: float) -> FieldOfView:
    center = [(place + 0.5) / scale - 0.5 for place in (aperture.row, aperture.column)]
    field = _fill(grid, (center[0], center[1]), rim.radii / scale, rim.angles)
    circle = fit_to_rim(aperture, rim) if aperture.is_round else None
    if circle is None:
        row, column, diameter = _span(field)
    else:
        row, column = ((place + 0.5) / scale - 0.5 for place in circle[:2])
        diameter = 2 * circle[2] / scale
    return FieldOfView(field, (row, column), diameter, found=True)


def _fill_rim(
    grid: tuple[int, int], aperture: Aperture, rim: Rim, beyond: float = 1.0
) -> npt.NDArray[np.bool_]:
    """Draw what lies within a rim, or up to `beyond` times as far from the centre."""
    return _fill(grid, (aperture.row, aperture.column), beyond * rim.radii, rim.angles)


def _fill(
    grid: tuple[int, int],
    center: tuple[float, float],
    radii: npt.NDArray[np.float64],
    angles: npt.NDArray[np.float64],
) -> npt.NDArray[np.bool_]:
    """Draw what lies within an outline in polar coordinates."""
    # OpenCV draws to 1/16 px, and fills the pixels that the outline only touches, too.
    columns = center[1] + (radii - 0.5) * np.cos(angles)
    rows = center[0] + (radii - 0.5) * np.sin(angles)
    pixels = np.zeros(grid, np.uint8)
    corners = np.round(16 * np.column_stack([columns, rows])).astype(np.int32)
    cv2.fillPoly(pixels, [corners], 1, shift=4)
    return pixels.view(bool)
