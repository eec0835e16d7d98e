"""Checksums of the records: a bit that flipped on the disk is noticed, not believed.

Each row has a hash of its other columns as SQLite stores them, wherever it is stored, so that a row
keeps its checksum when a project moves to PostgreSQL. It is made when the row is saved and
compared whenever the row is read. A query may pass over a row whose columns it chooses by, so
`find_altered` also compares all rows, when a project is opened and before its masks are used
elsewhere. It does not read them as objects, so that it works with any damage.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from functools import cache, partial
from typing import Any, NamedTuple

from sqlalchemy import (
    Boolean,
    Connection,
    Engine,
    Float,
    Integer,
    Row,
    Table,
    event,
    func,
    inspect,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Mapper, QueryContext, Session
from sqlalchemy.sql.type_api import TypeEngine

from napari_retina_seg.project.tables import VERSION_TRIGGERS, Base, SchemaVersionRow
from napari_retina_seg.types.errors import ProjectError

CHECKSUM = "checksum"
HIDDEN = "hidden"  # in place of the checksum of a row that is shown in part
HIDES = "hides"  # option of a connection: tables whose rows may have none
_BYTES = 8  # a flipped bit goes unnoticed once in 2 ** 64 times

_ENCODER = json.JSONEncoder(default=repr)
_DIALECT = sqlite.dialect()
_Convert = Callable[[Any], Any]


class DamagedRecordError(ProjectError):
    """A row that is not as it was saved."""


class AlteredRow(NamedTuple):
    """A row that is not as it was saved: its table, and SQLite's number of it or its key."""

    table: str
    rowid: int | str

    @property
    def sentence(self) -> str:
        """What is wrong, for messages."""
        return f"row {self.rowid} of the table '{self.table}' is not as it was saved"


class CheckedSession(Session):
    """A session that numbers new rows before they are saved, so that checksums cover the number."""


def checksum_of(table: str, values: Sequence[Any]) -> str:
    """Return the checksum of a row.

    Parameters
    ----------
    table : str
        Name of the table.
    values : sequence
        All other columns as SQLite stores them, in the order of their names.
    """
    text = _ENCODER.encode([table, *values])  # in ASCII
    return hashlib.blake2b(text.encode(), digest_size=_BYTES).hexdigest()


@event.listens_for(CheckedSession, "before_flush")
def _number_rows(session: Session, *_: object) -> None:
    numbers: dict[type[Base], int] = {}
    for row in session.new:
        kind = type(row)
        if "id" not in kind.__table__.columns or row.id is not None:
            continue
        if session.get_bind().dialect.name == "postgresql":  # which may hide rows
            row.id = session.scalars(select(func.nextval(f"{kind.__tablename__}_id_seq"))).one()
            continue
        if kind not in numbers:
            numbers[kind] = session.scalars(select(func.coalesce(func.max(kind.id), 0))).one()
        numbers[kind] += 1
        row.id = numbers[kind]


@event.listens_for(Base, "before_insert", propagate=True)
@event.listens_for(Base, "before_update", propagate=True)
def _stamp(mapper: Mapper[Any], connection: object, row: Base) -> None:
    del mapper, connection
    row.checksum = checksum_of_object(row)


@event.listens_for(Base, "load", propagate=True)
@event.listens_for(Base, "refresh", propagate=True)
def _verify(row: Base, context: QueryContext, *_: object) -> None:
    if row.checksum == HIDDEN and may_be_hidden(context.session.get_bind(), row.__tablename__):
        return
    if row.checksum != checksum_of_object(row):
        key = ", ".join(map(str, inspect(row).identity or ()))
        raise DamagedRecordError(
            f"The record {key!r} in the table '{type(row).__tablename__}' of the project is"
            " damaged: it is not as it was saved. Run 'project check --repair', or restore a backup"
            " of the database."
        )


def may_be_hidden(bind: Engine | Connection, table: str) -> bool:
    """Whether rows of a table may be shown in part, without a checksum; see `policies`."""
    return table in bind.get_execution_options().get(HIDES, ())


def checksum_of_object(row: Base) -> str:
    """Return the checksum of a row as it will be saved, or was read."""
    kind = type(row)
    values = [convert(_bare(getattr(row, name))) for name, convert in _converters(kind)]
    return checksum_of(kind.__tablename__, values)


def _bare(value: Any) -> Any:
    """Return what is stored of an enum's member, whose text may be another."""
    return value.value if isinstance(value, Enum) else value


@cache
def _converters(kind: type[Base]) -> tuple[tuple[str, _Convert], ...]:
    """Return the attributes of a row in the order of their columns, and what converts them."""
    attributes = {each.columns[0].name: each for each in inspect(kind).column_attrs}
    return tuple(
        (attributes[name].key, _converter(attributes[name].columns[0].type))
        for name in sorted(attributes)
        if name != CHECKSUM
    )


