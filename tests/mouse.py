"""Mouse and keys on napari's canvas and on the docks, as a hand has them."""

import numpy as np
from qtpy.QtCore import QCoreApplication, QEvent, QEventLoop, QPoint, QPointF, Qt
from qtpy.QtGui import QEnterEvent, QGuiApplication, QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QScrollArea

from napari_retina_seg._napari.canvas import find_canvas

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
FREE, CTRL = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier


def settle():
    """Let all happen that is due: what is queued, timers that have run out, the screen's answers.

    Twice, since what a window is told may change it, and that is another question to the screen.
    """
    for _ in range(2):
        QGuiApplication.sync()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def spot(dock, mask, row, column):
    """Return where on the canvas a place of a mask is."""
    world = mask.data_to_world((*(0,) * (mask.ndim - 2), row, column))
    x, y = find_canvas(dock).view.scene.transform.map([world[-1], world[-2], 0, 1])[:2]
    return QPoint(round(x), round(y))


def move_over(canvas, point, held=NONE):
    """Move to a point of the canvas; vispy and napari, which skip fast moves, take this one.

    QTest.mouseMove would move the screen's pointer, too, and the screen say so at any later time.
    """
    canvas.native._last_time = 0
    places = QPointF(point), QPointF(canvas.native.mapToGlobal(point))
    if not canvas.viewer.mouse_over_canvas:
        enter = QEnterEvent(places[0], places[0], places[1])
        QCoreApplication.sendEvent(canvas.native, enter)
    event = QMouseEvent(QEvent.Type.MouseMove, *places, NONE, held, FREE)
    QCoreApplication.sendEvent(canvas.native, event)
    QGuiApplication.sync()
    for callback in canvas._scene_canvas.events.mouse_move.callbacks:
        if hasattr(callback, "flush"):  # a throttler of superqt
            callback.flush()


def move(dock, mask, row, column):
    move_over(find_canvas(dock), spot(dock, mask, row, column))
    settle()


def drag(dock, mask, *places, modifiers=FREE):
    """Press the left button at the first place, move over the others, and release."""
    canvas, points = find_canvas(dock), [spot(dock, mask, *place) for place in places]
    move_over(canvas, points[0])
    QTest.mousePress(canvas.native, LEFT, modifiers, points[0])
    for point in points[1:]:
        move_over(canvas, point, LEFT)
    QTest.mouseRelease(canvas.native, LEFT, modifiers, points[-1])
    settle()
    soon = getattr(dock, "_soon", None)  # strokes do not wait for the lines to be updated
    while soon is not None and soon.isActive():
        QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)


def click(dock, mask, row, column):
    drag(dock, mask, (row, column))


def press(dock, key, modifiers=FREE):
    QTest.keyClick(find_canvas(dock).native, key, modifiers)
    settle()


def push(button):
    """Click a button, having scrolled to it."""
    assert button.isEnabled()
    area = button.parent()
    while area is not None and not isinstance(area, QScrollArea):
        area = area.parent()
    if area is not None:
        area.ensureWidgetVisible(button)
    settle()
    QTest.mouseClick(button, LEFT)
    settle()


def add_mask(viewer, labels: np.ndarray, options: dict, **grid):
    """Add a mask, and look at all of it."""
    mask = viewer.add_labels(labels, name="mask", **options, **grid)
    viewer.reset_view()
    settle()
    return mask
