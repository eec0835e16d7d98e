"""Kills, full disks, folders that can't be written or vanish: a sentence each, nothing lost."""

import gc
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from napari_retina_seg.project.migrations import MIGRATIONS
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.sqlite_database import SqliteDatabase
from napari_retina_seg.project.states import Action
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.labels import OCT_LAYERS
from napari_retina_seg.workflows.exporting import export_masks

PROGRAM = [sys.executable, Path(__file__).with_name("programs.py")]
BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "reliability.py"


def noise(seed):
    return Annotation(np.random.default_rng(seed).integers(0, 8, (16, 24), np.uint8))


posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals and limits")


@posix
def test_nothing_is_lost_or_half_there_after_kills(tmp_path):
    kills = 8  # docs/reliability.md tells of many more
    options = ["--kills", kills, "--trainings", 0, "--flips", 0, "--cuts", 8]
    options += ["--seed", 7, "--out", tmp_path]
    command = [sys.executable, BENCHMARK, *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "reliability.json").read_text())
    assert results["kills"] == kills
    assert results["failures"] == []
    assert results["confirmed and compared"]["save"] > 0
    assert len(results["killed in"]) >= 2
    assert results["path attacks"]["attacks"] > 40
    assert results["path attacks"]["reached a file outside"] == 0
    assert results["power cuts"].get("confirmed versions lost", 0) == 0
    assert "Nothing that had been confirmed was lost" in (tmp_path / "reliability.md").read_text()


