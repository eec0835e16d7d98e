"""Projects whose records are in PostgreSQL: what only a server does, and what it refuses."""

import subprocess
import sys
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, select, text

from napari_retina_seg.project import address, pending_autosaves, postgresql_database
from napari_retina_seg.project.check import find_record_damage
from napari_retina_seg.project.migrations import MIGRATIONS
from napari_retina_seg.project.postgresql_database import PostgresqlDatabase
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.server_errors import explain_server_error
from napari_retina_seg.project.states import Action, GradingRound
from napari_retina_seg.project.tables import VersionRow
from napari_retina_seg.types.errors import ProjectError, SavedLocallyError, ServerAwayError
from napari_retina_seg.types.labels import OCT_LAYERS
from postgresql import set_address

PROGRAMS = Path(__file__).with_name("programs.py")
PRESENT_VERSION = f"UPDATE schema_version SET version = {1 + len(MIGRATIONS)}"  # noqa: S608


@pytest.fixture
def folder(shared_project, tmp_path):
    return shared_project(tmp_path / "project")


@pytest.fixture
def admin(server):
    return lambda statement: server.run(statement, "study")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://ann:secret@host/study", "must not have a password"),
        ("postgresql://host/study?password=secret", "must not have a password"),
        ("postgresql://host", "ends with its name"),
        ("mysql://host/study", "not the address of a PostgreSQL database"),
        ("study", "not the address of a PostgreSQL database"),
        ("postgresql://host/study?passfile=/etc/shadow", "can't have the option 'passfile'"),
    ],
)
def test_other_addresses_are_refused_before_anything_is_made(tmp_path, url, said):
    with pytest.raises(ProjectError, match=said) as error:
        Project.create(tmp_path / "p", scheme=OCT_LAYERS, author="Ann", database=url)
    assert "secret" not in str(error.value)
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("url", "encrypted"),
    [
        ("postgresql://db.example.org/study", True),
        ("postgresql://db.example.org/study?sslmode=require", False),
        ("postgresql://localhost/study", False),
        ("postgresql:///study?host=/run/postgresql", False),
        ("postgresql:///?service=study", False),
    ],
)
def test_the_connection_to_another_computer_is_verified_by_default(url, encrypted, monkeypatch):
    for name in ("PGSSLMODE", "PGSERVICE", "PGHOST"):
        monkeypatch.delenv(name, raising=False)
    assert address.is_encrypted_by_default(address.parse_address(url)) is encrypted


def test_a_folder_says_where_its_records_are_and_keeps_the_masks(ann, image, make):
    ann.save_version(image.id, make.annotation(), Action.CORRECT)
    names = {path.name for path in ann.folder.iterdir()}
    assert names == {"database.json", "files", "autosave"}
    assert len([path for path in (ann.folder / "files").rglob("*") if path.is_file()]) == 1
    assert ann.check() == ()


def test_an_address_that_is_damaged_is_named(folder):
    (folder / "database.json").write_text("{")
    with pytest.raises(ProjectError, match="does not say where the records"):
        Project(folder, author="Ann")


def test_the_database_of_another_project_is_refused(folder):
    set_address(folder, project="0" * 16)
    with pytest.raises(ProjectError, match="holds another project"):
        Project(folder, author="Ann")


def test_a_database_has_one_project(folder, server, tmp_path):
    with pytest.raises(ProjectError, match="already: each project needs a database of its own"):
        Project.create(
            tmp_path / "b", scheme=OCT_LAYERS, author="Ann", database=server.url("study")
        )
    with pytest.raises(ProjectError, match="already: open it"):
        Project.create(folder, scheme=OCT_LAYERS, author="Ann")


def test_a_database_without_a_project_is_named(folder, server):
    set_address(folder, url=server.url("template1"))
    with pytest.raises(ProjectError, match="There is no project in the database"):
        Project(folder, author="Ann")


