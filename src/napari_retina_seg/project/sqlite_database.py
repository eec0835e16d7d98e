"""A project's records in SQLite, a file in its folder: crash-safe, embedded, the default."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import weakref
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from napari_retina_seg.io.atomic import draft_path, sync_folder
from napari_retina_seg.project.address import ADDRESS
from napari_retina_seg.project.backups import advise_restoring, back_up
from napari_retina_seg.project.checksums import (
    AlteredRow,
    CheckedSession,
    find_altered,
    open_raw,
    schema_of,
    stamp_all,
)
from napari_retina_seg.project.damage import explain_error, has_room, is_of_disk, iter_damage
from napari_retina_seg.project.database import (
    DATABASE,
    OF_DAMAGE,
    PATIENCE,
    Database,
    Fill,
    refuse_link,
)
from napari_retina_seg.project.migrations import MIGRATIONS, Migration
from napari_retina_seg.project.sqlite_files import set_journal, sqlite_uri
from napari_retina_seg.project.tables import Base, SchemaVersionRow
from napari_retina_seg.types.errors import ProjectError


class SqliteDatabase(Database):
    """The open SQLite database of a project.

    Tables of earlier versions are migrated, in a temporary copy if the folder can't be written.

    Parameters
    ----------
    folder : Path
        The project.
    migrations : sequence of callable
        Applied in order to tables of earlier versions.

    Raises
    ------
    ProjectError
        If there is no project, it is damaged, or a newer program made it.
    """

    _errors = (sqlite3.Error, *OF_DAMAGE)

    def __init__(self, folder: Path, migrations: Sequence[Migration] = MIGRATIONS) -> None:
        path = folder / DATABASE
        if not path.is_file():
            raise ProjectError(
                f"There is no project in '{folder}': it has no file {DATABASE}. Choose another"
                " folder, or create a project there."
            )
        super().__init__(folder, path, migrations)
        for ending in ("-wal", "-shm", "-journal"):
            refuse_link(path.with_name(f"{path.name}{ending}"))
        self.read_only = not os.access(folder, os.W_OK) or not os.access(path, os.W_OK)
        self._is_full = False
        self._current = path
        self._open()
        try:
            if not self.read_only and self._lacks_room():
                self.close()
                self.read_only = self._is_full = True
                self._open()
            self._bring_up_to_date()
        except BaseException:
            self.close()
            raise

    @property
    def advice(self) -> str:
        """What to do about damaged records."""
        return f"run 'project check --repair', or {advise_restoring(self.folder)}"

    def _open(self) -> None:
        self._engine = _connect(self.path, read_only=self.read_only)
        self._writer = self._engine.execution_options(writes=True)

    def _lacks_room(self) -> bool:
        """Whether the disk is too full for the log that SQLite needs, even to read."""
        try:
            with self._engine.connect() as connection:
                connection.execute(text("SELECT count(*) FROM sqlite_master"))
        except DBAPIError as error:
            return is_of_disk(error.orig) and not has_room(self.folder)
        return False

    def check_writable(self) -> None:
        """Raise `ProjectError` if the folder is read-only, or no longer there."""
        if self._is_full:
            raise ProjectError(
                f"The disk with '{self.folder}' was full when the project was opened, so that it is"
                " read-only and nothing was saved: free some space, then open it again."
            )
        super().check_writable()

    def check_place(self) -> None:
        """Raise `ProjectError` if the file is no longer where it was opened, or counts no more."""
        super().check_place()
        if (self.folder / ADDRESS).exists():
            raise ProjectError(
                f"The records of '{self.folder}' were moved to another database while the project"
                " was open: nothing more can be saved in this one. Open the project again."
            )

    def find_damage(self) -> list[str]:
        """Return what is wrong with the database; see `Database.find_damage`."""
        try:
            with contextlib.closing(open_raw(_uri(self._current, self.read_only), PATIENCE)) as raw:
                return list(iter_damage(raw))
        except (sqlite3.Error, *OF_DAMAGE) as error:
            # SQLite may name a table in its message whose name is no text any more.
            return [str(error) if isinstance(error, sqlite3.Error) else "it can't be read"]

    def back_up(self, today: date) -> None:
        """Copy the records to the folder of backups, unless that was done today."""
        back_up(self.path, today)

    def _list_altered(self) -> list[AlteredRow]:
        with contextlib.closing(open_raw(_uri(self._current, self.read_only), PATIENCE)) as raw:
            return list(find_altered(raw))

    def _explain(self, error: BaseException | None) -> ProjectError | None:
        sentence = explain_error(error, self.folder)
        return None if sentence is None else ProjectError(sentence)

    def _stamp(self, connection: Connection) -> None:
        stamp_all(raw_connection(connection))

    def _has_log(self) -> bool:
        """Whether there is a write-ahead log, which can't be replayed in a read-only folder."""
        log = self.path.with_name(f"{DATABASE}-wal")
        return log.exists() and log.stat().st_size > 0

    def _bring_up_to_date(self) -> None:
        with self._translate_errors():
            if self.read_only and self._has_log():
                self._open_copy()
                return
            found = self._schema_version()
            self._refuse_newer(found)
            newest = 1 + len(self._migrations)
            if self.read_only:
                if found != newest:
                    self._open_copy()
                return
            with self._engine.connect() as connection:
                set_journal(raw_connection(connection), self.folder)
            if found != newest:
                self.check_writable()
                self._migrate_tables(self._writer)

    def _open_copy(self) -> None:
        """Read from a temporary copy, in which tables can be migrated and the log replayed."""
        try:
            folder = Path(tempfile.mkdtemp(prefix="retina-seg-"))
            # Connections are made on demand, after `close` too: it is kept as long as this object.
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            copy = folder / DATABASE
            shutil.copyfile(self.path, copy)
            if self._has_log():
                shutil.copyfile(f"{self.path}-wal", f"{copy}-wal")
        except OSError as error:
            raise ProjectError(
                f"The project '{self.folder}' was made by an earlier version of this program, or"
                " was not closed, and no temporary copy of its records can be made"
                f" ({error.strerror or error}): free some space, or open it once where it can be"
                " written."
            ) from error
        engine = _connect(copy, read_only=False)
        try:
            self._migrate_tables(engine.execution_options(writes=True))
        finally:
            engine.dispose()
        self._engine.dispose()
        self._current = copy
        self._engine = _connect(copy, read_only=True)

    def _schema_version(self) -> int:
        with self._engine.connect() as connection:
            tables = text("SELECT count(*) FROM sqlite_master WHERE name = 'schema_version'")
            if not connection.execute(tables).scalar_one():
                raise ProjectError(
                    f"'{self.path}' is not the database of a project, or was truncated: restore a"
                    f" backup. The masks in '{self.folder / 'files'}' are not touched."
                )
            return connection.execute(select(SchemaVersionRow.version)).scalar_one()