@posix
def test_three_programs_that_write_at_once_lose_nothing(ann, image):
    each = 8
    subprocess.run([*PROGRAM, "save_together", ann.folder, "3", str(each)], check=True)
    versions = ann.history(image.id)
    assert [version.number for version in versions] == list(range(1, 3 * each + 1))
    assert {int(version.comment) for version in versions} == {
        100 * number + step for number in range(3) for step in range(each)
    }
    for version in versions:
        drawn = ann.annotation(image.id, version.number)
        np.testing.assert_array_equal(drawn.labels, noise(int(version.comment)).labels)
    # One went on from nothing; the others did so beside it.
    first = [version for version in versions if version.parent is None]
    assert [version.conflict for version in first] == [False, True, True]
    assert len({version.author for version in versions if not version.conflict}) == 1
    assert ann.status().autosaves == ()
    assert ann.check() == ()


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of 1 MiB, which needs root."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if (
        shutil.which("mount") is None
        or subprocess.run(command, check=False, capture_output=True).returncode
    ):
        pytest.skip("a small disk can't be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def big(seed):
    return Annotation(np.random.default_rng(seed).integers(0, 8, (400, 400), np.uint8))


def fill(project, annotations):
    for drawn in annotations:
        known = project.history(1)
        parent = known[-1].number if known else None
        project.save_version(1, drawn, Action.DRAFT, parent=parent)


def test_a_full_disk_is_reported_and_what_was_saved_stays(small_disk, tmp_path):
    np.save(tmp_path / "scan.npy", np.zeros((400, 400), np.uint8))
    with Project.create(small_disk / "project", scheme=OCT_LAYERS, author="Ann") as project:
        project.add_images([tmp_path / "scan.npy"])
        with pytest.raises(ProjectError, match="so nothing was saved") as told:
            fill(project, map(big, range(1000)))
        assert "\n" not in str(told.value)
        saved = project.status().versions
        with pytest.raises(ProjectError, match="nothing was saved"):
            project.autosave(1, big(5000))
        assert len(project.history(1)) == saved > 0
        # Masks without anything in them still fit, until the database can't grow either.
        with pytest.raises(ProjectError, match="nothing was saved"):
            fill(project, [Annotation(big(0).labels * 0)] * 2000)
    with Project(small_disk / "project", author="Ann") as project:
        for number in range(1, saved + 1):
            drawn = project.annotation(1, number)
            np.testing.assert_array_equal(drawn.labels, big(number - 1).labels)
        assert not [finding for finding in project.check() if finding.serious]


def test_no_project_is_made_on_a_full_disk(small_disk):
    (small_disk / "filler").write_bytes(b"\0" * (2**20 - 2 * 4096))
    with pytest.raises(ProjectError, match=r"full|No space"):
        Project.create(small_disk / "project", scheme=OCT_LAYERS, author="Ann")
    assert list((small_disk / "project").glob("*sqlite*")) == []


@posix
@pytest.mark.parametrize("size", [100, 50_000])  # a mask does not fit; the log does not
def test_a_limit_on_files_is_reported_and_what_was_saved_stays(ann, image, size):
    command = [*PROGRAM, "limit_file_size", ann.folder, str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "nothing was saved" in done.stdout
    assert done.stdout.count("\n") == 1
    for version in ann.history(image.id):
        drawn = ann.annotation(image.id, version.number)
        np.testing.assert_array_equal(drawn.labels, noise(version.number - 1).labels)
    assert not [finding for finding in ann.check() if finding.serious]


@pytest.fixture
def protected(ann, image, make, small_disk):
    """Put a closed project on a disk that can only be read."""
    ann.save_version(image.id, make.annotation(), Action.CORRECT)
    ann.close()
    shutil.copytree(ann.folder, small_disk / "project")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    return small_disk / "project"


def test_a_project_that_can_t_be_written_can_be_looked_at(protected, image, make):
    with Project(protected, author="Ann") as project:
        assert project.read_only
        assert (project.annotation(image.id, 1).labels == make.annotation().labels).all()
        assert project.status().versions == 1
        assert project.check() == ()
        for attempt in (
            lambda: project.save_version(image.id, make.annotation(), Action.SECOND_GRADE),
            lambda: project.autosave(image.id, make.annotation()),
            lambda: project.check_out(image.id),
            lambda: project.reopen(image.id),
            lambda: project.add_images([image.path]),
        ):
            with pytest.raises(ProjectError, match="is read-only"):
                attempt()


def test_no_project_is_made_where_nothing_can_be_written(protected):
    with pytest.raises(ProjectError, match=r"No project can be created in .*Read-only"):
        Project.create(protected.parent / "other", scheme=OCT_LAYERS, author="Ann")


def test_a_folder_that_vanishes_is_reported_and_no_other_takes_its_place(
    ann, image, make, tmp_path
):
    ann.save_version(image.id, make.annotation(), Action.DRAFT)
    ann.folder.rename(tmp_path / "unplugged")
    for attempt in (
        lambda: ann.save_version(image.id, make.annotation(1), Action.DRAFT, parent=1),
        lambda: ann.autosave(image.id, make.annotation(1)),
        lambda: ann.accept(image.id),
    ):
        with pytest.raises(ProjectError, match="has vanished or was replaced"):
            attempt()
    with pytest.raises(ProjectError, match="is missing"):
        ann.annotation(image.id, 1)
    assert not ann.folder.exists()
    (tmp_path / "unplugged").rename(ann.folder)
    ann.save_version(image.id, make.annotation(1), Action.DRAFT, parent=1)
    assert len(ann.history(image.id)) == 2


def test_a_folder_that_vanishes_while_files_are_written(ann, image, make):
    shutil.rmtree(ann.folder / "files")
    ann.save_version(
        image.id, make.annotation(), Action.DRAFT
    )  # a folder of files can be made anew
    shutil.rmtree(ann.folder)
    with pytest.raises(ProjectError, match="vanished"):
        ann.save_version(image.id, make.annotation(1), Action.DRAFT, parent=1)


def test_a_newer_project_is_refused_and_left_alone(folder):
    connection = sqlite3.connect(folder / "project.sqlite")
    connection.execute("UPDATE schema_version SET version = 99")
    connection.commit()
    connection.close()
    before = (folder / "project.sqlite").read_bytes()
    with pytest.raises(ProjectError, match=r"made by a newer version .* version 99.*: update"):
        Project(folder, author="Ann")
    assert (folder / "project.sqlite").read_bytes() == before


def test_an_older_project_is_brought_up_to_date_once(folder):
    done = []

    def add_column(connection):
        done.append(True)
        connection.execute(text("ALTER TABLE image ADD COLUMN camera VARCHAR"))

    for _ in range(2):
        SqliteDatabase(folder, migrations=(*MIGRATIONS, add_column)).close()
    assert done == [True]
    connection = sqlite3.connect(folder / "project.sqlite")
    assert "camera" in {row[1] for row in connection.execute("PRAGMA table_info(image)")}
    connection.close()
    with pytest.raises(ProjectError, match="made by a newer version"):
        Project(folder, author="Ann")


def test_a_migration_that_fails_changes_nothing(folder):
    def halfway(connection):
        connection.execute(text("ALTER TABLE image ADD COLUMN camera VARCHAR"))
        connection.execute(text("ALTER TABLE unheard_of ADD COLUMN camera VARCHAR"))

    with pytest.raises(Exception, match="no such table"):
        SqliteDatabase(folder, migrations=(*MIGRATIONS, halfway))
    connection = sqlite3.connect(folder / "project.sqlite")
    assert "camera" not in {row[1] for row in connection.execute("PRAGMA table_info(image)")}
    connection.close()
    Project(folder, author="Ann").close()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not the database of a project"),
        (b"SQLite format 3\0" + b"\0" * 200, "not a database any more|damaged"),
        (b"hello" * 400, "not a database any more"),
    ],
)
def test_a_folder_that_is_no_project_is_refused(folder, content, said):
    (folder / "project.sqlite").write_bytes(content)
    with pytest.raises(ProjectError, match=said):
        Project(folder, author="Ann")


