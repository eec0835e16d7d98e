"""Boundary lines on the canvas, drawn by vispy because dragging in a Shapes layer is too slow.

Line visuals keep their width at any zoom and pixel size,
and updating thousands of vertices takes a millisecond.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from vispy.scene.visuals import Line, Markers

from napari_retina_seg._napari.correct.chosen_line import line_colors
from napari_retina_seg._napari.plain import PlainLabel
from napari_retina_seg.imaging.surfaces import Heights
from napari_retina_seg.types.labels import LabelScheme

_ABOVE_LAYERS = 100_000  # order of drawing
_OFFSET = 14  # px between the mouse and the name of a line
_EDGE = (0.0, 0.0, 0.0, 0.7)


class LineView:
    """Lines of a mask on the canvas: one is highlighted, and one is named at the mouse."""

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
        self._tag = PlainLabel(parent=canvas.native)
        self._tag.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._tag.hide()

    @property
    def is_shown(self) -> bool:
        """Whether lines are on the canvas."""
        return bool(self._lines.nodes[1].visible)

    @property
    def named(self) -> str:
        """The name displayed at the mouse."""
        return "" if self._tag.isHidden() else self._tag.text()

    def place_on(self, mask: Labels, scheme: LabelScheme) -> None:
        """Place the lines on the grid of a mask, in the colours of its classes."""
        own = self._canvas.layer_to_visual[mask].node
        for node in self._nodes:
            if node.parent is not own.parent:
                node.parent = own.parent
            node.transform = own.transform  # shared, so that the lines move with the mask
        colors = [QColor(color).getRgbF() for color in line_colors(scheme)]
        self._colors = np.array(colors, np.float32)[:, np.newaxis]

    def show(self, heights: Heights, marked: int) -> None:
        """Show lines and highlight one; heights in px, ``(boundaries, columns)``."""
        one = slice(marked, marked + 1)
        self._lines.show(heights, self._colors)
        self._marked.show(heights[one], self._colors[one])

    def show_spot(self, place: tuple[float, float] | None) -> None:
        """Mark the start of a segment, by column and height in px; None removes the mark."""
        self._spot.visible = place is not None
        if place is not None:
            spot = np.array([[place[0] + 0.5, place[1]]], np.float32)
            self._spot.set_data(spot, face_color="white", edge_color="black", size=9)

    def show_name(self, name: str, color: str, pos: tuple[float, float]) -> None:
        """Show the name of a line at the mouse, at a position on the canvas in px."""
        self._tag.setText(name)
        self._tag.setStyleSheet(
            "QLabel { background: rgba(0, 0, 0, 200); color: white; padding: 2px 6px;"
            f" border-left: 4px solid {color}; font-size: 12px; }}"
        )
        self._tag.adjustSize()
        size, own = self._canvas.native.size(), self._tag.size()
        x = min(int(pos[0]) + _OFFSET, size.width() - own.width())
        y = min(int(pos[1]) + _OFFSET, size.height() - own.height())
        self._tag.move(max(x, 0), max(y, 0))
        self._tag.show()

    def hide_name(self) -> None:
        """Hide the name."""
        self._tag.hide()

    def hide(self) -> None:
        """Hide lines, mark and name; layers are not changed."""
        for node in self._nodes:
            node.visible = False
            node.parent = None
        self._tag.hide()

    def remove(self) -> None:
        """Remove everything from the canvas for good."""
        self.hide()
        self._tag.deleteLater()


class _Outlined:
    """Coloured lines with a dark outline, visible on any background."""

    def __init__(self, width: float) -> None:
        self.nodes = tuple(Line(width=each, antialias=True) for each in (width + 2, width))
        self._joined: npt.NDArray[np.bool_] = np.zeros((0, 0), bool)
        self._colors = np.zeros((0, 1, 4), np.float32)

    def show(self, heights: Heights, colors: np.ndarray) -> None:
        """Show lines; visuals and heights both start at the corner of the upper left pixel."""
        seen = ~np.isnan(heights)
        joined: npt.NDArray[np.bool_] = np.zeros(heights.shape, bool)
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
        if not np.array_equal(joined, self._joined):  # unchanged values are not uploaded again
            for node in self.nodes:
                node.set_data(connect=joined.reshape(-1))
        if joined.shape != self._joined.shape or not np.array_equal(colors, self._colors):
            self.nodes[0].set_data(color=_EDGE)
            self.nodes[1].set_data(color=np.repeat(colors, heights.shape[1], axis=1).reshape(-1, 4))
        self._joined, self._colors = joined, colors
