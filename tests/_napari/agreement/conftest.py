"""A project that two people have read, and the dock that compares what they drew."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from napari_retina_seg._napari.agreement.agreement_widget import AgreementWidget
from napari_retina_seg._napari.tasks import is_idle
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.labels import OCT_LAYERS

SHAPE = (96, 128)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a project of three B-scans that Ann and Bob read; they agree on the first alone."""
    folder = tmp_path / "study"
    with (
        Project.create(folder, scheme=OCT_LAYERS, author="Ann") as ann,
        Project(folder, author="Bob") as bob,
    ):
        for seed, second in enumerate((0, 8, 9)):
            np.save(tmp_path / f"scan{seed}.npy", phantom_bscan(seed, *SHAPE).image.pixels)
            (image,) = ann.add_images([tmp_path / f"scan{seed}.npy"]).images
            for reader, drawn, action in (
                (ann, seed, Action.CORRECT),
                (bob, second, Action.SECOND_GRADE),
            ):
                phantom = phantom_bscan(drawn, *SHAPE)
                reader.save_version(image.id, Annotation(phantom.labels, phantom.heights), action)
    return folder


@pytest.fixture
def agreement(viewer: object, qtbot: QtBot, folder: Path) -> Iterator[AgreementWidget]:
    """Return the dock, opened as the menu does it, at the project, as Carl."""
    _, widget = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Agreement")
    widget.project.choose(folder)
    widget.project.author.clear()
    qtbot.keyClicks(widget.project.author, "Carl")
    yield widget
    qtbot.waitUntil(is_idle, timeout=60_000)
