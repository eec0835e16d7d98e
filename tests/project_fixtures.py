"""Fixtures of tests that need a project with images."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from napari_retina_seg.project.project import Project
from napari_retina_seg.project.values import ProjectImage
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.labels import OCT_LAYERS
from napari_retina_seg.types.segmentation import Provenance, Segmentation
from postgresql import log_in

SHAPE = (16, 24)

Open = Callable[[str], Project]
Write = Callable[[str, int], Path]


def annotation(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> Annotation:
    """Return a mask that no other seed gives."""
    return Annotation(np.random.default_rng(seed).integers(0, 8, shape, np.uint8))


def prediction(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> Segmentation:
    """Return what a model might have drawn; the larger the seed, the less sure of it."""
    labels = annotation(1000 + seed, shape).labels
    sure = np.moveaxis(np.eye(8, dtype=np.float32)[labels], -1, -3)
    blurred = (sure + 0.01 * (1 + seed)) / (1 + 0.08 * (1 + seed))
    return Segmentation(
        labels=labels,
        scheme=OCT_LAYERS,
        provenance=Provenance("scan.png", "oct-layers", "ab" * 32, "1.0", "CPU", "float32", 0.5),
        probabilities=blurred.astype(np.float16),
    )


@pytest.fixture
def make() -> SimpleNamespace:
    """Hand out what tests draw with: a conftest is nothing that they could import."""
    return SimpleNamespace(annotation=annotation, prediction=prediction)


@pytest.fixture
def folder(tmp_path: Path, empty_project: Path, request: pytest.FixtureRequest) -> Path:
    """Make an empty project by Ann; see `pytest_generate_tests` in tests/project."""
    place = getattr(request, "param", "sqlite")
    if place == "members":
        return request.getfixturevalue("study_with_members")(tmp_path / "project")
    if place == "postgresql":
        return request.getfixturevalue("shared_project")(tmp_path / "project")
    return shutil.copytree(empty_project, tmp_path / "project")


@pytest.fixture
def open_as(folder: Path, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Open the project as somebody; each opening is a program of its own."""
    opened: list[Project] = []
    call = getattr(request.node, "callspec", None)
    is_graded = call is not None and call.params.get("folder") == "members"

    def open_project(author: str) -> Project:
        if is_graded:
            log_in(folder, author)
        opened.append(Project(folder, author=author))
        return opened[-1]

    yield open_project
    for project in opened:
        project.close()


@pytest.fixture
def ann(open_as: Open) -> Project:
    return open_as("Ann")


@pytest.fixture
def bob(open_as: Open) -> Project:
    return open_as("Bob")


@pytest.fixture
def write_scan(tmp_path: Path) -> Write:
    """Write a picture that no other seed gives."""

    def write(name: str, seed: int) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 255, SHAPE, np.uint8)
        path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
        return path

    return write


@pytest.fixture
def image(ann: Project, write_scan: Write) -> ProjectImage:
    """Add one image to the project."""
    return ann.add_images([write_scan("scan.png", 0)]).images[0]
