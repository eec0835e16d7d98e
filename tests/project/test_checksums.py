"""A bit that flipped in a record is found by `check`, and a sentence wherever it is read."""

import sqlite3
from contextlib import closing

import pytest

from napari_retina_seg.project.checksums import CHECKSUM, checksum_of_object, find_altered
from napari_retina_seg.project.files import IntegrityProblemKind
from napari_retina_seg.project.migrations import MIGRATIONS
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action, State
from napari_retina_seg.project.tables import Base, SecondGraderRow
from napari_retina_seg.types.errors import ProjectError
from project_records import cells, connect, flip, full, put

__all__ = ["full"]


def test_every_column_of_every_table_is_covered(full):
    checked = 0
    with connect(full) as raw:
        for table, column, value in list(cells(raw)):
            assert list(find_altered(raw)) == []
            raw.execute("BEGIN")
            put(raw, table, column, flip(value))
            assert [each.table for each in find_altered(raw)] == [table], column
            raw.execute("ROLLBACK")
            checked += 1
    assert checked > 70


@pytest.mark.parametrize(
    ("statement", "read"),
    [
        ("UPDATE image SET state = 'unrevieved'", lambda p: p.queue()),
        ("UPDATE image SET state = 'unrevieved'", lambda p: p.status()),
        ("UPDATE image SET name = 'scam'", lambda p: p.queue()),
        ("UPDATE image SET name = CAST(X'ff41' AS TEXT)", lambda p: p.queue()),
        ("UPDATE image SET added_at = '2026-13-01'", lambda p: p.image(1)),
        ("UPDATE image SET spacing = '{'", lambda p: p.image(1)),
        ("UPDATE image SET shape = '[16]'", lambda p: p.annotation(1, 2)),
        ("UPDATE image SET round = 'x'", lambda p: p.permissions(1)),
        ("UPDATE version SET kind = 'humam'", lambda p: p.history(1)),
        ("UPDATE version SET mask = NULL", lambda p: p.annotation(1, 2)),
        ("UPDATE version SET number = number + 4", lambda p: p.history(1)),
        ("UPDATE second_reader SET reader = 'Bof'", lambda p: p.permissions(1)),
        ("UPDATE autosave SET parent = 7", lambda p: p.recoverable()),
        ("UPDATE lease SET expires = '2999'", lambda p: p.status()),
        ("DELETE FROM project", lambda p: p.status()),
        ("UPDATE project SET key = 'x'", lambda p: p.status()),
        ("UPDATE scheme SET definition = 'null'", lambda p: p.status()),
        ("UPDATE file SET size = size + 1", lambda p: p.annotation(1, 2)),
    ],
)
def test_a_damaged_record_is_a_sentence_where_it_is_read(full, statement, read):
    with connect(full) as raw:
        raw.execute(statement)

    def use():
        with Project(full, author="Ann") as project:
            assert {one.kind for one in project.check()} == {IntegrityProblemKind.DATABASE}
            read(project)

    with pytest.raises(ProjectError, match=r"damaged.* restore a backup"):
        use()


def test_an_altered_table_definition_is_found(full):
    with connect(full) as raw:
        raw.execute("DROP INDEX image_by_name")
    with Project(full, author="Ann") as project:
        (finding,) = project.check()
    assert "definition of a table" in finding.sentence


def test_a_project_without_checksums_gets_them_when_it_is_opened(full):
    with Project(full, author="Ann") as project:
        before = project.history(1), project.image(1), project.recoverable()
    with connect(full) as raw:
        for table in Base.metadata.sorted_tables:
            raw.execute(f"ALTER TABLE {table.name} DROP COLUMN {CHECKSUM}")
        raw.execute("ALTER TABLE schema_version DROP COLUMN tables")
        raw.execute("DROP TABLE removal")
        raw.execute("ALTER TABLE autosave DROP COLUMN comment")
        raw.execute("ALTER TABLE second_reader DROP COLUMN compared_at")
        raw.execute("UPDATE schema_version SET version = 3")
    with Project(full, author="Ann") as project:
        assert (project.history(1), project.image(1), project.recoverable()) == before
        assert project.check() == ()
        project.reopen(1)
        assert project.check() == ()
    with closing(sqlite3.connect(full / "project.sqlite")) as raw:
        assert raw.execute("SELECT version FROM schema_version").fetchone() == (
            1 + len(MIGRATIONS),
        )
        with pytest.raises(sqlite3.DatabaseError, match="never changed"):
            raw.execute("UPDATE version SET author = 'Eve'")


def test_a_state_that_is_displayed_under_another_name_is_no_damage(ann, bob, image, make):
    ann.save_version(image.id, make.annotation(), Action.CORRECT)
    bob.save_version(image.id, make.annotation(1), Action.SECOND_GRADE)
    assert bob.image(image.id).state is State.GRADED_TWICE
    assert not ann.check()


def test_every_state_that_can_be_saved_can_be_read_again():
    """An enumeration is stored by its value, however it is shown."""
    for state in State:
        row = SecondGraderRow(image_id=1, round=0, grader=state)
        plain = SecondGraderRow(image_id=1, round=0, grader=state.value)
        assert checksum_of_object(row) == checksum_of_object(plain)
