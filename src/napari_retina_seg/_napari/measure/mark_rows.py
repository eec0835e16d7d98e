"""Fovea and optic disc in the Measure dock: typed, or marked on the image."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from math import isfinite

import napari
from napari.layers import Image, Labels
from qtpy.QtWidgets import QFormLayout, QLineEdit, QPushButton, QWidget

from napari_retina_seg._napari.canvas import focus_canvas
from napari_retina_seg._napari.measure.mark_tool import MarkTool, Target
from napari_retina_seg._napari.widgets import add_row, stack, text
from napari_retina_seg.measurement.fovea import STATED, Fovea
from napari_retina_seg.measurement.units import MeasureError
from napari_retina_seg.types.labels import LabelScheme, vessel_values
from napari_retina_seg.workflows.measured import Marks

_NOTES = {
    Target.FOVEA: "Click on the fovea, or drag its mark.",
    Target.DISC: "Drag from the centre of the disc to its margin. Drag the disc to move it, its"
    " margin to change its size.",
}
_KEYS = " Ctrl+Z takes a step back, Esc ends it."
_ON_SCAN = " On the B-scan, the en-face image or the thickness map."


class MarkRows(QWidget):
    """Two rows of a form, each with a field to type in and a button to mark with the mouse."""

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self.tool = MarkTool(viewer)
        self.fields = {target: QLineEdit() for target in Target}
        self.buttons = {target: QPushButton("Mark") for target in Target}
        self._note = text()
        self._is_photograph = False
        self._form = QFormLayout()
        for target, field in self.fields.items():
            button = self.buttons[target]
            button.setCheckable(True)
            button.clicked.connect(lambda on, target=target: self._on_button(target, on))
            field.editingFinished.connect(self._on_typed)
            row = QWidget()
            row.setLayout(stack(field, button, horizontal=True))
            add_row(self._form, target.value.capitalize(), row)
        self.fields[Target.FOVEA].setToolTip("Place of the fovea in px.")
        self.fields[Target.DISC].setPlaceholderText("row, column, diameter")
        self.fields[Target.DISC].setToolTip("The optic disc in px, for the zones around it.")
        self.buttons[Target.DISC].setToolTip(_NOTES[Target.DISC])
        self.setLayout(stack(self._form, self._note))
        self._note.hide()
        self.tool.changed.connect(self._show_marks)
        self.tool.ended.connect(self._on_ended)

    def show_mask(
        self, mask: Labels | None, image: Image | None, scheme: LabelScheme | None
    ) -> None:
        """Show the marks of a mask's image."""
        self.tool.show_mask(mask, image)
        is_photograph = scheme is not None and bool(vessel_values(scheme))
        self._is_photograph = is_photograph
        self.setVisible(is_photograph or scheme is None or bool(scheme.surfaces))
        self._form.setRowVisible(1, is_photograph)
        self._show_hint()
        self.buttons[Target.FOVEA].setToolTip(self._describe(Target.FOVEA))
        for button in self.buttons.values():
            button.setEnabled(mask is not None)
        self._show_marks()

    def show_found(self, fovea: Fovea | None) -> None:
        """Show where a measurement found the fovea."""
        is_found = fovea is not None and fovea.origin != STATED
        self.tool.show_found((fovea.slice, fovea.column) if fovea and is_found else None)
        self._show_hint()

    def read(self) -> Marks:
        """Return what was marked or typed, and remember it; a disc only of photographs.

        Raises
        ------
        MeasureError
            If something else was typed.
        """
        marks, shown = self._marks, {target: field.text() for target, field in self.fields.items()}
        # Fields show rounded numbers: what was not typed stays as it was marked.
        if shown[Target.FOVEA] != _text(marks.fovea):
            order = "row, column" if self._is_photograph else "slice, column"
            fovea = _numbers(shown[Target.FOVEA], "The fovea", order, 2)
            marks = replace(marks, fovea=None if fovea is None else (fovea[0], fovea[1]))
        if self._is_photograph and shown[Target.DISC] != _text(marks.disc):
            disc = _numbers(shown[Target.DISC], "The disc", "row, column, diameter", 3)
            marks = replace(marks, disc=None if disc is None else (disc[0], disc[1], disc[2]))
        if self.tool.history is not None:
            self.tool.history.set(marks)
        return marks if self._is_photograph else replace(marks, disc=None)

    def cleanup(self) -> None:
        """Remove the marks: the dock is closing."""
        self.tool.cleanup()

    def _on_button(self, target: Target, on: bool) -> None:
        self.tool.stop()
        if on:
            self.tool.start(target)
            self.buttons[target].setChecked(True)
            self._note.setText(self._describe(target) + _KEYS)
            self._note.show()
            focus_canvas(self)

    def _describe(self, target: Target) -> str:
        """Say how to mark it, and where."""
        on_scan = target is Target.FOVEA and not self._is_photograph
        return _NOTES[target] + (_ON_SCAN if on_scan else "")

    def _on_ended(self) -> None:
        for button in self.buttons.values():
            button.setChecked(False)
        self._note.hide()

    def _on_typed(self) -> None:
        """Show what was typed, if it is a place; measuring says what is wrong."""
        with suppress(MeasureError):
            self.read()
            self.tool.redraw()

    @property
    def _marks(self) -> Marks:
        history = self.tool.history
        return Marks() if history is None else history.now

    def _show_hint(self) -> None:
        hint = "row, column" if self._is_photograph else "slice, column: found if empty"
        if self.tool.found is not None:
            hint = f"found: {_text(self.tool.found)}"
        self.fields[Target.FOVEA].setPlaceholderText(hint)

    def _show_marks(self) -> None:
        self.fields[Target.FOVEA].setText(_text(self._marks.fovea))
        self.fields[Target.DISC].setText(_text(self._marks.disc))


def _text(place: tuple[float, ...] | None) -> str:
    return ", ".join(f"{value:.6g}" for value in place or ())


def _numbers(typed: str, what: str, form: str, count: int) -> list[float] | None:
    """Read numbers that the user typed; None if there are none.

    Raises
    ------
    MeasureError
        If they are others than expected.
    """
    if not typed.strip():
        return None
    try:
        numbers = [float(part) for part in typed.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(map(isfinite, numbers)):
        raise MeasureError(f"{what} is given as {form} in px: received '{typed}'.")
    return numbers
