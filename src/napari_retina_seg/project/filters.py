"""What the queue lists, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from napari_retina_seg.project.states import State
from napari_retina_seg.types.choices import members
from napari_retina_seg.types.errors import ProjectError


class Order(StrEnum):
    """Order of the queue."""

    ADDED = "as added"
    WORST_FIRST = "most uncertain first"
    GAIN = "most instructive first"


@dataclass(frozen=True)
class Filters:
    """Filters of the queue; None and empty values match all images.

    Attributes
    ----------
    states : frozenset of State
        Only these.
    author : str or None
        Only images whose newest human version is by this person.
    patient : str or None
        Only of this patient.
    text : str
        Text in the name, case-insensitive.
    conflict : bool
        Only those in conflict.
    second_grading : bool
        Only those that this person has left to grade a second time.
    warned : bool
        Only those whose newest prediction has a warning.
    removed : bool
        Only those that were removed from the project, instead of only the others.
    """

    states: frozenset[State] = frozenset()
    author: str | None = None
    patient: str | None = None
    text: str = ""
    conflict: bool = False
    second_grading: bool = False
    warned: bool = False
    removed: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "states", members(State, self.states, "state", ProjectError))