def test_what_a_server_refuses_is_one_sentence(folder, server, monkeypatch):
    monkeypatch.setenv("PGPASSFILE", str(folder / "none"))
    refused = {
        server.url("unheard_of"): "The server has no database",
        server.url("study", "nobody_of_here"): "does not let you in",
        server.url("study", "guarded"): "wants your password",
        f"postgresql:///study?host={folder}": "can't be reached",
    }
    server.run("DROP ROLE IF EXISTS guarded")
    server.run("CREATE ROLE guarded LOGIN PASSWORD 'secret'")
    for url, said in refused.items():
        set_address(folder, url=url)
        with pytest.raises(ProjectError, match=said) as error:
            Project(folder, author="Ann")
        assert "\n" not in str(error.value)


def test_the_password_comes_from_the_file_of_the_user(folder, server, admin, monkeypatch):
    server.run("DROP ROLE IF EXISTS guarded")
    server.run("CREATE ROLE guarded LOGIN PASSWORD 'secret'")
    passwords = folder.parent / "pgpass"
    passwords.write_text("*:*:*:guarded:secret\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    set_address(folder, url=server.url("study", "guarded"))
    with pytest.raises(ProjectError, match="no permission"):
        Project(folder, author="Ann")
    admin("GRANT SELECT ON ALL TABLES IN SCHEMA public TO guarded")
    with Project(folder, author="Ann") as project:
        assert project.read_only
        with pytest.raises(ProjectError, match="read-only"):
            project.rank_images()
    admin("DROP OWNED BY guarded")


def test_without_the_driver_the_command_that_installs_it_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ProjectError, match=r"pip install 'napari-retina-seg\[postgresql\]'"):
        Project(folder, author="Ann")


def test_a_newer_project_is_refused(folder, admin):
    admin("UPDATE schema_version SET version = 99")
    try:
        with pytest.raises(ProjectError, match="made by a newer version"):
            Project(folder, author="Ann")
    finally:
        admin(PRESENT_VERSION)


def test_an_older_project_is_brought_up_to_date_in_one_transaction(folder, admin, image):
    def add_table(connection):
        connection.execute(text("CREATE TABLE camera (id INTEGER NOT NULL PRIMARY KEY)"))

    def fails(connection):
        add_table(connection)
        raise ProjectError("halfway")

    where = address.read_address(folder)
    with pytest.raises(ProjectError, match="halfway"):
        PostgresqlDatabase(folder, *where, migrations=(*MIGRATIONS, fails))
    with Project(folder, author="Ann") as project:
        assert len(project.images()) == 1
    database = PostgresqlDatabase(folder, *where, migrations=(*MIGRATIONS, add_table))
    assert database.find_damage() == []
    database.close()
    admin("DROP TABLE camera")
    admin(PRESENT_VERSION)
    database = PostgresqlDatabase(folder, *where)
    database._migrate_tables(database._writer)  # gives the row its checksum again
    assert database.find_damage() == []
    database.close()


def test_a_study_of_before_there_were_members_gets_their_table(folder, admin):
    admin("DROP TABLE member")
    admin("UPDATE schema_version SET version = 8")
    with Project(folder, author="Ann") as project:
        assert project.members() == ()
        assert project.check() == ()


def test_a_changed_record_stops_the_project(ann, image, folder, admin):
    admin("UPDATE image SET name = 'another'")
    with pytest.raises(ProjectError, match=r"table 'image' is not as it was saved.*pg_restore"):
        Project(folder, author="Ann")
    assert [finding.kind for finding in find_record_damage(folder)] == ["database"]


def test_the_server_itself_refuses_to_change_a_version(ann, image, make, admin):
    ann.save_version(image.id, make.annotation(), Action.CORRECT)
    for statement in ("UPDATE version SET author = 'Eve'", "DELETE FROM version"):
        with pytest.raises(Exception, match="versions are never changed"):
            admin(statement)


def test_leases_expire_by_the_server_s_clock(ann, image):
    lease = ann.check_out(image.id, timedelta(minutes=10))
    with ann._store.database.reading() as session:
        server_time = ann._store.database.now(session)
    assert server_time.tzinfo is UTC
    assert timedelta(minutes=9) < lease.expires - server_time < timedelta(minutes=10)
    assert abs(server_time - datetime.now(UTC)) < timedelta(minutes=1)  # one computer here


