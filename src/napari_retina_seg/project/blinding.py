"""Who may do what, and see what: the second reader is blinded to the first."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import ColumnElement, exists, false, select
from sqlalchemy.orm import Session

from napari_retina_seg.core.errors import ProjectError
from napari_retina_seg.project.states import (
    GRADING_ROUNDS,
    Action,
    GradingRound,
    State,
    possible_actions,
)
from napari_retina_seg.project.store import image_row, same_person
from napari_retina_seg.project.tables import ImageRow, SecondGraderRow, VersionRow
from napari_retina_seg.project.values import Kind

# Until the second read is final; what is ungradable may be so by the adjudicator's word, too.
_BLIND = frozenset(
    {State.UNREVIEWED, State.IN_PROGRESS, State.CORRECTED, State.ACCEPTED, State.UNGRADABLE}
)
SECOND_ACTIONS = frozenset({Action.SECOND_DRAFT, Action.SECOND_READ, Action.SECOND_REFUSE})


def assign_second_grader(session: Session, image_id: int, reader: str) -> None:
    """Choose who reads an image a second time; from then on that person is blinded.

    Raises
    ------
    ProjectError
        If it has another second reader, the person is the first one, or it is too late.
    """
    image = image_row(session, image_id)
    check_second_grader(session, image, reader)
    if session.get(SecondGraderRow, (image.id, image.round)) is None:
        session.add(SecondGraderRow(image_id=image.id, round=image.round, reader=reader))


def check_second_grader(session: Session, image: ImageRow, reader: str) -> None:
    """Raise `ProjectError` if a person can't read an image a second time."""
    if not is_blind(session, image):
        raise ProjectError(
            f"'{image.name}' is {image.state}: reopen it before somebody reads it once more."
        )
    first = newest_human(session, image, GradingRound.FIRST)
    if first is not None and same_person(first.author, reader):
        raise ProjectError(
            f"{reader} is the first reader of '{image.name}': a second one must be somebody else."
        )
    known = session.get(SecondGraderRow, (image.id, image.round))
    if known is not None and not same_person(known.reader, reader):
        raise ProjectError(f"'{image.name}' has a second reader already: {known.reader}.")


def check_permissions(session: Session, image: ImageRow, action: Action, person: str) -> None:
    """Raise `ProjectError` if this person must not do this, whatever the image's state."""
    if action in SECOND_ACTIONS:
        check_second_grader(session, image, person)
    elif not may_do(session, image, action, person):
        raise ProjectError(
            f"{person} is the second reader of '{image.name}', so somebody else must"
            f" {action.of('it')}."
        )


def may_do(session: Session, image: ImageRow, action: Action, person: str) -> bool:
    """Whether a person may do this, whatever the image's state.

    A second reader does nothing as the first one while blinded, and never settles the difference.
    The first reader may settle it: a team may be of two.
    """
    if action in SECOND_ACTIONS or not _is_second(session, image, person):
        return True
    if image.state == State.SECOND_READ:
        return False  # reopened by one of both, the other reading would count for nothing
    return GRADING_ROUNDS[action] is not GradingRound.ADJUDICATION and not is_blind(session, image)


def allowed_actions(
    session: Session, image: ImageRow, state: State, person: str
) -> tuple[Action, ...]:
    """Return what a person may do to an image that is in a state."""
    possible = possible_actions(state, find_grading_round(session, image, person))
    return tuple(action for action in possible if may_do(session, image, action, person))


def refusal_of(session: Session, image: ImageRow, person: str) -> Action:
    """Return as whom a person calls an image ungradable: whose turn it is decides."""
    if image.state == State.SECOND_READ:
        return Action.ADJUDICATE_REFUSE
    second = _is_second(session, image, person) and is_blind(session, image)
    return Action.SECOND_REFUSE if second else Action.REFUSE


def newest_human(session: Session, image: ImageRow, reading: GradingRound) -> VersionRow | None:
    """Return the version that a reading has come to in this round, without those in conflict."""
    query = (
        select(VersionRow)
        .filter_by(
            image_id=image.id,
            kind=Kind.HUMAN.value,
            round=image.round,
            reading=reading.value,
            conflict=False,
        )
        .order_by(VersionRow.number.desc())
        .limit(1)
    )
    return session.scalars(query).one_or_none()


def blinded_images(session: Session, images: Iterable[ImageRow], person: str) -> set[int]:
    """Return which images a person must not see the first reading of."""
    numbers = [image.id for image in images]
    query = select(ImageRow.id).where(ImageRow.id.in_(numbers), blinded_to(session, person))
    return set(session.scalars(query))


def blinded_to(session: Session, person: str) -> ColumnElement[bool]:
    """Return the condition under which a person must not see an image's first reading."""
    readers = session.scalars(select(SecondGraderRow.reader).distinct())
    spellings = [reader for reader in readers if same_person(reader, person)]
    if not spellings:
        return false()
    is_second = exists().where(
        SecondGraderRow.image_id == ImageRow.id,
        SecondGraderRow.round == ImageRow.round,
        SecondGraderRow.reader.in_(spellings),
    )
    adjudicated = exists().where(
        VersionRow.image_id == ImageRow.id,
        VersionRow.round == ImageRow.round,
        VersionRow.reading == GradingRound.ADJUDICATION.value,
    )
    return is_second & ImageRow.state.in_([state.value for state in _BLIND]) & ~adjudicated


def visible(session: Session, image: ImageRow, person: str) -> Callable[[VersionRow], bool]:
    """Return which versions of an image a person may see."""
    blinded = image.id in blinded_images(session, [image], person)

    def may_see(version: VersionRow) -> bool:
        if version.kind == Kind.PREDICTION or same_person(version.author, person):
            return True
        under_way = version.round == image.round and is_blind(session, image)
        return not blinded and not (version.reading == GradingRound.SECOND and under_way)

    return may_see


def check_visible(session: Session, image: ImageRow, version: VersionRow, person: str) -> None:
    """Raise `ProjectError` if a person must not see a version."""
    if not visible(session, image, person)(version):
        raise ProjectError(
            f"Version {version.number} of '{image.name}' is not shown before the second read of it"
            " is final: the two readers must not know of each other."
        )


def check_not_blinded(session: Session, image: ImageRow, person: str) -> None:
    """Raise `ProjectError` if a person must not know what the first reader made of an image."""
    if blinded_images(session, [image], person):
        raise ProjectError(
            f"What the first reader made of '{image.name}' is not shown before the second read of"
            " it is final: the two readers must not know of each other."
        )


def _is_second(session: Session, image: ImageRow, person: str) -> bool:
    second = session.get(SecondGraderRow, (image.id, image.round))
    return second is not None and same_person(second.reader, person)


def find_second_grader(session: Session, image: ImageRow) -> str | None:
    """Return who was chosen to read an image a second time, in this round."""
    second = session.get(SecondGraderRow, (image.id, image.round))
    return None if second is None else second.reader


def find_grading_round(session: Session, image: ImageRow, person: str) -> GradingRound:
    """Return as whom a person looks at an image: its first reader, second reader, adjudicator."""
    if not is_blind(session, image):
        return GradingRound.ADJUDICATION
    return GradingRound.SECOND if _is_second(session, image, person) else GradingRound.FIRST


def is_blind(session: Session, image: ImageRow) -> bool:
    """Whether the second read of this round, if there is to be one, is still to come."""
    if State(image.state) not in _BLIND:
        return False
    return newest_human(session, image, GradingRound.ADJUDICATION) is None
