"""Repair a project: flipped bits of records, indexes, and files that exist elsewhere too."""

from __future__ import annotations

import shutil
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select

from napari_retina_seg.editing.consistency import draw
from napari_retina_seg.io.formats.sources import Expected, find_sources, read_source
from napari_retina_seg.project.address import read_address
from napari_retina_seg.project.backups import find_in_backups
from napari_retina_seg.project.checksums import (
    CHECKSUM,
    AlteredRow,
    checksum_of,
    find_altered,
    open_raw,
    read_row,
)
from napari_retina_seg.project.contents import (
    QUESTIONABLE,
    decode_annotation,
    decode_arrays,
    encode_arrays,
    encode_mask,
)
from napari_retina_seg.project.damage import explain_error
from napari_retina_seg.project.database import DATABASE, PATIENCE
from napari_retina_seg.project.sqlite_files import sqlite_uri
from napari_retina_seg.project.store import Store, image_row, stored_file
from napari_retina_seg.project.tables import VERSION_TRIGGERS, AutosaveRow, FileRow, VersionRow
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError, RetinaSegError
from napari_retina_seg.types.labels import LabelScheme

_BITS = 64  # of a number


def repair_records(folder: Path) -> tuple[str, ...]:
    """Repair the records of a closed project; a copy of the database is kept beside it.

    A row in which one bit flipped is the only one that has its checksum when that bit is turned
    back. Another is restored from a backup in the project, if it is there as it was saved. Indexes
    are built anew.

    Parameters
    ----------
    folder : Path
        The project.

    Returns
    -------
    tuple of str
        A sentence for everything that was done, and for each row that can't be repaired.

    Raises
    ------
    ProjectError
        If the database can't be read or written.
    """
    path = folder / DATABASE
    if read_address(folder) is not None:  # its administrator restores a backup
        return ()
    try:
        with closing(open_raw(sqlite_uri(path.resolve(), "mode=rw"), PATIENCE)) as raw:
            altered = list(find_altered(raw))
            sound = raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            if sound and not altered:
                return ()
            copy = path.with_name(f"{DATABASE}.{datetime.now():%Y%m%d-%H%M%S}")
            shutil.copyfile(path, copy)
            said = [f"The database as it was is kept as '{copy}'."]
            raw.execute("BEGIN IMMEDIATE")
            said += _repair(raw, folder, altered)
            raw.execute("COMMIT")
            return tuple(said)
    except sqlite3.Error as error:
        sentence = explain_error(error, folder) or f"The database '{path}' is damaged ({error})."
        raise ProjectError(sentence) from error
    except OSError as error:
        raise ProjectError(
            f"'{path}' can't be copied ({error.strerror}), so it was left as it is: free some"
            " space."
        ) from error


def _repair(raw: sqlite3.Connection, folder: Path, altered: list[AlteredRow]) -> Iterator[str]:
    for name in VERSION_TRIGGERS:
        raw.execute(f"DROP TRIGGER IF EXISTS {name}")
    for row in altered:
        yield _repair_row(raw, folder, row)
    for statement in VERSION_TRIGGERS.values():
        raw.execute(statement)
    raw.execute("REINDEX")
    yield "Built the indexes of the database anew."


def _repair_row(raw: sqlite3.Connection, folder: Path, row: AlteredRow) -> str:
    stamped, values = _require_row(raw, row)
    flip = _find_flip(row.table, stamped, values)
    if flip is not None:
        column, value = flip
        _update(raw, row, {column: value})
        return f"Turned a bit of '{column}' back in row {row.rowid} of the table '{row.table}'."
    found = find_in_backups(folder, row, stamped)
    if found is None or found[0].keys() != values.keys():
        return f"In the database, {row.sentence}: it can't be repaired. Restore a backup."
    saved, checksum, path = found
    _update(raw, row, {**saved, CHECKSUM: checksum})
    return f"Restored row {row.rowid} of the table '{row.table}' from '{path}'."


def _require_row(raw: sqlite3.Connection, row: AlteredRow) -> tuple[str, dict[str, Any]]:
    found = read_row(raw, row)
    if found is None:
        raise sqlite3.DatabaseError(f"{row.sentence}, and can't be read again")
    return found


def _update(raw: sqlite3.Connection, row: AlteredRow, values: dict[str, Any]) -> None:
    columns = ", ".join(f'"{name}" = ?' for name in values)
    query = f'UPDATE "{row.table}" SET {columns} WHERE rowid = ?'  # noqa: S608 - our own names
    raw.execute(query, (*values.values(), row.rowid))


