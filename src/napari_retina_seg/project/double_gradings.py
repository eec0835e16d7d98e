"""Images with two gradings, and who may compare them."""

from __future__ import annotations

from sqlalchemy import false, func, or_, select
from sqlalchemy.orm import Session

from napari_retina_seg.project.blinding import blinded_to, is_blind, may_mend
from napari_retina_seg.project.history import note_comparisons
from napari_retina_seg.project.removals import find_removal, is_removed
from napari_retina_seg.project.states import GradingRound, State
from napari_retina_seg.project.store import Store, image_row, image_value, version_value
from napari_retina_seg.project.tables import ImageRow, SecondGraderRow, VersionRow
from napari_retina_seg.project.values import DoubleGrading, VersionKind
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.errors import TooEarlyError

_NAMED = 3


def list_double_gradings(store: Store) -> tuple[DoubleGrading, ...]:
    """Return the images with two final gradings; see `ProjectView.double_gradings`."""
    with store.database.reading() as session:
        _check_finished(session, store.author)
        found, compared = [], []
        for second in _newest(session, GradingRound.SECOND):
            first = _first_grading(session, second)
            row = image_row(session, second.image_id)
            if first is None or _is_open(session, row, second) or find_removal(session, row.id):
                continue
            image = image_value(store, row, blinded=False)
            found.append(DoubleGrading(image, version_value(first), version_value(second)))
            if may_mend(session, row, store.author):
                compared.append(row.id)
    note_comparisons(store, compared)
    return tuple(found)


def count_left(store: Store) -> int:
    """Return the number of images whose second grading is still open."""
    with store.database.reading() as session:
        graders = session.scalars(select(SecondGraderRow.grader).distinct()).all()
        left = or_(false(), *(blinded_to(session, grader) for grader in graders)) & ~is_removed()
        return session.scalars(select(func.count()).select_from(ImageRow).where(left)).one()


def _check_finished(session: Session, person: str) -> None:
    """Refuse a second grader who has images left: the result could bias those gradings."""
    left = blinded_to(session, person) & ~is_removed()
    number = session.scalars(select(func.count()).select_from(ImageRow).where(left)).one()
    if not number:
        return
    query = select(ImageRow.name).where(left).order_by(ImageRow.id).limit(_NAMED)
    names = [f"'{name}'" for name in session.scalars(query)]
    more = ", …" if number > len(names) else ""
    raise TooEarlyError(
        f"{person} has {count(number, 'image')} left to grade as the second grader"
        f" ({', '.join(names)}{more}): finish these first, since the two graders must not see"
        " each other's work."
    )


def _newest(session: Session, grading: GradingRound) -> list[VersionRow]:
    """Return the newest final version of a grading round, by image."""
    final = (
        VersionRow.kind == VersionKind.HUMAN.value,
        VersionRow.grading == grading.value,
        VersionRow.state != State.IN_PROGRESS.value,
        VersionRow.conflict.is_(False),
    )
    newest = select(func.max(VersionRow.id)).where(*final).group_by(VersionRow.image_id)
    query = select(VersionRow).where(VersionRow.id.in_(newest)).order_by(VersionRow.image_id)
    return list(session.scalars(query))


def _is_open(session: Session, image: ImageRow, second: VersionRow) -> bool:
    """Whether a second grading was reopened by its grader."""
    return second.round == image.round and is_blind(session, image)


def _first_grading(session: Session, second: VersionRow) -> VersionRow | None:
    query = (
        select(VersionRow)
        .filter_by(
            image_id=second.image_id,
            kind=VersionKind.HUMAN.value,
            grading=GradingRound.FIRST.value,
            round=second.round,
            conflict=False,
        )
        .where(VersionRow.state != State.IN_PROGRESS.value, VersionRow.number < second.number)
        .order_by(VersionRow.number.desc())
        .limit(1)
    )
    return session.scalars(query).one_or_none()
