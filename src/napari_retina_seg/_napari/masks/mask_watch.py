"""Notice when a mask is changed about which something was said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import napari
import numpy as np
import numpy.typing as npt
from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_retina_seg._napari.layers import unwrap_proxy
from napari_retina_seg._napari.masks.linked_layers import (
    LinkKind,
    linked_layer,
    questionable_of,
)
from napari_retina_seg._napari.widgets import StatusLine

_Content = tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]


class MaskWatch(QObject):
    """Compares a mask and its questionable regions with what they were when it began.

    Drawing a layer anew, or making it read-only for a moment, is no change; undo is one.

    Signals
    -------
    changed : ()
        The mask was changed, or is no longer in the viewer; it watches no longer.
    """

    changed = Signal()

    def __init__(self, viewer: napari.Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._mask: Labels | None = None
        self._followed: list[Labels] = []
        self._before: _Content | None = None

    def begin(self, mask: Labels | None) -> None:
        """Watch a mask as it is now; None watches nothing."""
        self.end()
        if mask is None:
            return
        self._mask = unwrap_proxy(mask)
        self._before = self._content(self._mask)
        self._connect(True)
        self._follow()

    def end(self) -> None:
        """Stop watching."""
        if self._mask is None:
            return
        self._connect(False)
        self._follow(False)
        self._mask = self._before = None

    def _connect(self, on: bool) -> None:
        layers = self._viewer.layers.events
        for event in (layers.inserted, layers.removed):  # the regions have a layer of their own
            (event.connect if on else event.disconnect)(self._on_layers)

    def _follow(self, on: bool = True) -> None:
        for layer in self._followed:
            for event in _edits(layer):
                event.disconnect(self._on_edit)
        self._followed = self._layers() if on else []
        for layer in self._followed:
            for event in _edits(layer):
                event.connect(self._on_edit)

    def _layers(self) -> list[Labels]:
        if self._mask is None:
            return []
        marks = linked_layer(self._viewer, self._mask, LinkKind.QUESTIONABLE)
        return [self._mask, *([] if marks is None else [unwrap_proxy(marks)])]

    def _on_layers(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        self._follow()
        self._on_edit()

    def _on_edit(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        mask = self._mask
        if mask is not None and (mask not in self._viewer.layers or self._differs(mask)):
            self.end()
            self.changed.emit()

    def _differs(self, mask: Labels) -> bool:
        if self._before is None:
            return True
        (labels, marks), (labels_now, marks_now) = self._before, self._content(mask)
        if (marks is None) is not (marks_now is None) or not np.array_equal(labels, labels_now):
            return True
        return marks is not None and marks_now is not None and not np.array_equal(marks, marks_now)

    def _content(self, mask: Labels) -> _Content:
        return np.array(mask.data), questionable_of(self._viewer, mask)


class PassingMessage(QObject):
    """Clears a message about a mask once the mask is changed: it may be wrong then."""

    def __init__(self, status: StatusLine, viewer: napari.Viewer) -> None:
        super().__init__(status)
        self._status, self._text = status, ""
        self._watch = MaskWatch(viewer, self)
        self._watch.changed.connect(self._clear)

    def until_change(self, mask: Labels | None) -> None:
        """Clear the message that is shown now once this mask is changed."""
        self._text = self._status.text()
        self._watch.begin(mask)

    def cleanup(self) -> None:
        """Disconnect: the dock is closing."""
        self._watch.end()

    def _clear(self) -> None:
        if self._status.text() == self._text:
            self._status.show_message("")


def _edits(layer: Labels) -> Iterator[Any]:
    yield from (layer.events.paint, layer.events.labels_update, layer.events.set_data)