def _find_flip(table: str, stamped: str, values: dict[str, Any]) -> tuple[str, Any] | None:
    """Return the column and the value that give a row its checksum again."""
    made = checksum_of(table, list(values.values()))
    if made in _flips(stamped):
        return CHECKSUM, made
    for column, value in values.items():
        for candidate in _flips(value):
            tried = list((values | {column: candidate}).values())
            if checksum_of(table, tried) == stamped:
                return column, candidate
    return None


def _flips(value: Any) -> Iterator[Any]:
    """Yield a value with each of its bits flipped."""
    if isinstance(value, str):
        content = bytearray(value.encode(errors="surrogateescape"))
        for bit in range(8 * len(content)):
            content[bit // 8] ^= 1 << bit % 8
            yield content.decode(errors="surrogateescape")
            content[bit // 8] ^= 1 << bit % 8
    elif isinstance(value, int):
        yield from (value ^ (1 << bit) for bit in range(_BITS - 1))
    elif isinstance(value, float):
        (bits,) = struct.unpack("<Q", struct.pack("<d", value))
        yield from (
            struct.unpack("<d", struct.pack("<Q", bits ^ (1 << k)))[0] for k in range(_BITS)
        )


def repair_files(store: Store, source: Path | None) -> tuple[str, ...]:
    """Write missing and damaged files anew whose content is found elsewhere.

    That is in unsaved work, in the boundaries of the same version, and in exported masks; a file is
    only written if its hash is the recorded one.

    Parameters
    ----------
    store : Store
        The project.
    source : Path, optional
        A file or folder with masks that were exported, or with the files themselves.

    Returns
    -------
    tuple of str
        A sentence for each file that was restored.
    """
    store.database.check_writable()
    with store.database.reading() as session:
        rows = [stored_file(row) for row in session.scalars(select(FileRow))]
    damaged = {(row.sha256, row.suffix) for row in rows if store.files.inspect(row) is not None}
    restored = []
    for content, suffix, origin in _contents(store, source) if damaged else ():
        stored = store.files.find(content, suffix)
        if (stored.sha256, suffix) in damaged:
            store.files.put(content, suffix)
            damaged.discard((stored.sha256, suffix))
            restored.append(f"Restored '{store.files.locate(stored)}' from {origin}.")
    return tuple(restored)


def _contents(store: Store, source: Path | None) -> Iterator[tuple[bytes, str, str]]:
    """Yield what may be a file of the project: content, suffix and where it was found."""
    with store.database.reading() as session:
        slots = [row.file for row in session.scalars(select(AutosaveRow))]
    for name in slots:
        try:
            annotation = decode_annotation(store.autosaves.read(name), Path(name))
        except (OSError, RetinaSegError):
            continue
        yield from _encode(annotation, store.scheme, "unsaved work")
    yield from _masks_of_boundaries(store)
    if source is not None:
        yield from _files_in(source)
        yield from _masks_in(source, store.scheme)


def _masks_of_boundaries(store: Store) -> Iterator[tuple[bytes, str, str]]:
    with store.database.reading() as session:
        query = select(VersionRow).where(VersionRow.boundaries.is_not(None))
        for row in session.scalars(query):
            shape = tuple(image_row(session, row.image_id).shape)
            try:
                read = store.read_file(session, row.boundaries or "")
                heights = decode_arrays(*read)["boundaries"]
            except RetinaSegError:
                continue
            planes = heights.reshape(-1, *heights.shape[-2:])
            labels = [draw(plane, shape[-2]) for plane in planes]
            stacked = labels[0] if len(shape) == 2 else np.stack(labels)
            yield from _encode(Annotation(stacked), store.scheme, "the boundaries of its version")


def _files_in(source: Path) -> Iterator[tuple[bytes, str, str]]:
    paths = [source] if source.is_file() else sorted(source.rglob("*"))
    for path in paths:
        if path.is_file() and not path.is_symlink():
            yield path.read_bytes(), path.suffix, f"'{path}'"


def _masks_in(source: Path, scheme: LabelScheme) -> Iterator[tuple[bytes, str, str]]:
    try:
        paths = find_sources(source)
    except RetinaSegError:
        return
    for path in paths:
        try:
            records = read_source(path, Expected(scheme))
        except RetinaSegError:
            continue
        for record in records:
            if isinstance(record, Annotation):
                yield from _encode(record, scheme, f"'{path}'")


def _encode(
    annotation: Annotation, scheme: LabelScheme, origin: str
) -> Iterator[tuple[bytes, str, str]]:
    """Yield the files of a version with this mask."""
    yield *encode_mask(annotation.labels, scheme), origin
    if annotation.boundaries is not None:
        yield encode_arrays({"boundaries": annotation.boundaries}), ".npz", origin
    if annotation.ignore is not None:
        yield *encode_mask(annotation.ignore.astype(np.uint8), QUESTIONABLE), origin
