"""Preview of a change of the mask, with Apply and Cancel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import napari
import numpy as np
from napari.layers import Labels
from napari.utils.notifications import show_info
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_retina_seg._napari.masks.active_mask import ActiveMask
from napari_retina_seg._napari.masks.edits import PlaneIndex, change, locked
from napari_retina_seg._napari.masks.linked_layers import (
    LinkKind,
    linked_layer,
    remove_linked_layer,
    show_linked_layer,
)
from napari_retina_seg._napari.tasks import LatestOnlyWorker
from napari_retina_seg._napari.widgets import stack, text
from napari_retina_seg.types.text import displayed

Plan = Callable[[np.ndarray], np.ndarray]  # from a plane's labels to the new labels

ADDED, REMOVED = 1, 2
COLORS = {ADDED: "#ffe100", REMOVED: "#ff00e6"}
_PAUSE = 15  # ms between two steps of a slider
_APPLY = "Apply the previewed change as one undo step."
_COMPUTING = "Computing the preview…"
_FAILED = "The preview failed: close other layers or programs, and try again."


@dataclass(frozen=True, eq=False)
class _Request:
    """A preview request: part of a mask, with its labels at the time of the request."""

    mask: Labels
    where: PlaneIndex
    labels: np.ndarray  # a copy


@dataclass(frozen=True, eq=False)
class _Result:
    """Result of a plan: the new labels, and the differences to display."""

    wanted: np.ndarray
    shown: np.ndarray


class Preview(QWidget):
    """Previews a change, computed in a thread, with Apply and Cancel.

    Added pixels are yellow and removed ones magenta; painting meanwhile is not lost. Only what is
    displayed can be applied: Apply is disabled until the thread has finished.

    Signals
    -------
    started : ()
        A preview was requested.
    ended : ()
        It was applied or cancelled.
    applied : (str, Change)
        Description of the change, and the change.
    """

    started = Signal()
    ended = Signal()
    applied = Signal(str, object)

    def __init__(self, viewer: napari.Viewer, active: ActiveMask) -> None:
        super().__init__()
        self._viewer, self._active_mask = viewer, active
        self._mask: Labels | None = None
        self._plan: Plan | None = None
        self._every_slice = False
        self._only: PlaneIndex | None = None
        self.what = ""
        self._request: _Request | None = None  # None if a new request is due
        self._result: tuple[_Request, _Result] | None = None
        self._latest = LatestOnlyWorker(self)
        self._label = text()
        self.apply_button = QPushButton("Apply")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Change nothing.")
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._send_request)
        self._latest.done.connect(self._on_found)
        self._lay_out()
        self.apply_button.clicked.connect(self.apply)
        self.cancel_button.clicked.connect(self.cancel)
        active.subscribe(changed=self._on_changed, moved=self._on_moved, painted=self._redraw)
        self.setVisible(False)

    @property
    def is_open(self) -> bool:
        """Whether a preview is displayed."""
        return self._plan is not None

    def show_plan(
        self, what: str, plan: Plan, every_slice: bool = False, only: PlaneIndex | None = None
    ) -> None:
        """Preview a change in place of the current one, if any.

        Parameters
        ----------
        what : str
            Description in the past tense: "Small objects were removed".
        plan : callable
            From a plane's labels to a new array of labels. It runs in a thread.
        every_slice : bool
            Whether to change all slices of a volume or only the current one.
        only : tuple of int, optional
            The only plane that the plan is valid for: on another one it is cancelled.
        """
        self.started.emit()
        self._mask, self.what, self._plan = self._active_mask.mask, what, plan
        self._every_slice, self._only = every_slice, only
        if not self.isVisible():
            self._label.setText(_COMPUTING)
        self.setVisible(True)
        self._redraw()

    def apply(self) -> None:
        """Apply the change; the button."""
        if self._result is None or not self._is_ready:
            return
        (request, found), what = self._result, self.what
        if not np.array_equal(request.mask.data[request.where], request.labels):
            self._redraw()  # hidden masks emit no event on undo
            return
        self.cancel()
        self.applied.emit(what, change(request.mask, found.wanted, request.where))

    def cancel(self) -> None:
        """Cancel the preview; the button."""
        if self._plan is None:
            return
        mask, self._mask, self._plan = self._mask, None, None
        self.what, self._request, self._result = "", None, None
        self._timer.stop()
        self._latest.drop_pending()
        self.setVisible(False)
        if mask is not None:
            remove_linked_layer(self._viewer, mask, LinkKind.PREVIEW)
        self.ended.emit()

    def _lay_out(self) -> None:
        row = stack(self.apply_button, self.cancel_button, horizontal=True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 6)
        layout.addWidget(self._label)
        layout.addLayout(row)

    def _on_changed(self) -> None:
        mask, active = self._mask, self._active_mask
        if self._plan is not None and (active.mask != mask or active.disabled_reason):
            name = "the mask" if mask is None else f"'{mask.name}'"
            self.cancel()
            show_info(displayed(f"The preview of {name} was not applied."))

    @property
    def _part(self) -> PlaneIndex:
        """The part of the mask that is changed."""
        where = self._active_mask.where
        return where[:-1] if self._every_slice else where

    @property
    def _is_ready(self) -> bool:
        """Whether the displayed preview is of the latest request."""
        return self._result is not None and self._result[0] is self._request

    def _offer(self) -> None:
        self.apply_button.setEnabled(self._is_ready)
        self.apply_button.setToolTip(_APPLY if self._is_ready else _COMPUTING)

    def _on_moved(self) -> None:
        if self._only is not None and self._only != self._active_mask.where:
            self.cancel()
        elif self._request is None or self._request.where != self._part:
            self._redraw()

    def _redraw(self) -> None:
        """Schedule an update: sliders move faster than large photographs are processed."""
        self._request = None
        self._offer()
        if self._plan is not None and not self._timer.isActive():
            self._timer.start(_PAUSE)

    def _send_request(self) -> None:
        if self._plan is None:
            return
        mask, where = self._active_mask.labels, self._part
        self._request = request = _Request(mask, where, np.array(mask.data[where]))
        self._latest.submit(request, partial(_work_out, self._plan, request.labels, locked(mask)))

    def _on_found(self, request: _Request, found: _Result | None) -> None:
        if (
            self._plan is None
            or request.mask != self._active_mask.mask
            or request.where != self._part
        ):
            return
        if found is None:
            self._on_failed(request)
            return
        self._result = request, found
        self._offer()
        self._put(found.shown)
        more, less = (int(np.count_nonzero(found.shown == value)) for value in COLORS)
        slices = " on all slices" if self._every_slice else ""
        self._label.setText(
            f"Preview: {more:,} px to be added (yellow), {less:,} px to be removed"
            f" (magenta){slices}."
        )

    def _on_failed(self, request: _Request) -> None:
        """Remove the preview, unless a newer request is running."""
        if request is self._request:
            remove_linked_layer(self._viewer, request.mask, LinkKind.PREVIEW)
            self.apply_button.setToolTip(_FAILED)
            self._label.setText(_FAILED)

    def _put(self, shown: np.ndarray) -> None:
        """Display the differences and clear the rest of the preview layer."""
        mask, where = self._active_mask.labels, self._part
        layer = linked_layer(self._viewer, mask, LinkKind.PREVIEW)
        if layer is None:
            empty = np.zeros(mask.data.shape, np.uint8)
            layer = show_linked_layer(self._viewer, mask, LinkKind.PREVIEW, empty, COLORS)
            layer.opacity = 0.9
            layer.editable = False
        if shown.size < layer.data.size:
            layer.data[...] = 0
        layer.data[where] = shown
        layer.refresh(thumbnail=False, extent=False, highlight=False)


def _work_out(plan: Plan, labels: np.ndarray, kept: frozenset[int]) -> _Result:
    """Run a plan plane by plane; differences in locked classes are not displayed."""
    planes = labels.reshape(-1, *labels.shape[-2:])
    wanted = np.stack([plan(plane) for plane in planes]).reshape(labels.shape)
    differs = (wanted != labels) & ~np.isin(labels, list(kept))
    shown = np.where(wanted != 0, np.uint8(ADDED), np.uint8(REMOVED))
    shown[~differs] = 0
    return _Result(wanted, shown)
