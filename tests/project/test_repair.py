"""`check --repair` restores what can be, says what it did, and invents nothing."""

import re
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from napari_retina_seg.project import opening
from napari_retina_seg.project.backups import back_up, list_backups
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.repair import repair_records
from napari_retina_seg.project.states import Action
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.workflows.exporting import export_masks
from project_records import cells, connect, flip, full, put

__all__ = ["full"]


def dump(folder):
    with closing(sqlite3.connect(folder / "project.sqlite")) as raw:
        return list(cells(raw))


def test_a_flipped_bit_is_turned_back_in_any_column(full):
    before = dump(full)
    flipped = [
        ("image", "name"), ("image", "spacing"), ("image", "uncertainty"), ("image", "round"),
        ("version", "mask"), ("version", "created_at"), ("project", "key"), ("autosave", "file"),
        ("scheme", "definition"), ("image", "checksum"),
    ]  # fmt: skip
    for table, column, value in before:
        if (table, column) in flipped:
            with connect(full) as raw:
                put(raw, table, column, flip(value))
            said = repair_records(full)
            assert f"Turned a bit of '{column}' back in row" in " ".join(said)
            assert dump(full) == before
    with Project(full, author="Ann") as project:
        assert project.check() == ()


def test_more_than_a_bit_is_said_and_left(full):
    with connect(full) as raw:
        put(raw, "image", "name", "elsewhere")
    assert "can't be repaired" in " ".join(repair_records(full))
    assert len(list(full.glob("project.sqlite.*-*"))) == 1  # as it was


def backed_up(folder, day=date(2026, 1, 1)):
    back_up(folder / "project.sqlite", day)
    (newest, *_) = list_backups(folder)
    return newest


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [("image", "name", "elsewhere"), ("version", "author", "No one"), ("project", "key", "0")],
)
def test_more_than_a_bit_is_restored_from_a_backup(full, table, column, value):
    before, backup = dump(full), backed_up(full)
    with connect(full) as raw:
        put(raw, table, column, value)
    with pytest.raises(ProjectError, match=re.escape(f"such as '{backup}'")):
        Project(full, author="Ann")
    assert f"of the table '{table}' from '{backup}'" in " ".join(repair_records(full))
    assert dump(full) == before
    with Project(full, author="Ann") as project:
        assert project.check() == ()


def test_an_older_state_of_a_row_is_not_taken_from_a_backup(full):
    backed_up(full)
    with Project(full, author="Ann") as project:
        project.mark_ungradable(project.queue()[0].id, "dark")  # the image's row is another now
    with connect(full) as raw:
        put(raw, "image", "name", "elsewhere")
    assert "can't be repaired" in " ".join(repair_records(full))


def test_a_damaged_backup_is_passed_over_for_an_older_one(full):
    older, newer = backed_up(full), backed_up(full, date(2026, 1, 2))
    with closing(sqlite3.connect(newer)) as raw, raw:
        put(raw, "image", "name", "damaged too")
    with connect(full) as raw:
        put(raw, "image", "name", "elsewhere")
    assert f"from '{older}'" in " ".join(repair_records(full))


def test_a_project_is_backed_up_once_a_day_and_a_week_is_kept(full, monkeypatch):
    started = datetime.now(UTC)
    for days in (0, 1, 1, *range(2, 12)):
        monkeypatch.setattr(opening, "now", lambda days=days: started + timedelta(days))
        Project(full, author="Ann").close()
    kept = [path.name for path in list_backups(full)]
    days = [(started + timedelta(number)).date() for number in range(11, 4, -1)]
    assert kept == [f"project-{day.isoformat()}.sqlite" for day in days]


def test_backups_do_not_follow_a_link_out_of_the_project(full, tmp_path):
    outside = tmp_path / "others"
    outside.mkdir()
    theirs = [outside / f"project-2020-01-0{day}.sqlite" for day in range(1, 10)]
    for path in theirs:
        path.touch()
    (full / "backups").symlink_to(outside)
    back_up(full / "project.sqlite", date(2026, 1, 1))
    assert sorted(outside.iterdir()) == theirs
    assert list_backups(full) == []


def test_a_sound_project_is_left_alone(full):
    before = (full / "project.sqlite").read_bytes()
    assert repair_records(full) == ()
    assert (full / "project.sqlite").read_bytes() == before


def damage(project, sha256, ending=".png"):
    path = project.folder / "files" / sha256[:2] / f"{sha256}{ending}"
    path.write_bytes(path.read_bytes()[:-7])
    return path


def test_a_mask_is_restored_from_unsaved_work(ann, image, make):
    ann.autosave(image.id, make.annotation(3))
    with Project(ann.folder, author="Bob") as bob:
        version = bob.save_version(image.id, make.annotation(3), Action.DRAFT)
    path = damage(ann, version.mask)
    assert ann.repair() == (f"Restored '{path}' from unsaved work.",)
    assert ann.check() == ()


def test_a_mask_is_restored_from_its_boundaries(ann, image):
    from napari_retina_seg.editing.consistency import draw

    lines = np.linspace(2, 12, 8)[:, np.newaxis] + np.zeros(24)
    lines = lines.astype(np.float32)
    labels = draw(lines, 16)
    version = ann.save_version(image.id, Annotation(labels, lines), Action.CORRECT)
    damage(ann, version.mask).unlink()
    assert "boundaries of its version" in ann.repair()[0]
    assert (ann.annotation(image.id, 1).labels == labels).all()


@pytest.mark.parametrize("kind", ["png", "nifti", "coco"])
def test_a_mask_is_restored_from_an_export(ann, image, make, tmp_path, kind):
    version = ann.save_version(image.id, make.annotation(), Action.CORRECT)
    export_masks(ann, tmp_path / "out", kind)
    damage(ann, version.mask)
    assert ann.repair() == ()  # nothing is invented
    assert len(ann.repair(tmp_path / "out")) == 1
    assert ann.check() == ()
    assert (ann.annotation(image.id, 1).labels == make.annotation().labels).all()
