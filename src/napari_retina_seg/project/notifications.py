"""Tell other programs that a project on a server has changed: PostgreSQL's NOTIFY and LISTEN."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine, event, func, select
from sqlalchemy.orm import Session

from napari_retina_seg.project.checksums import CheckedSession
from napari_retina_seg.project.tables import AutosaveRow, LeaseRow
from napari_retina_seg.types.errors import ServerAwayError

WRITER = "writer"  # key of `Session.info`: id of the open database that writes
_CHANNEL = "napari_retina_seg"


@event.listens_for(CheckedSession, "after_flush")
def _notify(session: Session, *_: object) -> None:
    """Notify listeners, which the server does after the commit, once for each transaction.

    Leases and unsaved work change every minute, and show in no list.
    """
    if session.get_bind().dialect.name != "postgresql":
        return
    changed = (*session.new, *session.dirty, *session.deleted)
    if any(not isinstance(row, AutosaveRow | LeaseRow) for row in changed):
        session.execute(select(func.pg_notify(_CHANNEL, session.info.get(WRITER, ""))))


class ChangeListener:
    """A connection on which the server reports changes that others made.

    It is used by one thread at a time.

    Parameters
    ----------
    engine : Engine
        Connects to the database.
    writer : str
        Id of the open database whose own changes are passed over.

    Raises
    ------
    ServerAwayError
        If the server can't be reached.
    """

    def __init__(self, engine: Engine, writer: str) -> None:
        self._error: type[Exception] = engine.dialect.loaded_dbapi.Error
        self._writer = writer
        with self._translate_errors():  # raw connections raise the driver's own errors
            pooled = engine.raw_connection()
            driver: Any = pooled.driver_connection
            pooled.detach()  # closed, not lent to others, when this is closed
            self._driver = driver
            driver.autocommit = True
            driver.execute(f"LISTEN {_CHANNEL}")
            self._socket: int = driver.fileno()

    def fileno(self) -> int:
        """Return the socket's number: it becomes readable when there may be news."""
        return self._socket

    def poll(self) -> bool:
        """Return, without waiting, whether others changed the project since the last call.

        Raises
        ------
        ServerAwayError
            If the connection is broken: close this listener.
        """
        with self._translate_errors():
            found = list(self._driver.notifies(timeout=0))
        return any(notice.payload != self._writer for notice in found)

    def close(self) -> None:
        """Close the connection."""
        self._driver.close()

    @contextlib.contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except self._error as error:
            raise ServerAwayError("The connection that reports changes is broken.") from error
