"""Mouse events on a mask while lines are edited, in pixels of the mask."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Protocol

import napari
import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QWidget

from napari_retina_seg._napari.clicks import MouseTool, is_click
from napari_retina_seg._napari.correct.boundary_gestures import LinePoint
from napari_retina_seg._napari.layers import data_place

NEAR = 10  # canvas px from a line that count as on it, at any zoom
_STILL = 2  # canvas px that the mouse may move in a click on a line


class Listener(Protocol):
    """Receives mouse events; heights and columns in px of the mask."""

    def hover(self, place: LinePoint, near: float, pos: tuple[float, float]) -> None:
        """Handle a move; distances up to `near` px count as near, `pos` is on the canvas."""

    def press(self, place: LinePoint, near: float) -> bool:
        """Handle a press; return whether the drag is for a line, not for the view."""

    def drag(self, place: LinePoint, pos: tuple[float, float]) -> None:
        """Handle a move of an accepted drag."""

    def release(self, *, forced: bool) -> None:
        """Handle the end of an accepted drag; `forced` if Shift was held."""

    def click(self, place: LinePoint, near: float, *, forced: bool) -> None:
        """Handle a click: press and release at one place; an accepted drag ends with it."""

    def leave(self) -> None:
        """Handle Escape, or the selection of another tool."""


class BoundaryMouse(MouseTool):
    """Forwards mouse events to a listener while active.

    Everything else is left to napari: drags move the image while Space is held; the wheel zooms.
    Selecting a tool of napari's deactivates this one.
    """

    def __init__(self, viewer: napari.Viewer, listener: Listener) -> None:
        super().__init__()
        self._viewer, self._listener = viewer, listener
        self._mask: Labels | None = None
        self._native: QWidget | None = None
        self._space = False

    def listen(self, mask: Labels, native: QWidget, cursor: str) -> None:
        """Start listening; `native` is the canvas's widget, whose keys are handled, too."""
        self.stop()
        mask.mode = "pan_zoom"
        mask.cursor = cursor
        self._mask, self._native, self._space = mask, native, False
        mask.mouse_drag_callbacks.append(self._on_drag)
        mask.mouse_move_callbacks.append(self._on_move)
        mask.events.mode.connect(self._on_mode)
        native.installEventFilter(self)

    def stop(self) -> None:
        """Stop listening."""
        mask, native, self._mask = self._mask, self._native, None
        if mask is None or native is None:
            return
        native.removeEventFilter(self)
        mask.events.mode.disconnect(self._on_mode)
        mask.mouse_drag_callbacks.remove(self._on_drag)
        mask.mouse_move_callbacks.remove(self._on_move)
        if str(mask.mode) == "pan_zoom":
            mask.cursor = "standard"

    def eventFilter(self, native: QObject, event: QEvent) -> bool:  # noqa: N802, ARG002 - Qt's
        """Handle Space and Escape without consuming them."""
        kind = event.type()
        if kind == QEvent.Type.KeyPress and event.key() == Qt.Key.Key_Escape:
            self._listener.leave()
        elif kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease) and not event.isAutoRepeat():
            if event.key() == Qt.Key.Key_Space:
                self._space = kind == QEvent.Type.KeyPress
        elif kind == QEvent.Type.FocusOut:
            self._space = False
        return False

    def _on_mode(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        self._listener.leave()

    def _on_move(self, layer: Labels, event: Any) -> None:
        self._listener.hover(self._place(layer, event), self._near(layer, event), tuple(event.pos))

    def _on_drag(self, layer: Labels, event: Any) -> Generator[None, None, None]:
        forced = _has_only_shift(event)
        if event.button != 1 or (event.modifiers and not forced) or self._space:
            return
        place, near = self._place(layer, event), self._near(layer, event)
        if not self._listener.press(place, near):
            if (yield from is_click(event)):
                self._listener.click(place, near, forced=forced)
            return
        event.handled = True
        start, moved = np.array(event.pos), 0.0
        yield
        while event.type == "mouse_move":
            event.handled = True
            moved = max(moved, _away(event, start))
            self._listener.drag(self._place(layer, event), tuple(event.pos))
            yield
        # A fast drag may end beyond the last move.
        if max(moved, _away(event, start)) <= _STILL:
            self._listener.click(place, near, forced=forced)
            return
        self._listener.drag(self._place(layer, event), tuple(event.pos))
        self._listener.release(forced=forced)

    def _place(self, layer: Labels, event: Any) -> LinePoint:
        row, column = self._data(layer, event.position)
        return column, row + 0.5  # heights count from the upper edge of the first row

    def _near(self, layer: Labels, event: Any) -> float:
        """Convert a few px on the screen to rows of the mask."""
        here = np.asarray(event.position, float)
        steps = np.eye(len(here))[list(event.dims_displayed)] * NEAR / event.camera_zoom
        rows = [(self._data(layer, here + s) - self._data(layer, here))[0] for s in steps]
        return float(np.hypot(*rows))

    def _data(self, layer: Labels, position: Any) -> np.ndarray:
        return data_place(layer, position, self._viewer.layers.extent.units)[-2:]


def _away(event: Any, start: np.ndarray) -> float:
    """Return how far the mouse is from where it was pressed, in canvas px."""
    return float(np.abs(np.subtract(event.pos, start)).max())


def _has_only_shift(event: Any) -> bool:
    """Whether Shift is held, and no other modifier."""
    return [str(getattr(each, "name", each)) for each in event.modifiers] == ["Shift"]
