"""Detect on which slices napari's undo and redo changed a mask.

napari emits no event for them, so its histories are compared whenever a mask is redrawn. The only
private napari API used here are the two histories of a Labels layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_retina_seg._napari.masks.edits import unwrap_proxy


class UndoTracker(QObject):
    """Tracks undo and redo of one mask or volume.

    Signals
    -------
    stepped : (str, list of int)
        "Undone" or "Redone", and the changed slices; empty for a single image.
    """

    stepped = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self._mask: Labels | None = None
        self._lengths = (0, 0)

    def watch(self, mask: Labels | None) -> None:
        """Track another mask."""
        if self._mask is not None:
            self._mask.events.paint.disconnect(self._on_paint)
            self._mask.events.set_data.disconnect(self._on_drawn)
        self._mask = None if mask is None else unwrap_proxy(mask)
        if self._mask is not None:
            self._mask.events.paint.connect(self._on_paint)
            self._mask.events.set_data.connect(self._on_drawn)
            self._on_paint()

    def _on_paint(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        self._lengths = len(self._mask._undo_history), len(self._mask._redo_history)

    def _on_drawn(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        undo, redo = self._lengths
        self._on_paint()
        undo, redo = self._lengths[0] - undo, self._lengths[1] - redo
        if undo < 0 < redo:
            self._emit_step("Undone", self._mask._redo_history[-1])
        elif redo < 0 < undo:
            self._emit_step("Redone", self._mask._undo_history[-1])

    def _emit_step(self, what: str, step: list[Any]) -> None:
        self.stepped.emit(what, _slices(step) if self._mask.ndim > 2 else [])


def _slices(step: list[Any]) -> list[int]:
    """Return the slices that a step changed; it holds boxes or indices along each axis."""
    found: set[int] = set()
    for part in step:
        if hasattr(part, "slice_key"):
            box = part.slice_key[-3]
            found.update(range(box.start, box.stop))
        else:
            found.update(np.unique(part[0][-3]).tolist())
    return sorted(found)
