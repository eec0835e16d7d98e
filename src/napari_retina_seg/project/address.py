"""Where the records of a project are, if not in its folder: ``database.json``."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from napari_retina_seg.io.atomic import write_durably
from napari_retina_seg.project.database import refuse_link
from napari_retina_seg.types.errors import ProjectError

ADDRESS = "database.json"
_LARGEST = 64 * 1024  # bytes
_NAMES = ("postgresql", "postgres", "postgresql+psycopg")
# What may be asked of libpq: nothing that names files to be read as passwords or run.
_OPTIONS = frozenset({"host", "port", "service", "sslmode", "sslrootcert", "target_session_attrs"})
_LOCAL = frozenset({"", "localhost", "127.0.0.1", "::1"})


def parse_address(text: str) -> URL:
    """Return the address of a PostgreSQL database.

    Parameters
    ----------
    text : str
        ``postgresql://host/name``, or ``postgresql:///?service=name``.

    Raises
    ------
    ProjectError
        If it is another one, or has a password.

    Examples
    --------
    >>> parse_address("postgresql://db.example.org/study").database
    'study'
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.drivername not in _NAMES:
        raise ProjectError(
            "This is not the address of a PostgreSQL database: write postgresql://host/name."
        )
    url = url.set(drivername="postgresql")
    if url.password is not None or "password" in url.query:
        raise ProjectError(
            "The address of a database must not have a password, since everybody who opens the"
            " project can read it: keep yours in the file .pgpass of your home folder."
        )
    unknown = sorted(set(url.query) - _OPTIONS)
    if unknown:
        raise ProjectError(
            f"The address of a database can't have the option '{unknown[0]}', only"
            f" {', '.join(sorted(_OPTIONS))}."
        )
    if not url.database and "service" not in url.query:
        raise ProjectError(
            "The address of a database ends with its name: write postgresql://host/name."
        )
    return url


def read_address(folder: Path) -> tuple[URL, str] | None:
    """Return where the records of a project are, and of which project; None if in its folder.

    Raises
    ------
    ProjectError
        If the file is damaged.
    """
    path = folder / ADDRESS
    refuse_link(path)
    if not path.exists():
        return None
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(_LARGEST))
        url, project = found["url"], found["project"]
        if not isinstance(url, str) or not isinstance(project, str):
            raise TypeError("no text")
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ProjectError(
            f"'{path}' does not say where the records of the project are: restore it from a backup."
        ) from error
    return parse_address(url), project


def write_address(folder: Path, url: URL, project: str) -> None:
    """Write where the records of a project are; raises `OSError`."""
    content = {"url": url.render_as_string(), "project": project}
    write_durably(folder / ADDRESS, f"{json.dumps(content, indent=2)}\n".encode())


def project_id(key: str) -> str:
    """Return what tells a project from others, without its secret key."""
    return hashlib.sha256(f"project {key}".encode()).hexdigest()[:16]


def is_encrypted_by_default(url: URL) -> bool:
    """Whether the server is another computer, and nothing says how to encrypt the connection."""
    if {"sslmode", "service"} & set(url.query) or "PGSSLMODE" in os.environ:
        return False
    if not url.host and "host" not in url.query and "PGSERVICE" in os.environ:
        return False
    hosts = url.query.get("host", url.host or os.environ.get("PGHOST", ""))
    listed = hosts.split(",") if isinstance(hosts, str) else hosts
    return not all(host in _LOCAL or host.startswith("/") for host in listed)
