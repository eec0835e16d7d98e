"""Outline of a region, drawn with napari's lasso."""

from __future__ import annotations

import weakref
from typing import Any

import napari
import numpy as np
from napari.layers import Labels, Shapes
from qtpy.QtCore import QObject, QTimer, Signal

from napari_retina_seg._napari.layers import KEY, unwrap_proxy
from napari_retina_seg._napari.masks.linked_layers import GRID, LinkedLayerInfo, LinkKind


class Lasso(QObject):
    """Lets the user outline one region of a mask, in a temporary Shapes layer.

    Signals
    -------
    taken : ()
        It uses the mouse now: other mouse tools should be deactivated.
    drawn : (array)
        ``(points, 2)`` row and column in px of the mask.
    ended : ()
        It ended, with or without an outline.
    """

    taken = Signal()
    drawn = Signal(object)
    ended = Signal()

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._mask: Labels | None = None
        self._layer: Shapes | None = None

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
        self._mask, self._layer = mask, layer
        self._viewer.add_layer(layer)
        layer.mode = "add_polygon_lasso"
        layer.bind_key(
            "Escape", self._on_escape, overwrite=True
        )  # napari's Escape only ends the shape
        layer.events.data.connect(self._on_data)
        layer.events.mode.connect(self._on_mode)
        self._viewer.layers.selection.events.active.connect(self._on_active)

    def stop(self) -> None:
        """Remove the lasso and select the mask again."""
        layer, mask, self._layer = self._layer, self._mask, None
        if layer is None:
            return
        layer.events.data.disconnect(self._on_data)
        layer.events.mode.disconnect(self._on_mode)
        self._viewer.layers.selection.events.active.disconnect(self._on_active)
        selected = self._viewer.layers.selection.active == layer
        if layer in self._viewer.layers:
            self._viewer.layers.remove(layer)
        if selected and mask in self._viewer.layers:
            self._viewer.layers.selection.active = mask
        self.ended.emit()

    def _on_data(self, event: Any) -> None:
        # napari is still processing the shape.
        if str(event.action) == "added" and self._layer is not None and len(self._layer.data):
            QTimer.singleShot(0, self._finish)

    def _finish(self) -> None:
        if self._layer is None or not len(self._layer.data):
            return
        points = np.asarray(self._layer.data[-1])[:, -2:]
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
