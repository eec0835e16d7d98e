"""The dialog with the names of images in exports: old, new, and which may be kept."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.widgets import SEEN_BOXES, stack, text
from napari_retina_seg.types.text import displayed
from napari_retina_seg.workflows.naming import NameChange

_ABOUT = (
    "Exports give every image a pseudonym. Tick the names that do not identify a patient, to keep"
    " them: the project remembers that you confirmed them, and when."
)
_WARNING = "may identify the patient"


class NamesDialog(QDialog):
    """Asks which names of images are harmless.

    Parameters
    ----------
    changes : sequence of NameChange
        All images of the project, and what becomes of their names.
    parent : QWidget
        Its parent.
    """

    def __init__(self, changes: Sequence[NameChange], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Names in exports")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._changes = tuple(changes)
        self.table = QTreeWidget()
        self.table.setHeaderLabels(["Keep this name", "Pseudonym", "Remark"])
        self.table.setRootIsDecorated(False)
        self.table.setUniformRowHeights(True)
        self.table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.table.addTopLevelItems([_row(change) for change in self._changes])
        self.table.header().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.setStyleSheet(SEEN_BOXES)
        self.all_button = QPushButton("Tick all without a remark")
        self.all_button.clicked.connect(self._tick_all)
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        margins = (9, 9, 9, 9)
        rows = (text(_ABOUT), self.table, self.all_button, self.buttons)
        self.setLayout(stack(*rows, margins=margins))
        self.resize(640, 420)

    @property
    def kept(self) -> dict[int, bool]:
        """By the number of each image, whether its name is ticked."""
        items = (self.table.topLevelItem(row) for row in range(self.table.topLevelItemCount()))
        return {
            change.image.id: item.checkState(0) == Qt.CheckState.Checked
            for change, item in zip(self._changes, items, strict=True)
        }

    def _tick_all(self) -> None:
        for row, change in enumerate(self._changes):
            if not change.is_suspicious:
                self.table.topLevelItem(row).setCheckState(0, Qt.CheckState.Checked)


def _row(change: NameChange) -> QTreeWidgetItem:
    by = change.confirmed
    remarks = [_WARNING] if change.is_suspicious else []
    remarks += [f"confirmed by {by.author}, {by.created_at:%Y-%m-%d}"] if by else []
    item = QTreeWidgetItem(
        [displayed(change.image.name), change.pseudonym, displayed("; ".join(remarks))]
    )
    item.setToolTip(0, qt_text(change.image.name))
    item.setCheckState(0, Qt.CheckState.Checked if by else Qt.CheckState.Unchecked)
    return item
