"""Bridge a gap in a vessel with two clicks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_retina_seg._napari.correct.canvas_clicks import CanvasClicks
from napari_retina_seg._napari.correct.mask_follower import MaskFollower
from napari_retina_seg._napari.correct.probability import Probability
from napari_retina_seg._napari.correct.words import changed
from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.layers import finest
from napari_retina_seg._napari.masks.edits import change
from napari_retina_seg._napari.widgets import text
from napari_retina_seg.editing.vessels import Point, bridge, local_darkness

if TYPE_CHECKING:
    import napari

_OFF = "Bridge a gap"
_FIRST = "Click on one end of the gap."
_SECOND = "Now click on the other end."


class BridgeTool(QWidget):
    """Asks for two clicks and draws the vessel between them as one undo step.

    Signals
    -------
    taken : ()
        It waits for clicks: other mouse tools should be deactivated.
    said : (JobStatus, str)
        A result message.
    """

    taken = Signal()
    said = Signal(object, str)

    def __init__(
        self, viewer: napari.Viewer, follower: MaskFollower, probability: Probability
    ) -> None:
        super().__init__()
        self._follower, self._probability = follower, probability
        self._first: Point | None = None
        self._clicks = CanvasClicks(viewer)
        self._evidence: tuple[object, np.ndarray] | None = None  # local darkness, by image
        self.button = QPushButton(_OFF)
        self.button.setCheckable(True)
        self.button.setToolTip(
            "Join two ends of a vessel: click on both. The bridge follows the model's probability"
            " if known, otherwise dark pixels; it is as wide as its ends."
        )
        self._note = text()
        self._note.setVisible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)
        layout.addWidget(self._note)
        self.button.clicked.connect(self._on_button)
        self._clicks.clicked.connect(self._on_click)
        self._clicks.stopped.connect(self.deactivate)

    def refresh(self) -> None:
        """Update the button and restart, after a change of mask or plane."""
        self.button.setEnabled(not self._follower.class_disabled_reason)
        self.deactivate()

    def deactivate(self) -> None:
        """Stop waiting for clicks."""
        self._clicks.stop()
        self._first = None
        self.button.setChecked(False)
        self.button.setText(_OFF)
        self._note.setVisible(False)

    def cleanup(self) -> None:
        """Disconnect: the dock is closing."""
        self._clicks.stop()

    def _on_button(self, on: bool) -> None:
        if not on:
            self.deactivate()
            return
        self.taken.emit()
        self._clicks.listen(self._follower.mask)
        self._ask(None)

    def _ask(self, first: Point | None) -> None:
        self._first = first
        self.button.setText("Stop bridging")
        self._note.setText(_FIRST if first is None else _SECOND)
        self._note.setVisible(True)

    def _on_click(self, point: Point) -> None:
        if self._first is None:
            self._ask(point)
            return
        first = self._first
        self._ask(None)  # ready for the next gap
        self._join(first, point)

    def _join(self, first: Point, last: Point) -> None:
        follower, value = self._follower, self._follower.value
        evidence = self._find_evidence(value)
        if evidence is None:
            self.said.emit(JobStatus.FAILED, "Open the image of this mask first.")
            return
        plane = follower.plane
        wanted = plane.copy()
        wanted[bridge(evidence, plane == value, first, last)] = value
        done = change(follower.mask, wanted, follower.where)
        self.said.emit(JobStatus.SUCCEEDED, changed("The gap was bridged", done))

    def _find_evidence(self, value: int) -> np.ndarray | None:
        found = self._probability.find(value)
        if found is not None:
            return np.asarray(found)
        image = self._follower.image
        if image is None:
            return None
        of = (image, self._follower.where)
        if self._evidence is None or self._evidence[0] != of:
            self._evidence = (of, local_darkness(np.asarray(finest(image)[self._follower.where])))
        return self._evidence[1]
