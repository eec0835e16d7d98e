"""Adding images to a project: what is said of them, without a window."""

import numpy as np
import pytest
from qtpy.QtCore import Qt

from helpers import write_png
from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.review.batch_tasks import AddImages, add
from napari_retina_seg._napari.review.queue_panel import QueuePanel
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.project.project import Project
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS, OCT_LESIONS
from napari_retina_seg.types.progress import CancelToken, finish


@pytest.fixture
def files(tmp_path, photograph):
    write_png(tmp_path / "in" / "photo.png", np.ascontiguousarray(photograph[..., ::-1]))
    write_png(tmp_path / "in" / "scan.png", phantom_bscan(rows=96, columns=128).image.pixels)
    return tmp_path / "in"


@pytest.mark.parametrize(
    ("scheme", "said"),
    [
        (
            OCT_LAYERS,
            "'photo': it looks like a fundus photograph, and this project is for OCT scans.",
        ),
        (
            OCT_LESIONS,
            "'photo': it looks like a fundus photograph, and this project is for OCT scans.",
        ),
        (
            FUNDUS_VESSELS,
            "'scan': it looks like an OCT scan, and this project is for fundus photographs.",
        ),
    ],
)
def test_an_image_of_another_kind_is_named_when_it_is_added(tmp_path, files, scheme, said):
    with Project.create(tmp_path / "study", scheme=scheme, author="Ann") as project:
        outcome = finish(add(AddImages(project, (files,), copy=False), CancelToken()))
    assert outcome.status is JobStatus.SUCCEEDED
    assert outcome.doubtful
    assert f"2 added. Check {said}" in outcome.message


def test_images_that_fit_are_added_without_a_warning(tmp_path, files):
    with Project.create(tmp_path / "study", scheme=OCT_LAYERS, author="Ann") as project:
        outcome = finish(add(AddImages(project, (files / "scan.png",), copy=False), CancelToken()))
    assert (outcome.message, outcome.doubtful) == ("1 added.", False)


def test_possible_identifiers_are_named_plainly(tmp_path, files):
    (files / "scan.png").rename(files / "Smith_John_1950-01-31.png")
    with Project.create(tmp_path / "study", scheme=OCT_LAYERS, author="Ann") as project:
        paths = tuple(files.glob("Smith*"))
        outcome = finish(add(AddImages(project, paths, copy=False), CancelToken()))
    assert "Possible patient identifiers were found: 'Smith_John_1950-01-31' (" in outcome.message
    assert outcome.message.endswith("leaves them out unless you choose to keep them.")


def test_the_queue_can_be_read_in_a_dock_of_340_px(tmp_path, files, qtbot):
    panel = QueuePanel(Settings())
    qtbot.addWidget(panel)
    with Project.create(tmp_path / "study", scheme=OCT_LAYERS, author="Ann") as project:
        finish(add(AddImages(project, (files,), copy=False), CancelToken()))
        panel.resize(322, 400)  # less the dock's margins
        panel.show_project(project, ())
        panel.show()
        table = panel.table
        qtbot.waitUntil(lambda: table.isColumnHidden(3))
        wide = table.fontMetrics().horizontalAdvance
        for column, words in ((1, "⚠ graded twice"), (1, "grading due"), (2, "⚠0.123")):
            assert table.columnWidth(column) >= wide(words) + 8
        assert table.columnWidth(0) >= table.iconSize().width() + wide("P0042_OD_macula") + 8
        assert panel.model.data(panel.model.index(0, 0), Qt.ItemDataRole.ToolTipRole)
        panel.resize(600, 400)
        qtbot.waitUntil(lambda: not table.isColumnHidden(3))
        panel.show_project(None, ())
