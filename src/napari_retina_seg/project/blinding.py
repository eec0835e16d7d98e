"""Who may see and do what: the second grader is blinded to the first grading."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import ColumnElement, exists, false, select
from sqlalchemy.orm import Session

from napari_retina_seg.project.members import find_grader
from napari_retina_seg.project.removals import check_present
from napari_retina_seg.project.roles import MEMBER, Member, Role
from napari_retina_seg.project.states import (
    GRADING_ROUNDS,
    Action,
    GradingRound,
    State,
    possible_actions,
)
from napari_retina_seg.project.store import image_row, list_once, now, same_person, versions_of
from napari_retina_seg.project.tables import ImageRow, SecondGraderRow, VersionRow
from napari_retina_seg.project.values import VersionKind
from napari_retina_seg.types.errors import ProjectError

# Until the second grading is final; "ungradable" may also be the adjudicator's decision.
_BLIND = frozenset(
    {State.UNREVIEWED, State.IN_PROGRESS, State.CORRECTED, State.ACCEPTED, State.UNGRADABLE}
)
SECOND_ACTIONS = frozenset({Action.SECOND_DRAFT, Action.SECOND_GRADE, Action.SECOND_REFUSE})


def assign_second_grader(session: Session, image_id: int, grader: str) -> None:
    """Assign a second grader, who is blinded from then on; see `Project.assign_second_grader`."""
    image = image_row(session, image_id)
    check_second_grader(session, image, grader)
    grader = find_grader(session, grader)
    if find_second_row(session, image) is None:
        session.add(
            SecondGraderRow(image_id=image.id, round=image.round, grader=grader, compared_at=None)
        )


def keep_second_grader(session: Session, image: ImageRow, person: str) -> None:
    """Keep the second grader of the last round in a round that a person has just begun.

    A second grader who reopens the image becomes its first grader.
    """
    last = find_second_row(session, image, image.round - 1)
    if last is not None and not same_person(last.grader, person):
        session.add(
            SecondGraderRow(
                image_id=image.id, round=image.round, grader=last.grader, compared_at=None
            )
        )


def check_second_grader(session: Session, image: ImageRow, grader: str) -> None:
    """Raise `ProjectError` if a person can't be the second grader of an image."""
    check_present(session, image)
    if not is_blind(session, image):
        state = State(image.state)
        raise ProjectError(f"'{image.name}' is {state}: reopen it before it is graded again.")
    first = newest_human(session, image, GradingRound.FIRST)
    if first is not None and same_person(first.author, grader):
        raise ProjectError(
            f"{grader} is the first grader of '{image.name}': choose another person as the second."
        )
    known = find_second_grader(session, image)
    if known is not None and not same_person(known, grader):
        raise ProjectError(f"'{image.name}' has a second grader already: {known}.")


def check_permissions(session: Session, image: ImageRow, action: Action, person: str) -> None:
    """Raise `ProjectError` if this person must never do this, in any state of the image."""
    if action in SECOND_ACTIONS:
        check_second_grader(session, image, person)
    elif not has_role(session, action):
        raise ProjectError(
            f"{person} is no adjudicator in this study, so another person must {action.of('it')}."
        )
    elif not may_do(session, image, action, person):
        raise ProjectError(
            f"{person} is the second grader of '{image.name}', so another person must"
            f" {action.of('it')}."
        )


def has_role(session: Session, action: Action) -> bool:
    """Whether the member who has opened a study may do this; without members everybody may."""
    member: Member | None = session.info.get(MEMBER)
    adjudicates = GRADING_ROUNDS[action] is GradingRound.ADJUDICATION
    return not adjudicates or member is None or member.role is Role.ADJUDICATOR


def may_do(session: Session, image: ImageRow, action: Action, person: str) -> bool:
    """Whether a person may do this, if the image's state allows it.

    A second grader can't act as the first grader while blinded, and never adjudicates.
    The first grader may adjudicate, since a team may consist of two.
    """
    if not has_role(session, action):
        return False
    if action in SECOND_ACTIONS or not _is_second(session, image, person):
        return True
    if image.state == State.GRADED_TWICE:
        return False  # reopening would discard the other grading
    return GRADING_ROUNDS[action] is not GradingRound.ADJUDICATION and not is_blind(session, image)


def allowed_actions(
    session: Session, image: ImageRow, state: State, person: str
) -> tuple[Action, ...]:
    """Return the actions that a person may take on an image in a given state."""
    possible = possible_actions(state, find_grading_round(session, image, person))
    allowed = tuple(action for action in possible if may_do(session, image, action, person))
    return (*allowed, Action.SECOND_REOPEN) if may_revise(session, image, person) else allowed


def may_revise(session: Session, image: ImageRow, person: str) -> bool:
    """Whether a second grader may reopen the own finished grading: nobody has compared it yet."""
    second = find_second_row(session, image)
    if image.state != State.GRADED_TWICE or second is None or second.compared_at is not None:
        return False
    adjudicated = newest_human(session, image, GradingRound.ADJUDICATION) is not None
    return same_person(second.grader, person) and not adjudicated


def is_first_comparison(
    session: Session, image: ImageRow, version: VersionRow, person: str
) -> bool:
    """Whether reading a version lets a person compare two gradings that nobody compared before."""
    second = find_second_row(session, image)
    if second is None or second.compared_at is not None or image.state != State.GRADED_TWICE:
        return False
    if version.round != image.round or version.kind == VersionKind.PREDICTION:
        return False
    is_own = version.grading == GradingRound.SECOND
    return same_person(second.grader, person) != is_own


def note_comparison(session: Session, image: ImageRow) -> None:
    """Note that both gradings have been seen: the second one can't be changed any more."""
    second = find_second_row(session, image)
    if second is not None and second.compared_at is None:
        second.compared_at = now()


