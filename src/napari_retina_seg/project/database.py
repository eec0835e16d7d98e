"""The SQLite database of a project: crash-safe transactions and migrations."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from napari_retina_seg.io.atomic import draft_path, sync_folder
from napari_retina_seg.project.backups import advise_restoring
from napari_retina_seg.project.checksums import CheckedSession, find_altered, open_raw, schema_of
from napari_retina_seg.project.damage import explain_error, has_room, is_of_disk, iter_damage
from napari_retina_seg.project.migrations import (
    MIGRATIONS,
    Migration,
    migrate_tables,
    raw_connection,
)
from napari_retina_seg.project.sqlite_files import set_journal, sqlite_uri
from napari_retina_seg.project.tables import AutosaveRow, Base, LeaseRow, SchemaVersionRow
from napari_retina_seg.types.errors import ProjectError

DATABASE = "project.sqlite"
PATIENCE = 30  # seconds that a writer waits for another writer

# What reading a damaged record may raise, before its checksum is compared.
_OF_DAMAGE = (SQLAlchemyError, ValueError, LookupError, TypeError, AttributeError, RecursionError)


_PASSING = frozenset({AutosaveRow.__tablename__, LeaseRow.__tablename__})


class Database:
    """The open database of a project.

    Parameters
    ----------
    folder : Path
        The project.
    migrations : tuple of callable
        Applied in order to tables of earlier versions.

    Attributes
    ----------
    read_only : bool
        Whether the folder can't be written. Tables of earlier versions are then migrated in a
        temporary copy.

    Raises
    ------
    ProjectError
        If there is no project, it is damaged, or a newer program made it.
    """

    def __init__(self, folder: Path, migrations: tuple[Migration, ...] = MIGRATIONS) -> None:
        self.folder = folder
        self.path = folder / DATABASE
        if not self.path.is_file():
            raise ProjectError(
                f"There is no project in '{folder}': it has no file {DATABASE}. Choose another"
                " folder, or create a project there."
            )
        _refuse_links(self.path)
        self.read_only = not os.access(folder, os.W_OK) or not os.access(self.path, os.W_OK)
        self._is_full = False
        self._place = _place(self.path)
        self._current = self.path
        self._open()
        try:
            if not self.read_only and self._lacks_room():
                self.close()
                self.read_only = self._is_full = True
                self._open()
            self._migrate(migrations)
        except BaseException:
            self.close()
            raise

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

    def close(self) -> None:
        """Close the database; the last connection to close removes the write-ahead log."""
        self._engine.dispose()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a read transaction, a snapshot of the records.

        Raises
        ------
        ProjectError
            If they can't be read.
        """
        with (
            self._translate_errors(),
            CheckedSession(self._engine, expire_on_commit=False) as session,
        ):
            yield session

    @contextlib.contextmanager
    def writing(self) -> Iterator[Session]:
        """Open an atomic write transaction; writers run one after another.

        Raises
        ------
        ProjectError
            If they can't be written; nothing is changed then.
        """
        self.check_writable()
        with (
            self._translate_errors(),
            CheckedSession(self._writer, expire_on_commit=False) as session,
        ):
            with session.begin():
                yield session
            self.check_place()

    def check_writable(self) -> None:
        """Raise `ProjectError` if the folder is read-only, or no longer there."""
        if self._is_full:
            raise ProjectError(
                f"The disk with '{self.folder}' was full when the project was opened, so that it is"
                " read-only and nothing was saved: free some space, then open it again."
            )
        if self.read_only:
            raise ProjectError(
                f"The project '{self.folder}' is read-only: ask for write"
                " permission, or copy the folder."
            )
        self.check_place()

    def find_damage(self) -> list[str]:
        """Return what is wrong with the database.

        That is what SQLite's own checks find, rows that are not as they were saved, changed
        definitions of tables, and references to missing rows.
        """
        try:
            with contextlib.closing(open_raw(_uri(self._current, self.read_only), PATIENCE)) as raw:
                return list(iter_damage(raw))
        except (sqlite3.Error, *_OF_DAMAGE) as error:
            # SQLite may name a table in its message whose name is no text any more.
            return [str(error) if isinstance(error, sqlite3.Error) else "it can't be read"]

    def check_records(self) -> None:
        """Compare all records with their checksums.

        Those of leases and unsaved work, which come and go, only stop what reads them.

        Raises
        ------
        ProjectError
            If one is not as it was saved: a query might pass over it and find an older one.
        """
        try:
            with contextlib.closing(open_raw(_uri(self._current, self.read_only), PATIENCE)) as raw:
                altered = [row for row in find_altered(raw) if row.table not in _PASSING]
        except (sqlite3.Error, *_OF_DAMAGE) as error:
            sentence = explain_error(error, self.folder) or self._say_damaged("it can't be read")
            raise ProjectError(sentence) from error
        if altered:
            raise ProjectError(self._say_damaged(altered[0].sentence))

    def _has_log(self) -> bool:
        """Whether there is a write-ahead log, which can't be replayed in a read-only folder."""
        log = self.path.with_name(f"{DATABASE}-wal")
        return log.exists() and log.stat().st_size > 0

    def check_place(self) -> None:
        """Raise `ProjectError` if the file is no longer where it was opened.

        SQLite itself would not notice: its writes would be lost.
        """
        if _place(self.path) != self._place:
            raise ProjectError(
                f"The folder '{self.folder}' has vanished or was replaced while the project was"
                " open: nothing more can be saved. Restore the folder and open it again."
            )

    def _migrate(self, migrations: tuple[Migration, ...]) -> None:
        newest = 1 + len(migrations)
        with self._translate_errors():
            if self.read_only and self._has_log():
                self._open_copy(migrations)
                return
            found = self._schema_version()
            if found > newest:
                raise ProjectError(
                    f"The project '{self.folder}' was made by a newer version of this program (its"
                    f" tables have version {found}, this program supports up to {newest}): update"
                    " napari-retina-seg."
                )
            if self.read_only:
                if found != newest:
                    self._open_copy(migrations)
                return
            with self._engine.connect() as connection:
                set_journal(raw_connection(connection), self.folder)
            if found != newest:
                self.check_writable()
                migrate_tables(self._writer, migrations)

    def _open_copy(self, migrations: tuple[Migration, ...]) -> None:
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
            migrate_tables(engine.execution_options(writes=True), migrations)
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

    @contextlib.contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Translate errors of SQLite, and those that come of damaged records, to `ProjectError`."""
        try:
            yield
        except DBAPIError as error:
            sentence = explain_error(error.orig, self.folder) or self._explain_damage()
            if sentence is None:
                raise
            raise ProjectError(sentence) from error
        except _OF_DAMAGE as error:
            sentence = self._explain_damage()
            if sentence is None:
                raise
            raise ProjectError(sentence) from error

    def _explain_damage(self) -> str | None:
        """Return a message about a damaged database; None if it is sound."""
        damage = self.find_damage()
        return self._say_damaged(damage[0]) if damage else None

    def _say_damaged(self, damage: str) -> str:
        return (
            f"The database '{self.path}' is damaged ({damage}): run 'project check --repair', or"
            f" {advise_restoring(self.folder)}. The masks in the folder 'files' are not touched."
        )


def create_database(folder: Path, fill: Callable[[Session], None]) -> None:
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


def _refuse_links(path: Path) -> None:
    """Raise `ProjectError` if a file of the database is a link to somewhere else."""
    for ending in ("", "-wal", "-shm", "-journal"):
        file = path.with_name(f"{path.name}{ending}")
        if file.is_symlink():
            raise ProjectError(
                f"'{file}' is a link to another place, so the project is not opened: put the file"
                " itself there."
            )


def _place(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
