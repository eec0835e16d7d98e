"""What the mouse does to a line: from where it was put down and went to where the line is wanted.

Each gesture is begun at a place, a column and a height in px, and told of the next ones; it answers
with one row of heights that is NaN where the line is to stay, as `core.line_edits` has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

import numpy as np

from napari_retina_seg.core.edges import snap
from napari_retina_seg.core.line_edits import pull, smooth, trace_stroke
from napari_retina_seg.core.surfaces import Heights

Place = tuple[float, float]


class Mode(Enum):
    """What the mouse does to a line; the value is the name of its button."""

    PULL = "Pull"
    DRAW = "Draw anew"
    SNAP = "Snap"
    SMOOTH = "Smooth"


class Gesture(Protocol):
    """A gesture that was begun."""

    def to(self, place: Place) -> Heights:
        """Return where the line is wanted, now that the mouse is here."""


@dataclass(frozen=True)
class Pull:
    """The line comes along, less and less with the distance."""

    row: Heights
    start: Place
    reach: int

    def to(self, place: Place) -> Heights:
        """Return where the line is wanted, now that the mouse is here."""
        return pull(self.row, round(self.start[0]), place[1] - self.start[1], self.reach)


@dataclass
class Draw:
    """The line follows the hand."""

    row: Heights
    start: Place
    _wanted: Heights = field(init=False)

    def __post_init__(self) -> None:
        self._wanted = np.full_like(self.row, np.nan)

    def to(self, place: Place) -> Heights:
        """Return where the line is wanted, now that the mouse is here."""
        passed = trace_stroke(np.array([self.start, place]), len(self.row))
        self.start = place
        self._wanted = np.where(np.isnan(passed), self._wanted, passed)
        return self._wanted


@dataclass(frozen=True)
class Snap:
    """The line runs along the edge from the one click to the next."""

    start: Place
    gradient: Heights
    sign: int

    def to(self, place: Place) -> Heights:
        """Return where the line is wanted, now that the mouse is here."""
        return snap(self.gradient, self.start, place, self.sign)


@dataclass(frozen=True)
class Smooth:
    """The stretch that the mouse passes becomes smoother."""

    row: Heights
    start: Place
    sigma: float

    def to(self, place: Place) -> Heights:
        """Return where the line is wanted, now that the mouse is here."""
        last = len(self.row) - 1
        first, end = (int(np.clip(round(each[0]), 0, last)) for each in (self.start, place))
        return smooth(self.row, first, end, self.sigma)


def nearest(heights: Heights, place: Place, within: float) -> int | None:
    """Return the line next to a place, if one is near; of lines that coincide the outer one.

    Parameters
    ----------
    heights : array
        ``(boundaries, columns)`` in px; NaN where there is no line.
    place : tuple of float
        Column and height in px.
    within : float
        How near, in px.

    Returns
    -------
    int or None
        Seen from above, the uppermost of the lines that lie upon each other there; seen from
        below, the lowest: so each can be pulled off the others.
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
