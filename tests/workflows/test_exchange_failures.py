"""Exports and imports on full disks, in folders that can't be written, and of projects that vanish.

One sentence each, and no half export that could be taken for a whole one.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError, WriteError
from napari_retina_seg.types.labels import OCT_LAYERS
from napari_retina_seg.types.progress import finish
from napari_retina_seg.workflows.export_options import Format, Identities
from napari_retina_seg.workflows.exporting import iter_export
from napari_retina_seg.workflows.importing import iter_import_masks
from napari_retina_seg.workflows.patients import PatientRule

SHAPE = (80, 90)
NAMES = ("a", "b", "c")


def noise(seed: int, classes: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, classes, SHAPE, np.uint8)


@pytest.fixture
def drawn(ann: Project, tmp_path: Path) -> Project:
    """Let Ann draw on three images."""
    for seed, name in enumerate(NAMES):
        np.save(tmp_path / f"{name}.npy", noise(seed, 250))
        (image,) = ann.add_images([tmp_path / f"{name}.npy"]).images
        ann.save_version(image.id, Annotation(noise(seed)), Action.CORRECT)
    return ann


@pytest.fixture
def fresh(drawn: Project, tmp_path: Path) -> Iterator[Project]:
    """Make another project of the same images."""
    Project.create(tmp_path / "fresh", scheme=OCT_LAYERS, author="Eve").close()
    with Project(tmp_path / "fresh", author="Eve") as project:
        project.add_images([tmp_path / f"{name}.npy" for name in NAMES])
        yield project


@contextlib.contextmanager
def little_room(size: int) -> Iterator[None]:
    """Let no file grow beyond a size, as on a full disk."""
    resource = pytest.importorskip("resource")  # which not every system has
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def leave(project: Project, folder: Path, format: Format = Format.TIFF):
    patients = PatientRule(each_image=True)
    return iter_export(project, folder, format, identities=Identities.KEEP, patients=patients)


def left_behind(folder: Path, name: str = "out") -> list[Path]:
    return [path for path in folder.iterdir() if name in path.name]


EACH_WAY_TO_WRITE = [
    *(Format.TRAINING, Format.NPY, Format.PNG, Format.NIFTI),
    *(Format.DICOM_SEG, Format.COCO),
]


@pytest.mark.parametrize("format", EACH_WAY_TO_WRITE)
def test_a_full_disk_leaves_nothing_of_an_export(drawn, tmp_path, format):
    with little_room(1500), pytest.raises(WriteError, match="can't be written") as told:
        finish(leave(drawn, tmp_path / "out", format))
    assert "\n" not in str(told.value)
    assert not left_behind(tmp_path)
    assert finish(leave(drawn, tmp_path / "out", format)).masks == 3


def test_a_folder_that_can_t_be_made_or_written_is_reported(drawn, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(WriteError, match=r"file.out' can't be written"):
        finish(leave(drawn, tmp_path / "file" / "out"))
    with pytest.raises(WriteError, match="is not empty: choose a new folder"):
        finish(leave(drawn, tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"


def test_a_read_only_folder_is_reported(drawn, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if os.access(locked, os.W_OK):
        pytest.skip("whoever runs this may write everywhere")
    with pytest.raises(WriteError, match="can't be written: Permission denied"):
        finish(leave(drawn, locked / "out"))


def test_an_export_of_a_project_that_vanishes_meanwhile_leaves_nothing(drawn, tmp_path):
    job = leave(drawn, tmp_path / "out")
    while not any((found / "new" / "a.tif").exists() for found in left_behind(tmp_path)):
        next(job)
    drawn.folder.rename(tmp_path / "unplugged")
    with pytest.raises(ProjectError, match="has vanished or was replaced"):
        finish(job)
    assert not left_behind(tmp_path)
    (tmp_path / "unplugged").rename(drawn.folder)
    assert finish(leave(drawn, tmp_path / "out")).masks == 3


def test_what_was_imported_before_the_disk_was_full_stays_and_the_rest_follows(
    drawn, fresh, tmp_path
):
    finish(leave(drawn, tmp_path / "out"))
    job = iter_import_masks(fresh, tmp_path / "out")
    while not fresh.history(1):
        next(job)
    with little_room(100), pytest.raises(ProjectError, match="nothing was saved"):
        finish(job)
    assert [len(fresh.history(number)) for number in (1, 2, 3)] == [1, 0, 0]
    again = finish(iter_import_masks(fresh, tmp_path / "out"))
    assert (len(again.versions), again.known, again.problems) == (2, 1, ())
    for number in (1, 2, 3):
        np.testing.assert_array_equal(fresh.annotation(number, 1).labels, noise(number - 1))
    assert fresh.check() == ()


def test_an_import_into_a_project_that_vanishes_stops(drawn, fresh, tmp_path):
    finish(leave(drawn, tmp_path / "out"))
    job = iter_import_masks(fresh, tmp_path / "out")
    while not fresh.history(1):
        next(job)
    fresh.folder.rename(tmp_path / "unplugged")
    with pytest.raises(ProjectError, match="has vanished or was replaced"):
        finish(job)
    (tmp_path / "unplugged").rename(fresh.folder)
    assert len(finish(iter_import_masks(fresh, tmp_path / "out")).versions) == 2


def test_masks_that_vanish_while_they_are_imported_are_reported_one_by_one(drawn, fresh, tmp_path):
    finish(leave(drawn, tmp_path / "out"))
    job = iter_import_masks(fresh, tmp_path / "out")
    next(job)
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    done = finish(job)
    assert len(done.versions) + len(done.problems) == 3
    assert all("out" in problem and "\n" not in problem for problem in done.problems)


def test_a_full_disk_is_no_problem_of_one_ungradable_image(drawn, fresh, tmp_path):
    drawn.reopen(3)
    drawn.mark_ungradable(3, "dark")
    finish(leave(drawn, tmp_path / "out"))
    job = iter_import_masks(fresh, tmp_path / "out")
    while not (fresh.history(1) and fresh.history(2)):
        next(job)
    with little_room(100), pytest.raises(ProjectError, match="nothing was saved"):
        finish(job)
    assert not fresh.history(3)