def refusal_of(session: Session, image: ImageRow, person: str) -> Action:
    """Return the action by which a person marks an image ungradable, by the grading round."""
    if image.state == State.GRADED_TWICE:
        return Action.ADJUDICATE_REFUSE
    second = _is_second(session, image, person) and is_blind(session, image)
    return Action.SECOND_REFUSE if second else Action.REFUSE


def newest_human(session: Session, image: ImageRow, grading: GradingRound) -> VersionRow | None:
    """Return the newest version of a grading round that is not in conflict."""
    found = None
    for row in versions_of(session, image):
        of_round = (row.kind, row.round, row.grading) == (VersionKind.HUMAN, image.round, grading)
        if of_round and not row.conflict:
            found = row
    return found


def blinded_images(session: Session, images: Iterable[ImageRow], person: str) -> set[int]:
    """Return the images whose first grading a person must not see."""
    of_number = {image.id: image for image in images}
    query = select(SecondGraderRow).where(SecondGraderRow.image_id.in_(of_number))
    graded = (
        of_number[row.image_id]
        for row in session.scalars(query)  # of any person and round: see `versions_of`
        if row.round == of_number[row.image_id].round and same_person(row.grader, person)
    )
    return {image.id for image in graded if is_blind(session, image)}


def blinded_to(session: Session, person: str, *, may_revise: bool = False) -> ColumnElement[bool]:
    """Return the SQL condition under which a person must not see an image's first grading.

    With `may_revise` also that under which they may still change their own, and are not shown the
    first one unasked. It is for lists; `blinded_images` decides what is shown.
    """
    graders = session.scalars(select(SecondGraderRow.grader).distinct())
    spellings = [grader for grader in graders if same_person(grader, person)]
    if not spellings:
        return false()
    is_second = exists().where(
        SecondGraderRow.image_id == ImageRow.id,
        SecondGraderRow.round == ImageRow.round,
        SecondGraderRow.grader.in_(spellings),
    )
    adjudicated = exists().where(
        VersionRow.image_id == ImageRow.id,
        VersionRow.round == ImageRow.round,
        VersionRow.grading == GradingRound.ADJUDICATION.value,
    )
    hidden: ColumnElement[bool] = ImageRow.state.in_([state.value for state in _BLIND])
    if may_revise:
        uncompared = is_second.where(SecondGraderRow.compared_at.is_(None))
        hidden |= (ImageRow.state == State.GRADED_TWICE.value) & uncompared
    return is_second & hidden & ~adjudicated


def visible(session: Session, image: ImageRow, person: str) -> Callable[[VersionRow], bool]:
    """Return which versions of an image a person may see."""
    blinded = image.id in blinded_images(session, [image], person)

    def may_see(version: VersionRow) -> bool:
        if version.kind == VersionKind.PREDICTION or same_person(version.author, person):
            return True
        # A second grader keeps drafts of earlier rounds to go on from.
        is_open = version.round == image.round or version.state == State.IN_PROGRESS
        of_second = version.grading == GradingRound.SECOND and is_open
        return not blinded and not (of_second and is_blind(session, image))

    return may_see


def listed(session: Session, image: ImageRow, person: str) -> Callable[[VersionRow], bool]:
    """Return which versions of an image are shown to a person who did not ask for one of them.

    A second grader who may still change their own grading is shown nothing of others. What they
    drew can be asked for, but that makes the own grading final.
    """
    may_see, may_change = visible(session, image, person), may_revise(session, image, person)

    def is_listed(version: VersionRow) -> bool:
        is_own = same_person(version.author, person)
        return may_see(version) and (
            is_own or not may_change or version.kind == VersionKind.PREDICTION.value
        )

    return is_listed


def check_visible(session: Session, image: ImageRow, version: VersionRow, person: str) -> None:
    """Raise `ProjectError` if a person must not see a version."""
    if not visible(session, image, person)(version):
        raise ProjectError(
            f"Version {version.number} of '{image.name}' is hidden until the second grading of it"
            " is final: the two graders must not see each other's work."
        )


def check_not_blinded(session: Session, image: ImageRow, person: str) -> None:
    """Raise `ProjectError` if a person must not see the first grading of an image."""
    if blinded_images(session, [image], person):
        raise ProjectError(
            f"The first grading of '{image.name}' is hidden until the second grading of it is"
            " final: the two graders must not see each other's work."
        )


def _is_second(session: Session, image: ImageRow, person: str) -> bool:
    return same_person(find_second_grader(session, image), person)


def find_second_grader(session: Session, image: ImageRow) -> str | None:
    """Return the second grader of an image in this round."""
    second = find_second_row(session, image)
    return None if second is None else second.grader


def find_second_row(
    session: Session, image: ImageRow, number: int | None = None
) -> SecondGraderRow | None:
    """Return the second grader of an image in a round, by default the present one.

    The rows of all rounds are loaded, so that none is passed over: see `versions_of`.
    """
    wanted = image.round if number is None else number
    rows = list_once(session, SecondGraderRow, image)
    return next((row for row in rows if row.round == wanted), None)


def find_grading_round(session: Session, image: ImageRow, person: str) -> GradingRound:
    """Return the grading round of a person: first grading, second grading or adjudication."""
    if not is_blind(session, image):
        return GradingRound.ADJUDICATION
    return GradingRound.SECOND if _is_second(session, image, person) else GradingRound.FIRST


def is_blind(session: Session, image: ImageRow) -> bool:
    """Whether the second grading of this round, if one is planned, is still open."""
    state = State(image.state)
    if state is not State.UNGRADABLE:
        return state in _BLIND
    return newest_human(session, image, GradingRound.ADJUDICATION) is None