def create_sqlite(folder: Path, fill: Fill) -> None:
    """Create the database of a new project atomically.

    Parameters
    ----------
    folder : Path
        The existing folder of the project.
    fill : callable
        Adds the first records.

    Raises
    ------
    OSError, sqlalchemy.exc.DBAPIError
        If it can't be written; nothing is left behind then.
    """
    draft = draft_path(folder / DATABASE)
    draft.touch(exist_ok=False)  # with the default mode: SQLite would create it with 0o644 at most
    try:
        engine = _connect(draft, read_only=False)
        try:
            with engine.connect() as connection:
                set_journal(raw_connection(connection), folder)
            with CheckedSession(engine) as session, session.begin():
                Base.metadata.create_all(session.connection())
                tables = schema_of(raw_connection(session.connection()))
                session.add(SchemaVersionRow(version=1 + len(MIGRATIONS), tables=tables))
                fill(session)
        finally:
            engine.dispose()
        with draft.open("r+b") as file:
            os.fsync(file.fileno())
        draft.replace(folder / DATABASE)
        sync_folder(folder)
    except BaseException:
        for path in folder.glob(f"{draft.name}*"):
            path.unlink(missing_ok=True)
        raise


def explain_creation(error: Exception, folder: Path) -> str:
    """Return the error for a folder in which no project can be created."""
    original = error.orig if isinstance(error, DBAPIError) else error
    reason = explain_error(original, folder) if isinstance(original, sqlite3.Error) else None
    if reason is not None:
        return reason
    said = getattr(original, "strerror", None) or original
    return (
        f"No project can be created in '{folder}' ({said}): choose a folder with free space and"
        " write permission."
    )


def _connect(path: Path, *, read_only: bool) -> Engine:
    uri = _uri(path, read_only)

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            uri, uri=True, timeout=PATIENCE, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA trusted_schema = OFF")  # the file may be somebody else's
        connection.execute("PRAGMA synchronous = FULL")  # committed rows survive a power cut
        return connection

    engine = create_engine("sqlite+pysqlite://", creator=connect, poolclass=QueuePool)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        # Writers take the lock before reading, so that what they read is still valid.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _uri(path: Path, read_only: bool) -> str:
    # There is no place for a log in a read-only folder: the file is opened as immutable.
    mode = "mode=ro&immutable=1" if read_only else "mode=rw"
    return sqlite_uri(path.resolve(), mode)


def raw_connection(connection: Connection) -> sqlite3.Connection:
    """Return the connection of the driver."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)  # noqa: S101 - the only driver
    return raw
