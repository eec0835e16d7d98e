"""Autosaves: unsaved masks, written every minute so that they survive a crash."""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from napari_retina_seg.project import pending_autosaves
from napari_retina_seg.project.contents import decode_annotation, encode_annotation
from napari_retina_seg.project.fitting import check_fits
from napari_retina_seg.project.store import (
    Store,
    autosave_value,
    image_row,
    image_value,
    now,
    same_person,
)
from napari_retina_seg.project.tables import AutosaveRow
from napari_retina_seg.project.values import Autosave
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError, SavedLocallyError, ServerAwayError


def autosave(
    store: Store,
    image_id: int,
    annotation: Annotation,
    parent: int | None,
    seconds: float,
    comment: str,
) -> Autosave:
    """Write to the slot of this image, person and process; see `Project.autosave`."""
    try:
        slot = _autosave(store, image_id, annotation, parent, seconds, comment)
    except ProjectError as error:
        if not _is_away(store, error):
            raise
        pending_autosaves.write(store, image_id, annotation, parent, seconds, comment)
        raise SavedLocallyError(
            "The server can't be reached: go on working. Your changes are kept on this computer,"
            " and in the project as soon as the server is back."
        ) from error
    pending_autosaves.discard(store, image_id)
    return slot


def _is_away(store: Store, error: ProjectError) -> bool:
    """Whether an error comes of a server, or a shared folder, that can't be reached."""
    if isinstance(error, ServerAwayError):
        return True
    try:
        store.database.check_place()
    except ServerAwayError:
        return True
    except ProjectError:
        pass
    return False


def upload_pending(store: Store) -> int:
    """Put this person's work that waits on this computer into the project; see `Project`.

    What still can't be uploaded is kept there.
    """
    uploaded = 0
    for work, annotation in list(pending_autosaves.list_pending(store)):
        own = replace(store, program=work.program)  # each process has a slot of its own
        with contextlib.suppress(ProjectError):
            if _has_newer(own, work):  # of a window that is open, and went on
                continue
            autosave(own, work.image_id, annotation, work.parent, work.seconds, work.comment)
            uploaded += 1
    return uploaded


def _has_newer(store: Store, work: pending_autosaves.PendingAutosave) -> bool:
    with store.database.reading() as session:
        row = _own_slot(store, session, work.image_id)
        return row is not None and row.saved_at > work.saved_at


def _autosave(
    store: Store,
    image_id: int,
    annotation: Annotation,
    parent: int | None,
    seconds: float,
    comment: str,
) -> Autosave:
    store.database.check_writable()
    with store.database.reading() as session:
        image = image_value(store, image_row(session, image_id), blinded=False)
    check_fits(annotation, image, store.scheme)
    content = encode_annotation(annotation)
    sha256 = hashlib.sha256(content).hexdigest()
    # The name is unique, so the previous file can be removed once this one is written.
    name = f"{uuid.uuid4().hex}.npz"  # which tells nobody the image
    store.autosaves.write(name, content)
    with store.database.writing() as session:
        store.check_files(session)
        row = _own_slot(store, session, image_id)
        last = None if row is None else row.file
        if row is None:
            row = AutosaveRow(image_id=image_id, author=store.author, program=store.program)
            session.add(row)
        row.parent, row.seconds, row.saved_at = parent, seconds, now()
        row.file, row.sha256, row.comment = name, sha256, comment
        session.flush()
        slot = autosave_value(row)
    remove(store, [last] if last else [])
    return slot


def recoverable(store: Store, image_id: int | None) -> tuple[Autosave, ...]:
    """List unsaved work; see `ProjectView.recoverable`."""
    with store.database.reading() as session:
        return tuple(
            slot
            for slot in list_slots(session)
            if same_person(slot.author, store.author) and image_id in (None, slot.image_id)
        )


def recover(store: Store, slot: Autosave) -> Annotation:
    """Read an autosave and continue it; see `Project.recover`."""
    with store.database.reading() as session:
        row = _slot(session, slot)
        file, sha256 = row.file, row.sha256
    called = store.autosaves.locate(file)
    try:
        content = store.autosaves.read(file)
    except OSError as error:
        raise ProjectError(
            f"The unsaved work '{called}' can't be read: {error.strerror}."
        ) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ProjectError(
            f"The unsaved work '{called}' was cut short or altered: it is not shown."
        )
    annotation = decode_annotation(content, Path(called))
    if not store.database.read_only:
        _adopt(store, slot)
    return annotation


def discard(store: Store, slot: Autosave) -> None:
    """Delete an autosave; see `Project.discard`."""
    with store.database.writing() as session:
        row = _slot(session, slot)
        file = row.file
        session.delete(row)
    remove(store, [file])


def list_slots(session: Session) -> tuple[Autosave, ...]:
    """Return the autosaves of all people, newest first."""
    rows = session.scalars(select(AutosaveRow).order_by(AutosaveRow.saved_at.desc()))
    return tuple(map(autosave_value, rows))


def clear(store: Store, session: Session, image_id: int, author: str) -> list[str]:
    """Clear this process's slot after a save; return the files to remove afterwards."""
    row = _own_slot(store, session, image_id)
    if row is None or not same_person(author, store.author):
        return []
    session.delete(row)
    return [row.file]


def remove(store: Store, files: Sequence[str]) -> None:
    """Remove files that no slot refers to any more."""
    for name in files:
        # `check` reports one that stays, or that the record of somebody else names elsewhere.
        with contextlib.suppress(OSError, ProjectError):
            store.autosaves.remove(name)


def _adopt(store: Store, slot: Autosave) -> None:
    """Assign a slot to this process, unless it has one for this image already."""
    with store.database.writing() as session:
        if _own_slot(store, session, slot.image_id) is None:
            row = _slot(session, slot)
            row.author, row.program = store.author, store.program


def _own_slot(store: Store, session: Session, image_id: int) -> AutosaveRow | None:
    query = select(AutosaveRow).filter_by(
        image_id=image_id, author=store.author, program=store.program
    )
    return session.scalars(query).one_or_none()


def _slot(session: Session, slot: Autosave) -> AutosaveRow:
    row = session.get(AutosaveRow, slot.id)
    if row is None:
        raise ProjectError("This unsaved work no longer exists: it was saved or discarded.")
    return row
