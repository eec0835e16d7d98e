"""Remove images from a project without deleting anything, and restore them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session

from napari_retina_seg.project.store import Store, image_row, now, removal_value
from napari_retina_seg.project.tables import ImageRow, RemovalRow
from napari_retina_seg.project.values import Removal
from napari_retina_seg.types.errors import ProjectError


def remove_images(store: Store, image_ids: Sequence[int], reason: str) -> tuple[int, ...]:
    """Remove images; see `Project.remove_images`."""
    with store.database.writing() as session:
        images = [image_row(session, image_id) for image_id in dict.fromkeys(image_ids)]
        new = [image.id for image in images if find_removal(session, image.id) is None]
        for image_id in new:
            session.add(
                RemovalRow(
                    image_id=image_id,
                    removed_by=store.author,
                    removed_at=now(),
                    reason=reason.strip(),
                    restored_by=None,
                    restored_at=None,
                )
            )
    return tuple(new)


def restore_images(store: Store, image_ids: Sequence[int]) -> tuple[int, ...]:
    """Restore images; see `Project.restore_images`."""
    restored = []
    with store.database.writing() as session:
        for image_id in dict.fromkeys(image_ids):
            removal = find_removal(session, image_row(session, image_id).id)
            if removal is not None:
                removal.restored_by, removal.restored_at = store.author, now()
                restored.append(image_id)
    return tuple(restored)


def list_removals(store: Store, image_id: int) -> tuple[Removal, ...]:
    """Return the removals of an image, also those that were undone; see `ProjectView.removals`."""
    with store.database.reading() as session:
        query = select(RemovalRow).filter_by(image_id=image_row(session, image_id).id)
        return tuple(map(removal_value, session.scalars(query.order_by(RemovalRow.id))))


def find_removal(session: Session, image_id: int) -> RemovalRow | None:
    """Return the removal that an image is under, or None."""
    query = select(RemovalRow).filter_by(image_id=image_id, restored_at=None)
    return session.scalars(query.limit(1)).one_or_none()


def find_removals(session: Session, images: Iterable[ImageRow]) -> dict[int, Removal]:
    """Return the removals that images are under, by image."""
    numbers = [image.id for image in images]
    query = select(RemovalRow).where(
        RemovalRow.image_id.in_(numbers), RemovalRow.restored_at.is_(None)
    )
    return {row.image_id: removal_value(row) for row in session.scalars(query)}


def is_removed() -> ColumnElement[bool]:
    """Return the SQL condition under which an image is removed."""
    return exists().where(RemovalRow.image_id == ImageRow.id, RemovalRow.restored_at.is_(None))


def check_present(session: Session, image: ImageRow) -> None:
    """Raise `ProjectError` if an image was removed."""
    removal = find_removal(session, image.id)
    if removal is not None:
        raise ProjectError(
            f"'{image.name}' was removed from the project by {removal.removed_by} on"
            f" {removal.removed_at:%Y-%m-%d}: restore it first."
        )
