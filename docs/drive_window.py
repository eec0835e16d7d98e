"""A mouse and a keyboard that work in the real window, for the pictures of the guide."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import napari
import numpy as np
from PIL import Image
from qtpy.QtCore import QBuffer, QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QKeySequence
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QLineEdit, QMenu, QPushButton, QWidget

PATIENCE = 900  # s
SIZE = 1366, 740
LEFT = Qt.MouseButton.LeftButton
Place = tuple[float, float]  # row and column of the image


def nothing() -> None:
    """Do nothing."""


class WindowDriver:
    """Clicks, drags and types in a viewer, and looks at it."""

    def __init__(self, viewer: napari.Viewer) -> None:
        self.viewer = viewer
        self.window: QWidget = viewer.window._qt_window
        self.canvas: QWidget = viewer.window._qt_viewer.canvas.native

    def open_dock(self, name: str) -> Any:
        """Open a dock as the menu does, or bring it to the front."""
        full = f"{name} (napari-retina-seg)"
        if full not in self.viewer.window.dock_widgets:
            self.viewer.window.add_plugin_dock_widget("napari-retina-seg", name)
        widget = self.viewer.window.dock_widgets[full]
        widget.parent().show()
        widget.parent().raise_()
        settle(300)
        return widget

    def click(self, button: QPushButton) -> None:
        """Click a button as soon as it can be."""
        wait_until(button.isEnabled, f"'{button.text()}' to be possible")
        QTest.mouseClick(button, LEFT)
        settle(100)

    def press(self, keys: str) -> None:
        """Press keys while the image has the focus."""
        combination = QKeySequence(keys)[0]
        QTest.keyClick(self.canvas, combination.key(), combination.keyboardModifiers())
        settle(100)

    def type(self, line: QLineEdit, words: str) -> None:
        """Type words into a line."""
        line.clear()
        QTest.keyClicks(line, words)

    def choose(self, button: QPushButton, words: str) -> None:
        """Choose from the menu of a button."""
        menu: QMenu = button.menu()
        menu.aboutToShow.emit()
        next(action for action in menu.actions() if action.text().startswith(words)).trigger()

    def pick(self, box: Any, words: str) -> None:
        """Pick from a box."""
        box.setCurrentText(words)
        box.activated.emit(box.currentIndex())
        settle(300)

    def answer(
        self, ask: Callable[[], None], *words: str, before: Callable[[], None] = nothing
    ) -> None:
        """Do what opens a dialog, fill in its lines, and press OK."""

        def fill() -> None:
            dialog = QApplication.activeModalWidget()
            for line, text in zip(dialog.findChildren(QLineEdit), words, strict=False):
                line.setText(text)
            before()
            dialog.accept()

        QTimer.singleShot(600, fill)
        ask()

    def double_click(self, table: Any, row: int) -> None:
        """Double-click a row of a table."""
        index = table.model().index(row, 0)
        table.scrollTo(index)
        place = table.visualRect(index).center()
        QTest.mouseClick(table.viewport(), LEFT, pos=place)
        QTest.mouseDClick(table.viewport(), LEFT, pos=place)

    def drop(self, widget: QWidget, paths: Sequence[Path]) -> None:
        """Drop files on a dock."""
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
        action, none = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
        QApplication.sendEvent(widget, QDragEnterEvent(QPoint(50, 50), action, data, LEFT, none))
        QApplication.sendEvent(widget, QDropEvent(QPointF(50, 50), action, data, LEFT, none))

    def see(self, row: float, column: float, zoom: float) -> None:
        """Move and zoom the image."""
        self.viewer.scene.camera.center = (0, row, column)
        self.viewer.scene.camera.zoom = zoom
        settle(300)

    def drag(self, places: Sequence[Place], midway: Callable[[], None] = nothing) -> None:
        """Drag the mouse over the image, with a look on the way."""
        points = [self._on_canvas(place) for place in places]
        QTest.mouseMove(self.canvas, points[0])
        settle(50)
        QTest.mousePress(self.canvas, LEFT, pos=points[0])
        for number, point in enumerate(points):
            QTest.mouseMove(self.canvas, point)
            settle(20)
            if number == len(points) // 2:
                midway()
        QTest.mouseRelease(self.canvas, LEFT, pos=points[-1])
        settle(300)

    def tap(self, place: Place) -> None:
        """Click on the image."""
        QTest.mouseMove(self.canvas, self._on_canvas(place))
        settle(100)
        QTest.mouseClick(self.canvas, LEFT, pos=self._on_canvas(place))
        settle(300)

    def keep(self, path: Path) -> None:
        """Save a picture of the window, with dialogs that are open, in few colours."""
        settle(1200)
        buffer = QBuffer()
        buffer.open(QBuffer.OpenModeFlag.ReadWrite)
        self.window.screen().grabWindow(0).save(buffer, "PNG")
        picture = Image.open(BytesIO(bytes(buffer.data()))).convert("RGB").crop((0, 0, *SIZE))
        # This method keeps rare colours, as those of the classes in their list.
        kept = picture.quantize(250, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        kept.save(path, optimize=True)

    def _on_canvas(self, place: Place) -> QPoint:
        camera = self.viewer.scene.camera
        row, column = (np.array(place) - camera.center[-2:]) * camera.zoom
        middle = self.canvas.rect().center()
        return QPoint(round(middle.x() + column), round(middle.y() + row))


def wait_until(what: Callable[[], bool], words: str, status: Any = None) -> None:
    """Let the window work until something is so; say what a status line shows if it is not."""
    end = time.monotonic() + PATIENCE
    while not what():
        if time.monotonic() > end:
            shown = "" if status is None else f" The dock says: {status.text()}"
            raise TimeoutError(f"Waited {PATIENCE} s for {words}.{shown}")
        settle(50)


def settle(milliseconds: int) -> None:
    """Let the window work for a while."""
    QTest.qWait(milliseconds)
