"""The database of a project: opened, migrated and written so that a kill at any moment is safe."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from napari_retina_seg.core.errors import ProjectError
from napari_retina_seg.io.atomic import draft_path, sync_folder
from napari_retina_seg.project.tables import Base, SchemaVersionRow

DATABASE = "project.sqlite"
PATIENCE = 30  # seconds that a writer waits for another one

Migration = Callable[[Connection], None]


def _add_checks(connection: Connection) -> None:
    """Make room for what fired of the checks of a prediction."""
    connection.execute(text("ALTER TABLE image ADD COLUMN warning VARCHAR NOT NULL DEFAULT ''"))
    connection.execute(text("ALTER TABLE version ADD COLUMN checks JSON"))


# Each brings the tables from the version of its place, counted from 1, to the next one.
MIGRATIONS: tuple[Migration, ...] = (_add_checks,)


class Database:
    """The open database of a project.

    Parameters
    ----------
    folder : Path
        The project.
    migrations : tuple of callable
        That bring tables of earlier versions up to date.

    Attributes
    ----------
    read_only : bool
        Whether the folder can't be written; then it can be looked at.

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
        self.read_only = not os.access(folder, os.W_OK) or not os.access(self.path, os.W_OK)
        self._check_log()
        self._place = _place(self.path)
        self._engine = _connect(self.path, read_only=self.read_only)
        self._writer = self._engine.execution_options(writes=True)
        try:
            self._migrate(migrations)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the database; the last one to do so leaves a single file."""
        self._engine.dispose()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """Look at the records, as they are at one moment.

        Raises
        ------
        ProjectError
            If they can't be read.
        """
        with self._translate_errors(), Session(self._engine, expire_on_commit=False) as session:
            yield session

    @contextlib.contextmanager
    def writing(self) -> Iterator[Session]:
        """Change the records, all at once or not at all, one program after the other.

        Raises
        ------
        ProjectError
            If they can't be written; nothing is changed then.
        """
        self.check_writable()
        with self._translate_errors(), Session(self._writer, expire_on_commit=False) as session:
            with session.begin():
                yield session
            self.check_place()

    def check_writable(self) -> None:
        """Raise `ProjectError` if the folder is read-only, or no longer there."""
        if self.read_only:
            raise ProjectError(
                f"The project '{self.folder}' can't be written, only looked at: ask for write"
                " permission, or copy the folder."
            )
        self.check_place()

    def find_damage(self) -> list[str]:
        """Return what SQLite finds wrong with its file, and records that point nowhere."""
        try:
            with self._engine.connect() as connection:
                said = [str(row[0]) for row in connection.execute(text("PRAGMA integrity_check"))]
                astray = connection.execute(text("PRAGMA foreign_key_check")).all()
        except DBAPIError as error:
            return [str(error.orig)]
        damage = [sentence for sentence in said if sentence != "ok"]
        return damage + [f"a row of {row[0]} points to a missing row of {row[2]}" for row in astray]

    def _check_log(self) -> None:
        """Refuse to read a file without what its log still holds, which needs writing."""
        log = self.path.with_name(f"{DATABASE}-wal")
        if self.read_only and log.exists() and log.stat().st_size:
            raise ProjectError(
                f"The project '{self.folder}' was not closed and can't be written: copy the folder"
                " to where it can be, and open the copy."
            )

    def check_place(self) -> None:
        """Raise `ProjectError` if the file is no longer where it was opened.

        SQLite would write into nothing, and go on reading.
        """
        if _place(self.path) != self._place:
            raise ProjectError(
                f"The folder '{self.folder}' has vanished or was replaced while the project was"
                " open: nothing more can be saved. Bring the folder back and open it again."
            )

    def _migrate(self, migrations: tuple[Migration, ...]) -> None:
        newest = 1 + len(migrations)
        with self._translate_errors():
            found = self._schema_version()
            if found > newest:
                raise ProjectError(
                    f"The project '{self.folder}' was made by a newer version of this program (its"
                    f" tables have version {found}, known are those up to {newest}): update"
                    " napari-retina-seg."
                )
            if found == newest:
                return
            if self.read_only:
                raise ProjectError(
                    f"The project '{self.folder}' was made by an earlier version of this program,"
                    " and can't be brought up to date here: open it once where it can be written,"
                    " or open a copy."
                )
            self.check_writable()
            with self._writer.begin() as connection:
                # Another program may have been faster.
                found = connection.execute(select(SchemaVersionRow.version)).scalar_one()
                for migration in migrations[found - 1 :]:
                    migration(connection)
                connection.execute(update(SchemaVersionRow).values(version=newest))

    def _schema_version(self) -> int:
        with self._engine.connect() as connection:
            tables = text("SELECT count(*) FROM sqlite_master WHERE name = 'schema_version'")
            if not connection.execute(tables).scalar_one():
                raise ProjectError(
                    f"'{self.path}' is not the database of a project, or was cut short: put back a"
                    f" backup. The masks in '{self.folder / 'files'}' are not touched."
                )
            return connection.execute(select(SchemaVersionRow.version)).scalar_one()

    @contextlib.contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Say in a sentence what SQLite says in codes."""
        try:
            yield
        except DBAPIError as error:
            sentence = _explain(error.orig, self.folder)
            if sentence is None:
                raise
            raise ProjectError(sentence) from error


