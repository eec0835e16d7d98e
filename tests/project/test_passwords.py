"""Passwords of servers: from the keyring, for that server alone, and only if one is needed."""

import pytest
from sqlalchemy.exc import OperationalError
from typer.testing import CliRunner

from memory_keyring import memory_keyring
from napari_retina_seg.cli.app import app
from napari_retina_seg.project.address import parse_address
from napari_retina_seg.project.passwords import (
    SERVICE,
    account_of,
    has_keyring,
    remember_password,
    use_password,
)
from napari_retina_seg.project.postgresql_database import connect
from napari_retina_seg.project.project import Project
from napari_retina_seg.types.errors import PasswordError, ProjectError
from postgresql import guarded, set_address

__all__ = ["guarded", "memory_keyring"]


def log_in(url):
    engine, _ = connect(parse_address(url))
    try:
        engine.connect().close()
    finally:
        engine.dispose()


def run(*arguments, **more):
    return CliRunner().invoke(app, ["project", "password", *map(str, arguments)], **more)


def test_the_keyring_is_asked_only_if_a_password_is_needed(server, guarded, memory_keyring):
    log_in(server.url("postgres"))
    assert memory_keyring.asked == []
    with pytest.raises(OperationalError, match="no password supplied"):
        log_in(guarded("postgres"))
    remember_password(parse_address(guarded("postgres")), "secret")
    log_in(guarded("postgres"))
    memory_keyring.asked.clear()
    log_in(guarded("postgres"))  # it is known in this process
    assert memory_keyring.asked == []


def test_a_keyring_that_is_locked_is_as_none(guarded, memory_keyring):
    assert has_keyring()
    memory_keyring.is_locked = True
    with pytest.raises(OperationalError, match="no password supplied"):
        log_in(guarded("postgres"))
    with pytest.raises(ProjectError, match=r"can't be kept.*it is locked.*\.pgpass"):
        remember_password(parse_address(guarded("postgres")), "secret")


def test_a_password_is_remembered_once_the_server_takes_it(guarded, memory_keyring):
    url = parse_address(guarded("postgres"))
    use_password(url, "wrong", remember=True)
    with pytest.raises(OperationalError, match="password authentication failed"):
        log_in(guarded("postgres"))
    assert memory_keyring.kept == {}
    use_password(url, "secret", remember=False)
    log_in(guarded("postgres"))
    assert memory_keyring.kept == {}
    use_password(url, "secret", remember=True)
    log_in(guarded("postgres"))
    assert list(memory_keyring.kept.values()) == ["secret"]


@pytest.mark.parametrize(
    ("url", "account"),
    [
        ("postgresql://ann@host/study", "ann@host:5432/study"),
        ("postgresql://ann@host:5433/study", "ann@host:5433/study"),
        ("postgresql://ann@host/study?host=other", "ann@other:5432/study"),
        ("postgresql://ann@host/study?sslmode=verify-full", "ann@host:5432/study"),
        ("postgresql://ann@host/study?sslmode=disable", "ann@host:5432/study sslmode=disable"),
        ("postgresql://ann@host/study?sslrootcert=x", "ann@host:5432/study sslrootcert=x"),
        ("postgresql:///study", "bob@localhost:5432/study"),
        ("postgresql:///?service=clinic", "@:/ clinic"),
        ("postgresql://other/?service=clinic", "@other:/ clinic"),
    ],
)
def test_another_server_is_another_account(url, account, monkeypatch):
    for name in ("PGHOST", "PGPORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PGUSER", "bob")
    assert account_of(parse_address(url)) == account


def test_the_command_keeps_and_removes_it(guarded, memory_keyring, shared_project, tmp_path):
    folder = shared_project(tmp_path / "project")
    set_address(folder, url=guarded("study"))
    with pytest.raises(PasswordError, match=r"wants your password.*project password"):
        Project(folder, author="Ann")
    kept = run(folder, input="secret\n")
    assert kept.exit_code == 0, kept.output
    assert "secret" not in kept.output
    assert memory_keyring.kept == {(SERVICE, account_of(parse_address(guarded("study")))): "secret"}
    with Project(folder, author="Ann") as project:
        assert project.images() == ()
    assert "secret" not in (folder / "database.json").read_text()
    assert run(guarded("study"), "--remove").exit_code == 0
    assert memory_keyring.kept == {}
    assert "no password" in run(guarded("study"), "--remove").output


def test_a_project_in_its_folder_needs_none(empty_project):
    assert "needs no password" in run(empty_project, input="secret\n").output
