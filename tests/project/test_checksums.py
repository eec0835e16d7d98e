"""A bit that flipped in a record is found by `check`, and a sentence wherever it is read."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from napari_retina_seg.project.check import find_record_damage
from napari_retina_seg.project.checksums import (
    CHECKSUM,
    checksum_of_object,
    find_altered,
    stamp_all,
)
from napari_retina_seg.project.files import IntegrityProblemKind
from napari_retina_seg.project.migrations import MIGRATIONS
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action, State
from napari_retina_seg.project.tables import Base, SecondGraderRow, VersionRow
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.workflows.agreement import find_agreement
from napari_retina_seg.workflows.exporting import export_masks
from napari_retina_seg.workflows.importing import import_masks
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
        ("UPDATE image SET name = 'scam'", lambda p: p.queue()),
        ("UPDATE image SET name = CAST(X'ff41' AS TEXT)", lambda p: p.queue()),
        ("UPDATE image SET added_at = '2026-13-01'", lambda p: p.image(1)),
        ("UPDATE image SET spacing = '{'", lambda p: p.image(1)),
        ("UPDATE image SET shape = '[16]'", lambda p: p.annotation(1, 2)),
        ("UPDATE image SET round = 'x'", lambda p: p.permissions(1)),
        ("UPDATE version SET mask = NULL", lambda p: p.annotation(1, 2)),
        ("UPDATE version SET number = number + 4", lambda p: p.history(1)),
        ("UPDATE second_reader SET reader = 'Bof'", lambda p: p.permissions(1)),
        ("UPDATE autosave SET parent = 7", lambda p: p.recoverable()),
        ("UPDATE lease SET expires = '2999'", lambda p: p.status()),
        ("UPDATE file SET size = size + 1", lambda p: p.annotation(1, 2)),
    ],
)
def test_a_record_damaged_since_opening_is_a_sentence_where_it_is_read(full, statement, read):
    with Project(full, author="Ann") as project:
        with connect(full) as raw:
            raw.execute(statement)
        assert {one.kind for one in project.check()} == {IntegrityProblemKind.DATABASE}
        with pytest.raises(ProjectError, match=r"damaged.* restore a backup"):
            read(project)


def test_no_project_with_a_damaged_record_is_opened(full):
    """A query passes over a row whose columns it chooses by: no answer is better than another."""
    path = full / "project.sqlite"
    with connect(full) as raw:
        values = list(cells(raw))
    before = path.read_bytes()
    for table, column, value in values:
        with connect(full) as raw:
            put(raw, table, column, flip(value))
        if table in ("autosave", "lease"):  # these come and go
            Project(full, author="Ann").close()
        else:
            with pytest.raises(ProjectError):
                Project(full, author="Ann")
        path.write_bytes(before)
    Project(full, author="Ann").close()


def test_records_that_prevent_opening_are_listed(full):
    for statement in ("DELETE FROM project", "UPDATE scheme SET definition = 'null'"):
        with connect(full) as raw:
            raw.execute(statement)
        with pytest.raises(ProjectError, match=r"damaged.* restore a backup"):
            Project(full, author="Ann")
        found = find_record_damage(full)
        assert {one.kind for one in found} == {IntegrityProblemKind.DATABASE}
    assert len(found) > 2


def graded(ann, image, make):
    """Give an image a prediction, two versions by Ann, and a second grader who is blinded."""
    ann.add_prediction(image.id, make.prediction())
    draft = ann.save_version(image.id, make.annotation(1), Action.DRAFT, parent=1)
    ann.save_version(image.id, make.annotation(2), Action.CORRECT, parent=draft.number)
    ann.assign_second_grader(image.id, "Bob")


VERSION_COLUMNS = sorted(column.name for column in VersionRow.__table__.columns)


@pytest.mark.parametrize("column", VERSION_COLUMNS)
def test_no_older_version_counts_if_a_column_of_the_newest_is_damaged(
    ann, image, make, tmp_path, column
):
    graded(ann, image, make)
    with connect(ann.folder) as raw:
        (value,) = raw.execute(f'SELECT "{column}" FROM version WHERE id = 3').fetchone()  # noqa: S608
        unique = column in ("id", "number")
        put(raw, "version", column, value + 8 if unique else flip(value))
    if column != "image_id":  # then only a look at all rows finds it
        for use in (ann.truth, ann.history, ann.permissions):
            with pytest.raises(ProjectError, match=r"damaged|missing"):
                use(image.id)
    with pytest.raises(ProjectError, match="damaged"):
        export_masks(ann, tmp_path / "out", "png")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ProjectError, match="damaged"):
        find_agreement(ann)
    with pytest.raises(ProjectError, match="damaged"):
        import_masks(ann, tmp_path)


@pytest.mark.parametrize("column", ["reader", "round", "checksum"])
def test_a_second_grader_stays_blinded_if_that_record_is_damaged(ann, bob, image, make, column):
    graded(ann, image, make)
    with connect(ann.folder) as raw:
        (value,) = raw.execute(f"SELECT {column} FROM second_reader").fetchone()  # noqa: S608
        put(raw, "second_reader", column, flip(value))
    for use in (bob.truth, bob.history, bob.permissions, bob.image):
        with pytest.raises(ProjectError, match="damaged"):
            use(image.id)
    with pytest.raises(ProjectError, match="damaged"):
        bob.annotation(image.id, 3)
    with pytest.raises(ProjectError, match="damaged"):
        bob.queue()


def test_work_in_progress_is_never_the_truth(ann, image, make):
    """Whatever the checksums say, e.g. of rows that another program wrote."""
    graded(ann, image, make)
    with connect(ann.folder) as raw:
        raw.execute("UPDATE version SET state = 'in progress' WHERE id = 3")
        stamp_all(raw)
    with pytest.raises(ProjectError, match="work in progress"):
        ann.truth(image.id)


def test_an_altered_table_definition_is_found(full):
    with connect(full) as raw:
        raw.execute("DROP INDEX image_by_name")
    with Project(full, author="Ann") as project:
        (finding,) = project.check()
    assert "definition of a table" in finding.sentence


def test_a_project_without_checksums_gets_them_when_it_is_opened(full):
    with Project(full, author="Ann") as project:
        image = replace(project.image(1), gain=None, reason="")  # worked out again when asked for
        before = project.history(1), image, project.recoverable()
    with connect(full) as raw:
        for table in Base.metadata.sorted_tables:
            raw.execute(f"ALTER TABLE {table.name} DROP COLUMN {CHECKSUM}")
        raw.execute("ALTER TABLE schema_version DROP COLUMN tables")
        raw.execute("DROP TABLE removal")
        raw.execute("DROP TABLE model_use")
        raw.execute("DROP TABLE review_figures")
        raw.execute("DROP TABLE member")
        raw.execute("DROP INDEX image_gain_first")
        raw.execute("DROP INDEX image_state_gain_first")
        raw.execute("ALTER TABLE image DROP COLUMN gain")
        raw.execute("ALTER TABLE image DROP COLUMN reason")
        raw.execute("ALTER TABLE autosave DROP COLUMN comment")
        raw.execute("ALTER TABLE second_reader DROP COLUMN compared_at")
        raw.execute("ALTER TABLE project DROP COLUMN files")
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