def test_a_writer_that_holds_the_lock_for_long_is_reported(ann, image, make, server, monkeypatch):
    impatient = {
        **postgresql_database._CONNECTION,
        "options": "-c search_path=public -c lock_timeout=100ms",
    }
    monkeypatch.setattr(postgresql_database, "_CONNECTION", impatient)
    with Project(ann.folder, author="Bob") as bob, ann._store.database.writing() as session:
        session.execute(text("SELECT 1"))  # takes the lock
        with pytest.raises(ProjectError, match="locked by another program"):
            bob.save_version(image.id, make.annotation(), Action.DRAFT)


def test_writers_wait_for_each_other(ann, bob, image, make):
    with ann._store.database.writing() as session:
        session.execute(text("SELECT 1"))  # takes the lock
        saving = threading.Thread(
            target=bob.save_version, args=(image.id, make.annotation(), Action.DRAFT)
        )
        saving.start()
        saving.join(0.3)
        assert saving.is_alive()
    saving.join()
    assert [version.author for version in ann.history(image.id)] == ["Bob"]


def test_ten_people_at_once_lose_nothing_and_grade_nothing_too_often(ann, folder, write_scan):
    ann.add_images([write_scan(f"scan{n:03}.png", n) for n in range(201)])
    people = [f"Grader {n}" for n in range(10)]
    program = [sys.executable, PROGRAMS, "grade_together", folder, "10"]
    subprocess.run(program, check=True)  # before anybody is a second grader
    twice = range(2, 42)
    dealt = ann.assign_second_graders(twice, people)
    assert len(dealt.assigned) == len(twice)
    subprocess.run(program, check=True)
    with ann._store.database.reading() as session:
        rows = session.scalars(select(VersionRow).order_by(VersionRow.id)).all()
    drafts = [row for row in rows if row.image_id == 1]
    assert [row.number for row in drafts] == list(range(1, 21))
    assert sorted(row.author for row in drafts) == sorted(2 * people)
    assert [row.conflict for row in drafts] == [False] + 19 * [True]
    done = Counter((row.image_id, row.grading) for row in rows if row.image_id != 1)
    once = {(image_id, GradingRound.FIRST): 1 for image_id in range(2, 202)}
    assert done == once | {(image_id, GradingRound.SECOND): 1 for image_id in twice}
    seconds = {row.image_id: row.author for row in rows if row.grading == GradingRound.SECOND}
    assert seconds == dict(dealt.assigned)
    assert len({row.author for row in rows if row.grading == GradingRound.FIRST}) > 1
    assert ann.status().leases == ann.status().autosaves == ()
    assert ann.check() == ()


def test_a_grading_asks_a_far_server_a_few_dozen_times(ann, image, make):
    asked = []
    for engine in (ann._store.database._engine, ann._store.database._writer):
        event.listen(engine, "before_cursor_execute", lambda *_: asked.append(True))
    ann.check_out(image.id)
    ann.permissions(image.id)
    ann.autosave(image.id, make.annotation())
    ann.save_version(image.id, make.annotation(), Action.CORRECT)
    ann.check_in(image.id)
    assert len(asked) <= 41


def test_what_no_database_can_keep_is_refused_in_one_sentence(ann, image):
    with pytest.raises(ProjectError, match="can't keep what was entered"):
        ann.mark_ungradable(image.id, "blurred\0")
    assert ann.history(image.id) == ()


def test_a_project_that_has_moved_is_not_written_any_more(ann, image, make):
    address.write_address(ann.folder, address.parse_address("postgresql://a/b"), "0" * 16)
    with pytest.raises(ProjectError, match="vanished or was replaced"):
        ann.save_version(image.id, make.annotation(), Action.CORRECT)


