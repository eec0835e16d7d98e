"""A project's records in PostgreSQL, for people on several computers; one database per project."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from napari_retina_seg.project.address import (
    ADDRESS,
    is_encrypted_by_default,
    project_id,
    write_address,
)
from napari_retina_seg.project.checksums import (
    CHECKSUM,
    HIDDEN,
    HIDES,
    AlteredRow,
    CheckedSession,
    list_values,
    may_be_hidden,
)
from napari_retina_seg.project.database import DATABASE, OF_DAMAGE, PATIENCE, Database, Fill
from napari_retina_seg.project.migrations import MIGRATIONS, Migration
from napari_retina_seg.project.notifications import ChangeListener
from napari_retina_seg.project.passwords import log_in
from napari_retina_seg.project.policies import enforce, find_member, list_members, use_views
from napari_retina_seg.project.server_errors import explain_server_error, explain_silence
from napari_retina_seg.project.tables import (
    VERSION_TRIGGER,
    Base,
    ProjectRow,
    SchemaVersionRow,
)
from napari_retina_seg.types.errors import ProjectError, ServerAwayError

_SLOW, _PAUSE = 2, 5  # s: an attempt without an answer that took so long, and until the next one
_LOCK = 0x52455449  # of the writers; such locks are known by number, in each database anew
_SESSION = {
    "search_path": "public",
    "jit": "off",  # compiling a query takes longer than its answer
    "lock_timeout": f"{PATIENCE}s",
    "idle_in_transaction_session_timeout": "60s",  # a computer that vanished holds up nobody
}
_CONNECTION: dict[str, Any] = {
    "application_name": "napari-retina-seg",
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "options": " ".join(f"-c {name}={value}" for name, value in _SESSION.items()),
}


class PostgresqlDatabase(Database):
    """The open PostgreSQL database of a project.

    Writers run one after another, by a lock of the server. So nobody else writes between what a
    transaction reads and what it writes, as in SQLite, and none has to be tried again.

    Parameters
    ----------
    folder : Path
        The project.
    url : URL
        Where the database is.
    project : str
        Which project it must be of; see `project_id`.
    migrations : sequence of callable
        Applied in order to tables of earlier versions.

    Raises
    ------
    ProjectError
        If the server can't be reached or refuses, or has no such project, or a newer one.
    """

    def __init__(
        self,
        folder: Path,
        url: URL,
        project: str,
        migrations: Sequence[Migration] = MIGRATIONS,
    ) -> None:
        super().__init__(folder, folder / ADDRESS, migrations)
        self._url = url
        self._away_until = 0.0  # by the clock of `time.monotonic`
        self._engine, self._writer = connect(url)
        try:
            with self._translate_errors():
                self._bring_up_to_date(project)
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self._url.render_as_string()

    @property
    def advice(self) -> str:
        """What to do about damaged records."""
        return "restore a backup of it (pg_restore)"

    def listen(self) -> ChangeListener:
        """Return what tells of others' changes; see `Database.listen`."""
        with self._translate_errors():
            return ChangeListener(self._engine, self._writer_id)

    def now(self, session: Session) -> datetime:
        """Return the server's time, in UTC: the clocks of computers differ."""
        moment: datetime = session.scalars(select(func.clock_timestamp())).one()
        return moment.astimezone(UTC)

    def check_place(self) -> None:
        """Raise an error if the folder can't be reached, or the records were moved.

        See `Database.check_place`; `ServerAwayError` if the folder can't be reached.
        """
        try:
            is_there, has_moved = self.path.exists(), (self.folder / DATABASE).exists()
        except OSError:  # of a network share
            is_there = has_moved = False
        if has_moved and not is_there:
            raise ProjectError(
                f"The records of '{self.folder}' were moved back to its folder while the project"
                " was open, so nothing was saved: open the project again."
            )
        if not is_there:
            raise ServerAwayError(
                f"The folder '{self.folder}' can't be reached, so nothing was saved there: check"
                " the network, then try again."
            )
        super().check_place()

    def find_damage(self) -> list[str]:
        """Return what is wrong with the database; see `Database.find_damage`."""
        try:
            found = [row.sentence for row in self._list_altered()]
            with self._engine.connect() as connection:
                rules = text("SELECT count(*) FROM pg_trigger WHERE tgname = :name")
                if not connection.execute(rules, {"name": VERSION_TRIGGER}).scalar_one():
                    found.append("the rule that versions are never changed is missing")
                number = select(func.count()).select_from(ProjectRow)
                projects = connection.execute(number).scalar_one()
                if projects != 1:
                    found.append(f"it has {projects} records of the project")
        except DBAPIError as error:
            known = self._explain(error.orig)
            if isinstance(known, ServerAwayError):
                raise known from error
            return [str(known or error.orig)]
        except OF_DAMAGE:
            return ["it can't be read"]
        return found

    def back_up(self, today: date) -> None:
        """Leave it to the server: a copy in the folder would show everything to everybody."""

    def _list_altered(self) -> list[AlteredRow]:
        with self._engine.connect() as connection:
            return [
                AlteredRow(table.name, ", ".join(str(row[i]) for i in _key_places(table)))
                for table in Base.metadata.sorted_tables
                for row, checksum in list_values(connection, table)
                if (said := row._mapping[table.columns[CHECKSUM]]) != checksum
                and not (said == HIDDEN and may_be_hidden(connection, table.name))
            ]

    def _explain(self, error: BaseException | None) -> ProjectError | None:
        return explain_server_error(error, self.name)

    def _stamp(self, connection: Connection) -> None:
        stamp_tables(connection)
        with CheckedSession(connection) as session:
            enforce(connection, list_members(session))

    @contextlib.contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Translate errors; refuse at once what would wait for a server that just did not answer.

        Otherwise a window would stand still as often as it asks for something.
        """
        begun = time.monotonic()
        if begun < self._away_until:
            raise explain_silence(self.name)
        try:
            with super()._translate_errors():
                yield
        except ServerAwayError:
            if time.monotonic() - begun > _SLOW:
                self._away_until = time.monotonic() + _PAUSE
            raise

    def _bring_up_to_date(self, project: str) -> None:
        with self._engine.connect() as connection:
            found = _find_version(connection)
            if found is None:
                raise ProjectError(
                    f"There is no project in the database {self.name}: check its name in"
                    f" '{self.path}', or restore a backup of the database."
                )
            self._refuse_newer(found)
            self.member = find_member(connection)
        hides = {"image"} if self.member is None else {"image", "version"}
        self._engine = self._engine.execution_options(**{HIDES: hides})
        self._writer = self._writer.execution_options(**{HIDES: hides})
        if self.member is not None:
            use_views(self._engine)
        with self._engine.connect() as connection:
            self.read_only = not os.access(self.folder, os.W_OK) or _is_read_only(connection)
        if found != 1 + len(self._migrations):
            if self.read_only or self.member is not None:
                raise ProjectError(
                    f"The records of '{self.folder}' were made by an earlier version of this"
                    " program: open the project once as somebody who may change its tables."
                )
            self._migrate_tables(self._writer)
        with self._engine.connect() as connection:
            key = connection.execute(select(ProjectRow.key)).scalars().first()
        if key is None or project_id(key) != project:
            raise ProjectError(
                f"The database {self.name} holds another project than '{self.folder}': correct the"
                f" address in '{self.path}'."
            )


def create_postgresql(folder: Path, url: URL, key: str, fill: Fill) -> None:
    """Create the tables of a new project in an empty database, all or none.

    Parameters
    ----------
    folder : Path
        The existing folder of the project.
    url : URL
        Where the database is.
    key : str
        Secret key of the project.
    fill : callable
        Adds the first records.

    Raises
    ------
    ProjectError
        If the server can't be reached or refuses, or there is a project already.
    OSError
        If the folder can't be written.
    """
    engine, writer = connect(url)
    try:
        with translate_errors(url), CheckedSession(writer) as session, session.begin():
            if _find_version(session.connection()) is not None:
                raise ProjectError(
                    f"There is a project in the database {url.render_as_string()} already: each"
                    " project needs a database of its own (createdb)."
                )
            Base.metadata.create_all(session.connection())
            session.add(SchemaVersionRow(version=1 + len(MIGRATIONS), tables=""))
            fill(session)
        # After the commit: until then a project that moves stays where it was.
        write_address(folder, url, project_id(key))
    finally:
        engine.dispose()


@contextlib.contextmanager
def translate_errors(url: URL) -> Iterator[None]:
    """Translate the driver's errors about a database that is not open as a project's yet."""
    try:
        yield
    except DBAPIError as error:
        known = explain_server_error(error.orig, url.render_as_string())
        if known is None:
            raise
        raise known from error


def connect(url: URL) -> tuple[Engine, Engine]:
    """Return what connects to a database to read, and to write.

    Raises
    ------
    ProjectError
        If the driver is not installed.
    """
    arguments = dict(_CONNECTION)
    if is_encrypted_by_default(url):
        arguments["sslmode"] = "verify-full"
    try:
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"), connect_args=arguments, pool_pre_ping=True
        )
    except ImportError as error:
        raise ProjectError(
            "The records of this project are in PostgreSQL, whose driver is not installed: run"
            " pip install 'napari-retina-seg[postgresql]', then try again."
        ) from error

    @event.listens_for(engine, "do_connect")
    def do_connect(dialect: Any, _: Any, arguments: Any, parameters: dict[str, Any]) -> Any:
        return log_in(partial(dialect.connect, *arguments), parameters)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("writes", False):
            # Each statement after this one sees what all earlier writers committed.
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")

    reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return reader, engine.execution_options(isolation_level="READ COMMITTED", writes=True)


def stamp_tables(connection: Connection) -> None:
    """Give all rows checksums anew."""
    trigger = f"ALTER TABLE version {{}} TRIGGER {VERSION_TRIGGER}"
    connection.exec_driver_sql(trigger.format("DISABLE"))
    for table in Base.metadata.sorted_tables:
        for row, checksum in list(list_values(connection, table)):
            key = [column == row._mapping[column] for column in table.primary_key]
            connection.execute(table.update().where(*key).values({CHECKSUM: checksum}))
    connection.exec_driver_sql(trigger.format("ENABLE"))


def _key_places(table: Any) -> list[int]:
    return [list(table.columns).index(column) for column in table.primary_key]


def _find_version(connection: Connection) -> int | None:
    """Return the version of the tables; None if there are none."""
    known = select(func.to_regclass("public.schema_version").is_not(None))
    if not connection.execute(known).scalar_one():
        return None
    return connection.execute(select(SchemaVersionRow.version)).scalar()


def _is_read_only(connection: Connection) -> bool:
    query = "SELECT pg_is_in_recovery() OR NOT has_table_privilege('version', 'INSERT')"
    return bool(connection.execute(text(query)).scalar_one())
