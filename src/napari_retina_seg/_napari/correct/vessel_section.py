"""Vessel tools: threshold of the model's probability, and bridges over gaps."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QFormLayout, QPushButton, QVBoxLayout, QWidget
from superqt import QLabeledDoubleSlider

from napari_retina_seg._napari.correct.bridge import BridgeTool
from napari_retina_seg._napari.correct.mask_follower import MaskFollower
from napari_retina_seg._napari.correct.preview import Preview
from napari_retina_seg._napari.correct.probability import Plane, Probability
from napari_retina_seg._napari.job import JobResult, JobStatus
from napari_retina_seg._napari.masks.edits import unwrap_proxy
from napari_retina_seg._napari.widgets import ProgressRow, add_row, text
from napari_retina_seg.editing.vessels import threshold

if TYPE_CHECKING:
    import napari

_DOWN_TO = 0.5  # of the threshold
_KNOWN = "Move the slider to preview another threshold."
_ASK = "The model's probability is computed when you move a slider."


class VesselSection(QWidget):
    """Tools for vessel masks.

    Signals
    -------
    said : (JobStatus, str)
        A result message.
    """

    said = Signal(object, str)

    def __init__(self, viewer: napari.Viewer, follower: MaskFollower, preview: Preview) -> None:
        super().__init__()
        self._follower, self._preview = follower, preview
        self._mask: weakref.ref[Labels] | None = None  # mask whose threshold the sliders show
        self.probability = Probability(viewer, follower)
        self.bridge = BridgeTool(viewer, follower, self.probability)
        self.level = _slider()
        self.low = _slider()
        self.hysteresis = QCheckBox("Hysteresis, down to")
        self.show_button = QPushButton("Preview threshold")
        self._note = text()
        self.work = ProgressRow("the probability")
        self._lay_out()
        self._connect()

    def refresh(self) -> None:
        """Update controls and note for the current mask and plane."""
        follower = self._follower
        self._reset_sliders()
        self.bridge.refresh()
        reason = self._disabled_reason()
        for widget in (self.level, self.low, self.hysteresis, self.show_button):
            widget.setEnabled(not reason)
        self._enable_low()
        if not reason:
            reason = _KNOWN if self.probability.find(follower.value) is not None else _ASK
        self._note.setText(reason)

    def preview(self) -> None:
        """Preview the threshold; the sliders and the button."""
        if self._disabled_reason() or self.probability.is_running:
            return
        plane = self.probability.find(self._follower.value)
        if plane is None:
            self.work.show_work(True)
            self._note.setText("The model is running on this image.")
            self.probability.ask()
            return
        self._note.setText(_KNOWN)
        plan = self._plan(plane, self._follower.value)
        self._preview.show_plan(self._words(), plan, only=self._follower.where)

    def cleanup(self) -> None:
        """Stop all work and disconnect: the dock is closing."""
        self.probability.cleanup()
        self.bridge.cleanup()

    def _lay_out(self) -> None:
        self.level.setToolTip("Least probability of a vessel.")
        self.low.setToolTip(
            "Hysteresis: parts down to this probability are kept if they continue a vessel that"
            " reaches the threshold."
        )
        self.hysteresis.setToolTip(self.low.toolTip())
        self.show_button.setToolTip("Preview the mask at this threshold before applying it.")
        form = QFormLayout()
        add_row(form, "Threshold", self.level)
        form.addRow(self.hysteresis)
        add_row(form, "Down to", self.low)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._note)
        layout.addLayout(form)
        for widget in (self.work, self.show_button, self.bridge):
            layout.addWidget(widget)

    def _connect(self) -> None:
        for slider in (self.level, self.low):
            slider.valueChanged.connect(lambda _: self.preview())
        self.hysteresis.toggled.connect(self._on_hysteresis)
        self.show_button.clicked.connect(self.preview)
        self.work.cancel_button.clicked.connect(self.probability.cancel)
        self.probability.progressed.connect(self.work.show_step)
        self.probability.done.connect(self._on_probability)
        self.bridge.said.connect(self.said)

    def _disabled_reason(self) -> str:
        """Return why no threshold can be set; empty if one can."""
        follower = self._follower
        if follower.class_disabled_reason:
            return follower.class_disabled_reason
        if self.probability.find(follower.value) is not None:
            return ""
        return self.probability.disabled_reason()

    def _plan(self, probability: Plane, value: int) -> Callable[[np.ndarray], np.ndarray]:
        level = self.level.value()
        low = self.low.value() if self.hysteresis.isChecked() else None

        def plan(labels: np.ndarray) -> np.ndarray:
            wanted = threshold(probability, level, low)
            result = labels.copy()
            result[(labels == value) & ~wanted] = 0
            result[(labels == 0) & wanted] = value
            return result

        return plan

    def _words(self) -> str:
        words = f"Threshold {self.level.value():.2f}"
        return f"{words}, down to {self.low.value():.2f}" if self.hysteresis.isChecked() else words

    def _reset_sliders(self) -> None:
        """Reset to the model's own threshold when the mask changes."""
        mask = self._follower.mask
        if mask is None or (self._mask is not None and self._mask() is unwrap_proxy(mask)):
            return
        self._mask = weakref.ref(unwrap_proxy(mask))
        level = self.probability.threshold
        blockers = [QSignalBlocker(each) for each in (self.level, self.low, self.hysteresis)]
        self.level.setValue(level)
        self.low.setValue(level * _DOWN_TO)
        self.hysteresis.setChecked(False)
        for blocker in blockers:
            blocker.unblock()

    def _on_hysteresis(self) -> None:
        self._enable_low()
        self.preview()

    def _enable_low(self) -> None:
        self.low.setEnabled(self.hysteresis.isEnabled() and self.hysteresis.isChecked())

    def _on_probability(self, outcome: JobResult) -> None:
        self.work.show_work(False)
        if outcome.end is not JobStatus.SUCCEEDED:
            self.said.emit(outcome.end, outcome.message)
        self.refresh()
        if outcome.end is JobStatus.SUCCEEDED and not self._disabled_reason():
            self.preview()


def _slider() -> QLabeledDoubleSlider:
    slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
    slider.setRange(0.01, 0.99)
    slider.setSingleStep(0.01)
    slider.setPageStep(0.05)
    slider.setDecimals(2)
    return slider
