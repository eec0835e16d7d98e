"""Clicks on the canvas, as distinct from drags, which move the image."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import napari
from napari.layers import Labels, Layer
from qtpy.QtCore import QObject, Signal

from napari_retina_seg._napari.layers import data_point

_STILL = 4  # px on the screen that the mouse may move during a click


def is_click(event: Any) -> Generator[None, None, bool]:
    """Wait in a napari mouse callback until the button is released or the mouse has moved.

    Parameters
    ----------
    event : Any
        Event of the button press; napari updates it while the callback waits.

    Returns
    -------
    bool
        Whether it was a click.
    """
    x, y = event.pos
    yield
    while event.type == "mouse_move":
        if max(abs(event.pos[0] - x), abs(event.pos[1] - y)) > _STILL:
            return False
        yield
    return True


class MouseTool(QObject):
    """Tool of the plugin with callbacks for the mouse on a layer: clicks there are for it."""


def is_mouse_taken(layer: Layer) -> bool:
    """Whether a tool of the plugin uses the mouse on a layer."""
    owners = (getattr(callback, "__self__", None) for callback in layer.mouse_drag_callbacks)
    return any(isinstance(owner, MouseTool) for owner in owners)


class CanvasClicks(MouseTool):
    """Reports clicks on a mask while active; selecting a tool of napari's deactivates it.

    Signals
    -------
    clicked : (tuple of int)
        Row and column of the mask.
    stopped : ()
        The user selected another tool.
    """

    clicked = Signal(object)
    stopped = Signal()

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._mask: Labels | None = None

    @property
    def is_on(self) -> bool:
        """Whether it is active."""
        return self._mask is not None

    def listen(self, mask: Labels) -> None:
        """Start reporting clicks; drags still move the image."""
        self.stop()
        self._viewer.layers.selection.active = mask
        mask.mode = "pan_zoom"
        self._mask = mask
        mask.cursor = "cross"
        mask.mouse_drag_callbacks.append(self._on_mouse)
        mask.events.mode.connect(self._on_mode)

    def stop(self) -> None:
        """Stop reporting clicks."""
        mask, self._mask = self._mask, None
        if mask is None:
            return
        mask.events.mode.disconnect(self._on_mode)
        mask.mouse_drag_callbacks.remove(self._on_mouse)
        if str(mask.mode) == "pan_zoom":
            mask.cursor = "standard"

    def _on_mode(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        self.stop()
        self.stopped.emit()

    def _on_mouse(self, layer: Labels, event: Any) -> Generator[None, None, None]:
        if event.button != 1:
            return
        position = tuple(event.position)
        if not (yield from is_click(event)):
            return
        point = data_point(layer, position, self._viewer.layers.extent.units)
        row, column = (int(each) for each in point[-2:])
        rows, columns = layer.data.shape[-2:]
        if 0 <= row < rows and 0 <= column < columns:
            self.clicked.emit((row, column))
