"""A brush stroke on the canvas, with the Correct dock and without the plugin."""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication, QWidget
from tables import row

from napari_retina_seg._napari.masks.edits import lock
from napari_retina_seg._napari.results import MaskInfo, mask_options
from napari_retina_seg.types.image import RetinaImage
from napari_retina_seg.types.labels import FUNDUS_VESSELS

ROWS, COLUMNS = 2336, 3504
REPEATS = 15
MOVES = 120  # of the mouse in one stroke
BRUSH = 25  # px
LEFT = Qt.MouseButton.LeftButton
STOCK = "napari's brush without the plugin"


def painting() -> list[dict[str, Any]]:
    """Time strokes, those of stock napari and ours in turn, so that both see the same machine.

    Returns
    -------
    list of dict
        A row each for the dock alone and with a locked class: seconds from pressing the button
        until the last pixel is drawn after letting it go.
    """
    stock, plain = window()
    ours, mask = window()
    _, dock = ours.window.add_plugin_dock_widget("napari-retina-seg", "Correct")
    beside = QWidget()
    beside.setMinimumWidth(dock.minimumWidth())  # canvases of one size
    stock.window.add_dock_widget(beside)
    QApplication.processEvents()
    rows = []
    for what, locked in (
        ("the Correct dock open", ()),
        ("and a class locked", (1,)),
    ):
        lock(mask, locked)
        times = [(stroke(stock, plain, n), stroke(ours, mask, n)) for n in range(REPEATS + 2)][2:]
        without, with_plugin = (statistics.median(column) for column in zip(*times, strict=True))
        rows.append(row(f"a stroke on {COLUMNS} × {ROWS}, {what}", with_plugin, STOCK, without))
    stock.close()
    ours.close()
    return rows


def window() -> tuple[napari.Viewer, napari.layers.Labels]:
    """Open a photograph with its mask, brush in hand."""
    rng = np.random.default_rng(0)
    image = RetinaImage(rng.integers(0, 255, (ROWS, COLUMNS, 3), np.uint8), color=True)
    labels = np.zeros((ROWS, COLUMNS), np.uint8)
    labels[::40] = 1
    viewer = napari.Viewer()
    viewer.window.resize(1366, 768)
    viewer.add_image(image.pixels, name="photograph")
    mask = viewer.add_labels(labels, name="mask", **mask_options(MaskInfo("", FUNDUS_VESSELS)))
    mask.brush_size, mask.mode = BRUSH, "paint"
    viewer.reset_view()
    QApplication.processEvents()
    return viewer, mask


def stroke(viewer: napari.Viewer, mask: napari.layers.Labels, number: int) -> float:
    """Paint across the photograph with the mouse; the screen is drawn once, at the end."""
    canvas = viewer.window._qt_viewer.canvas.native
    width, height = canvas.width(), canvas.height()
    places = [
        QPointF(width * (0.15 + 0.7 * t), height * (0.5 + 0.1 * np.sin(6 * t + number)))
        for t in np.linspace(0, 1, MOVES)
    ]
    start = time.perf_counter()
    send(canvas, QEvent.Type.MouseButtonPress, places[0])
    for place in places[1:]:
        send(canvas, QEvent.Type.MouseMove, place)
    send(canvas, QEvent.Type.MouseButtonRelease, places[-1])
    viewer.screenshot(canvas_only=True, flash=False)
    seconds = time.perf_counter() - start
    mask.undo()
    QApplication.processEvents()
    return seconds


def send(
    canvas: QWidget,
    kind: QEvent.Type,
    place: QPointF,
    keys: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
) -> None:
    """Hand an event of the mouse over at once: Qt drops moves that come too fast."""
    button = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseMove else LEFT
    held = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseButtonRelease else LEFT
    globally = QPointF(canvas.mapToGlobal(place.toPoint()))
    event = QMouseEvent(kind, place, globally, button, held, keys)
    QApplication.sendEvent(canvas, event)


if __name__ == "__main__":
    print(json.dumps(painting(), indent=1))
