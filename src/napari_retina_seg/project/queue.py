"""The image queue: filtered, ordered and paged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, true
from sqlalchemy.orm import Session

from napari_retina_seg.project import autosaves
from napari_retina_seg.project.blinding import blinded_images, blinded_to
from napari_retina_seg.project.filters import Filters, Order
from napari_retina_seg.project.removals import find_removals, is_removed
from napari_retina_seg.project.states import FIRST_DONE, TOLD_AS_CORRECTED, State
from napari_retina_seg.project.store import Store, image_value, lease_value
from napari_retina_seg.project.tables import ImageRow, LeaseRow, VersionRow
from napari_retina_seg.project.values import ProjectImage, Status

_Query = Select[Any]
_COLUMNS = {Order.WORST_FIRST: ImageRow.uncertainty, Order.GAIN: ImageRow.gain}


def list_images(
    store: Store, filters: Filters, order: Order, after: int | None, before: int | None, limit: int
) -> tuple[ProjectImage, ...]:
    """Return a page of the queue; see `Project.queue`."""
    start = after if after is not None else before
    backwards = before is not None
    with store.database.reading() as session:
        anchor = None if start is None else session.get(ImageRow, start)
        blind_to = blinded_to(session, store.author)
        rows: list[ImageRow] = []
        # One query per state uses the index; a single query would sort all rows.
        for condition in _told_states(filters.states, blind_to):
            query = _filtered(filters, blind_to).where(condition)
            rows += _page(session, query, order, anchor, backwards, limit)
        rows.sort(key=_key(order), reverse=backwards)
        rows = rows[:limit]
        blind = blinded_images(session, rows, store.author)
        removals = find_removals(session, rows) if filters.removed else {}
        images = [
            image_value(store, row, blinded=row.id in blind, removal=removals.get(row.id))
            for row in rows
        ]
    return tuple(reversed(images) if backwards else images)


def _told_states(
    states: frozenset[State], blind_to: ColumnElement[bool]
) -> Iterator[ColumnElement[bool]]:
    """Filter by the states visible to a person, so that filters reveal nothing more."""
    if not states:
        yield true()
    for state in states:
        has_it = ImageRow.state == state.value
        yield has_it & ~blind_to if state in TOLD_AS_CORRECTED else has_it
    if State.CORRECTED in states:
        for state in TOLD_AS_CORRECTED:
            yield (ImageRow.state == state.value) & blind_to


def _filtered(filters: Filters, blind_to: ColumnElement[bool]) -> _Query:
    query = select(ImageRow).where(is_removed() if filters.removed else ~is_removed())
    if filters.author is not None:
        query = query.where(ImageRow.author == filters.author, ~blind_to)
    if filters.patient is not None:
        query = query.where(ImageRow.patient == filters.patient)
    if filters.text:
        query = query.where(ImageRow.name.icontains(filters.text, autoescape=True))
    if filters.second_grading:
        query = query.where(blind_to, ImageRow.state.in_([state.value for state in FIRST_DONE]))
    if filters.warned:
        query = query.where(ImageRow.warning != "")
    if filters.conflict:
        query = query.where(ImageRow.conflict.is_(True))
    return query


def _page(
    session: Session,
    query: _Query,
    order: Order,
    anchor: ImageRow | None,
    backwards: bool,
    limit: int,
) -> list[ImageRow]:
    """Continue after the anchor (keyset pagination): rows before it are not read."""
    by_id = ImageRow.id.desc() if backwards else ImageRow.id.asc()
    if order is Order.ADDED:
        if anchor is not None:
            query = query.where(_beyond(ImageRow.id, anchor.id, backwards))
        return list(session.scalars(query.order_by(by_id).limit(limit)))
    worst = _COLUMNS[order]
    by_worst = worst.asc() if backwards else worst.desc()
    rows: list[ImageRow] = []
    if anchor is not None:
        place = getattr(anchor, worst.key)
        ties = query.where(worst == place)
        ties = ties.where(_beyond(ImageRow.id, anchor.id, backwards)).order_by(by_id)
        rows += session.scalars(ties.limit(limit))
        query = query.where(_beyond(worst, place, not backwards))
    if len(rows) < limit:
        rows += session.scalars(query.order_by(by_worst, by_id).limit(limit - len(rows)))
    return rows


def _beyond(column: Any, value: float, down: bool) -> Any:
    return column < value if down else column > value


def _key(order: Order) -> Callable[[ImageRow], tuple[float, int]]:
    if order is Order.ADDED:
        return lambda row: (0, row.id)
    column = _COLUMNS[order].key
    return lambda row: (-getattr(row, column), row.id)


def list_authors(store: Store) -> tuple[str, ...]:
    """Return the authors of the newest human versions; see `Project.authors`."""
    with store.database.reading() as session:
        query = select(ImageRow.author).where(~blinded_to(session, store.author)).distinct()
        return tuple(sorted(author for author in session.scalars(query) if author))


def find_status(store: Store) -> Status:
    """Count images and versions; see `Project.status`."""
    with store.database.reading() as session:
        states = _count(session, ~is_removed())
        removed = sum(_count(session, is_removed()).values())
        hidden = _count(session, blinded_to(session, store.author) & ~is_removed())
        for state in TOLD_AS_CORRECTED:
            states[state] -= hidden[state]
            states[State.CORRECTED] += hidden[state]
        conflicts = (
            select(func.count())
            .select_from(ImageRow)
            .where(ImageRow.conflict.is_(True), ~is_removed())
        )
        unexpired = LeaseRow.expires > store.database.now(session)
        leases = select(LeaseRow).where(unexpired).order_by(LeaseRow.image_id)
        return Status(
            images=sum(states.values()),
            states=states,
            conflicts=session.scalars(conflicts).one(),
            versions=session.scalars(select(func.count()).select_from(VersionRow)).one(),
            leases=tuple(map(lease_value, session.scalars(leases))),
            autosaves=autosaves.list_slots(session),
            removed=removed,
        )


def _count(session: Session, condition: ColumnElement[bool]) -> dict[State, int]:
    query = select(ImageRow.state, func.count()).where(condition).group_by(ImageRow.state)
    found = {State(state): number for state, number in session.execute(query)}
    return {state: found.get(state, 0) for state in State}


def all_images(store: Store, filters: Filters | None = None) -> Iterator[ProjectImage]:
    """Iterate over all or the filtered images, page by page."""
    filters = filters or Filters()
    page = list_images(store, filters, Order.ADDED, None, None, 500)
    while page:
        yield from page
        page = list_images(store, filters, Order.ADDED, page[-1].id, None, 500)
