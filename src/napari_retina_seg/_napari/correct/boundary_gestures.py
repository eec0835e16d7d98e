"""Mouse gestures on a boundary line: from the path of the mouse to the new course of the line.

Each gesture starts at a place (column and height in px) and is updated with the following ones; it
returns one row of heights, NaN where the line stays, as in `editing.boundaries`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

import numpy as np
from napari.layers import Image

from napari_retina_seg._napari.layers import finest, is_off_slice, position
from napari_retina_seg.editing.boundaries import pull, smooth, trace_stroke
from napari_retina_seg.editing.snapping import snap, vertical_gradient
from napari_retina_seg.imaging.surfaces import Heights
from napari_retina_seg.types.errors import ImageError

LinePoint = tuple[float, float]


class Mode(Enum):
    """Mode of the boundary tool; the value is the label of its button."""

    PULL = "Pull"
    DRAW = "Redraw"
    SNAP = "Snap"
    SMOOTH = "Smooth"


class Gesture(Protocol):
    """A gesture in progress."""

    def to(self, place: LinePoint) -> Heights:
        """Return the new heights of the line for the current mouse position."""


@dataclass(frozen=True)
class Pull:
    """The line follows the mouse, less with distance."""

    row: Heights
    start: LinePoint
    reach: int

    def to(self, place: LinePoint) -> Heights:
        """Return the new heights of the line for the current mouse position."""
        return pull(self.row, round(self.start[0]), place[1] - self.start[1], self.reach)


@dataclass
class Draw:
    """The line follows the stroke."""

    row: Heights
    start: LinePoint
    _wanted: Heights = field(init=False)

    def __post_init__(self) -> None:
        self._wanted = np.full_like(self.row, np.nan)

    def to(self, place: LinePoint) -> Heights:
        """Return the new heights of the line for the current mouse position."""
        passed = trace_stroke(np.array([self.start, place]), len(self.row))
        self.start = place
        self._wanted = np.where(np.isnan(passed), self._wanted, passed)
        return self._wanted


@dataclass(frozen=True)
class Snap:
    """The line follows the edge between two clicks."""

    start: LinePoint
    gradient: Heights
    sign: int

    def to(self, place: LinePoint) -> Heights:
        """Return the new heights of the line for the current mouse position."""
        return snap(self.gradient, self.start, place, self.sign)


@dataclass(frozen=True)
class Smooth:
    """The segment under the stroke is smoothed."""

    row: Heights
    start: LinePoint
    sigma: float

    def to(self, place: LinePoint) -> Heights:
        """Return the new heights of the line for the current mouse position."""
        last = len(self.row) - 1
        first, end = (int(np.clip(round(each[0]), 0, last)) for each in (self.start, place))
        return smooth(self.row, first, end, self.sigma)


def nearest(heights: Heights, place: LinePoint, within: float) -> int | None:
    """Return the line nearest to a place, if within reach; of coinciding lines the outer one.

    Parameters
    ----------
    heights : array
        ``(boundaries, columns)`` in px; NaN where there is no line.
    place : tuple of float
        Column and height in px.
    within : float
        Largest distance, in px.

    Returns
    -------
    int or None
        Of coinciding lines the uppermost if the place is above them, the lowest if below, so that
        each can be pulled away from the others.
    """
    column = round(place[0])
    if not 0 <= column < heights.shape[1] or np.isnan(heights[:, column]).any():
        return None
    away = heights[:, column] - place[1]
    distance = np.abs(away)
    if distance.min() > within:
        return None
    closest = np.flatnonzero(distance == distance.min())
    return int(closest[0] if away[closest[0]] >= 0 else closest[-1])


class ImageEdges:
    """Caches the gradient of one plane, as many segments are drawn on the same scan."""

    def __init__(self) -> None:
        self._of: tuple[Any, ...] = ()
        self._gradient: Heights | None = None

    def find(
        self, image: Image | None, point: Sequence[float], units: Sequence[Any], mask: str
    ) -> Heights:
        """Return the vertical gradient of the slice on the screen; see `editing.snapping`.

        Parameters
        ----------
        image : Image or None
            Image on the grid of the mask.
        point : sequence of float
            Position of the viewer's sliders, in `units`.
        mask : str
            Name of the mask.

        Raises
        ------
        ImageError
            If there is no image, or no slice of it on the screen.
        """
        if image is None or is_off_slice(image, point, units):
            raise ImageError(
                f"There is no image under '{mask}' to snap to: open its image, or use Redraw."
            )
        at = position(image, point, units)
        place = (*at.leading, at.index) if image.ndim > 2 else ()
        key = (id(image.data), place)
        if self._gradient is None or key != self._of:
            plane = np.asarray(finest(image)[place], np.float32)
            self._gradient = vertical_gradient(plane[..., :3].mean(axis=-1) if image.rgb else plane)
            self._of = key
        return self._gradient
