"""Detect on which slices napari's undo and redo changed a mask.

napari emits no event for them, so its histories are compared whenever a mask is redrawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_retina_seg._napari._compat import find_changed_slices, find_histories
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
        undo, redo = find_histories(self._mask)
        self._lengths = len(undo), len(redo)

    def _on_drawn(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        undo_before, redo_before = self._lengths
        self._on_paint()
        undo, redo = find_histories(self._mask)
        if len(undo) < undo_before and len(redo) > redo_before:
            self._emit_step("Undone", redo[-1])
        elif len(redo) < redo_before and len(undo) > undo_before:
            self._emit_step("Redone", undo[-1])

    def _emit_step(self, what: str, step: Sequence[Any]) -> None:
        is_volume = self._mask is not None and self._mask.ndim > 2
        self.stepped.emit(what, find_changed_slices(step) if is_volume else [])
