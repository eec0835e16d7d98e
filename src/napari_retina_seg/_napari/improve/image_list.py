"""The images of a proof by what the new model gains, to be looked at one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_retina_seg._napari.improve.runs import ImageRow
from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.widgets import AMBER, GREEN
from napari_retina_seg.reports.evaluation import format_score
from napari_retina_seg.workflows.proof_masks import Place

_HEADER = ("image", "in use", "new", "difference")
_ROWS = 5  # that are visible at once
_TIP = "Double-click to see the masks of both models beside the corrected one."


class ImageList(QTableWidget):
    """A row for each image of a proof, the one that gained most on top.

    Signals
    -------
    wanted : (ImageRow)
        An image was double-clicked.
    """

    wanted = Signal(object)

    def __init__(self) -> None:
        super().__init__(0, len(_HEADER))
        self._images: tuple[ImageRow, ...] = ()
        self.setHorizontalHeaderLabels(_HEADER)
        self.verticalHeader().hide()
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.cellActivated.connect(self._on_activated)
        self.cellDoubleClicked.connect(self._on_activated)

    def show_images(self, images: Sequence[ImageRow], names: Mapping[int, str]) -> None:
        """Show images, called as in their project."""
        self._images = tuple(images)
        self.setRowCount(len(images))
        for number, image in enumerate(images):
            cells = (
                title(image.name, names),
                format_score(image.current, "dice"),
                format_score(image.candidate, "dice"),
                format_score(image.gain, "dice", signed=True),
            )
            for column, cell in enumerate(cells):
                item = QTableWidgetItem(cell)
                item.setToolTip(qt_text(f"{cells[0]}: {_TIP}"))
                self.setItem(number, column, item)
            last = self.item(number, len(cells) - 1)
            if last is not None and abs(image.gain) >= 0.005:
                last.setForeground(QColor("white"))
                last.setBackground(QColor(GREEN if image.gain > 0 else AMBER))
        self.setVisible(bool(images))
        height = self.verticalHeader().defaultSectionSize()
        self.setFixedHeight((min(len(images), _ROWS) + 1) * height + 4)

    def _on_activated(self, row: int, column: int) -> None:
        del column
        self.setCurrentCell(row, 0, self.selectionModel().SelectionFlag.SelectCurrent)
        self.wanted.emit(self._images[row])

    def keyPressEvent(self, event: object) -> None:  # noqa: N802 - Qt's
        """Show the selected image on Enter."""
        if getattr(event, "key", int)() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._on_activated(max(0, self.currentRow()), 0)
            return
        super().keyPressEvent(event)


def title(name: str, names: Mapping[int, str]) -> str:
    """Return what an image of the proof is called in its project."""
    place = Place.of(name)
    if place is None:
        return name
    called = names.get(place.image, f"#{place.image}")
    return called if place.slice_index is None else f"{called}, slice {place.slice_index}"
