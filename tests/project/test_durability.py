"""What was confirmed survives a power cut: data, names and records are flushed in this order."""

import os
import sqlite3
import stat
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text

from napari_retina_seg.project.database import DATABASE
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.sqlite_database import SqliteDatabase
from napari_retina_seg.project.states import Action
from napari_retina_seg.types.labels import OCT_LAYERS
from napari_retina_seg.types.progress import finish
from napari_retina_seg.workflows.export_options import Format
from napari_retina_seg.workflows.exporting import iter_export

FULL = 2  # of PRAGMA synchronous: each commit is flushed

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows flushes no folders")


@dataclass(frozen=True)
class Flush:
    """A file or folder that was flushed, and what there was at that moment."""

    inode: int
    names: frozenset[str]
    versions: int


def count_versions(folder: Path) -> int:
    if not (folder / DATABASE).exists():
        return 0
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        return connection.execute("SELECT count(*) FROM version").fetchone()[0]


@pytest.fixture
def flushes(monkeypatch, tmp_path):
    """Record what is flushed from here on."""
    seen: list[Flush] = []
    flush = os.fsync

    def record(handle: int) -> None:
        flush(handle)
        status = os.fstat(handle)
        names = os.listdir(handle) if stat.S_ISDIR(status.st_mode) else ()
        seen.append(Flush(status.st_ino, frozenset(names), count_versions(tmp_path / "project")))

    monkeypatch.setattr(os, "fsync", record)
    return seen


def of(flushes: list[Flush], path: Path) -> list[Flush]:
    return [one for one in flushes if one.inode == path.stat().st_ino]


@posix
def test_a_mask_and_its_name_are_on_the_disk_before_its_version(ann, image, make, flushes):
    before = {path for path in (ann.folder / "files").rglob("*") if path.is_file()}
    ann.save_version(image.id, make.annotation(1), Action.CORRECT)
    written = {path for path in (ann.folder / "files").rglob("*") if path.is_file()} - before
    assert written
    for path in written:
        for place in (path, path.parent, path.parent.parent):
            assert [one for one in of(flushes, place) if one.versions == 0], place
        assert path.name in of(flushes, path.parent)[-1].names
        assert path.parent.name in of(flushes, path.parent.parent)[-1].names
    assert count_versions(ann.folder) == 1


@posix
def test_a_new_project_and_its_database_are_on_the_disk_by_name(tmp_path, flushes):
    folder = tmp_path / "project"
    Project.create(folder, scheme=OCT_LAYERS, author="Ann").close()
    assert of(flushes, folder / DATABASE)
    assert {DATABASE, "files"} <= of(flushes, folder)[-1].names


@posix
def test_an_export_is_on_the_disk_by_name(ann, image, make, flushes, tmp_path):
    ann.save_version(image.id, make.annotation(1), Action.CORRECT)
    finish(iter_export(ann, tmp_path / "out", Format.TIFF))
    assert "out" in of(flushes, tmp_path)[-1].names


def test_each_commit_is_flushed(folder):
    database = SqliteDatabase(folder)
    with database.reading() as reader, database.writing() as writer:  # a connection each
        for session in (reader, writer):
            assert session.execute(text("PRAGMA synchronous")).scalar() == FULL
            assert session.execute(text("PRAGMA journal_mode")).scalar() == "wal"
            assert session.execute(text("PRAGMA foreign_keys")).scalar() == 1
    database.close()
