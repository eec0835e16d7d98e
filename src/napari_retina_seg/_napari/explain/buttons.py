"""The three buttons of the Explain dock, with the reasons why they are disabled."""

from __future__ import annotations

from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_retina_seg._napari.shortcuts import EXPLAIN
from napari_retina_seg._napari.widgets import large

_SAVES = (
    "Explain all classes on the current slice, and save a figure of image, mask and maps; each"
    " map is also saved as an array."
)
_KEEPS = (
    "Keep the displayed map; the next one becomes a new layer. Colours and scale apply to all maps,"
    " including kept ones."
)


class Buttons(QWidget):
    """A row with Keep and Save; Explain is placed by the dock.

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
        """Enable what is possible; give the reason in the tooltips of the rest."""
        disabled_reason = "Wait until it has ended, or cancel." if is_busy else disabled_reason
        keys = QKeySequence(EXPLAIN.keys).toString(QKeySequence.SequenceFormat.NativeText)
        for button, reason, does in (
            (self.explain, disabled_reason, f"{EXPLAIN.description} ({keys})."),
            (self.save, disabled_reason, _SAVES),
            (self.keep, "" if has_map else "There is no live map.", _KEEPS),
        ):
            button.setEnabled(not reason)
            button.setToolTip(reason or does)
