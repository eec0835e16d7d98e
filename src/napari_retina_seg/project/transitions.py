"""Where a deed leads: on from the newest version, or beside it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from napari_retina_seg.core.errors import ProjectError
from napari_retina_seg.project.blinding import (
    allowed_actions,
    blinded_images,
    check_permissions,
    newest_human,
)
from napari_retina_seg.project.states import (
    GRADING_ROUNDS,
    REFUSALS,
    TRANSITIONS,
    Action,
    GradingRound,
    State,
    refusal,
    visible_state,
)
from napari_retina_seg.project.tables import ImageRow, VersionRow
from napari_retina_seg.project.values import Kind


@dataclass(frozen=True)
class EditRequest:
    """What somebody does to an image.

    Attributes
    ----------
    action : Action
        What.
    author : str
        Who.
    parent : int or None
        Number of the version that it was done to.
    seconds : float
        How long it took.
    comment, reason : str
        In the author's words.
    elsewhere : bool
        Whether it was done without looking at any version.
    """

    action: Action
    author: str
    parent: int | None = None
    seconds: float = 0
    comment: str = ""
    reason: str = ""
    elsewhere: bool = False

    @property
    def is_said_of_now(self) -> bool:
        """Whether it is said of the image as it is when it is saved, so that nobody is crossed."""
        return self.elsewhere or self.action in REFUSALS | {Action.ACCEPT, Action.REOPEN}


@dataclass(frozen=True)
class Transition:
    """Where a deed leads.

    Attributes
    ----------
    conflict : bool
        Whether somebody else has continued the same version meanwhile.
    state : State
        What the image becomes, or would if there were no conflict.
    """

    conflict: bool
    state: State


# What an image is when a reading begins.
_BEFORE = {
    GradingRound.FIRST: State.UNREVIEWED,
    GradingRound.SECOND: State.CORRECTED,
    GradingRound.ADJUDICATION: State.SECOND_READ,
}


def resolve_transition(
    session: Session, image: ImageRow, request: EditRequest, parent: VersionRow | None, person: str
) -> Transition:
    """Find out whether a deed continues the newest version, and what the image becomes.

    Parameters
    ----------
    session : Session
        To look at the other versions.
    image : ImageRow
        What it is done to.
    request : EditRequest
        What is done.
    parent : VersionRow or None
        The version that it is done to.
    person : str
        Who asks, and is told what can't be done; not always the author of the deed.

    Raises
    ------
    ProjectError
        If it is not this person's turn, or the image's state forbids it.
    """
    reading = GRADING_ROUNDS[request.action]
    if request.action is not Action.REOPEN:  # which has looked before it began its round
        check_permissions(session, image, request.action, request.author)
    begun = parent if parent is not None and _is_of_round(parent, image) else None
    if reading is GradingRound.SECOND and begun is not None and begun.reading != reading:
        raise ProjectError(
            f"A second read of '{image.name}' begins with the prediction or with nothing, not with"
            f" version {begun.number}: the two readers must not know of each other."
        )
    if request.is_said_of_now or _knows_newest(session, image, reading, begun):
        return Transition(
            False, _next_state(session, image, State(image.state), request.action, person)
        )
    before = _BEFORE[reading]
    if reading is GradingRound.FIRST and begun is not None:
        before = State(begun.state)
    return Transition(True, _next_state(session, image, before, request.action, person))


def _next_state(
    session: Session, image: ImageRow, before: State, action: Action, person: str
) -> State:
    after = TRANSITIONS.get((before, action))
    if after is None:
        told = visible_state(before, blinded=bool(blinded_images(session, [image], person)))
        possible = allowed_actions(session, image, told, person)
        raise ProjectError(refusal(told, action, image.name, possible))
    return after


def _is_of_round(version: VersionRow, image: ImageRow) -> bool:
    return version.kind == Kind.HUMAN and version.round == image.round


def _knows_newest(
    session: Session, image: ImageRow, reading: GradingRound, begun: VersionRow | None
) -> bool:
    """Whether work that was begun with a version takes all into account that the reading has."""
    if begun is not None and begun.reading != reading:
        if reading is GradingRound.FIRST:  # what follows the first reading knows of it
            return True
        begun = None  # an adjudicator begins with what a reader drew
    return begun is newest_human(session, image, reading)