def _converter(kind: TypeEngine[Any]) -> _Convert:
    """Return what makes of a value in Python the one that SQLite stores.

    Of an enumeration that is its value, not how it is shown.
    """
    bind = kind.dialect_impl(_DIALECT).bind_processor(_DIALECT)
    is_whole = isinstance(kind, Integer | Boolean)
    plain = float if isinstance(kind, Float) else int if is_whole else "".join

    def convert(value: Any) -> Any:
        stored = value if bind is None else bind(value)
        return None if stored is None else plain(stored)

    return convert


def list_values(connection: Connection, table: Table) -> Iterator[tuple[Row[Any], str]]:
    """Yield the rows of a table with the checksums that they should have.

    Parameters
    ----------
    connection : Connection
        Whose tables are of this version.
    table : Table
        Which table.
    """
    names = sorted(set(table.columns.keys()) - {CHECKSUM})
    converters = [_converter(table.columns[name].type) for name in names]
    for row in connection.execute(select(table).order_by(*table.primary_key)):
        values = [
            convert(_bare(row._mapping[table.columns[name]]))
            for name, convert in zip(names, converters, strict=True)
        ]
        yield row, checksum_of(table.name, values)


def open_raw(uri: str, timeout: float) -> sqlite3.Connection:
    """Open a database so that text is read whatever bytes it has become."""
    raw = sqlite3.connect(uri, uri=True, timeout=timeout, isolation_level=None)
    raw.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
    return raw


def find_altered(raw: sqlite3.Connection) -> Iterator[AlteredRow]:
    """Yield the rows that are not as they were saved.

    Parameters
    ----------
    raw : sqlite3.Connection
        Of `open_raw`.
    """
    for table in Base.metadata.sorted_tables:
        names = _stored_names(raw, table)
        if not names:
            continue
        for rowid, stamped, *values in raw.execute(_select(table, names)):
            if stamped != checksum_of(table.name, values):
                yield AlteredRow(table.name, rowid)


def read_row(raw: sqlite3.Connection, row: AlteredRow) -> tuple[str, dict[str, Any]] | None:
    """Return the checksum of a row and its other columns as they are stored, or None."""
    table = Base.metadata.tables[row.table]
    names = _stored_names(raw, table)
    found = raw.execute(f"{_select(table, names)} WHERE rowid = ?", (row.rowid,)).fetchone()
    return None if found is None else (found[1], dict(zip(names, found[2:], strict=True)))


def schema_of(raw: sqlite3.Connection) -> str:
    """Return a hash of the definitions of all tables, indexes and triggers."""
    rows = raw.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL"
    ).fetchall()
    return checksum_of("schema", sorted(map(str, rows)))


def stamp_all(raw: sqlite3.Connection) -> None:
    """Add the checksums of all rows, after tables were migrated."""
    for name in VERSION_TRIGGERS:
        raw.execute(f"DROP TRIGGER IF EXISTS {name}")
    for table in Base.metadata.sorted_tables:
        _add_column(raw, table.name, CHECKSUM)
        _stamp_table(raw, table)
    for statement in VERSION_TRIGGERS.values():
        raw.execute(statement)
    _add_column(raw, SchemaVersionRow.__tablename__, "tables")
    raw.execute("UPDATE schema_version SET tables = ?", (schema_of(raw),))
    _stamp_table(raw, Base.metadata.tables[SchemaVersionRow.__tablename__])


def _add_column(raw: sqlite3.Connection, table: str, name: str) -> None:
    known = {row[1] for row in raw.execute(f"PRAGMA table_info({table})")}
    if known and name not in known:
        raw.execute(f"ALTER TABLE {table} ADD COLUMN {name} VARCHAR NOT NULL DEFAULT ''")


def _stamp_table(raw: sqlite3.Connection, table: Table) -> None:
    names = _stored_names(raw, table)
    if not names:
        return
    stamps = [
        (checksum_of(table.name, values), rowid)
        for rowid, _, *values in raw.execute(_select(table, names))
    ]
    raw.executemany(f"UPDATE {table.name} SET {CHECKSUM} = ? WHERE rowid = ?", stamps)  # noqa: S608


def _stored_names(raw: sqlite3.Connection, table: Table) -> list[str]:
    """Return the columns of a table, but its checksum; none if it has no checksums."""
    names = {row[1] for row in raw.execute(f"PRAGMA table_info({table.name})")}
    return sorted(names - {CHECKSUM}) if CHECKSUM in names else []


def _select(table: Table, names: Sequence[str]) -> str:
    listed = ", ".join(f'"{name}"' for name in names)
    return f'SELECT rowid, {CHECKSUM}, {listed} FROM "{table.name}"'  # noqa: S608 - our own names
