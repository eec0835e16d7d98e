"""The database of a project: transactions on its records, whichever program keeps them."""

from __future__ import annotations

import contextlib
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, select, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from napari_retina_seg.project.checksums import AlteredRow, CheckedSession
from napari_retina_seg.project.migrations import MIGRATIONS, Migration
from napari_retina_seg.project.notifications import WRITER, ChangeListener
from napari_retina_seg.project.roles import MEMBER, Member
from napari_retina_seg.project.tables import AutosaveRow, LeaseRow, SchemaVersionRow
from napari_retina_seg.types.errors import ProjectError

DATABASE = "project.sqlite"  # unless the folder says that its records are elsewhere
PATIENCE = 30  # seconds that a writer waits for another writer

# What reading a damaged record may raise, before its checksum is compared.
OF_DAMAGE = (SQLAlchemyError, ValueError, LookupError, TypeError, AttributeError, RecursionError)

_PASSING = frozenset({AutosaveRow.__tablename__, LeaseRow.__tablename__})

Fill = Callable[[Session], None]


class Database(ABC):
    """The open database of a project.

    Parameters
    ----------
    folder : Path
        The project.
    path : Path
        The file in it that is the database, or says where it is.
    migrations : sequence of callable
        Applied in order to tables of earlier versions.

    Attributes
    ----------
    read_only : bool
        Whether nothing can be saved, for want of permission.
    member : Member or None
        Who has opened it, if the server knows them as a member; None for its owner, too.
    """

    read_only: bool
    member: Member | None = None
    _engine: Engine
    _writer: Engine
    _errors: tuple[type[Exception], ...] = OF_DAMAGE

    def __init__(
        self, folder: Path, path: Path, migrations: Sequence[Migration] = MIGRATIONS
    ) -> None:
        refuse_link(path)
        self.folder, self.path = folder, path
        self._migrations = migrations
        self._place = _place(path)
        self._writer_id = uuid.uuid4().hex

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return str(self.path)

    @property
    def _options(self) -> dict[str, Any]:
        return {"expire_on_commit": False, "info": {MEMBER: self.member, WRITER: self._writer_id}}

    def close(self) -> None:
        """Close all connections."""
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
            CheckedSession(self._engine, **self._options) as session,
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
            CheckedSession(self._writer, **self._options) as session,
        ):
            with session.begin():
                yield session
                session.flush()
                self.check_place()  # the records may have been moved while this one waited
            self.check_place()

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[Connection]:
        """Keep all other writers waiting while the records are copied."""
        self.check_writable()
        with self._translate_errors(), self._writer.begin() as connection:
            yield connection

    def listen(self) -> ChangeListener | None:
        """Return what tells of others' changes; None if nothing does, as in SQLite.

        Raises
        ------
        ProjectError
            If the server can't be reached.
        """
        return None

    def now(self, session: Session) -> datetime:
        """Return the time by which leases expire, the same one for all computers, in UTC."""
        del session
        return datetime.now(UTC)

    def check_writable(self) -> None:
        """Raise `ProjectError` if nothing can be saved, or the folder is no longer there."""
        if self.read_only:
            raise ProjectError(
                f"The project '{self.folder}' is read-only: ask for write"
                " permission, or copy the folder."
            )
        self.check_place()

    def check_place(self) -> None:
        """Raise `ProjectError` if the file is no longer where it was opened.

        The database itself would not notice: what is written would be lost.
        """
        if _place(self.path) != self._place:
            raise ProjectError(
                f"The folder '{self.folder}' has vanished or was replaced while the project was"
                " open: nothing more can be saved. Restore the folder and open it again."
            )

    def check_records(self) -> None:
        """Compare all records with their checksums.

        Those of leases and unsaved work, which come and go, only stop what reads them.

        Raises
        ------
        ProjectError
            If one is not as it was saved: a query might pass over it and find an older one.
        """
        try:
            altered = [row for row in self._list_altered() if row.table not in _PASSING]
        except self._errors as error:
            original = error.orig if isinstance(error, DBAPIError) else error
            known = self._explain(original) or ProjectError(self.say_damaged("it can't be read"))
            raise known from error
        if altered:
            raise ProjectError(self.say_damaged(altered[0].sentence))

    def say_damaged(self, damage: str) -> str:
        """Return the message about a damaged database."""
        return (
            f"The database '{self.name}' is damaged ({damage}): {self.advice}. The masks are"
            " not touched."
        )

    @property
    @abstractmethod
    def advice(self) -> str:
        """What to do about damaged records."""

    @abstractmethod
    def find_damage(self) -> list[str]:
        """Return what is wrong with the database.

        That is what its own checks find, rows that are not as they were saved, changed definitions
        of tables, and references to missing rows.
        """

    @abstractmethod
    def back_up(self, today: date) -> None:
        """Copy the records to the folder of backups, unless that was done today."""

    @abstractmethod
    def _list_altered(self) -> list[AlteredRow]:
        """Return the rows that are not as they were saved."""

    @abstractmethod
    def _explain(self, error: BaseException | None) -> ProjectError | None:
        """Return what an error of the driver means; None if it is unknown."""

    @abstractmethod
    def _stamp(self, connection: Connection) -> None:
        """Give all rows checksums anew, after a migration."""

    def _refuse_newer(self, found: int) -> None:
        newest = 1 + len(self._migrations)
        if found > newest:
            raise ProjectError(
                f"The project '{self.folder}' was made by a newer version of this program (its"
                f" tables have version {found}, this program supports up to {newest}): update"
                " napari-retina-seg."
            )

    def _migrate_tables(self, writer: Engine) -> None:
        """Bring tables up to date in one transaction, and give their rows checksums."""
        with writer.begin() as connection:
            # Another process may have migrated them meanwhile.
            found = connection.execute(select(SchemaVersionRow.version)).scalar_one()
            for migration in self._migrations[found - 1 :]:
                migration(connection)
            newest = 1 + len(self._migrations)
            connection.execute(update(SchemaVersionRow).values(version=newest))
            self._stamp(connection)

    @contextlib.contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Translate the driver's errors, and those that come of damaged records."""
        try:
            yield
        except DBAPIError as error:
            known = self._explain(error.orig) or self._explain_damage()
            if known is None:
                raise
            raise known from error
        except OF_DAMAGE as error:
            known = self._explain_damage()
            if known is None:
                raise
            raise known from error

    def _explain_damage(self) -> ProjectError | None:
        """Return the error of a damaged database; None if it is sound."""
        damage = self.find_damage()
        return ProjectError(self.say_damaged(damage[0])) if damage else None


def refuse_link(path: Path) -> None:
    """Raise `ProjectError` if a file of the database is a link to somewhere else."""
    if path.is_symlink():
        raise ProjectError(
            f"'{path}' is a link to another place, so the project is not opened: put the file"
            " itself there."
        )


def _place(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
