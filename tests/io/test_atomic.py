"""Files appear whole, and may be used by whom the process' umask says."""

import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_retina_seg import Project
from napari_retina_seg.io.atomic import Draft, write_atomically
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
