"""Esc on the canvas puts down whatever tool is in the hand."""

from __future__ import annotations

from typing import Any

import napari
from napari.layers import Labels
from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtWidgets import QWidget

_IDLE = ("pan_zoom", "transform")


def put_down_brush(viewer: napari.Viewer) -> None:
    """Leave napari's tools, so that a click or drag on the selected mask changes nothing."""
    for layer in viewer.layers:
        if isinstance(layer, Labels) and str(layer.mode) not in _IDLE:
            layer.mode = "pan_zoom"


class EscapeKey(QObject):
    """Reports Esc on a canvas, without consuming it.

    Signals
    -------
    pressed : ()
        Esc was pressed.
    """

    pressed = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._native: QWidget | None = None

    def watch(self, canvas: Any | None) -> None:
        """Watch another canvas; None for none."""
        native = None if canvas is None else canvas.native
        if native is self._native:
            return
        if self._native is not None:
            self._native.removeEventFilter(self)
        self._native = native
        if native is not None:
            native.installEventFilter(self)

    def eventFilter(self, native: QObject, event: QEvent) -> bool:  # noqa: N802, ARG002 - Qt's
        """Report Esc."""
        if event.type() == QEvent.Type.KeyPress and event.key() == Qt.Key.Key_Escape:
            self.pressed.emit()
        return False