def create_database(folder: Path, fill: Callable[[Session], None]) -> None:
    """Make the database of a new project; it appears whole or not at all.

    Parameters
    ----------
    folder : Path
        The project's folder, which is there.
    fill : callable
        Adds the first records.

    Raises
    ------
    OSError, sqlalchemy.exc.DBAPIError
        If it can't be written; nothing is left behind then.
    """
    draft = draft_path(folder / DATABASE)
    draft.touch(exist_ok=False)  # as any new file may be used: SQLite asks for 0o644 at most
    try:
        engine = _connect(draft, read_only=False)
        try:
            with engine.connect() as connection:
                connection.connection.execute("PRAGMA journal_mode = WAL")
            with Session(engine) as session, session.begin():
                Base.metadata.create_all(session.connection())
                session.add(SchemaVersionRow(version=1 + len(MIGRATIONS)))
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
    """Say why no project could be made in a folder."""
    original = error.orig if isinstance(error, DBAPIError) else error
    reason = _explain(original, folder) if isinstance(original, sqlite3.Error) else None
    if reason is not None:
        return reason
    said = getattr(original, "strerror", None) or original
    return (
        f"No project can be made in '{folder}' ({said}): choose a folder with room and write"
        " permission."
    )


def _connect(path: Path, *, read_only: bool) -> Engine:
    # A file in a folder that can't be written has no place for a log: it is read as it stands.
    mode = "mode=ro&immutable=1" if read_only else "mode=rw"
    uri = f"{path.resolve().as_uri()}?{mode}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            uri, uri=True, timeout=PATIENCE, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")  # what was confirmed survives a power cut
        return connection

    engine = create_engine("sqlite+pysqlite://", creator=connect, poolclass=QueuePool)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        # Who will write takes the lock before looking, so that what was seen is still true.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _place(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


_SENTENCES = {
    "SQLITE_FULL": "The disk with '{folder}' is full, so nothing was saved: make room, then save"
    " again.",
    "SQLITE_READONLY": "The project '{folder}' can't be written: ask for write permission, or copy"
    " the folder.",
    "SQLITE_BUSY": "Another program keeps '{folder}' busy: wait for it to finish, then try again.",
    "SQLITE_CANTOPEN": "The database in '{folder}' can't be opened: check that the folder is there"
    " and may be written.",
    "SQLITE_CORRUPT": "The database in '{folder}' is damaged: put back a backup of project.sqlite."
    " The masks in its folder 'files' are not touched.",
    "SQLITE_NOTADB": "'{folder}/project.sqlite' is no database any more: put back a backup of it."
    " The masks in the folder 'files' are not touched.",
    "SQLITE_IOERR": "The disk with '{folder}' is full, failing or gone, so nothing was saved: check"
    " it, then save again.",
}


def _explain(error: BaseException | None, folder: Path) -> str | None:
    name = getattr(error, "sqlite_errorname", "")
    for code, sentence in _SENTENCES.items():
        if name.startswith(code):
            return sentence.format(folder=folder)
    return None
