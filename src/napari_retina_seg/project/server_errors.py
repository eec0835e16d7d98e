"""What PostgreSQL's errors mean for the people who work on a project."""

from __future__ import annotations

import re

from napari_retina_seg.types.errors import PasswordError, ProjectError, ServerAwayError

# By SQLSTATE (postgresql.org/docs/current/errcodes-appendix.html), the longest beginning that fits.
_BY_STATE = {
    "42501": "You have no permission for this in {database}: ask its owner for it.",
    "42P01": "The database {database} lacks a table of the project: restore a backup of it.",
    "55P03": "The database {database} is locked by another program: wait for it to finish, then try"
    " again.",
    "53100": "The disk of the server with {database} is full, so nothing was saved: ask its"
    " administrator to free some space.",
    "53300": "The server with {database} has too many connections: close a window, or try again"
    " later.",
    "25006": "The server with {database} can't be written at present, so nothing was saved: try"
    " again later.",
    "22": "The database {database} can't keep what was entered ({said}): change it, then save"
    " again.",
    "RSEG": "The server did not save this, since {said}.",  # of `policies`
    "XX": "The server found the database {database} damaged ({said}): restore a backup of it.",
}
# Of attempts to connect, which have no SQLSTATE.
_BY_TEXT = (
    (
        r"role .* does not exist|authentication failed|pg_hba\.conf|not permitted to log in",
        "The server does not let you in to {database} ({said}): ask its administrator for an"
        " account, and name it in PGUSER or your file .pg_service.conf.",
    ),
    (
        r"permission denied for database",
        "You have no permission to open {database}: ask its owner.",
    ),
    (
        r"database .* does not exist",
        "The server has no database {database}: check its name, or create it (createdb).",
    ),
    (
        r"definition of service",
        "Your file .pg_service.conf does not describe the server of {database} ({said}): add it"
        " there.",
    ),
    (
        r"too many (clients|connections)",
        "The server with {database} has too many connections: close a window, or try again later.",
    ),
    (
        r"certificate|root\.crt|does not support SSL",
        "The connection to {database} can't be encrypted and verified ({said}): use the server's"
        " name as its certificate states it, and keep the certificate of who signed that as"
        " .postgresql/root.crt in your home folder: ask the server's administrator for both.",
    ),
)
_PASSWORD = {
    "password authentication failed": "The server refuses your password for {database}",
    "no password supplied": "The server wants your password for {database}",
}
_AWAY = (
    "The server with {database} can't be reached, so nothing was saved there: check the network,"
    " then try again."
)
# What TLS says of a connection that broke.
_AWAY_TEXT = r"SSL SYSCALL|SSL connection has been closed|SSL error|server closed the connection"
_AWAY_STATES = ("08", "57P", "25P03")  # broken, shut down, or given up for silence


def explain_server_error(error: BaseException | None, database: str) -> ProjectError | None:
    """Return what an error of PostgreSQL's driver means; None if it is unknown.

    Parameters
    ----------
    error : BaseException or None
        Of psycopg.
    database : str
        What the database is called.
    """
    if error is None:
        return None
    state = getattr(error, "sqlstate", None)
    said = _reason(str(error))
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if state:
        if state.startswith(_AWAY_STATES):
            return explain_silence(database)
        known = next((text for code, text in _BY_STATE.items() if state.startswith(code)), None)
    elif "DataError" in kinds:
        known = _BY_STATE["22"]
    elif "OperationalError" in kinds:
        for part, reason in _PASSWORD.items():
            if part in str(error):
                return PasswordError(reason.format(database=database), database)
        found = (text for pattern, text in _BY_TEXT if re.search(pattern, str(error)))
        known = next(found, None)
        if known is None or (re.search(_AWAY_TEXT, str(error)) and "certificate" not in str(error)):
            return explain_silence(database)
    else:
        known = None
    return None if known is None else ProjectError(known.format(database=database, said=said))


def explain_silence(database: str) -> ServerAwayError:
    """Return the error about a server that does not answer."""
    return ServerAwayError(_AWAY.format(database=database))


def _reason(message: str) -> str:
    """Return the reason in a message of several lines, without the place it came from."""
    lines = [line for line in message.splitlines() if line.strip()] or [""]
    return lines[0].rpartition("FATAL:")[2].rpartition("ERROR:")[2].strip().rstrip(".")
