"""Buttons for napari's mask tools; remembers the brush size across sessions."""

from __future__ import annotations

import napari
from napari.layers import Labels
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QGridLayout, QPushButton, QWidget

from napari_retina_seg._napari.canvas import focus_canvas
from napari_retina_seg._napari.settings import Settings

_TOOLS = (
    ("paint", "Brush", "Paint the chosen class (napari: 2 or P)."),
    ("erase", "Erase", "Paint background (napari: 1 or E)."),
    ("pan_zoom", "Move", "Move the image (napari: 6 or Z; hold Space in any tool)."),
    ("polygon", "Polygon", "Click around a region and double-click to fill it (napari: 3)."),
    ("fill", "Fill", "Give a connected region the chosen class (napari: 4 or F)."),
    ("pick", "Pick", "Choose the class that is clicked on (napari: 5 or L)."),
)
_PAINTS = ("paint", "polygon", "fill")  # the chosen class
_COLUMNS = 4
_BRUSH = "correct/brush"


class ToolButtons(QWidget):
    """Follows and sets the mode of one mask, with undo and redo.

    Signals
    -------
    taken : ()
        The user selected one of these tools: other mouse tools should be deactivated.
    used : (bool)
        A tool was selected or changed the mask; whether it paints the chosen class.
    """

    taken = Signal()
    used = Signal(bool)

    def __init__(self, viewer: napari.Viewer, settings: Settings) -> None:
        super().__init__()
        self._viewer, self._settings = viewer, settings
        self._mask: Labels | None = None
        self.buttons: dict[str, QPushButton] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(3)
        for number, (mode, label, tip) in enumerate(_TOOLS):
            button = _button(label, tip)
            button.setCheckable(True)
            button.clicked.connect(lambda _, mode=mode: self.take(mode))
            self.buttons[mode] = button
            grid.addWidget(button, number // 3, number % 3)
        self.undo = _button("Undo", "Undo the last change of this mask (Ctrl+Z).")
        self.redo = _button("Redo", "Redo the last undone change (Ctrl+Shift+Z).")
        self.undo.clicked.connect(lambda: self._mask and self._mask.undo())
        self.redo.clicked.connect(lambda: self._mask and self._mask.redo())
        grid.addWidget(self.undo, 0, _COLUMNS - 1)
        grid.addWidget(self.redo, 1, _COLUMNS - 1)

    def show_mask(self, mask: Labels | None) -> None:
        """Follow another mask."""
        if self._mask is not None:
            self._listen(self._mask, False)
        self._mask = mask
        if mask is not None:
            mask.brush_size = self._settings.number(_BRUSH, mask.brush_size)
            self._listen(mask, True)
        self._on_mode()

    def take(self, mode: str) -> None:
        """Select one of napari's tools; a layer linked to the mask may have been selected."""
        mask = self._mask
        if mask is None:
            return
        self.taken.emit()
        self._viewer.layers.selection.active = mask
        if str(mask.mode) == mode:
            self._on_used()  # napari emits an event only if the mode changes
        mask.mode = mode
        focus_canvas(self)  # where the keys work
        self._on_mode()

    def _listen(self, mask: Labels, on: bool) -> None:
        for event, listener in (
            (mask.events.mode, self._on_mode),
            (mask.events.mode, self._on_used),
            (mask.events.paint, self._on_used),
            (mask.events.brush_size, self._on_brush),
            (self._viewer.layers.selection.events.active, self._on_mode),
        ):
            (event.connect if on else event.disconnect)(listener)

    def _on_mode(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        """Show the active tool; none while another layer is selected."""
        mask, active = self._mask, self._viewer.layers.selection.active
        current = str(mask.mode) if mask is not None and active == mask else ""
        for mode, button in self.buttons.items():
            button.setChecked(mode == current)

    def _on_used(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        if self._mask is not None:
            self.used.emit(str(self._mask.mode) in _PAINTS)

    def _on_brush(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        if self._mask is not None:
            self._settings.remember_number(_BRUSH, self._mask.brush_size)


def _button(label: str, tip: str) -> QPushButton:
    button = QPushButton(label)
    button.setToolTip(tip)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # keys stay with the canvas
    return button
