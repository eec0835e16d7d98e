"""How the mask is shown: filled or as outlines, how opaque, or not at all."""

from __future__ import annotations

from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QSlider, QWidget
from superqt.utils import signals_blocked

from napari_retina_seg._napari.shortcuts import LINES_ONLY

_PERCENT = 100


class MaskLook(QWidget):
    """Switches of a mask's look; napari's own controls move them, too."""

    def __init__(self) -> None:
        super().__init__()
        self._mask: Labels | None = None
        self.shown = QCheckBox("Mask")
        self.shown.setToolTip(
            f"Show the mask; without it only its boundary lines are seen ({LINES_ONLY.native})."
        )
        self.outlines = QCheckBox("Outlines")
        self.outlines.setToolTip("Show outlines of the classes instead of areas. Remembered.")
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0, _PERCENT)
        self.opacity.setToolTip("Opacity of the mask. Remembered.")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for widget in (self.shown, self.outlines, QLabel("Opacity")):
            row.addWidget(widget)
        row.addWidget(self.opacity, 1)
        for widget in (self.shown, self.outlines):
            widget.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # keys stay with the canvas
        self.shown.toggled.connect(self._on_shown)
        self.outlines.toggled.connect(self._on_outlines)
        self.opacity.valueChanged.connect(self._on_opacity)

    def show_mask(self, mask: Labels | None) -> None:
        """Follow another mask."""
        if self._mask is not None:
            self._listen(self._mask, False)
        self._mask = mask
        if mask is not None:
            self._listen(mask, True)
        self._refresh()

    def toggle(self) -> None:
        """Hide the mask, or show it."""
        if self._mask is not None:
            self._mask.visible = not self._mask.visible

    def _listen(self, mask: Labels, on: bool) -> None:
        for event in (mask.events.visible, mask.events.contour, mask.events.opacity):
            (event.connect if on else event.disconnect)(self._refresh)

    def _refresh(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        mask = self._mask
        if mask is None:
            return
        with signals_blocked(self.shown, self.outlines, self.opacity):
            self.shown.setChecked(mask.visible)
            self.outlines.setChecked(mask.contour > 0)
            self.opacity.setValue(round(mask.opacity * _PERCENT))

    def _on_shown(self, on: bool) -> None:
        if self._mask is not None:
            self._mask.visible = on

    def _on_outlines(self, on: bool) -> None:
        if self._mask is not None:
            self._mask.contour = int(on)

    def _on_opacity(self, percent: int) -> None:
        if self._mask is not None:
            self._mask.opacity = percent / _PERCENT