def test_a_folder_without_a_project(tmp_path, folder):
    with pytest.raises(ProjectError, match="no project in"):
        Project(tmp_path / "nowhere", author="Ann")
    with pytest.raises(ProjectError, match="already: open it"):
        Project.create(folder, scheme=OCT_LAYERS, author="Ann")
    with pytest.raises(ProjectError, match="Enter your name"):
        Project(folder, author="  ")


def test_a_program_that_holds_the_database_for_long_is_reported(ann, image, make, monkeypatch):
    monkeypatch.setattr("napari_retina_seg.project.sqlite_database.PATIENCE", 0.2)
    other = sqlite3.connect(ann.folder / "project.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with (
        Project(ann.folder, author="Bob") as bob,
        pytest.raises(ProjectError, match="locked by another program"),
    ):
        bob.save_version(image.id, make.annotation(), Action.DRAFT)
    assert ann.history(image.id) == ()  # looking is never kept waiting
    other.execute("ROLLBACK")
    other.close()


def test_a_closed_project_is_one_file_of_records(ann, image):
    ann.close()
    names = {path.name for path in ann.folder.iterdir()}
    assert names == {"project.sqlite", "files", "autosave"}


def test_what_was_not_closed_is_read_with_its_log(ann, image, make, small_disk):
    ann.save_version(image.id, make.annotation(), Action.CORRECT)
    shutil.copytree(ann.folder, small_disk / "project")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with Project(small_disk / "project", author="Ann") as project:
        assert project.read_only
        assert (project.annotation(image.id, 1).labels == make.annotation().labels).all()


def test_a_project_on_a_full_disk_can_be_looked_at_and_exported(small_disk, tmp_path):
    np.save(tmp_path / "scan.npy", np.zeros((400, 400), np.uint8))
    drawn = Annotation(np.ones((400, 400), np.uint8))
    with Project.create(small_disk / "project", scheme=OCT_LAYERS, author="Ann") as project:
        project.add_images([tmp_path / "scan.npy"])
        project.save_version(1, drawn, Action.CORRECT)
    (small_disk / "full").touch()
    filler = os.open(small_disk / "full", os.O_WRONLY)
    while shutil.disk_usage(small_disk).free:
        os.write(filler, bytes(4096))
    os.close(filler)
    before = sorted(small_disk.rglob("*.*[!lm]"))  # but the empty log that SQLite leaves
    with Project(small_disk / "project", author="Ann") as project:
        assert project.read_only
        assert project.status().versions == len(project.history(1)) == 1
        assert (project.annotation(1, 1).labels == 1).all()
        assert project.check() == ()
        export_masks(project, tmp_path / "out", "png")
        with pytest.raises(ProjectError, match=r"disk .* was full .* free some space"):
            project.save_version(1, drawn, Action.DRAFT)
    assert len(list((tmp_path / "out").glob("*.png"))) == 1
    assert sorted(small_disk.rglob("*.*[!lm]")) == before
    (small_disk / "full").unlink()
    with Project(small_disk / "project", author="Ann") as project:
        assert not project.read_only
        project.reopen(1)


