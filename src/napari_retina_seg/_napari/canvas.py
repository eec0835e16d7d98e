"""The canvas of the window that a dock is in."""

from __future__ import annotations

from typing import Any

from napari.qt import QtViewer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMainWindow, QWidget


def find_canvas(widget: QWidget) -> Any | None:
    """Return the canvas of the window that a widget is docked in; None if undocked."""
    while widget is not None and not isinstance(widget, QMainWindow):
        widget = widget.parentWidget()
    viewer = None if widget is None else widget.findChild(QtViewer)
    return None if viewer is None else viewer.canvas


def focus_canvas(widget: QWidget) -> None:
    """Give the keys to the canvas of the window that a widget is docked in."""
    canvas = find_canvas(widget)
    if canvas is not None:
        canvas.native.setFocus(Qt.FocusReason.OtherFocusReason)
