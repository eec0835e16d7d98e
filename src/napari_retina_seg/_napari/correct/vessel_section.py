"""Vessels: a threshold on the model's probability, and bridges over gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QFormLayout, QPushButton, QVBoxLayout, QWidget
from superqt import QLabeledDoubleSlider

from napari_retina_seg._napari.correct.bridge import BridgeTool
from napari_retina_seg._napari.correct.mask_follower import MaskFollower
from napari_retina_seg._napari.correct.preview import Preview
from napari_retina_seg._napari.correct.probability import Plane, Probability
from napari_retina_seg._napari.job import End, Outcome
from napari_retina_seg._napari.parts import WorkRow, add_row, text
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg.core.vessels import threshold

if TYPE_CHECKING:
    import napari

_LEVEL, _LOW, _HYSTERESIS = "correct/level", "correct/low", "correct/hysteresis"
_KNOWN = "Move the slider to see what another threshold would draw."
_ASK = "The model's probability is not there yet: it is worked out when you move a slider."


class VesselSection(QWidget):
    """What only vessels need.

    Signals
    -------
    said : (End, str)
        How something ended, in a sentence.
    """

    said = Signal(object, str)

    def __init__(
        self, viewer: napari.Viewer, follower: MaskFollower, preview: Preview, settings: Settings
    ) -> None:
        super().__init__()
        self._follower, self._preview, self._settings = follower, preview, settings
        self.probability = Probability(viewer, follower)
        self.bridge = BridgeTool(viewer, follower, self.probability)
        self.level = _slider(settings.number(_LEVEL, 0.5))
        self.low = _slider(settings.number(_LOW, 0.25))
        self.hysteresis = QCheckBox("Keep what continues, down to")
        self.hysteresis.setChecked(settings.switch(_HYSTERESIS))
        self.show_button = QPushButton("Preview threshold")
        self._note = text()
        self.work = WorkRow("the probability")
        self._lay_out()
        self._connect()

    def refresh(self) -> None:
        """Say whether the probability is known, after another mask or plane."""
        follower = self._follower
        self.bridge.refresh()
        why = self._why_not()
        for widget in (self.level, self.low, self.hysteresis, self.show_button):
            widget.setEnabled(not why)
        self._enable_low()
        if not why:
            why = _KNOWN if self.probability.find(follower.value) is not None else _ASK
        self._note.setText(why)

    def preview(self) -> None:
        """Show what the threshold would draw; the sliders and the button."""
        if self._why_not() or self.probability.is_running:
            return
        plane = self.probability.find(self._follower.value)
        if plane is None:
            self.work.show_work(True)
            self._note.setText("The model is at work on this image.")
            self.probability.ask()
            return
        self._note.setText(_KNOWN)
        plan = self._plan(plane, self._follower.value)
        self._preview.show_plan(self._words(), plan, only=self._follower.where)

    def close_down(self) -> None:
        """Stop the work and stop listening: the dock is going away."""
        self.probability.close_down()
        self.bridge.close_down()

    def _lay_out(self) -> None:
        self.level.setToolTip("The least probability of a vessel.")
        self.low.setToolTip(
            "Hysteresis: less probable parts stay, down to this, if they continue a vessel that"
            " reaches the threshold."
        )
        self.hysteresis.setToolTip(self.low.toolTip())
        self.show_button.setToolTip("Show what this threshold would draw, before it is drawn.")
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
        for slider, key in ((self.level, _LEVEL), (self.low, _LOW)):
            slider.valueChanged.connect(
                lambda value, key=key: self._settings.remember_number(key, value)
            )
            slider.valueChanged.connect(lambda _: self.preview())
        self.hysteresis.toggled.connect(self._on_hysteresis)
        self.show_button.clicked.connect(self.preview)
        self.work.cancel_button.clicked.connect(self.probability.cancel)
        self.probability.progressed.connect(self.work.show_step)
        self.probability.done.connect(self._on_probability)
        self.bridge.said.connect(self.said)

    def _why_not(self) -> str:
        """Say why no threshold can be set, or nothing."""
        follower = self._follower
        if follower.why_no_class:
            return follower.why_no_class
        if self.probability.find(follower.value) is not None:
            return ""
        return self.probability.why_not()

    def _plan(self, probability: Plane, value: int):
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

    def _on_hysteresis(self, on: bool) -> None:
        self._settings.remember_switch(_HYSTERESIS, on)
        self._enable_low()
        self.preview()

    def _enable_low(self) -> None:
        self.low.setEnabled(self.hysteresis.isEnabled() and self.hysteresis.isChecked())

    def _on_probability(self, outcome: Outcome) -> None:
        self.work.show_work(False)
        if outcome.end is not End.ENDED:
            self.said.emit(outcome.end, outcome.sentence)
        self.refresh()
        if outcome.end is End.ENDED and not self._why_not():
            self.preview()


def _slider(value: float) -> QLabeledDoubleSlider:
    slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
    slider.setRange(0.01, 0.99)
    slider.setSingleStep(0.01)
    slider.setPageStep(0.05)
    slider.setDecimals(2)
    slider.setValue(value)
    return slider
