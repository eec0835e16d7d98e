"""Create and open project folders."""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from napari_retina_seg.io.atomic import sync_folder
from napari_retina_seg.project.address import parse_address
from napari_retina_seg.project.backends import create_database, has_project, open_database
from napari_retina_seg.project.database import Database
from napari_retina_seg.project.sqlite_database import explain_creation
from napari_retina_seg.project.storage import AUTOSAVES, FILES, FileStore, FolderStorage
from napari_retina_seg.project.store import SCHEME, Store, now
from napari_retina_seg.project.tables import ProjectRow, SchemeRow
from napari_retina_seg.project.values import ProjectInfo
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.labels import LabelScheme


def open_store(folder: Path, author: str) -> Store:
    """Open a project; see `Project`."""
    author = check_name(author)
    folder = folder.absolute()  # the working directory may change
    database = open_database(folder)
    try:
        database.check_records()
        with database.reading() as session:
            row = session.scalars(select(ProjectRow)).one()
            scheme = SCHEME.validate_python(row.scheme.definition)
        _back_up(database, row.created_at)
    except BaseException:
        database.close()
        raise
    return Store(
        folder=folder,
        database=database,
        files=FileStore(FolderStorage(folder / FILES)),
        autosaves=FolderStorage(folder / AUTOSAVES),
        author=author,
        program=uuid.uuid4().hex,
        info=ProjectInfo(scheme, row.created_at, row.created_by, row.key),
        scheme_id=row.scheme_id,
    )


def _back_up(database: Database, created_at: datetime) -> None:
    """Back up records that were found sound, but not on the first day: there is little to lose."""
    today = now().date()
    if not database.read_only and created_at.date() != today:
        database.back_up(today)


def create_folder(folder: Path, scheme: LabelScheme, author: str, url: str | None) -> None:
    """Create a project; see `Project.create`."""
    author = check_name(author)
    if url is not None:
        parse_address(url)  # before anything is made
    if has_project(folder):
        raise ProjectError(f"There is a project in '{folder}' already: open it.")
    key = secrets.token_hex(32)

    def fill(session: Session) -> None:
        definition = SchemeRow(definition=SCHEME.dump_python(scheme, mode="json"))
        session.add(ProjectRow(scheme=definition, created_at=now(), created_by=author, key=key))

    try:
        for part in (folder, folder / FILES, folder / AUTOSAVES):
            part.mkdir(parents=True, exist_ok=True)
        sync_folder(folder)
        create_database(folder, url, key, fill)
    except (OSError, DBAPIError) as error:
        raise ProjectError(explain_creation(error, folder)) from error


def check_name(name: str) -> str:
    """Return a person's name with normalised spaces; raises `ProjectError` if nothing is left."""
    cleaned = " ".join(name.split())
    if not cleaned:
        raise ProjectError("Enter your name: every version is saved with its author's name.")
    return cleaned
