"""Draw shapes of annotation tools into a mask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from napari_retina_seg.io.formats.found import Note, Problem
from napari_retina_seg.io.formats.outlines import Points, fill

Raster = npt.NDArray[np.uint8]
Region = npt.NDArray[np.bool_]

_ROUNDING = 1.0  # px by which a point may miss its image: tools round differently
_ON_PIXEL = (0, 0.1, 0.5, 0.9, 1)  # where outlines of a pixel run, those of `trace` too
_OVERHANG = 0.01  # of the longer side, by which a hand may reach over the edge


class Canvas:
    """The mask of one image while its shapes are drawn; later shapes overwrite earlier ones.

    A shape that can't be drawn is left out and named; it does not spoil the others. As pycocotools
    does, polygons that reach over the edge of the image are cut there; of those that reach farther
    than a hand's slip (1 % of the longer side, at least 1 px) it is reported, and they are left
    out: they were drawn over an image of another size.

    Parameters
    ----------
    where : str
        The image and the file, for messages, e.g. ``'a.png' in 'masks.json'``.
    shape : tuple of int
        ``(rows, columns)``.
    """

    def __init__(self, where: str, shape: tuple[int, int]) -> None:
        self._where, self.shape = where, shape
        self.raster: Raster | None = None  # None until something is drawn: not annotated
        self.found: list[Problem | Note] = []

    def draw_polygons(self, value: int, rings: Sequence[Points], what: str) -> None:
        """Draw one shape of one or several polygons.

        A polygon that lies within another one of the same shape, clear of its line, is a hole, or
        an island in a hole: COCO has no other way to write them as polygons, and tools that trace
        masks write them so. Others are added up.

        Parameters
        ----------
        value : int
            Of the class.
        rings : sequence of array
            ``(points, 2)`` x and y in px, 0 at the left and upper edge.
        what : str
            The shape, for messages, e.g. ``annotation 3``.
        """
        usable = [ring for ring in rings if self._can_draw(ring, what)]
        if not usable:
            return
        # Only where they are: a mask may have thousands of specks.
        low = np.floor(np.min([ring.min(axis=0) for ring in usable], axis=0)) - 1
        high = np.ceil(np.max([ring.max(axis=0) for ring in usable], axis=0)) + 1
        left, top = np.clip(low, 0, None).astype(int).tolist()
        right, bottom = np.clip(high, 0, self.shape[::-1]).astype(int).tolist()
        box = (bottom - top, right - left)
        region, has_holes = fill_nested([ring - (left, top) for ring in usable], box)
        if has_holes:
            self._remark(f"{what} has a polygon within another, which is taken for a hole")
        self.draw_region(value, region, what, (top, left))

    def draw_region(
        self, value: int, region: Region, what: str, corner: tuple[int, int] = (0, 0)
    ) -> None:
        """Draw the pixels of a shape.

        Parameters
        ----------
        value : int
            Of the class.
        region : array
            bool, within the image.
        what : str
            The shape, for messages.
        corner : tuple of int
            Row and column of the region's first pixel.
        """
        rows, columns = region.shape
        top, left = corner
        inside = top >= 0 and left >= 0
        if not inside or top + rows > self.shape[0] or left + columns > self.shape[1]:
            self.refuse(f"{what} lies outside of the image{self._size}")
            return
        if not region.any():
            self._remark(f"{what} covers no pixel")
            return
        if self.raster is None:
            self.raster = np.zeros(self.shape, np.uint8)
        self.raster[top : top + rows, left : left + columns][region] = value

    @property
    def is_complete(self) -> bool:
        """Whether no shape was left out."""
        return not any(isinstance(one, Problem) for one in self.found)

    def refuse(self, reason: str) -> None:
        """Record why a shape was skipped."""
        self.found.append(Problem(f"{reason[0].upper()}{reason[1:]}: left out of {self._where}."))

    def _remark(self, text: str) -> None:
        self.found.append(Note(f"{text[0].upper()}{text[1:]}, in {self._where}."))

    @property
    def _size(self) -> str:
        return f" of {self.shape[0]} × {self.shape[1]} px"

    def _can_draw(self, ring: Points, what: str) -> bool:
        if not np.isfinite(ring).all() or len(np.unique(ring, axis=0)) < 3:
            self.refuse(f"{what} has a polygon of less than three points")
            return False
        if ring.min() >= 0 and ring.max() <= 1 and not np.isin(ring, _ON_PIXEL).all():
            self.refuse(
                f"{what} lies within the first pixel, as if its coordinates were fractions of the"
                " image size"
            )
            return False
        limits = np.array(self.shape[::-1], np.float64)
        if (ring >= limits).all(axis=0).any() or (ring <= 0).all(axis=0).any():
            self.refuse(f"{what} lies outside of the image{self._size}")
            return False
        reach = float(max(-ring.min(), (ring - limits).max()))
        if reach > max(_ROUNDING, _OVERHANG * limits.max()):
            self.refuse(
                f"{what} leaves the image{self._size} by {reach:.0f} px, as if it was drawn over"
                " another size"
            )
            return False
        if reach > _ROUNDING:
            self._remark(f"{what} reaches over the edge by {reach:.0f} px and was cut there")
        return True


def fill_nested(rings: Sequence[Points], shape: tuple[int, int]) -> tuple[Region, bool]:
    """Fill several polygons of one shape, of which some may be holes.

    Parameters
    ----------
    rings : sequence of array
        ``(points, 2)`` x and y in px.
    shape : tuple of int
        ``(rows, columns)``.

    Returns
    -------
    tuple of array and bool
        The region, and whether there are holes in it.
    """
    region = np.zeros(shape, bool)
    has_holes = False
    for ring in sorted(rings, key=_box_area, reverse=True):
        low = np.clip(np.floor(ring.min(axis=0)) - 1, 0, None).astype(np.intp)
        high = np.clip(np.ceil(ring.max(axis=0)) + 1, 0, shape[::-1]).astype(np.intp)
        box = region[low[1] : high[1], low[0] : high[0]]
        own = fill([ring - low], (box.shape[0], box.shape[1]))
        if box.any() and _is_clear_within(own, box):
            box &= ~own
            has_holes = True
        else:
            box |= own
    return region, has_holes


def _is_clear_within(inner: Region, outer: Region) -> bool:
    """Whether there are pixels of the outer region around all of the inner one."""
    from scipy import ndimage

    return bool(inner.any() and outer[ndimage.binary_dilation(inner, np.ones((3, 3), bool))].all())


def _box_area(ring: Points) -> float:
    return float(np.prod(np.ptp(ring, axis=0)))


def ellipse(x: float, y: float, across: float, down: float, degrees: float = 0.0) -> Points:
    """Return an ellipse as a polygon.

    Parameters
    ----------
    x, y : float
        Its centre in px.
    across, down : float
        Half its axes in px.
    degrees : float
        By which it is turned clockwise.
    """
    angles = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    points = np.column_stack([across * np.cos(angles), down * np.sin(angles)])
    turn = np.deg2rad(degrees)
    turned = points @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return np.asarray(turned + np.array([x, y]))
