"""Which program keeps the records of a project: SQLite in its folder, or a PostgreSQL server."""

from __future__ import annotations

from pathlib import Path

from napari_retina_seg.project.address import ADDRESS, parse_address, read_address
from napari_retina_seg.project.database import DATABASE, Database, Fill
from napari_retina_seg.project.postgresql_database import PostgresqlDatabase, create_postgresql
from napari_retina_seg.project.sqlite_database import SqliteDatabase, create_sqlite


def open_database(folder: Path) -> Database:
    """Open the database of a project.

    Raises
    ------
    ProjectError
        If there is no project, or it can't be opened.
    """
    address = read_address(folder)
    return SqliteDatabase(folder) if address is None else PostgresqlDatabase(folder, *address)


def create_database(folder: Path, url: str | None, key: str, fill: Fill) -> None:
    """Create the database of a new project, by default in its folder; all of it or nothing."""
    if url is None:
        create_sqlite(folder, fill)
    else:
        create_postgresql(folder, parse_address(url), key, fill)


def has_project(folder: Path) -> bool:
    """Whether a folder is that of a project."""
    return any((folder / name).exists() for name in (DATABASE, ADDRESS))
