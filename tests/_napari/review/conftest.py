"""A project of small B-scans, the Review dock as the menu opens it, and what a person does."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from napari.layers import Labels
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtWidgets import QApplication, QDialog, QInputDialog, QMessageBox, QWidget

from mouse import LEFT, move_over, settle
from napari_retina_seg._napari.review.widget import ReviewWidget
from napari_retina_seg._napari.tasks import is_idle
from napari_retina_seg._napari.widgets import CollapsibleSection
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.values import Version
from napari_retina_seg.types.labels import OCT_LAYERS
from napari_retina_seg.types.segmentation import Provenance, Segmentation

ROWS, COLUMNS = 96, 128


class Person:
    """Sits at the dock: clicks, types, presses keys over the image, and waits."""

    def __init__(self, viewer: object, dock: ReviewWidget, bot: QtBot) -> None:
        self.viewer, self.dock, self.bot = viewer, dock, bot
        self.session = dock.session
        self.asked = ""

    @property
    def mask(self) -> Labels:
        """The mask on the screen."""
        return self.session.review_layers.mask

    @property
    def name(self) -> str | None:
        """The image on the screen."""
        image = self.session.review_layers.image
        return None if image is None else image.name

    @property
    def window(self) -> QWidget:
        """The whole window."""
        return self.viewer.window._qt_window

    @property
    def canvas(self) -> QWidget:
        """Where the image is."""
        return self.viewer.window._qt_viewer.canvas.native

    def wait(self) -> None:
        """Wait until nothing is under way."""
        for _ in range(3):  # a result may lead to another task
            self.session.io_queue.join()
            settle()
            self.bot.waitUntil(lambda: not self.session.busy and not self.dock.batches.is_running)

    def press(self, key: Qt.Key, *modifiers: Qt.KeyboardModifier) -> None:
        """Press a key with the image focused, and wait for what it leads to."""
        self.canvas.setFocus()
        both = Qt.KeyboardModifier.NoModifier
        for modifier in modifiers:
            both |= modifier
        self.bot.keyClick(self.canvas, key, both)
        self.wait()

    def click(self, button: QWidget) -> None:
        """Click a button, and wait for what it leads to."""
        assert button.isEnabled(), button.toolTip()
        self.bot.mouseClick(button, Qt.MouseButton.LeftButton)
        self.wait()

    def open(self, folder: Path, author: str) -> None:
        """Open a project, as the menu does it."""
        self.dock.bar.opened.emit(folder, author)
        self.wait()

    def open_row(self, row: int) -> None:
        """Double-click a row of the table."""
        table = self.dock.queue.table
        place = table.visualRect(table.model().index(row, 1)).center()
        self.bot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
        self.bot.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
        self.wait()

    def unfold(self, part: QWidget) -> None:
        """Open the fold that a part of the dock is in."""
        while not isinstance(part, CollapsibleSection):
            part = part.parent()
        part.expand(animate=False)
        settle()

    def paint(self) -> np.ndarray:
        """Thicken class 3 a little with the mouse; returns the mask then."""
        self.mask.mode = "paint"
        self.mask.selected_label = 3
        size, self.mask.brush_size = self.mask.brush_size, 2
        plane = self.mask.data.reshape(-1, *self.mask.data.shape[-2:])[self.plane]
        lowest = [np.flatnonzero(plane[:, column] == 3)[-1:] for column in range(50, 66)]
        places = [
            (int(rows[0]) + 1, 50 + number) for number, rows in enumerate(lowest) if rows.size
        ]
        # A short stroke: a longer one would leave open places.
        first, last = [self.spot(*place) for place in places or [(48, 64), (50, 70)]][:2]
        self.bot.mousePress(self.canvas, LEFT, pos=first)
        move_over(self.viewer.window._qt_viewer.canvas, last, LEFT)
        self.bot.mouseRelease(self.canvas, LEFT, pos=last)
        settle()
        self.mask.brush_size = size
        return np.array(self.mask.data)

    @property
    def plane(self) -> int:
        """The slice on the screen; 0 of a single image."""
        return int(self.viewer.dims.current_step[0]) if self.mask.ndim > 2 else 0

    def spot(self, row: float, column: float) -> QPoint:
        """Return where on the canvas a place of the mask is."""
        world = self.mask.data_to_world((*(0,) * (self.mask.ndim - 2), row, column))
        view = self.viewer.window._qt_viewer.canvas.view
        x, y = view.scene.transform.map([world[-1], world[-2], 0, 1])[:2]
        return QPoint(round(x), round(y))

    def answer(self, words: str = "", button: object = None) -> None:
        """Answer the next question that is asked."""

        def respond() -> None:
            box = QApplication.activeModalWidget()
            if box is None:
                QTimer.singleShot(20, respond)
            elif isinstance(box, QInputDialog):
                box.setTextValue(words)
                box.accept()
            elif isinstance(box, QMessageBox):
                self.asked = box.text()
                box.button(button).click()
            elif isinstance(box, QDialog):
                button(box)

        QTimer.singleShot(0, respond)

    @property
    def said(self) -> str:
        """What the dock says."""
        return self.dock.status.text()


@pytest.fixture
def window(make_napari_viewer: Callable[..., object], qtbot: QtBot) -> object:
    """Return a viewer whose window is on the screen."""
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(800, 500)
    viewer.window._qt_window.activateWindow()
    return viewer


@pytest.fixture
def sit(window: object, qtbot: QtBot) -> Iterator[Callable[[], Person]]:
    """Return a function that opens the dock, as the menu does it, in this window or another."""
    docks = []

    def open_dock(viewer: object = window) -> Person:
        _, dock = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Review")
        docks.append(dock)
        settle()  # the docks of the last session come first
        person = Person(viewer, dock, qtbot)
        person.wait()
        return person

    yield open_dock
    for dock in docks:
        with suppress(RuntimeError):  # it went with its window
            dock.cleanup()
    qtbot.waitUntil(is_idle, timeout=60_000)


@pytest.fixture
def person(sit: Callable[[], Person]) -> Person:
    """Return somebody who has opened the dock."""
    return sit()


@pytest.fixture(scope="session")
def scans() -> list[np.ndarray]:
    """Return four B-scans and their masks, uint8."""
    phantoms = [phantom_bscan(seed, ROWS, COLUMNS) for seed in range(4)]
    return [(phantom.image.pixels, phantom.labels) for phantom in phantoms]


@pytest.fixture
def folder(tmp_path: Path, empty_project: Path, scans: list[np.ndarray]) -> Path:
    """Make a project of four scans by Ann, the first three of which have a prediction."""
    (tmp_path / "scans").mkdir()
    paths = []
    for number, (pixels, _) in enumerate(scans):
        path = tmp_path / "scans" / f"scan{number}.png"
        path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
        paths.append(path)
    with Project(shutil.copytree(empty_project, tmp_path / "study"), author="Ann") as project:
        added = project.add_images(paths)
        for image, (_, labels) in zip(added.images[:3], scans, strict=False):
            project.add_prediction(image.id, prediction(labels, image.id / 10))
    return tmp_path / "study"


@pytest.fixture
def ann(person: Person, folder: Path) -> Person:
    """Return Ann, who has opened the project."""
    person.open(folder, "Ann")
    return person


def prediction(labels: np.ndarray, blur: float) -> Segmentation:
    """Return what a model might have drawn; the more blurred, the less certain."""
    sure = np.moveaxis(np.eye(len(OCT_LAYERS), dtype=np.float32)[labels], -1, -3)
    blurred = (sure + blur) / (1 + blur * len(OCT_LAYERS))
    return Segmentation(
        labels=labels,
        scheme=OCT_LAYERS,
        provenance=Provenance("scan.png", "oct-layers", "ab" * 32, "1.0", "CPU", "float32", 0.5),
        probabilities=blurred.astype(np.float16),
    )


@pytest.fixture
def draw_as_model(folder: Path) -> Callable[..., None]:
    """Return a function that adds a prediction, as a program apart does."""

    def draw(image_id: int, labels: np.ndarray, **more: object) -> None:
        with Project(folder, author="Zoe") as project:
            project.add_prediction(image_id, replace(prediction(labels, 0.1), **more))

    return draw


@pytest.fixture
def versions(folder: Path) -> Callable[..., list[Version]]:
    """Return a function that lists what is on the disk of an image, seen by a program apart."""

    def look(image_id: int, author: str = "Zoe") -> list[Version]:
        with Project(folder, author=author) as project:
            return list(project.history(image_id))

    return look


@pytest.fixture
def states(folder: Path) -> Callable[[], list[str]]:
    """Return a function that lists the states of all images on the disk."""

    def look() -> list[str]:
        with Project(folder, author="Zoe") as project:
            return [str(image.state) for image in project.queue()]

    return look
