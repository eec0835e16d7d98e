"""A PostgreSQL server of the tests' own: in a temporary folder, reached by a socket in it."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from napari_retina_seg.project.project import Project
from napari_retina_seg.project.tables import Base
from napari_retina_seg.types.labels import OCT_LAYERS

_CONFIGURATION = """
listen_addresses = ''
unix_socket_directories = '{folder}'
fsync = off
full_page_writes = off
autovacuum = off
shared_buffers = 16MB
"""
_ACCESS = "local all guarded scram-sha-256\nlocal all all trust\n"  # one user has a password
_KEPT = ("project", "scheme", "schema_version", "member")
MEMBERS = {"Bob": "grader", "Carl": "adjudicator", "Dora": "adjudicator", "Emil": "reader"}


class Server:
    """A server that can be stopped and started."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self.folder = programs, folder
        self._user = "postgres" if os.geteuid() == 0 else None  # it does not run as root
        if self._user:
            shutil.chown(folder, self._user)
        folder.chmod(0o755)
        self._run("initdb", "-A", "trust", "-U", "postgres", "--no-locale", "-E", "UTF8", "-N")
        (folder / "data" / "pg_hba.conf").write_text(_ACCESS)
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.write(_CONFIGURATION.format(folder=folder))

    def _run(self, program: str, *arguments: str) -> None:
        command = [self._programs / program, "-D", self.folder / "data", *arguments]
        with (self.folder / "output").open("a") as output:  # a pipe would never end: it runs on
            subprocess.run(command, check=True, user=self._user, stdout=output, stderr=output)

    def listen(self) -> None:
        """Let it be reached over the network of this computer, too, once it is started."""
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.write("listen_addresses = '127.0.0.1'\n")
        with (self.folder / "data" / "pg_hba.conf").open("a") as file:
            file.write("host all all 127.0.0.1/32 trust\n")

    def start(self) -> None:
        self._run("pg_ctl", "-w", "-l", str(self.folder / "data" / "log"), "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def url(self, database: str, user: str = "postgres") -> str:
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def connect(self, database: str = "postgres", user: str = "postgres") -> Engine:
        """Return what runs statements, each by itself."""
        url = self.url(database, user).replace("postgresql:", "postgresql+psycopg:")
        return create_engine(url, isolation_level="AUTOCOMMIT", pool_pre_ping=True)

    def run(self, statement: str, database: str = "postgres") -> None:
        engine = self.connect(database)
        try:
            with engine.connect() as connection:
                connection.execute(text(statement))
        finally:
            engine.dispose()


def find_programs() -> Path | None:
    found = shutil.which("initdb")
    known = [Path(found)] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return known[-1].parent if known else None


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Run a server as long as the tests run."""
    programs = find_programs()
    if programs is None:
        sentence = "PostgreSQL's server is not installed: apt-get install postgresql"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(sentence)
    memory = Path("/dev/shm")  # noqa: S108
    folder = Path(tempfile.mkdtemp(prefix="pg", dir=memory if memory.is_dir() else None))
    running = Server(programs, folder)
    running.start()
    yield running
    running.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def shared_project(
    server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Path], Path]]:
    """Return what makes an empty project by Ann anew, whose records are in PostgreSQL."""
    first = _create(server, "study", tmp_path_factory)
    with _emptied(server, "study", first) as make:
        yield make


@pytest.fixture(scope="session")
def study_with_members(
    server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Path], Path]]:
    """Return what makes such a project anew in which the server knows all but Ann, its owner."""
    first = _create(server, "graded", tmp_path_factory)
    with Project(first, author="Ann") as ann:
        for name, role in MEMBERS.items():
            server.run(f"CREATE ROLE {name.lower()} LOGIN")
            ann.add_member(name.lower(), name, role)
    with _emptied(server, "graded", first) as make:
        yield make


def _create(server: Server, database: str, factory: pytest.TempPathFactory) -> Path:
    server.run(f"CREATE DATABASE {database}")
    folder = factory.mktemp(database) / "project"
    Project.create(folder, scheme=OCT_LAYERS, author="Ann", database=server.url(database)).close()
    return folder


@contextlib.contextmanager
def _emptied(server: Server, database: str, first: Path) -> Iterator[Callable[[Path], Path]]:
    engine = server.connect(database)
    names = [table.name for table in Base.metadata.sorted_tables if table.name not in _KEPT]
    numbered = [name for name in names if "id" in Base.metadata.tables[name].columns]

    def make(folder: Path) -> Path:
        with engine.connect() as connection:
            connection.execute(text("SET session_replication_role = replica"))  # no triggers
            for name in names:
                connection.execute(text(f"DELETE FROM {name}"))  # noqa: S608 - our own names
            for name in numbered:
                connection.execute(text(f"ALTER SEQUENCE {name}_id_seq RESTART"))
            connection.execute(text("SET session_replication_role = origin"))
        return shutil.copytree(first, folder)

    yield make
    engine.dispose()


def log_in(folder: Path, author: str) -> None:
    """Have a project's folder name somebody's login, if they are a member of `study_with_members`.

    It is opened with that from then on.
    """
    known = address(folder)
    login = author.lower() if author in MEMBERS else "postgres"
    known["url"] = re.sub("//[a-z]+@", f"//{login}@", known["url"])
    (folder / "database.json").write_text(json.dumps(known))


def address(folder: Path) -> dict[str, str]:
    """Return what a project's folder says of its database."""
    return json.loads((folder / "database.json").read_text())


def set_address(folder: Path, **changes: str) -> None:
    """Change what a project's folder says of its database."""
    (folder / "database.json").write_text(json.dumps(address(folder) | changes))


@pytest.fixture
def guarded(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], str]]:
    """Return the addresses of databases for somebody whose password is 'secret'."""
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    server.run("DROP ROLE IF EXISTS guarded")
    server.run("CREATE ROLE guarded LOGIN SUPERUSER PASSWORD 'secret'")
    yield partial(server.url, user="guarded")
    server.run("DROP ROLE guarded")
