"""Names of images that a person confirmed as harmless, so that exports may keep them."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from napari_retina_seg.project.store import Store, image_row, now
from napari_retina_seg.project.tables import ConfirmedNameRow
from napari_retina_seg.project.values import ConfirmedName


def list_confirmed(store: Store) -> dict[int, ConfirmedName]:
    """Return the confirmed names by the numbers of their images."""
    with store.database.reading() as session:
        rows = session.scalars(select(ConfirmedNameRow)).all()
    return {row.image_id: ConfirmedName(row.image_id, row.author, row.created_at) for row in rows}


def confirm(store: Store, image_ids: Iterable[int]) -> None:
    """Record that the names of images are harmless; who said so first stays."""
    with store.database.writing() as session:
        for image_id in dict.fromkeys(image_ids):
            image = image_row(session, image_id)
            if session.get(ConfirmedNameRow, image.id) is None:
                said = {"author": store.author, "created_at": now()}
                session.add(ConfirmedNameRow(image_id=image.id, **said))


def withdraw(store: Store, image_ids: Iterable[int]) -> None:
    """Forget confirmations: the images get pseudonyms again."""
    with store.database.writing() as session:
        for image_id in dict.fromkeys(image_ids):
            row = session.get(ConfirmedNameRow, image_row(session, image_id).id)
            if row is not None:
                session.delete(row)
