"""What is wrong with a database, and what SQLite's errors mean."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from napari_retina_seg.project.checksums import find_altered, schema_of


def iter_damage(raw: sqlite3.Connection) -> Iterator[str]:
    """Yield what is wrong with a database.

    Parameters
    ----------
    raw : sqlite3.Connection
        Of `checksums.open_raw`.
    """
    for (said,) in raw.execute("PRAGMA integrity_check"):
        if said != "ok":
            yield said
    for table, _, parent, _ in raw.execute("PRAGMA foreign_key_check"):
        yield f"a row of {table} points to a missing row of {parent}"
    yield from (row.sentence for row in find_altered(raw))
    ((tables,),) = raw.execute("SELECT tables FROM schema_version").fetchall()
    if tables != schema_of(raw):
        yield "the definition of a table, an index or a trigger was changed"
    ((projects,),) = raw.execute("SELECT count(*) FROM project").fetchall()
    if projects != 1:
        yield f"it has {projects} records of the project"


_LOG = 64 * 1024  # bytes
_SENTENCES = {
    "SQLITE_FULL": "The disk with '{folder}' is full, so nothing was saved: free some space, then"
    " save again.",
    "SQLITE_READONLY": "The project '{folder}' can't be written: ask for write permission, or copy"
    " the folder.",
    "SQLITE_BUSY": "'{folder}' is locked by another program: wait for it to finish, then try"
    " again.",
    "SQLITE_CANTOPEN": "The database in '{folder}' can't be opened: check that the folder exists"
    " and can be written.",
    "SQLITE_CORRUPT": "The database in '{folder}' is damaged: restore a backup of project.sqlite."
    " The masks in its folder 'files' are not touched.",
    "SQLITE_NOTADB": "'{folder}/project.sqlite' is not a database any more: restore a backup of it."
    " The masks in the folder 'files' are not touched.",
    "SQLITE_IOERR": "The disk with '{folder}' is full, failing or gone, so nothing was saved: check"
    " it, then save again.",
}


def explain_error(error: BaseException | None, folder: Path) -> str | None:
    """Return what an error of SQLite means for the project in a folder; None if it is unknown."""
    name = getattr(error, "sqlite_errorname", "")
    for code, sentence in _SENTENCES.items():
        if name.startswith(code):
            return sentence.format(folder=folder)
    return None


def is_of_disk(error: BaseException | None) -> bool:
    """Whether an error of SQLite may come of a full disk."""
    name = getattr(error, "sqlite_errorname", "")
    return name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN"))


def has_room(folder: Path) -> bool:
    """Whether a folder has room for the log that SQLite begins to read and to write with."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_LOG))
            file.flush()
    except OSError:
        return False
    return True
