"""Outline of a region, drawn by hand.

napari's own lasso leaves out places that are nearer than 10 px on the screen, simplifies the rest
and drops the last place: of a fast stroke too little may remain for a polygon.
"""

from __future__ import annotations

import weakref
from collections.abc import Generator
from typing import Any

import napari
import numpy as np
from napari.layers import Labels, Shapes
from qtpy.QtCore import QObject, QTimer, Signal

from napari_retina_seg._napari.layers import KEY, unwrap_proxy
from napari_retina_seg._napari.masks.linked_layers import GRID, LinkedLayerInfo, LinkKind

_CORNERS = 3
_STILL = 3  # px on the screen that the mouse may move in a click


class Lasso(QObject):
    """Lets the user outline one region of a mask, in a temporary Shapes layer.

    Signals
    -------
    taken : ()
        It uses the mouse now: other mouse tools should be deactivated.
    drawn : (array)
        ``(points, 2)`` row and column in px of the mask.
    refused : (str)
        Why a stroke was no outline; it goes on.
    ended : ()
        It ended, with or without an outline.
    """

    taken = Signal()
    drawn = Signal(object)
    refused = Signal(str)
    ended = Signal()

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._mask: Labels | None = None
        self._layer: Shapes | None = None
        self._points: list[np.ndarray] = []  # of the outline so far, in px of the mask
        self._follows = False  # after a click the outline follows the mouse until the next one

    @property
    def is_on(self) -> bool:
        """Whether it is active."""
        return self._layer is not None

    def start(self, mask: Labels) -> None:
        """Activate the lasso: drag around the region, or click, move around it and click again."""
        self.stop()
        self.taken.emit()
        layer = Shapes(
            ndim=mask.ndim,
            name=f"{mask.name} · lasso",
            edge_color="#ff2d1a",
            face_color="#ff2d1a40",
            edge_width=1,
            metadata={KEY: LinkedLayerInfo(LinkKind.LASSO, weakref.ref(unwrap_proxy(mask)))},
            affine=mask.affine.affine_matrix,
            **{name: getattr(mask, name) for name in GRID},
        )
        self._mask, self._layer, self._points, self._follows = mask, layer, [], False
        self._viewer.add_layer(layer)
        layer.mode = "add_polygon_lasso"
        layer.mouse_drag_callbacks[:] = [self._on_drag]  # instead of napari's
        layer.mouse_move_callbacks[:] = [self._on_move]
        layer.bind_key(
            "Escape", self._on_escape, overwrite=True
        )  # napari's Escape only ends the shape
        layer.events.mode.connect(self._on_mode)
        self._viewer.layers.selection.events.active.connect(self._on_active)

    def stop(self) -> None:
        """Remove the lasso and select the mask again."""
        layer, mask, self._layer = self._layer, self._mask, None
        if layer is None:
            return
        layer.events.mode.disconnect(self._on_mode)
        self._viewer.layers.selection.events.active.disconnect(self._on_active)
        selected = self._viewer.layers.selection.active == layer
        if layer in self._viewer.layers:
            self._viewer.layers.remove(layer)
        if selected and mask in self._viewer.layers:
            self._viewer.layers.selection.active = mask
        self.ended.emit()

    def _on_drag(self, layer: Shapes, event: Any) -> Generator[None, None, None]:
        if event.button != 1:
            return
        event.handled = True
        follows, start, moved = self._follows, np.array(event.pos), 0.0
        if not follows:
            self._points = []
        self._add(layer, event)
        yield
        while event.type == "mouse_move":
            event.handled = True
            moved = max(moved, float(np.abs(np.subtract(event.pos, start)).max()))
            self._add(layer, event)
            yield
        self._add(layer, event)  # a fast stroke may end beyond the last move
        moved = max(moved, float(np.abs(np.subtract(event.pos, start)).max()))
        self._follows = not follows and moved <= _STILL
        if not self._follows:
            QTimer.singleShot(0, self._finish)  # napari is still processing the event

    def _on_move(self, layer: Shapes, event: Any) -> None:
        if self._follows:
            self._add(layer, event)

    def _add(self, layer: Shapes, event: Any) -> None:
        """Add the place of the mouse to the outline, and show it."""
        place = np.asarray(layer.world_to_data(event.position), float)
        if self._points and np.array_equal(place, self._points[-1]):
            return
        self._points.append(place)
        layer.data = []
        if len(self._points) > 1:
            layer.add_paths(np.stack(self._points))

    def _finish(self) -> None:
        if self._layer is None:
            return
        if len(self._points) < _CORNERS or not _encloses(np.stack(self._points)[:, -2:]):
            self._points, self._layer.data = [], []
            self.refused.emit("That was no outline: drag around the region.")
            return
        points = np.stack(self._points)[:, -2:]
        self.stop()
        self.drawn.emit(points)

    def _on_escape(self, layer: Shapes) -> None:  # noqa: ARG002 - passed by napari
        QTimer.singleShot(0, self.stop)

    def _on_mode(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        QTimer.singleShot(0, self.stop)

    def _on_active(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        """Stop when another layer is selected or the lasso's layer is removed."""
        if self._viewer.layers.selection.active != self._layer:
            QTimer.singleShot(0, self._leave)

    def _leave(self) -> None:
        if self._layer is not None and self._viewer.layers.selection.active != self._layer:
            self.stop()


def _encloses(points: np.ndarray) -> bool:
    """Whether an outline encloses about a pixel (shoelace formula)."""
    rows, columns = (points - points[0]).T
    area = np.sum(rows * np.roll(columns, -1) - columns * np.roll(rows, -1)) / 2
    return bool(abs(area) >= 1)
