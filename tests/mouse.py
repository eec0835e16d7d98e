"""Mouse and keys on napari's canvas and on the docks, as a hand has them."""

import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QScrollArea

from napari_retina_seg._napari.canvas import find_canvas

LEFT = Qt.MouseButton.LeftButton
FREE, CTRL = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
BETWEEN = 15  # ms; vispy leaves out moves that come faster than 10


def spot(dock, mask, row, column):
    """Return where on the canvas a place of a mask is."""
    world = mask.data_to_world((*(0,) * (mask.ndim - 2), row, column))
    x, y = find_canvas(dock).view.scene.transform.map([world[-1], world[-2], 0, 1])[:2]
    return QPoint(round(x), round(y))


def move(dock, mask, row, column):
    QTest.mouseMove(find_canvas(dock).native, spot(dock, mask, row, column))
    QTest.qWait(50)


def drag(dock, mask, *places):
    """Press the left button at the first place, move over the others, and release."""
    canvas, points = find_canvas(dock).native, [spot(dock, mask, *place) for place in places]
    QTest.mouseMove(canvas, points[0])
    QTest.mousePress(canvas, LEFT, FREE, points[0])
    for point in points[1:]:
        QTest.qWait(BETWEEN)
        QTest.mouseMove(canvas, point)
    QTest.qWait(BETWEEN)
    QTest.mouseRelease(canvas, LEFT, FREE, points[-1])
    QTest.qWait(40)


def click(dock, mask, row, column):
    drag(dock, mask, (row, column))


def press(dock, key, modifiers=FREE):
    QTest.keyClick(find_canvas(dock).native, key, modifiers)
    QTest.qWait(10)


def push(button):
    """Click a button, having scrolled to it."""
    assert button.isEnabled()
    area = button.parent()
    while area is not None and not isinstance(area, QScrollArea):
        area = area.parent()
    if area is not None:
        area.ensureWidgetVisible(button)
    QTest.qWait(10)
    QTest.mouseClick(button, LEFT)
    QTest.qWait(40)


def add_mask(viewer, labels: np.ndarray, options: dict, **grid):
    """Add a mask, and look at all of it."""
    mask = viewer.add_labels(labels, name="mask", **options, **grid)
    viewer.reset_view()
    QTest.qWait(30)
    return mask
