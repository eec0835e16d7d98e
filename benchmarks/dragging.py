"""Dragging a boundary line on the canvas, the mask following, and the same moves without."""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

import napari
import numpy as np
from painting import send
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtWidgets import QApplication, QWidget
from tables import row

from napari_retina_seg._napari.correct.boundary_gestures import Mode
from napari_retina_seg._napari.correct.correct_widget import CorrectWidget
from napari_retina_seg._napari.layers import unwrap_proxy
from napari_retina_seg._napari.results import MaskInfo, mask_options
from napari_retina_seg.imaging.phantom import Phantom, phantom_bscan, phantom_volume
from napari_retina_seg.types.labels import OCT_LAYERS

REPEATS = 7
MOVES = 40  # of the mouse in one drag
LINE = 3  # of eight, so that lines above and below are pushed
THROTTLE = 0.011  # s; vispy leaves out moves that come faster, whoever sends them
PEER = "the same moves with no line in the hand"


def dragging() -> list[dict[str, Any]]:
    """Time each frame of a drag, those with and without a line in the hand in turn.

    Returns
    -------
    list of dict
        A row each for a B-scan and for a slice of a volume: seconds from a move of the mouse
        until lines and mask are drawn on the screen, and frames in a second.
    """
    return [
        drawn_across("a B-scan of 496 × 768", phantom_bscan(rows=496, columns=768)),
        drawn_across(
            "a volume of 49 × 496 × 768", phantom_volume(slices=49, rows=496, columns=768)
        ),
    ]


def drawn_across(what: str, phantom: Phantom) -> dict[str, Any]:
    """Drag a line over a whole scan."""
    viewer, dock = window(phantom)
    times = []
    for number in range(REPEATS + 1):
        dock.lines.deactivate()
        without = pass_over(viewer, number)
        dock.lines.take(Mode.DRAW)
        dock.lines.tool.choose(LINE)
        times.append((without, drag(viewer, number)))
        steps = len(unwrap_proxy(dock.active_mask.mask)._undo_history)
        dock.active_mask.mask.undo()
        QApplication.processEvents()
        if steps != 1:
            raise SystemExit(f"A drag was {steps} steps to undo.")
    viewer.close()
    without, dragged = (statistics.median(column) for column in zip(*times[1:], strict=True))
    what = f"a frame while a boundary line is drawn across {what}, the mask following"
    return row(what, dragged, PEER, without, frames_per_second=1 / dragged)


def window(phantom: Phantom) -> tuple[napari.Viewer, CorrectWidget]:
    """Open scans with their mask and the Correct dock."""
    viewer = napari.Viewer()
    viewer.window.resize(1366, 768)
    viewer.add_image(phantom.image.pixels, name="scan")
    info = MaskInfo("scan", OCT_LAYERS, None, phantom.labels.copy(), phantom.heights)
    viewer.add_labels(phantom.labels.copy(), name="mask", **mask_options(info))
    _, dock = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Correct")
    viewer.reset_view()
    settle()
    return viewer, dock


def drag(viewer: napari.Viewer, number: int) -> float:
    """Hold the button and pass over the scan; return the seconds of a frame."""
    canvas = viewer.window._qt_viewer.canvas.native
    places = way(canvas, number)
    # Shift lets the line begin and end off its course.
    send(canvas, QEvent.Type.MouseButtonPress, places[0], Qt.KeyboardModifier.ShiftModifier)
    seconds = pass_over(viewer, number)
    send(canvas, QEvent.Type.MouseButtonRelease, places[-1])
    settle()
    return seconds


def pass_over(viewer: napari.Viewer, number: int) -> float:
    """Move the mouse over the scan; return the median of the seconds that a frame takes."""
    canvas = viewer.window._qt_viewer.canvas.native
    return statistics.median(frame(canvas, place) for place in way(canvas, number))


def way(canvas: QWidget, number: int) -> list[QPointF]:
    """Return a way over the scan, another one for each number."""
    width, height = canvas.width(), canvas.height()
    return [
        QPointF(width * (0.15 + 0.7 * t), height * (0.45 + 0.1 * np.sin(6 * t + number)))
        for t in np.linspace(0, 1, MOVES)
    ]


def frame(canvas: QWidget, place: QPointF) -> float:
    """Move the mouse, and let the window draw itself, once."""
    time.sleep(THROTTLE)
    start = time.perf_counter()
    send(canvas, QEvent.Type.MouseMove, place)
    canvas.update()
    QApplication.processEvents()
    return time.perf_counter() - start


def settle() -> None:
    """Let the window do what it has put off."""
    end = time.perf_counter() + 0.3
    while time.perf_counter() < end:
        QApplication.processEvents()


if __name__ == "__main__":
    print(json.dumps(dragging(), indent=1))
