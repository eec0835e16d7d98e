"""Resolve an edit to a new state, or to a conflict with another version."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from napari_retina_seg.project.blinding import (
    allowed_actions,
    blinded_images,
    check_permissions,
    newest_human,
)
from napari_retina_seg.project.removals import check_present
from napari_retina_seg.project.states import (
    GRADING_ROUNDS,
    REFUSALS,
    REOPENS,
    TRANSITIONS,
    UNFINISHED,
    Action,
    GradingRound,
    State,
    refusal,
    visible_state,
)
from napari_retina_seg.project.tables import ImageRow, VersionRow
from napari_retina_seg.project.values import VersionKind
from napari_retina_seg.types.errors import ProjectError


@dataclass(frozen=True)
class EditRequest:
    """A request to change an image.

    Attributes
    ----------
    action : Action
        The action.
    author : str
        Its author.
    parent : int or None
        Number of the version it is based on.
    seconds : float
        Time spent on it.
    comment, reason : str
        Given by the author.
    elsewhere : bool
        Whether it was made in another program, without a parent.
    settles : bool
        Whether it may adjudicate an image that nobody has finished here.
    """

    action: Action
    author: str
    parent: int | None = None
    seconds: float = 0
    comment: str = ""
    reason: str = ""
    elsewhere: bool = False
    settles: bool = False

    @property
    def concerns_present_state(self) -> bool:
        """Whether it applies to the current state of the image, so that it can't conflict."""
        return self.elsewhere or self.action in REFUSALS | REOPENS | {Action.ACCEPT}


@dataclass(frozen=True)
class Transition:
    """The outcome of an edit.

    Attributes
    ----------
    conflict : bool
        Whether another version continues the same parent.
    state : State
        New state of the image, unless there is a conflict.
    """

    conflict: bool
    state: State


# State of an image at the start of a grading round.
_BEFORE = {
    GradingRound.FIRST: State.UNREVIEWED,
    GradingRound.SECOND: State.CORRECTED,
    GradingRound.ADJUDICATION: State.GRADED_TWICE,
}


def resolve_transition(
    session: Session, image: ImageRow, request: EditRequest, parent: VersionRow | None, person: str
) -> Transition:
    """Return whether an edit conflicts with another version, and the new state of the image.

    Parameters
    ----------
    session : Session
        Database session.
    image : ImageRow
        The image.
    request : EditRequest
        The edit.
    parent : VersionRow or None
        The version it is based on.
    person : str
        Who makes the request; not always its author.

    Raises
    ------
    ProjectError
        If this person may not do it, or the image's state forbids it.
    """
    check_present(session, image)
    grading = GRADING_ROUNDS[request.action]
    if request.action not in REOPENS:  # checked before its round began
        check_permissions(session, image, request.action, request.author)
    start = parent if parent is not None and _is_of_round(parent, image) else None
    if grading is GradingRound.SECOND and start is not None and start.grading != grading:
        raise ProjectError(
            f"A second grading of '{image.name}' starts from the prediction or from nothing, not"
            f" from version {start.number}: the two graders must not see each other's work."
        )
    if request.concerns_present_state or _knows_newest(session, image, grading, start):
        return Transition(False, _next_state(session, image, State(image.state), request, person))
    before = _BEFORE[grading]
    if grading is GradingRound.FIRST and start is not None:
        before = State(start.state)
    return Transition(True, _next_state(session, image, before, request, person))


def _next_state(
    session: Session, image: ImageRow, before: State, request: EditRequest, person: str
) -> State:
    action = request.action
    after = TRANSITIONS.get((before, action))
    if request.settles and before in UNFINISHED:
        return State.ADJUDICATED
    if after is None:
        shown_state = visible_state(before, blinded=bool(blinded_images(session, [image], person)))
        possible = allowed_actions(session, image, shown_state, person)
        raise ProjectError(refusal(shown_state, action, image.name, possible))
    first = newest_human(session, image, GradingRound.FIRST)
    if action is Action.SECOND_REOPEN and first is not None:
        return State(first.state)
    return after


def _is_of_round(version: VersionRow, image: ImageRow) -> bool:
    return version.kind == VersionKind.HUMAN and version.round == image.round


def _knows_newest(
    session: Session, image: ImageRow, grading: GradingRound, start: VersionRow | None
) -> bool:
    """Whether an edit is based on the newest version of its grading round."""
    if start is not None and start.grading != grading:
        if grading is GradingRound.FIRST:  # later rounds include the first grading
            return True
        start = None  # an adjudication starts from a grading
    return start is newest_human(session, image, grading)
