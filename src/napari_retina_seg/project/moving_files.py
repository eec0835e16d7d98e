"""Move a project's files between its folder and an object store; make folders for a study."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL, select

from napari_retina_seg.project.address import (
    ADDRESS,
    parse_address,
    project_id,
    read_address,
    write_address,
)
from napari_retina_seg.project.backends import has_project
from napari_retina_seg.project.files import StoredFile
from napari_retina_seg.project.members import check_owner
from napari_retina_seg.project.object_storage import claim_store, parse_store
from napari_retina_seg.project.opening import open_files, open_store
from napari_retina_seg.project.postgresql_database import connect, translate_errors
from napari_retina_seg.project.storage import FILES, FileStore
from napari_retina_seg.project.store import Store, stored_file
from napari_retina_seg.project.tables import AutosaveRow, FileRow, ProjectRow
from napari_retina_seg.types.errors import ProjectError


def move_files(folder: Path, address: str | None, author: str) -> str:
    """Copy masks, copies of images and unsaved work to another place, all or none.

    Each is compared with its hash. Windows in which the project is open are refused what they save
    afterwards.

    Parameters
    ----------
    folder : Path
        The project.
    address : str or None
        An object store, ``s3://bucket/study``, or None for the project's folder.
    author : str
        Who does it.

    Returns
    -------
    str
        A sentence that says where the former files are kept.

    Raises
    ------
    ProjectError
        If a file is damaged, or the other place can't be written or is another project's.
    """
    target = "" if address is None else parse_store(address)
    store = open_store(folder, author)
    with closing(store.database):
        if target == store.address:
            raise ProjectError(f"The files of '{folder}' are there already.")
        if target and read_address(store.folder) is None:
            raise ProjectError(
                f"The records of '{folder}' are in its folder: first move them to a server with"
                " 'project move --database'."
            )
        check_owner(store, "move its files")
        store.database.check_writable()
        if target:
            claim_store(target, project_id(store.info.key))
        files, autosaves = open_files(store.folder, target, store.info.key)
        copied = _copy(store, files, ())  # before other writers have to wait
        with store.database.writing() as session:
            store.check_files(session)
            _copy(store, files, copied)
            for name in session.scalars(select(AutosaveRow.file)):
                if store.autosaves.exists(name):  # else `check` reports it
                    autosaves.write(name, store.autosaves.read(name))
            session.scalars(select(ProjectRow)).one().files = target
    return f"The former files are kept as they were: {store.address or store.folder / FILES}."


def join_study(folder: Path, database: str, author: str) -> None:
    """Make a folder on this computer for a study whose files are in an object store.

    Parameters
    ----------
    folder : Path
        A new folder.
    database : str
        The study's database, ``postgresql://host/name``.
    author : str
        Who does it.

    Raises
    ------
    ProjectError
        If there is no such study, its files are in a folder, or this one has a project.
    """
    url = parse_address(database)
    if has_project(folder):
        raise ProjectError(f"There is a project in '{folder}' already: open it.")
    project = _find_project(url)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_address(folder, url, project)
    except OSError as error:
        raise ProjectError(
            f"'{folder}' can't be written ({error.strerror or error}): choose another folder."
        ) from error
    try:
        store = open_store(folder, author)
        store.database.close()
        if not store.address:
            raise ProjectError(
                f"The masks of the study in {store.database.name} are in a folder: open that"
                " folder, or ask its owner to move them to an object store."
            )
    except BaseException:
        (folder / ADDRESS).unlink()
        raise


def _find_project(url: URL) -> str:
    """Return the id of the project in a database."""
    reader, _ = connect(url)
    try:
        with translate_errors(url), reader.connect() as connection:
            return project_id(connection.execute(select(ProjectRow.key)).scalar_one())
    finally:
        reader.dispose()


def _copy(store: Store, files: FileStore, known: Sequence[StoredFile]) -> Sequence[StoredFile]:
    """Copy all files but the known ones; return all."""
    with store.database.reading() as session:
        listed = [stored_file(row) for row in session.scalars(select(FileRow))]
    done = set(known)
    for stored in listed:
        if stored not in done:
            files.put(store.files.read(stored), stored.suffix)
    return listed
