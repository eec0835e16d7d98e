"""Integrity check of a project: missing, truncated, altered and orphaned files."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

from sqlalchemy import select

from napari_retina_seg.io.images.content import is_zarr, may_be_image
from napari_retina_seg.project.backends import open_database
from napari_retina_seg.project.database import Database
from napari_retina_seg.project.files import IntegrityProblem, IntegrityProblemKind, StoredFile
from napari_retina_seg.project.filters import Filters
from napari_retina_seg.project.images import damage_of
from napari_retina_seg.project.queue import all_images
from napari_retina_seg.project.storage import Storage
from napari_retina_seg.project.store import Store, stored_file
from napari_retina_seg.project.tables import AutosaveRow, FileRow
from napari_retina_seg.project.values import ProjectImage
from napari_retina_seg.types.errors import OutsideError
from napari_retina_seg.types.progress import CancelToken, Progress


def iter_check(
    store: Store, token: CancelToken
) -> Generator[Progress, None, tuple[IntegrityProblem, ...]]:
    """Verify every hash; see `Project.check`."""
    damage = _inspect_records(store.database)
    if damage:  # what the records say of files can't be trusted
        return damage
    storages = [store.files.storage]
    if store.database.member is None:  # a member sees nothing of others' unsaved work
        storages.append(store.autosaves)
    found_first = [(storage, name) for storage in storages for name in storage.names()]
    with store.database.reading() as session:
        files = [stored_file(row) for row in session.scalars(select(FileRow))]
        slots = {row.file: row.sha256 for row in session.scalars(select(AutosaveRow))}
    present = (Filters(), Filters(removed=True))  # a removed image can be restored
    images = [
        image for filters in present for image in all_images(store, filters) if not image.is_copy
    ]
    findings: list[IntegrityProblem] = []
    total = len(files) + len(slots) + len(images)
    for done, finding in enumerate(_inspect(store, files, slots, images), 1):
        token.raise_if_cancelled()
        yield Progress(done, total, "Checking")
        if finding is not None:
            findings.append(finding)
    known = {(storages[0], store.files.name_of(file.sha256, file.suffix)) for file in files}
    known |= {(store.autosaves, name) for name in slots}
    # Listed before the records, so that files saved since then are not taken for orphans.
    strays = [one for one in found_first if one not in known]
    findings += [_orphan(storage, name) for storage, name in strays if storage.exists(name)]
    return tuple(findings)


def find_record_damage(folder: Path) -> tuple[IntegrityProblem, ...]:
    """Return a finding for each damage of a project's database, even if it can't be opened."""
    with closing(open_database(folder.absolute())) as database:
        return _inspect_records(database)


def _inspect_records(database: Database) -> tuple[IntegrityProblem, ...]:
    return tuple(
        IntegrityProblem(IntegrityProblemKind.DATABASE, database.path, database.say_damaged(damage))
        for damage in database.find_damage()
    )


def _inspect(
    store: Store, files: list[StoredFile], slots: dict[str, str], images: list[ProjectImage]
) -> Generator[IntegrityProblem | None, None, None]:
    for file in files:
        yield store.files.inspect(file)
    for name, sha256 in slots.items():
        finding = _inspect_slot(store, name, sha256)
        # Autosaves come and go while someone paints.
        yield finding if finding is not None and _still_named(store, name) else None
    for image in images:
        yield _inspect_image(image)


def _still_named(store: Store, name: str) -> bool:
    with store.database.reading() as session:
        return session.scalars(select(AutosaveRow).filter_by(file=name)).one_or_none() is not None


def _inspect_slot(store: Store, name: str, sha256: str) -> IntegrityProblem | None:
    called, root = store.autosaves.locate(name), store.autosaves.root
    try:
        content = store.autosaves.read(name)
    except OutsideError as error:
        return IntegrityProblem(IntegrityProblemKind.OUTSIDE, root, str(error))
    except OSError:
        sentence = f"The unsaved work '{called}' is missing: it can't be recovered."
        return IntegrityProblem(IntegrityProblemKind.MISSING, root / name, sentence)
    if hashlib.sha256(content).hexdigest() == sha256:
        return None
    sentence = f"The unsaved work '{called}' was cut short or altered: it can't be recovered."
    return IntegrityProblem(IntegrityProblemKind.ALTERED, root / name, sentence)


def _inspect_image(image: ProjectImage) -> IntegrityProblem | None:
    sentence = damage_of(image)
    if sentence is None:
        return None
    if not image.path.exists():
        return IntegrityProblem(IntegrityProblemKind.MISSING, image.path, sentence)
    if image.path.is_file() and not may_be_image(image.path):
        return IntegrityProblem(IntegrityProblemKind.OUTSIDE, image.path, sentence)
    is_there = image.path.is_file() or is_zarr(image.path)
    kind = IntegrityProblemKind.ALTERED if is_there else IntegrityProblemKind.UNREADABLE
    return IntegrityProblem(kind, image.path, sentence)


def _orphan(storage: Storage, name: str) -> IntegrityProblem:
    return IntegrityProblem(
        IntegrityProblemKind.ORPHAN,
        storage.root / name,
        f"'{storage.locate(name)}' belongs to no version: a save may have been interrupted before"
        " it was recorded. It does no harm.",
    )
