"""On which slices napari's own undo and redo changed a mask.

napari tells of neither, so what it remembers is looked at when a mask is drawn again. All that
this module asks of napari beyond its public functions are the two histories of a Labels layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_retina_seg._napari.masks.edits import unwrap_proxy


class UndoTracker(QObject):
    """Watches one mask, which may be a volume.

    Signals
    -------
    stepped : (str, list of int)
        "Undone" or "Redone", and the slices of which pixels changed; none in an image alone.
    """

    stepped = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self._mask: Labels | None = None
        self._lengths = (0, 0)

    def watch(self, mask: Labels | None) -> None:
        """Watch another mask."""
        if self._mask is not None:
            self._mask.events.paint.disconnect(self._on_paint)
            self._mask.events.set_data.disconnect(self._on_drawn)
        self._mask = None if mask is None else unwrap_proxy(mask)
        if self._mask is not None:
            self._mask.events.paint.connect(self._on_paint)
            self._mask.events.set_data.connect(self._on_drawn)
            self._on_paint()

    def _on_paint(self, event: object = None) -> None:  # noqa: ARG002 - napari hands it over
        self._lengths = len(self._mask._undo_history), len(self._mask._redo_history)

    def _on_drawn(self, event: object = None) -> None:  # noqa: ARG002 - napari hands it over
        undo, redo = self._lengths
        self._on_paint()
        undo, redo = self._lengths[0] - undo, self._lengths[1] - redo
        if undo < 0 < redo:
            self._tell("Undone", self._mask._redo_history[-1])
        elif redo < 0 < undo:
            self._tell("Redone", self._mask._undo_history[-1])

    def _tell(self, what: str, step: list[Any]) -> None:
        self.stepped.emit(what, _slices(step) if self._mask.ndim > 2 else [])


def _slices(step: list[Any]) -> list[int]:
    """Return the slices that a step changed; it holds boxes, or places along each axis."""
    found: set[int] = set()
    for part in step:
        if hasattr(part, "slice_key"):
            box = part.slice_key[-3]
            found.update(range(box.start, box.stop))
        else:
            found.update(np.unique(part[0][-3]).tolist())
    return sorted(found)
