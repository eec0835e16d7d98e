"""Records move to a server and back: all of them, or none."""

import threading

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from napari_retina_seg.cli.app import app
from napari_retina_seg.project.checksums import list_values
from napari_retina_seg.project.moving import move_records
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.sqlite_database import SqliteDatabase
from napari_retina_seg.project.states import Action
from napari_retina_seg.project.tables import Base, VersionRow
from napari_retina_seg.types.errors import ProjectError
from project_records import full

__all__ = ["full"]


@pytest.fixture
def elsewhere(server):
    """Make an empty database."""
    server.run("CREATE DATABASE elsewhere")
    yield server.url("elsewhere")
    server.run("DROP DATABASE elsewhere WITH (FORCE)")


def rows(project):
    tables = [table for table in Base.metadata.sorted_tables if table.name != "schema_version"]
    with project._store.database.reading() as session:
        return {
            table.name: [checksum for _, checksum in list_values(session.connection(), table)]
            for table in tables
        }


def test_all_records_move_to_a_server_and_back(full, elsewhere, make):
    with Project(full, author="Ann") as project:
        before, labels = rows(project), project.annotation(1, 1).labels
    assert all(before[name] for name in ("version", "image", "autosave", "review_figures"))
    moved = CliRunner().invoke(app, ["project", "move", str(full), "--database", elsewhere])
    kept = next((full / "backups").glob("project-moved-*.sqlite"))
    assert kept.name in moved.output
    assert not list(full.glob("project.sqlite*"))
    with Project(full, author="Ann") as project:
        assert rows(project) == before
        assert (project.annotation(1, 1).labels == labels).all()
        number = len(project.history(1))
        assert project.add_prediction(1, make.prediction(3)).number == number + 1
        after = rows(project)
        assert project.check() == ()
    with pytest.raises(ProjectError, match="in this database already"):
        move_records(full, elsewhere)
    assert elsewhere.split("?")[0] in move_records(full, None)
    with Project(full, author="Ann") as project:
        assert isinstance(project._store.database, SqliteDatabase)
        assert rows(project) == after
        assert project.check() == ()
    with pytest.raises(ProjectError, match="in its folder already"):
        move_records(full, None)


def test_a_move_that_fails_leaves_everything_as_it_was(ann, image, server):
    ann.close()
    before = (ann.folder / "project.sqlite").read_bytes()
    with pytest.raises(ProjectError, match="has no database"):
        move_records(ann.folder, server.url("unheard_of"))
    assert (ann.folder / "project.sqlite").read_bytes() == before
    assert not (ann.folder / "database.json").exists()
    with Project(ann.folder, author="Ann") as project:
        assert len(project.images()) == 1


def test_a_damaged_record_does_not_move(full, elsewhere):
    with Project(full, author="Ann") as project, project._store.database.exclusive() as connection:
        connection.exec_driver_sql("UPDATE image SET name = 'another'")
    with pytest.raises(ProjectError, match="not as it was saved"):
        move_records(full, elsewhere)
    assert not (full / "database.json").exists()


def test_a_window_that_is_still_open_saves_nothing_in_the_former_records(
    ann, image, make, elsewhere
):
    errors = []

    def save():
        try:
            ann.save_version(image.id, make.annotation(), Action.CORRECT)
        except ProjectError as error:
            errors.append(str(error))

    with ann._store.database.exclusive():  # it waits for a moment like that of the move
        waiting = threading.Thread(target=save)
        waiting.start()
        (ann.folder / "database.json").write_text("{}")
    waiting.join()
    assert "were moved to another database" in errors[0]
    (ann.folder / "database.json").unlink()
    with ann._store.database.reading() as session:
        assert session.scalars(select(VersionRow)).all() == []
