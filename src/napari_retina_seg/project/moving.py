"""Move a project's records between SQLite in its folder and a PostgreSQL server."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from napari_retina_seg.project.address import ADDRESS, parse_address, read_address
from napari_retina_seg.project.backends import create_database, open_database
from napari_retina_seg.project.backups import BACKUPS, copy_records
from napari_retina_seg.project.checksums import CHECKSUM, HIDDEN, list_values
from napari_retina_seg.project.database import DATABASE
from napari_retina_seg.project.sqlite_database import explain_creation
from napari_retina_seg.project.tables import Base, MemberRow, ProjectRow, SchemaVersionRow
from napari_retina_seg.types.errors import ProjectError

_BATCH = 1000  # rows that are written at once
_STAY = (SchemaVersionRow.__tablename__, MemberRow.__tablename__)  # logins are those of a server


def move_records(folder: Path, url: str | None) -> str:
    """Move the records of a project to another database, all or none; other windows must be closed.

    The rows are compared with their checksums before and after. Until all of them are there the
    project stays where it is; a window that has it open still is refused what it saves afterwards.

    Parameters
    ----------
    folder : Path
        The project.
    url : str or None
        An empty PostgreSQL database, or None for a file in the folder.

    Returns
    -------
    str
        A sentence that says where the former records are kept, and that members do not move.

    Raises
    ------
    ProjectError
        If a record is damaged, or the new database can't be written or has a project already.
    """
    folder = folder.absolute()
    address = read_address(folder)
    if url is None and address is None:
        raise ProjectError(f"The records of '{folder}' are in its folder already.")
    if url is not None and address is not None and parse_address(url) == address[0]:
        raise ProjectError(f"The records of '{folder}' are in this database already.")
    with closing(open_database(folder)) as database:
        if database.member is not None:
            raise ProjectError("Only the owner of the study may move it: ask its owner for it.")
        database.check_records()
        former, time = database.name, f"{datetime.now():%Y%m%d-%H%M%S}"
        with database.exclusive() as source:
            key, files = source.execute(select(ProjectRow.key, ProjectRow.files)).one()
            if url is None and files:
                raise ProjectError(
                    f"The masks of '{folder}' are in an object store, which needs a server: first"
                    " move them with 'project move --files folder'."
                )
            members = source.execute(select(func.count()).select_from(MemberRow)).scalar_one()
            try:
                if address is None:
                    former = str(copy_records(folder / DATABASE, f"project-moved-{time}.sqlite"))
                else:
                    (folder / BACKUPS).mkdir(exist_ok=True)
                    shutil.copyfile(folder / ADDRESS, folder / BACKUPS / f"database-{time}.json")
                create_database(folder, url, key, lambda session: _copy(source, session))
                if url is None:
                    (folder / ADDRESS).unlink()
            except (OSError, sqlite3.Error, DBAPIError) as error:
                raise ProjectError(explain_creation(error, folder)) from error
    if address is None:
        for ending in ("", "-wal", "-shm", "-journal"):
            with contextlib.suppress(OSError):  # open on Windows; `database.json` counts anyway
                (folder / f"{DATABASE}{ending}").unlink()
    stay = " Its members stay there: add them anew after a move to a server." if members else ""
    return f"The former records are kept as they were: {former}.{stay}"


def _whole(row: dict[str, Any], checksum: str) -> dict[str, Any]:
    """Return a row with its checksum, which who wrote it last may not have been able to tell."""
    return row | {CHECKSUM: checksum} if row[CHECKSUM] == HIDDEN else row


def _copy(source: Connection, session: Session) -> None:
    """Copy all rows but the version of the tables, and compare them."""
    target = session.connection()
    for table in Base.metadata.sorted_tables:
        if table.name in _STAY:
            continue
        stamp = table.columns[CHECKSUM]
        rows = list(list_values(source, table))
        for start in range(0, len(rows), _BATCH):
            batch = [_whole(row._asdict(), checksum) for row, checksum in rows[start:][:_BATCH]]
            session.execute(table.insert(), batch)
        wanted = [checksum for _, checksum in rows]
        copied = [(row._mapping[stamp], checksum) for row, checksum in list_values(target, table)]
        if copied != [(checksum, checksum) for checksum in wanted]:
            raise ProjectError(
                f"Rows of the table '{table.name}' are not the same in the new database, so nothing"
                " was moved: run 'project check'."
            )
        if rows and "id" in table.columns and target.dialect.name == "postgresql":
            highest = select(func.max(table.columns["id"])).scalar_subquery()
            session.execute(select(func.setval(f"{table.name}_id_seq", highest)))
