"""A path from a file never leads out of the folder it belongs to."""

import os
import sys
from pathlib import Path

import pytest

from napari_retina_seg.types.confined import confined
from napari_retina_seg.types.errors import DataError, OutsideError, ProjectError, ReadError
from napari_retina_seg.types.file_names import find_same

HOSTILE = (
    "../secret.png",
    "../../secret.png",
    "a/../../secret.png",
    "..",
    ".",
    "",
    " ",
    "/etc/passwd",
    "//server/share/secret.png",
    "\\\\server\\share\\secret.png",
    "..\\..\\secret.png",
    "a\\..\\..\\secret.png",
    "C:\\secret.png",
    "C:secret.png",
    "\\secret.png",
    "\\\\?\\C:\\secret.png",
    "a\0.png",
    "a\n.png",
    "x" * 300 + "/" + "../" * 20 + "secret.png",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_lead_out_of_their_folder_are_refused(tmp_path, name):
    (tmp_path / "secret.png").write_bytes(b"secret")
    folder = tmp_path / "project"
    (folder / "a").mkdir(parents=True)
    for look in (confined, find_same):
        with pytest.raises(OutsideError, match="leads out of"):
            look(folder, name)


@pytest.mark.parametrize("name", ["a.png", "a/b.png", "Übung 1.png", "a..b.png", "...x", "~", "$H"])
def test_names_in_their_folder_are_taken(tmp_path, name):
    assert confined(tmp_path, name) == tmp_path / name


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_out_of_the_folder_pipes_and_circles_are_refused(tmp_path):
    folder = tmp_path / "project"
    (folder / "inside").mkdir(parents=True)
    (folder / "real.png").write_bytes(b"x")
    (tmp_path / "secret.png").write_bytes(b"secret")
    (folder / "file.png").symlink_to(tmp_path / "secret.png")
    (folder / "folder").symlink_to(tmp_path)
    (folder / "circle").symlink_to(folder / "circle")
    (folder / "near.png").symlink_to(folder / "real.png")
    os.mkfifo(folder / "pipe")
    for name in ("file.png", "folder/secret.png", "folder/new.png", "circle/x", "pipe"):
        with pytest.raises(OutsideError):
            confined(folder, name)
    assert confined(folder, "near.png") == folder / "near.png"
    (tmp_path / "link").symlink_to(folder)  # the way to the folder itself may be a link
    assert confined(tmp_path / "link", "real.png") == tmp_path / "link" / "real.png"


def test_whoever_reads_the_file_gets_an_error_of_its_own_kind():
    assert issubclass(OutsideError, ReadError | ProjectError | DataError)
    with pytest.raises(ReadError, match="out of"):
        confined(Path(), "..")
