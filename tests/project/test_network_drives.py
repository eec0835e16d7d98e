"""A project on a network drive has a journal that is safe there."""

import sqlite3
from collections import namedtuple
from contextlib import closing
from pathlib import PurePosixPath, PureWindowsPath

import psutil
import pytest

from napari_retina_seg.project.database import DATABASE
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.sqlite_files import choose_journal, sqlite_uri
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.labels import OCT_LAYERS

Disk = namedtuple("Disk", "device mountpoint fstype opts")


def journal(folder):
    with closing(sqlite3.connect(folder / DATABASE)) as raw:
        return raw.execute("PRAGMA journal_mode").fetchone()[0]


@pytest.fixture
def mount(monkeypatch, tmp_path):
    """Return a function that says of what kind the disk of the test's folder is."""

    def change(kind, options="rw"):
        disks = [Disk("/dev/a", "/", "ext4", "rw"), Disk("share", str(tmp_path), kind, options)]
        monkeypatch.setattr(psutil, "disk_partitions", lambda **_: disks)

    return change


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        ("ext4", "rw,relatime", "wal"),
        ("NTFS", "rw,fixed", "wal"),
        ("NTFS", "rw,remote", "delete"),
        ("cifs", "rw", "delete"),
        ("nfs4", "rw", "delete"),
        ("fuse.sshfs", "rw", "delete"),
        ("9p", "rw", "delete"),
        ("never heard of", "rw", "delete"),
    ],
)
def test_only_local_disks_have_a_write_ahead_log(mount, tmp_path, kind, options, expected):
    mount(kind, options)
    assert choose_journal(tmp_path / "a" / "study") == expected


def test_of_two_disks_at_one_place_the_later_one_counts(monkeypatch, tmp_path):
    disks = [Disk("a", str(tmp_path), "ext4", "rw"), Disk("b", str(tmp_path), "cifs", "rw")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: disks)
    assert choose_journal(tmp_path) == "delete"


def test_this_disk_is_known(tmp_path):
    assert choose_journal(tmp_path) == "wal"


def test_a_project_gets_the_journal_of_the_disk_that_it_is_moved_to(mount, tmp_path):
    mount("cifs")
    folder = tmp_path / "study"
    Project.create(folder, scheme=OCT_LAYERS, author="Ann").close()
    assert journal(folder) == "delete"
    with Project(folder, author="Ann"), Project(folder, author="Ben") as second:
        assert second.status().images == 0
    mount("ext4")
    Project(folder, author="Ann").close()
    assert journal(folder) == "wal"
    mount("nfs")
    Project(folder, author="Ann").close()
    assert journal(folder) == "delete"
    assert not list(folder.glob(f"{DATABASE}-*"))


def test_on_a_network_drive_a_log_that_is_in_use_is_not_joined(mount, tmp_path):
    mount("ext4")
    folder = tmp_path / "study"
    with Project.create(folder, scheme=OCT_LAYERS, author="Ann"):
        mount("cifs")
        with pytest.raises(ProjectError, match="network drive and is open in another"):
            Project(folder, author="Ben")
    Project(folder, author="Ben").close()


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        (PurePosixPath("/a b/ü%?.sqlite"), "file:///a%20b/%C3%BC%25%3F.sqlite?mode=rw"),
        (PureWindowsPath("C:\\a b\\p.sqlite"), "file:///C:/a%20b/p.sqlite?mode=rw"),
        (PureWindowsPath("\\\\server\\share\\p.sqlite"), "file:////server/share/p.sqlite?mode=rw"),
    ],
)
def test_sqlite_is_given_an_address_without_a_host(path, uri):
    assert sqlite_uri(path, "mode=rw") == uri
