"""Boundary lines over the canvas: drawn by vispy, as a Shapes layer is too slow to drag.

This module alone knows napari's canvas. Line visuals have the same width at any zoom and pixel
size, and thousands of their vertices move in a millisecond.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Labels
from napari.qt import QtViewer
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QLabel, QMainWindow, QWidget
from vispy.scene.visuals import Line, Markers

from napari_retina_seg.core.labels import LabelScheme
from napari_retina_seg.core.surfaces import Heights

_ABOVE_LAYERS = 100_000  # order of drawing
_LAST = "#ffffff"  # the lowest line: below it lies no layer to be named after
_BESIDE = 14  # px between the mouse and the name of a line
_EDGE = (0.0, 0.0, 0.0, 0.7)


def line_colors(scheme: LabelScheme) -> list[str]:
    """Return the colour of each line, that of the layer below it."""
    return [label.color for label in scheme.classes[1:]] + [_LAST]


def find_canvas(widget: QWidget) -> Any | None:
    """Return the canvas of the window that a widget is docked in, or None."""
    while widget is not None and not isinstance(widget, QMainWindow):
        widget = widget.parentWidget()
    viewer = None if widget is None else widget.findChild(QtViewer)
    return None if viewer is None else viewer.canvas


class LineView:
    """The lines of a mask on the canvas, one of them marked, and the name of one."""

    def __init__(self, canvas: Any) -> None:
        self._canvas = canvas
        self._colors = np.zeros((0, 1, 4), np.float32)
        self._lines, self._marked = _Outlined(1.8), _Outlined(4.0)
        self._spot = Markers(pos=np.zeros((1, 2), np.float32))
        self._nodes = (*self._lines.nodes, *self._marked.nodes, self._spot)
        for order, node in enumerate(self._nodes):
            node.order = _ABOVE_LAYERS + order
            node.set_gl_state("translucent", depth_test=False)
            node.visible = False
        self._tag = QLabel(canvas.native)
        self._tag.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._tag.hide()

    @property
    def is_shown(self) -> bool:
        """Whether lines are on the canvas."""
        return bool(self._lines.nodes[1].visible)

    @property
    def named(self) -> str:
        """The name that stands beside the mouse."""
        return "" if self._tag.isHidden() else self._tag.text()

    def lie_on(self, mask: Labels, scheme: LabelScheme) -> None:
        """Lie on the grid of a mask, in the colours of its classes."""
        own = self._canvas.layer_to_visual[mask].node
        for node in self._nodes:
            if node.parent is not own.parent:
                node.parent = own.parent
            node.transform = own.transform  # the same object: it goes where the mask goes
        colors = [QColor(color).getRgbF() for color in line_colors(scheme)]
        self._colors = np.array(colors, np.float32)[:, np.newaxis]

    def show(self, heights: Heights, marked: int) -> None:
        """Show lines, one of them marked; heights in px, ``(boundaries, columns)``."""
        one = slice(marked, marked + 1)
        self._lines.show(heights, self._colors)
        self._marked.show(heights[one], self._colors[one])

    def show_spot(self, place: tuple[float, float] | None) -> None:
        """Show where a stretch begins, by column and height in px; None takes it away."""
        self._spot.visible = place is not None
        if place is not None:
            spot = np.array([[place[0] + 0.5, place[1]]], np.float32)
            self._spot.set_data(spot, face_color="white", edge_color="black", size=9)

    def name(self, words: str, color: str, pos: tuple[float, float]) -> None:
        """Write the name of a line beside the mouse, at a place of the canvas in px."""
        self._tag.setText(words)
        self._tag.setStyleSheet(
            "QLabel { background: rgba(0, 0, 0, 200); color: white; padding: 2px 6px;"
            f" border-left: 4px solid {color}; font-size: 12px; }}"
        )
        self._tag.adjustSize()
        size, own = self._canvas.native.size(), self._tag.size()
        x = min(int(pos[0]) + _BESIDE, size.width() - own.width())
        y = min(int(pos[1]) + _BESIDE, size.height() - own.height())
        self._tag.move(max(x, 0), max(y, 0))
        self._tag.show()

    def name_nothing(self) -> None:
        """Take the name away."""
        self._tag.hide()

    def hide(self) -> None:
        """Take everything off the canvas; the layers stay as they are."""
        for node in self._nodes:
            node.visible = False
            node.parent = None
        self._tag.hide()

    def remove(self) -> None:
        """Leave the canvas for good."""
        self.hide()
        self._tag.deleteLater()


class _Outlined:
    """Lines of any colour that are seen on any background: each has a dark edge."""

    def __init__(self, width: float) -> None:
        self.nodes = tuple(Line(width=each, antialias=True) for each in (width + 2, width))
        self._joined = np.zeros((0, 0), bool)
        self._colors = np.zeros((0, 1, 4), np.float32)

    def show(self, heights: Heights, colors: np.ndarray) -> None:
        """Show lines; the corner of the upper left pixel is the visuals' origin, and theirs."""
        seen = ~np.isnan(heights)
        joined = np.zeros(heights.shape, bool)
        joined[:, :-1] = seen[:, :-1] & seen[:, 1:]
        for node in self.nodes:
            node.visible = bool(joined.any())
        if not joined.any():
            return
        pos = np.empty((*heights.shape, 2), np.float32)
        pos[..., 0] = np.arange(heights.shape[1]) + 0.5
        pos[..., 1] = np.where(seen, heights, 0)
        for node in self.nodes:
            node.set_data(pos.reshape(-1, 2))
        if not np.array_equal(joined, self._joined):  # what stays is not sent again
            for node in self.nodes:
                node.set_data(connect=joined.reshape(-1))
        if joined.shape != self._joined.shape or not np.array_equal(colors, self._colors):
            self.nodes[0].set_data(color=_EDGE)
            self.nodes[1].set_data(color=np.repeat(colors, heights.shape[1], axis=1).reshape(-1, 4))
        self._joined, self._colors = joined, colors
