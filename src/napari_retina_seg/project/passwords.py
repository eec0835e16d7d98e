"""Passwords of database servers: in the keyring of the computer, never in a project's folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy import URL

from napari_retina_seg.project.account import current_username
from napari_retina_seg.types.errors import ProjectError

log = logging.getLogger(__name__)

SERVICE = "napari-retina-seg"  # under which the keyring lists them
_KNOWN: dict[str, str] = {}  # of this process, by account
_TO_REMEMBER: set[str] = set()  # accounts, once the server takes their password


def log_in(connect: Callable[..., Any], parameters: Mapping[str, Any]) -> Any:
    """Connect to a server, with a password from the keyring if libpq finds none and one is needed.

    The first attempt sends no password that libpq does not know, so it is no failed login. It also
    spares those who need no password the question that opens a locked keyring.

    Parameters
    ----------
    connect : callable
        Connects by the parameters of libpq.
    parameters : mapping
        Them.

    Returns
    -------
    object
        The connection; raises the driver's errors.
    """
    account = _name_account(parameters)
    password = _KNOWN.get(account)
    if password is None:
        try:
            return connect(**parameters)
        except Exception as error:
            attempt = getattr(error, "pgconn", None)
            password = _read(account) if getattr(attempt, "needs_password", False) else None
            if password is None:
                raise
    connection = connect(**parameters, password=password)
    _KNOWN[account] = password
    if account in _TO_REMEMBER:
        _TO_REMEMBER.discard(account)
        with suppress(ProjectError):  # the next time, it is asked for again
            _keep(account, password)
    return connection


def account_of(url: URL) -> str:
    """Return for whom, and on which server, a password is.

    Examples
    --------
    >>> from napari_retina_seg.project.address import parse_address
    >>> account_of(parse_address("postgresql://ann@db.example.org/study"))
    'ann@db.example.org:5432/study'
    """
    url = url.set(drivername="postgresql+psycopg")
    return _name_account(url.get_dialect()().create_connect_args(url)[1])


def use_password(url: URL, password: str, *, remember: bool) -> None:
    """Use a password in this process, and keep it in the keyring if the server takes it."""
    account = account_of(url)
    _KNOWN[account] = password
    (_TO_REMEMBER.add if remember else _TO_REMEMBER.discard)(account)


def remember_password(url: URL, password: str) -> None:
    """Keep a password in the keyring.

    Raises
    ------
    ProjectError
        If there is no keyring, or it is locked.
    """
    _keep(account_of(url), password)


def forget_password(url: URL) -> None:
    """Remove a password from the keyring.

    Raises
    ------
    ProjectError
        If it has none, or is locked.
    """
    account = account_of(url)
    _KNOWN.pop(account, None)
    try:
        import keyring

        keyring.delete_password(SERVICE, account)
    except Exception as error:
        raise ProjectError(
            f"There is no password for {account} to remove from the keyring ({error})."
        ) from error


def has_keyring() -> bool:
    """Whether passwords can be kept on this computer."""
    try:
        import keyring

        return bool(keyring.get_keyring().priority > 0)
    except Exception:  # noqa: BLE001 - its backends raise anything
        return False


def _keep(account: str, password: str) -> None:
    if not has_keyring():
        raise ProjectError(
            "This computer has no keyring for passwords: keep yours in the file .pgpass of your"
            " home folder."
        )
    try:
        import keyring

        keyring.set_password(SERVICE, account, password)
        if keyring.get_password(SERVICE, account) != password:
            raise LookupError("it keeps nothing")
    except Exception as error:
        raise ProjectError(
            f"The password for {account} can't be kept in the keyring of this computer ({error}):"
            " keep it in the file .pgpass of your home folder."
        ) from error


def _read(account: str) -> str | None:
    try:
        import keyring

        found: str | None = keyring.get_password(SERVICE, account)
        return found
    except Exception:  # not installed, locked, or whatever its backends raise
        log.debug("no password from the keyring", exc_info=True)
        return None


def _name_account(parameters: Mapping[str, Any]) -> str:
    """Return the name of an account by what libpq is given, so that no other server is meant.

    The address of a shared folder can be changed by many: where it asks for less than a verified
    connection, or trusts another certificate, a password that was kept for that is not sent.
    """
    user, host = parameters.get("user"), parameters.get("host")
    port, database = parameters.get("port"), parameters.get("dbname")
    weaker = {"sslmode": parameters.get("sslmode"), "sslrootcert": parameters.get("sslrootcert")}
    trusted = (None, "verify-full", "system")
    ending = "".join(f" {key}={value}" for key, value in weaker.items() if value not in trusted)
    if "service" in parameters:  # it says the rest, unless the address does
        ending = f" {parameters['service']}{ending}"
        return f"{user or ''}@{host or ''}:{port or ''}/{database or ''}{ending}"
    user = user or os.environ.get("PGUSER") or current_username()
    host = host or os.environ.get("PGHOST") or "localhost"
    port = port or os.environ.get("PGPORT") or 5432
    return f"{user}@{host}:{port}/{database}{ending}"
