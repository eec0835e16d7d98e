"""Vessel tools: threshold of the model's probability, and bridges over gaps."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import napari
import numpy as np
from napari.layers import Labels
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QFormLayout, QPushButton, QWidget
from superqt import QLabeledDoubleSlider
from superqt.utils import signals_blocked

from napari_retina_seg._napari.correct.artery_vein import ArteryVeinTool
from napari_retina_seg._napari.correct.click_tool import ClickTool
from napari_retina_seg._napari.correct.preview import Preview
from napari_retina_seg._napari.correct.probability import Plane, Probability
from napari_retina_seg._napari.correct.result_text import describe_change
from napari_retina_seg._napari.job import JobResult, JobStatus
from napari_retina_seg._napari.job_dock import JobRow
from napari_retina_seg._napari.layers import finest, unwrap_proxy
from napari_retina_seg._napari.masks.active_mask import ActiveMask
from napari_retina_seg._napari.masks.edits import change
from napari_retina_seg._napari.widgets import add_row, stack, text
from napari_retina_seg.editing.vessels import Pixel, bridge, local_darkness, threshold
from napari_retina_seg.types.labels import ARTERIES_VEINS

_FIRST = "Click on one end of the gap."
_SECOND = "Now click on the other end."
_DOWN_TO = 0.5  # of the threshold
_KNOWN = "Move the slider to preview another threshold."
_NO_THRESHOLD = "A threshold finds vessels; it does not tell arteries from veins."
_ASK = "The model's probability is computed when you move a slider."


class BridgeTool(ClickTool):
    """Asks for two clicks and draws the vessel between them as one undo step."""

    def __init__(self, viewer: napari.Viewer, active: ActiveMask, probability: Probability) -> None:
        super().__init__(viewer, active, "Bridge a gap")
        self._probability = probability
        self._first: Pixel | None = None
        self._evidence: tuple[object, np.ndarray] | None = None  # local darkness, by image
        self.button.setToolTip(
            "Join two ends of a vessel: click on both. The bridge follows the model's probability"
            " if known, otherwise dark pixels; it is as wide as its ends."
        )

    def refresh(self) -> None:
        """Update the button and restart, after a change of mask or plane."""
        self.button.setEnabled(not self._active_mask.class_disabled_reason)
        self.deactivate()

    def _start(self) -> None:
        self._listen("Stop bridging")
        self._ask(None)

    def _ask(self, first: Pixel | None) -> None:
        self._first = first
        self._show_note(_FIRST if first is None else _SECOND)

    def _on_click(self, point: Pixel) -> None:
        if self._first is None:
            self._ask(point)
            return
        first = self._first
        self._ask(None)  # ready for the next gap
        self._join(first, point)

    def _join(self, first: Pixel, last: Pixel) -> None:
        active, value = self._active_mask, self._active_mask.value
        evidence = None if value is None else self._find_evidence(value)
        if evidence is None:
            self.reported.emit(JobStatus.FAILED, "Open the image of this mask first.")
            return
        plane = active.plane
        wanted = plane.copy()
        wanted[bridge(evidence, plane == value, first, last)] = value
        done = change(active.mask, wanted, active.where)
        self.reported.emit(JobStatus.SUCCEEDED, describe_change("The gap was bridged", done))

    def _find_evidence(self, value: int) -> np.ndarray | None:
        found = self._probability.find(value)
        if found is not None:
            return np.asarray(found)
        image = self._active_mask.image
        if image is None:
            return None
        of = (image, self._active_mask.where)
        if self._evidence is None or self._evidence[0] != of:
            self._evidence = (
                of,
                local_darkness(np.asarray(finest(image)[self._active_mask.where])),
            )
        return self._evidence[1]


class VesselSection(QWidget):
    """Tools for vessel masks.

    Signals
    -------
    reported : (JobStatus, str)
        A result message.
    """

    reported = Signal(object, str)

    def __init__(self, viewer: napari.Viewer, active: ActiveMask, preview: Preview) -> None:
        super().__init__()
        self._active_mask, self._preview = active, preview
        self._mask: weakref.ref[Labels] | None = None  # mask whose threshold the sliders show
        self.work = JobRow("the probability")
        self.probability = Probability(viewer, active, self.work)
        self.bridge = BridgeTool(viewer, active, self.probability)
        self.kinds = ArteryVeinTool(viewer, active)
        self.level = _slider()
        self.low = _slider()
        self.hysteresis = QCheckBox("Hysteresis, down to")
        self.show_button = QPushButton("Preview threshold")
        self._note = text()
        self._lay_out()
        self._connect()

    def refresh(self) -> None:
        """Update controls and note for the current mask and plane."""
        self._reset_sliders()
        self.bridge.refresh()
        self.kinds.refresh()
        reason = self._disabled_reason()
        for widget in (self.level, self.low, self.hysteresis, self.show_button):
            widget.setEnabled(not reason)
        self._enable_low()
        if not reason:
            reason = _ASK if self._find_probability() is None else _KNOWN
        self._note.setText(reason)

    def preview(self) -> None:
        """Preview the threshold; the sliders and the button."""
        value = self._active_mask.value
        if value is None or self._disabled_reason() or self.work.is_running:
            return
        plane = self.probability.find(value)
        if plane is None:
            self._note.setText("The model is running on this image.")
            self.probability.compute()
            return
        self._note.setText(_KNOWN)
        plan = self._plan(plane, value)
        self._preview.show_plan(self._describe_threshold(), plan, only=self._active_mask.where)

    def deactivate(self) -> None:
        """Put down the tools that use the mouse."""
        self.bridge.deactivate()
        self.kinds.deactivate()

    def cleanup(self) -> None:
        """Stop all work and disconnect: the dock is closing."""
        self.probability.cleanup()
        self.bridge.cleanup()
        self.kinds.cleanup()

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
        self.setLayout(
            stack(self._note, form, self.work, self.show_button, self.bridge, self.kinds)
        )

    def _connect(self) -> None:
        for slider in (self.level, self.low):
            slider.valueChanged.connect(lambda _: self.preview())
        self.hysteresis.toggled.connect(self._on_hysteresis)
        self.show_button.clicked.connect(self.preview)
        self.probability.done.connect(self._on_probability)
        self.bridge.reported.connect(self.reported)
        self.kinds.reported.connect(self.reported)

    def _disabled_reason(self) -> str:
        """Return why no threshold can be set; empty if one can."""
        active = self._active_mask
        if active.class_disabled_reason:
            return active.class_disabled_reason
        if active.scheme == ARTERIES_VEINS:
            return _NO_THRESHOLD
        return "" if self._find_probability() is not None else self.probability.disabled_reason()

    def _find_probability(self) -> Plane | None:
        """Return the probability of the chosen class, if known."""
        value = self._active_mask.value
        return None if value is None else self.probability.find(value)

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

    def _describe_threshold(self) -> str:
        threshold = f"Threshold {self.level.value():.2f}"
        return (
            f"{threshold}, down to {self.low.value():.2f}"
            if self.hysteresis.isChecked()
            else threshold
        )

    def _reset_sliders(self) -> None:
        """Reset to the model's own threshold when the mask changes."""
        mask = self._active_mask.mask
        if mask is None or (self._mask is not None and self._mask() is unwrap_proxy(mask)):
            return
        self._mask = weakref.ref(unwrap_proxy(mask))
        level = self.probability.threshold
        with signals_blocked(self.level, self.low, self.hysteresis):
            self.level.setValue(level)
            self.low.setValue(level * _DOWN_TO)
            self.hysteresis.setChecked(False)

    def _on_hysteresis(self) -> None:
        self._enable_low()
        self.preview()

    def _enable_low(self) -> None:
        self.low.setEnabled(self.hysteresis.isEnabled() and self.hysteresis.isChecked())

    def _on_probability(self, outcome: JobResult) -> None:
        if outcome.status is not JobStatus.SUCCEEDED:
            self.reported.emit(outcome.status, outcome.message)
        self.refresh()
        if outcome.status is JobStatus.SUCCEEDED and not self._disabled_reason():
            self.preview()


def _slider() -> QLabeledDoubleSlider:
    slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
    slider.setRange(0.01, 0.99)
    slider.setSingleStep(0.01)
    slider.setPageStep(0.05)
    slider.setDecimals(2)
    return slider