def test_work_goes_on_without_the_server_and_is_filed_afterwards(
    ann, image, make, server, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        pending_autosaves.platformdirs, "user_data_dir", lambda name: str(tmp_path / name)
    )
    here = tmp_path / "napari-retina-seg" / "pending"
    server.stop()
    try:
        for seed in range(2):  # the second one takes the place of the first
            with pytest.raises(SavedLocallyError, match="go on working"):
                ann.autosave(image.id, make.annotation(seed), seconds=5, comment="a cut")
        assert len(list(here.rglob("*.npz"))) == 1
        assert ann.upload_pending() == 0
    finally:
        server.start()
    with Project(ann.folder, author="Bob") as bob:
        assert bob.upload_pending() == 0  # it is not his
    with Project(ann.folder, author="Ann") as again:  # after a crash
        assert again.upload_pending() == 1
        (slot,) = again.recoverable()
        assert (slot.seconds, slot.comment) == (5, "a cut")
        assert again.recover(slot).equals(make.annotation(1))
    assert not [path for path in here.rglob("*") if path.is_file()]


def test_work_that_was_saved_meanwhile_waits_no_longer(
    ann, image, make, server, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        pending_autosaves.platformdirs, "user_data_dir", lambda name: str(tmp_path / name)
    )
    server.stop()
    try:
        with pytest.raises(SavedLocallyError):
            ann.autosave(image.id, make.annotation())
    finally:
        server.start()
    ann.save_version(image.id, make.annotation(), Action.CORRECT)
    assert ann.upload_pending() == 0
    assert ann.recoverable() == ()


def test_a_server_that_is_away_and_comes_back(ann, image, make, server):
    server.stop()
    try:
        with pytest.raises(ServerAwayError, match="can't be reached"):
            ann.save_version(image.id, make.annotation(), Action.CORRECT)
        with pytest.raises(ServerAwayError, match="can't be reached"):
            ann.images()
    finally:
        server.start()
    assert ann.save_version(image.id, make.annotation(), Action.CORRECT).number == 1


@pytest.fixture
def pending(tmp_path, monkeypatch):
    data = pending_autosaves.platformdirs
    monkeypatch.setattr(data, "user_data_dir", lambda name: str(tmp_path / name))


@pytest.mark.usefixtures("pending")
def test_work_that_was_undone_meanwhile_waits_no_longer(ann, image, make, server):
    server.stop()
    try:
        with pytest.raises(SavedLocallyError):
            ann.autosave(image.id, make.annotation())
        ann.discard_pending(image.id)
    finally:
        server.start()
    assert ann.upload_pending() == 0


@pytest.mark.usefixtures("pending")
def test_an_older_copy_does_not_replace_what_its_window_saved_since(
    ann, image, make, server, monkeypatch
):
    server.stop()
    try:
        with pytest.raises(SavedLocallyError):
            ann.autosave(image.id, make.annotation(1))
    finally:
        server.start()
    monkeypatch.setattr(pending_autosaves, "discard", lambda *_: None)  # of a window in between
    ann.autosave(image.id, make.annotation(2))
    assert ann.upload_pending() == 0
    (slot,) = ann.recoverable()
    assert ann.recover(slot).equals(make.annotation(2))


def test_a_window_is_told_that_the_records_moved_back(ann, image, make):
    (ann.folder / "database.json").unlink()
    (ann.folder / "project.sqlite").touch()
    with pytest.raises(ProjectError, match="were moved back to its folder"):
        ann.save_version(image.id, make.annotation(), Action.CORRECT)


@pytest.mark.parametrize(
    ("message", "is_away"),
    [
        ("SSL connection has been closed unexpectedly", True),
        ("SSL SYSCALL error: EOF detected", True),
        ("consuming input failed: server closed the connection unexpectedly", True),
        ("connection failed: SSL error: certificate verify failed", False),
        ("server does not support SSL, but SSL was required", False),
        ('root certificate file "/root.crt" does not exist', False),
    ],
)
def test_a_broken_connection_is_told_from_one_that_is_not_trusted(message, is_away):
    psycopg = pytest.importorskip("psycopg")
    found = explain_server_error(psycopg.OperationalError(message), "study")
    assert isinstance(found, ServerAwayError) == is_away
    assert isinstance(found, ProjectError)
