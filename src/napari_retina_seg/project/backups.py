"""Daily copies of a project's records, from which a damaged row can be restored exactly."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

from napari_retina_seg.io.atomic import draft_path, sync_folder
from napari_retina_seg.project.checksums import AlteredRow, checksum_of, open_raw, read_row
from napari_retina_seg.project.sqlite_files import sqlite_uri
from napari_retina_seg.project.tables import FileRow, ProjectRow, SchemeRow, VersionRow

BACKUPS = "backups"
_KEPT = 7
_NAME = "project-{}.sqlite"
_ANY_DAY = "????-??-??"

# Their rows never change, so that any sound copy of one is as it was saved.
_IMMUTABLE = frozenset(kind.__tablename__ for kind in (FileRow, ProjectRow, SchemeRow, VersionRow))


def back_up(path: Path, today: date) -> None:
    """Copy a sound database to the folder of backups, unless that was done today.

    The newest seven copies are kept. What goes wrong is ignored: a project on a full disk must
    still open.

    Parameters
    ----------
    path : Path
        The database, which other programs may be using.
    today : date
        The day after which the copy is named.
    """
    folder = path.parent / BACKUPS
    target = folder / _NAME.format(today.isoformat())
    if folder.is_symlink() or target.exists():  # a link could lead out of the project
        return
    with contextlib.suppress(OSError, sqlite3.Error):
        copy_records(path, target.name)
        for old in list_backups(path.parent)[_KEPT:]:
            old.unlink()


def copy_records(path: Path, name: str) -> Path:
    """Copy a database, which other programs may be using, to the folder of backups.

    Parameters
    ----------
    path : Path
        The database.
    name : str
        Of the copy.

    Raises
    ------
    OSError, sqlite3.Error
        If it can't be copied.
    """
    folder = path.parent / BACKUPS
    target = folder / name
    draft = draft_path(target)
    folder.mkdir(exist_ok=True)
    try:
        with closing(open_raw(_uri(path), 1)) as source, closing(sqlite3.connect(draft)) as copy:
            source.backup(copy)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(folder)
    return target


def list_backups(folder: Path) -> list[Path]:
    """Return the backups of a project's records, the newest first."""
    if (folder / BACKUPS).is_symlink():
        return []
    return sorted((folder / BACKUPS).glob(_NAME.format(_ANY_DAY)), reverse=True)


def advise_restoring(folder: Path) -> str:
    """Return the advice to restore a backup, and which, for messages about a damaged database."""
    newest = next(iter(list_backups(folder)), None)
    return "restore a backup of it" + (f", such as '{newest}'" if newest else "")


def find_in_backups(
    folder: Path, row: AlteredRow, stamped: str
) -> tuple[dict[str, Any], str, Path] | None:
    """Find a row as it was saved in the backups of a project's records.

    Parameters
    ----------
    folder : Path
        The project.
    row : AlteredRow
        Which row.
    stamped : str
        The checksum that it has now. A row that may change is restored only from a copy with the
        same checksum: another copy may be older.

    Returns
    -------
    tuple or None
        Its columns, its checksum and the backup; None if no backup has it.
    """
    for path in list_backups(folder):
        for values, checksum in _read_sound(path, row):
            if checksum == stamped or row.table in _IMMUTABLE:
                return values, checksum, path
    return None


def _read_sound(path: Path, row: AlteredRow) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield a row of a backup, if it is there and is as it was saved."""
    with contextlib.suppress(sqlite3.Error), closing(open_raw(_uri(path, "immutable=1"), 1)) as raw:
        found = read_row(raw, row)
        if found is not None and found[0] == checksum_of(row.table, list(found[1].values())):
            yield found[1], found[0]


def _uri(path: Path, options: str = "") -> str:
    return sqlite_uri(path.resolve(), f"mode=ro&{options}")
