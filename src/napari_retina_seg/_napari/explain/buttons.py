"""The three buttons of the Explain dock, each of which says why it can't be pressed."""

from __future__ import annotations

from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_retina_seg._napari.shortcuts import EXPLAIN
from napari_retina_seg._napari.widgets import large

_SAVES = (
    "Explain all classes on the slice shown, and save a figure of image, mask and maps;"
    " each map is saved beside it as an array."
)
_KEEPS = (
    "The map shown stays, and the next one becomes a new layer. Colours and scale are those of all"
    " maps, kept ones too."
)


class Buttons(QWidget):
    """A row of Keep and Save, and Explain, which the dock places.

    Attributes
    ----------
    explain, keep, save : QPushButton
        The buttons.
    """

    def __init__(self) -> None:
        super().__init__()
        self.explain = large(QPushButton("Explain"))
        self.keep = QPushButton("Keep this map")
        self.save = QPushButton("Save panels…")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.keep)
        row.addWidget(self.save)

    def refresh(self, disabled_reason: str, is_busy: bool, has_map: bool) -> None:
        """Grey out what can't be done, with a reason."""
        disabled_reason = "Wait until it has ended, or cancel." if is_busy else disabled_reason
        keys = QKeySequence(EXPLAIN.keys).toString(QKeySequence.SequenceFormat.NativeText)
        for button, why, does in (
            (self.explain, disabled_reason, f"{EXPLAIN.description} ({keys})."),
            (self.save, disabled_reason, _SAVES),
            (self.keep, "" if has_map else "There is no map that follows.", _KEEPS),
        ):
            button.setEnabled(not why)
            button.setToolTip(why or does)
