"""The records from which it follows what corrections cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from pydantic import TypeAdapter
from sqlalchemy import func, select

from napari_retina_seg.metrics.burden import Burden, GradedImage, summarise_burden
from napari_retina_seg.project.blinding import blinded_to
from napari_retina_seg.project.removals import is_removed
from napari_retina_seg.project.states import GradingRound, State
from napari_retina_seg.project.store import Store
from napari_retina_seg.project.tables import ImageRow, VersionRow
from napari_retina_seg.project.values import Change, VersionKind

_CHANGE = TypeAdapter(Change)
_DONE = (State.ACCEPTED.value, State.CORRECTED.value)


def find_burden(store: Store) -> Burden:
    """Return what the gradings of a project cost; see `ProjectView.burden`."""
    with store.database.reading() as session:
        hides = blinded_to(session, store.author, may_revise=True)
        shapes = {
            image_id: tuple(shape)
            for image_id, shape in session.execute(
                select(ImageRow.id, ImageRow.shape).where(~hides, ~is_removed())
            )
        }
        hidden = session.scalars(
            select(func.count()).select_from(ImageRow).where(hides, ~is_removed())
        ).one()
        query = (
            select(VersionRow)
            .where(
                VersionRow.kind == VersionKind.HUMAN,
                VersionRow.grading == GradingRound.FIRST,
                VersionRow.round == 0,
            )
            .order_by(VersionRow.image_id, VersionRow.number)
        )
        of_image: dict[int, list[VersionRow]] = {}
        for row in session.scalars(query):
            if row.image_id in shapes:
                of_image.setdefault(row.image_id, []).append(row)
        graded = [
            found
            for image_id, rows in of_image.items()
            if (found := _graded(rows, shapes[image_id])) is not None
        ]
    return summarise_burden(graded, hidden=hidden, layered=bool(store.scheme.surfaces))


def _graded(rows: Sequence[VersionRow], shape: tuple[int, ...]) -> GradedImage | None:
    """Return the grading that was finished first; None if there is none yet."""
    last = next((row for row in rows if row.state in _DONE and not row.conflict), None)
    if last is None:
        return None
    seconds = sum(row.seconds for row in rows if row.number <= last.number)
    began = last.prediction_id is not None
    found = GradedImage(
        image_id=last.image_id,
        finished_at=last.created_at,
        model=last.model if began else None,
        weights_sha256=last.weights_sha256 if began else None,
        seconds=seconds or None,
    )
    if not began or last.change is None:
        return found
    return _with_change(found, _CHANGE.validate_python(last.change), shape)


def _with_change(found: GradedImage, change: Change, shape: tuple[int, ...]) -> GradedImage:
    dice = [value for value in change.dice[1:] if value is not None]
    columns = prod(shape[:-2]) * shape[-1]
    pixels = sum(change.pixels) / 2  # what one class loses, another one gains
    classes = len(change.columns) - 1
    return replace(
        found,
        is_unchanged=pixels == 0,
        dice=sum(dice) / len(dice) if dice else None,
        columns=sum(change.columns[1:]) / (classes * columns) if classes else None,
        pixels=pixels / prod(shape),
    )