def test_any_name_will_do_for_a_folder(tmp_path):
    folder = tmp_path / "100% späte#AMD?mode=ro &x"
    Project.create(folder, scheme=OCT_LAYERS, author="Ann").close()
    with Project(folder, author="Ann") as project:
        assert not project.read_only
    assert (folder / "project.sqlite").is_file()


def test_the_working_directory_may_change(ann, image, make, monkeypatch, tmp_path):
    monkeypatch.chdir(ann.folder.parent)
    with Project(Path(ann.folder.name), author="Ann") as project:
        monkeypatch.chdir("/")
        project.save_version(image.id, make.annotation(), Action.CORRECT)
        assert (project.annotation(image.id, 1).labels == make.annotation().labels).all()


def test_a_project_is_saved_to_from_any_thread(ann, image):
    def save(seed):
        ann.autosave(image.id, noise(seed))
        return ann.save_version(image.id, noise(seed), Action.DRAFT)

    with ThreadPoolExecutor(4) as pool:
        versions = list(pool.map(save, range(12)))
    assert {version.number for version in versions} == set(range(1, 13))
    for seed, version in enumerate(versions):
        drawn = ann.annotation(image.id, version.number)
        np.testing.assert_array_equal(drawn.labels, noise(seed).labels)
    assert ann.check() == ()


def test_a_mask_larger_than_pillow_s_limit_is_opened_again(ann, image, make, monkeypatch):
    ann.save_version(image.id, make.annotation(), Action.CORRECT)
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 100)
    assert (ann.annotation(image.id, 1).labels == make.annotation().labels).all()


def bring_back_to_version_1(folder):
    connection = sqlite3.connect(folder / "project.sqlite")
    connection.executescript(
        "DROP TABLE confirmed_name; DROP TABLE removal; DROP TABLE model_use;"
        "DROP TABLE review_figures; DROP TABLE member; DROP INDEX image_gain_first;"
        "DROP INDEX image_state_gain_first; ALTER TABLE image DROP COLUMN gain;"
        "ALTER TABLE image DROP COLUMN reason;"
        "ALTER TABLE autosave DROP COLUMN comment;"
        "ALTER TABLE second_reader DROP COLUMN compared_at;"
        "ALTER TABLE image DROP COLUMN warning; ALTER TABLE version DROP COLUMN checks;"
        "ALTER TABLE project DROP COLUMN files;"
        "UPDATE schema_version SET version = 1"
    )
    connection.close()


def test_a_project_of_version_1_keeps_all_that_is_in_it(ann, image, make):
    ann.save_version(image.id, make.annotation(), Action.CORRECT)
    before = ann.history(image.id), ann.image(image.id)
    ann.close()
    bring_back_to_version_1(ann.folder)
    with Project(ann.folder, author="Ann") as project:
        assert (project.history(image.id), project.image(image.id)) == before
        assert (project.annotation(image.id, 1).labels == make.annotation().labels).all()
        project.save_version(image.id, make.annotation(), Action.CORRECT)


def test_an_older_project_that_can_t_be_written_is_read_from_a_copy(
    ann, image, make, monkeypatch, tmp_path
):
    ann.save_version(image.id, make.annotation(), Action.CORRECT)
    before = ann.history(image.id), ann.image(image.id)
    ann.close()
    bring_back_to_version_1(ann.folder)
    records = (ann.folder / "project.sqlite").read_bytes()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr("os.access", lambda *_: False)
    project = Project(ann.folder, author="Ann")
    assert project.read_only
    assert (project.history(image.id), project.image(image.id)) == before
    project.close()
    assert (project.annotation(image.id, 1).labels == make.annotation().labels).all()  # opened anew
    with pytest.raises(ProjectError, match="is read-only"):
        project.save_version(image.id, make.annotation(), Action.CORRECT)
    project.close()
    assert (ann.folder / "project.sqlite").read_bytes() == records
    assert len(list((tmp_path / "tmp").iterdir())) == 1
    del project
    gc.collect()
    assert not list((tmp_path / "tmp").iterdir())


def test_an_older_project_without_room_for_a_copy_says_what_it_needs(ann, monkeypatch, tmp_path):
    ann.close()
    bring_back_to_version_1(ann.folder)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(ProjectError, match=r"earlier version .* open it once where it can be"):
        Project(ann.folder, author="Ann")
