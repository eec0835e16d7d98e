"""A change that is shown before it is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_retina_seg._napari.correct.mask_follower import MaskFollower
from napari_retina_seg._napari.masks.companions import (
    Kind,
    companion,
    remove_companion,
    show_companion,
)
from napari_retina_seg._napari.masks.edits import change, is_locked
from napari_retina_seg._napari.parts import text

if TYPE_CHECKING:
    import napari

Plan = Callable[[np.ndarray], np.ndarray]  # from a plane's labels to what they are to become

ADDED, REMOVED = 1, 2
COLORS = {ADDED: "#ffe100", REMOVED: "#ff00e6"}
_PAUSE = 15  # ms between two steps of a slider


class Preview(QWidget):
    """Shows what a change would do to the plane on the screen, with Apply and Cancel.

    What is added is yellow and what is taken away magenta; painting meanwhile is not lost.

    Signals
    -------
    ended : ()
        It was applied or cancelled.
    applied : (str, Change)
        What was done in words, and what became of it.
    """

    ended = Signal()
    applied = Signal(str, object)

    def __init__(self, viewer: napari.Viewer, follower: MaskFollower) -> None:
        super().__init__()
        self._viewer, self._follower = viewer, follower
        self._mask: object = None
        self._plan: Plan | None = None
        self._what = ""
        self._words = text()
        self.apply_button = QPushButton("Apply")
        self.apply_button.setToolTip("Make the change that is shown, as one step to undo.")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Change nothing.")
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._draw)
        self._lay_out()
        self.apply_button.clicked.connect(self.apply)
        self.cancel_button.clicked.connect(self.cancel)
        follower.changed.connect(self._on_changed)
        follower.moved.connect(self._redraw)
        follower.painted.connect(self._redraw)
        self.setVisible(False)

    @property
    def is_open(self) -> bool:
        """Whether a change is being shown."""
        return self._plan is not None

    def show_plan(self, what: str, plan: Plan) -> None:
        """Show a change instead of the one that is being shown, if any.

        Parameters
        ----------
        what : str
            In words, as of something done: "Specks were removed".
        plan : callable
            From a plane's labels to what they are to become, a new array.
        """
        self._mask, self._what, self._plan = self._follower.mask, what, plan
        self.setVisible(True)
        self._redraw()

    def apply(self) -> None:
        """Make the change; the button."""
        if self._plan is None:
            return
        mask, where, what = self._follower.mask, self._follower.where, self._what
        wanted = self._plan(self._follower.plane)
        self.cancel()
        self.applied.emit(what, change(mask, wanted, where))

    def cancel(self) -> None:
        """Change nothing; the button."""
        if self._plan is None:
            return
        mask, self._mask, self._plan = self._mask, None, None
        self._timer.stop()
        self.setVisible(False)
        if mask is not None:
            remove_companion(self._viewer, mask, Kind.PREVIEW)
        self.ended.emit()

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.addWidget(self.apply_button)
        row.addWidget(self.cancel_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 6)
        layout.addWidget(self._words)
        layout.addLayout(row)

    def _on_changed(self) -> None:
        if self._follower.mask != self._mask or self._follower.why:
            self.cancel()

    def _redraw(self) -> None:
        """Draw soon: a slider moves faster than a large photograph is drawn."""
        if self._plan is not None and not self._timer.isActive():
            self._timer.start(_PAUSE)

    def _draw(self) -> None:
        if self._plan is None:
            return
        mask, before = self._follower.mask, self._follower.plane
        wanted = self._plan(before)
        differs = (wanted != before) & ~is_locked(mask, before)
        shown = np.zeros(before.shape, np.uint8)
        shown[differs] = np.where(wanted[differs] != 0, ADDED, REMOVED)
        self._put(shown)
        more, less = (int(np.count_nonzero(shown == value)) for value in COLORS)
        self._words.setText(
            f"Preview: {more:,} px to be added (yellow), {less:,} px to be removed (magenta)."
        )

    def _put(self, shown: np.ndarray) -> None:
        """Show the plane; only its own pixels are drawn anew."""
        mask, where = self._follower.mask, self._follower.where
        layer = companion(self._viewer, mask, Kind.PREVIEW)
        if layer is None:
            empty = np.zeros(mask.data.shape, np.uint8)
            layer = show_companion(self._viewer, mask, Kind.PREVIEW, empty, COLORS)
            layer.opacity = 0.9
            layer.editable = False
        layer.data[...] = 0
        layer.data[where] = shown
        layer.refresh(thumbnail=False, extent=False, highlight=False)
