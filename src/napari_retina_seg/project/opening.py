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
from napari_retina_seg.project.address import parse_address, project_id
from napari_retina_seg.project.backends import create_database, has_project, open_database
from napari_retina_seg.project.database import Database
from napari_retina_seg.project.object_storage import (
    claim_store,
    open_object_store,
    parse_store,
    release_store,
)
from napari_retina_seg.project.sqlite_database import explain_creation
from napari_retina_seg.project.storage import AUTOSAVES, FILES, FileStore, FolderStorage, Storage
from napari_retina_seg.project.store import SCHEME, Store, now, same_person
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
        author = _check_login(database, author)
        database.check_records()
        with database.reading() as session:
            row = session.scalars(select(ProjectRow)).one()
            scheme = SCHEME.validate_python(row.scheme.definition)
        _back_up(database, row.created_at)
    except BaseException:
        database.close()
        raise
    files, autosaves = open_files(folder, row.files, row.key)
    return Store(
        folder=folder,
        database=database,
        files=files,
        autosaves=autosaves,
        author=author,
        program=uuid.uuid4().hex,
        info=ProjectInfo(scheme, row.created_at, row.created_by, row.key),
        scheme_id=row.scheme_id,
        address=row.files,
    )


def open_files(folder: Path, address: str, key: str) -> tuple[FileStore, Storage]:
    """Return the files and the unsaved work of a project, in its folder or an object store."""
    if address:
        return open_object_store(address, project_id(key))
    return FileStore(FolderStorage(folder / FILES)), FolderStorage(folder / AUTOSAVES)


def _check_login(database: Database, author: str) -> str:
    """Return the name of who opens a project; of a member it is known."""
    member = database.member
    if member is None:
        return author
    if not same_person(member.name, author):
        raise ProjectError(
            f"You are logged in to the server as '{member.login}', who is '{member.name}' in this"
            f" study: enter this name (in a command: --author '{member.name}')."
        )
    return member.name


def _back_up(database: Database, created_at: datetime) -> None:
    """Back up records that were found sound, but not on the first day: there is little to lose."""
    today = now().date()
    if not database.read_only and created_at.date() != today:
        database.back_up(today)


def create_folder(
    folder: Path, scheme: LabelScheme, author: str, url: str | None, files: str | None
) -> None:
    """Create a project; see `Project.create`."""
    author = check_name(author)
    if url is not None:
        parse_address(url)  # before anything is made
    address = "" if files is None else parse_store(files)
    if address and url is None:
        raise ProjectError(
            "Masks can be in an object store only if the records are on a server: give the address"
            " of a database, too."
        )
    if has_project(folder):
        raise ProjectError(f"There is a project in '{folder}' already: open it.")
    key = secrets.token_hex(32)

    def fill(session: Session) -> None:
        definition = SchemeRow(definition=SCHEME.dump_python(scheme, mode="json"))
        about = {"created_at": now(), "created_by": author, "key": key, "files": address}
        session.add(ProjectRow(scheme=definition, **about))

    try:
        for part in (folder,) if address else (folder, folder / FILES, folder / AUTOSAVES):
            part.mkdir(parents=True, exist_ok=True)
        sync_folder(folder)
        if address:
            claim_store(address, project_id(key))
        create_database(folder, url, key, fill)
    except BaseException as error:
        if address and not has_project(folder):
            release_store(address, project_id(key))
        if isinstance(error, (OSError, DBAPIError)):
            raise ProjectError(explain_creation(error, folder)) from error
        raise


def check_name(name: str) -> str:
    """Return a person's name with normalised spaces; raises `ProjectError` if nothing is left."""
    cleaned = " ".join(name.split())
    if not cleaned:
        raise ProjectError("Enter your name: every version is saved with its author's name.")
    return cleaned
