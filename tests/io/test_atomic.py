"""Files appear whole, and may be used by whom the process' umask says."""

import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_retina_seg import Project
from napari_retina_seg.io.atomic import Draft, atomic_folder, remove_leftovers, write_atomically
from napari_retina_seg.project.database import DATABASE

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no umask")


@pytest.fixture(params=[0o002, 0o022, 0o027, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Set the umask, and let nothing change it: other threads make files at the same time."""
    change = os.umask
    before = change(request.param)

    def refuse(mask: int) -> int:
        raise AssertionError(f"the umask of the process was set to {mask:o}")

    monkeypatch.setattr(os, "umask", refuse)
    yield request.param
    change(before)


def write(folder: Path) -> Path:
    write_atomically(folder / "mask.png", b"whole")
    return folder / "mask.png"


def draft(folder: Path) -> Path:
    kept = Draft(folder / ("x" * 255))
    np.save(kept.file, np.arange(3))
    kept.keep()
    return folder / ("x" * 255)


def project(folder: Path) -> Path:
    Project.create(folder / "study", scheme="oct-layers", author="Ann").close()
    return folder / "study" / DATABASE


@pytest.mark.parametrize("make", [write, draft, project])
def test_new_files_have_the_rights_that_the_umask_leaves(
    make: Callable[[Path], Path], umask: int, tmp_path: Path
) -> None:
    path = make(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    assert [left for left in path.parent.iterdir() if left.name.startswith(".")] == []


def test_a_file_that_replaces_another_leaves_no_draft(tmp_path: Path) -> None:
    write(tmp_path)
    write_atomically(tmp_path / "mask.png", b"new")
    assert (tmp_path / "mask.png").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["mask.png"]


KILLED = """
import os, sys
from pathlib import Path
from napari_retina_seg.io.atomic import atomic_folder
with atomic_folder(Path(sys.argv[1])) as new:
    (new / "half.png").write_bytes(b"x")
    os._exit(9)
"""


def unfinished(folder: Path) -> list[Path]:
    return list(folder.glob(".*.unfinished"))


def test_the_next_folder_removes_what_killed_programs_left_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "out")]
    assert subprocess.run(command, check=False).returncode == 9
    (left,) = unfinished(tmp_path)
    others = [tmp_path / ".mine.unfinished", tmp_path / ".vscode"]
    for other in others:
        other.mkdir()
    link = tmp_path / ".link.unfinished"
    link.symlink_to(left)
    with atomic_folder(tmp_path / "new") as under_way:
        for path in (left, under_way.parent, link):
            os.utime(path, (0, 0))
        with atomic_folder(tmp_path / "other"):
            assert not left.exists()
            assert under_way.is_dir()
    assert (tmp_path / "new").is_dir()
    assert sorted(unfinished(tmp_path)) == [link, others[0]]
    assert others[1].is_dir()


def test_a_folder_that_has_just_been_begun_is_left_alone(tmp_path: Path) -> None:
    begun = tmp_path / ".out.abc.unfinished"
    begun.mkdir()
    (begun / "lock").touch()
    remove_leftovers(tmp_path)
    assert begun.is_dir()
    os.utime(begun, (0, 0))
    remove_leftovers(tmp_path)
    assert not begun.exists()


def test_an_unfinished_folder_without_a_lock_is_removed_after_a_day(tmp_path):
    """Its program was killed before it could lock it, or there are no locks on this disk."""
    begun = tmp_path / ".out.abc.unfinished"
    begun.mkdir()
    written = begun / "new"
    written.touch()
    two_days_ago = time.time() - 2 * 24 * 60 * 60
    os.utime(begun, (two_days_ago, two_days_ago))
    remove_leftovers(tmp_path)
    assert begun.exists()  # something in it is new
    os.utime(written, (two_days_ago, two_days_ago))
    remove_leftovers(tmp_path)
    assert not begun.exists()
