"""Images with two gradings, and who may compare them."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import false, func, or_, select
from sqlalchemy.orm import Session

from napari_retina_seg.project.blinding import blinded_to, is_blind, may_revise
from napari_retina_seg.project.history import note_comparisons
from napari_retina_seg.project.removals import find_removal, is_removed
from napari_retina_seg.project.states import GradingRound, State
from napari_retina_seg.project.store import Store, image_value, version_value, versions_of
from napari_retina_seg.project.tables import ImageRow, SecondGraderRow, VersionRow
from napari_retina_seg.project.values import DoubleGrading, VersionKind
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.errors import TooEarlyError

_NAMED = 3


def list_double_gradings(store: Store) -> tuple[DoubleGrading, ...]:
    """Return the images with two final gradings; see `ProjectView.double_gradings`."""
    found, compared = _read_pairs(store)
    if compared:
        note_comparisons(store, compared)  # before they are read
        found, _ = _read_pairs(store)
    return tuple(found)


def _read_pairs(store: Store) -> tuple[list[DoubleGrading], list[int]]:
    """Return double gradings, and the images whose comparison has to be noted before."""
    found, compared = [], []
    with store.database.reading() as session:
        _check_finished(session, store.author)
        of_second = select(VersionRow.image_id).where(
            VersionRow.grading == GradingRound.SECOND.value
        )
        rows = select(ImageRow).where(ImageRow.id.in_(of_second)).order_by(ImageRow.id)
        for row in session.scalars(rows):
            pair = _find_pair(versions_of(session, row))
            if pair is None or _is_open(session, row, pair[1]) or find_removal(session, row.id):
                continue
            image = image_value(store, row, blinded=False)
            found.append(DoubleGrading(image, *map(version_value, pair)))
            if may_revise(session, row, store.author):
                compared.append(row.id)
    return found, compared


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


def _find_pair(rows: list[VersionRow]) -> tuple[VersionRow, VersionRow] | None:
    """Return the newest final second grading of an image, and the first grading of its round."""
    final = [
        row
        for row in rows
        if row.kind == VersionKind.HUMAN and row.state != State.IN_PROGRESS and not row.conflict
    ]
    second = _last(row for row in final if row.grading == GradingRound.SECOND)
    if second is None:
        return None
    first = _last(
        row
        for row in final
        if (row.grading, row.round) == (GradingRound.FIRST, second.round)
        and row.number < second.number
    )
    return None if first is None else (first, second)


def _last(rows: Iterable[VersionRow]) -> VersionRow | None:
    return max(rows, key=lambda row: row.number, default=None)


def _is_open(session: Session, image: ImageRow, second: VersionRow) -> bool:
    """Whether a second grading was reopened by its grader."""
    return second.round == image.round and is_blind(session, image)
