"""Read-only table of figures, as high as its rows."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

_ROW = 22  # px
_MOST = 12  # rows before it scrolls


class FigureTable(QTableWidget):
    """Table whose cells can be selected but not edited.

    Parameters
    ----------
    header : tuple of str
        Names of the columns; the first one stretches.
    tips : tuple of str
        Tooltips of the columns.
    """

    def __init__(self, header: tuple[str, ...], tips: tuple[str, ...]) -> None:
        super().__init__(0, len(header))
        for column, (name, tip) in enumerate(zip(header, tips, strict=True)):
            item = QTableWidgetItem(name)
            item.setToolTip(tip)
            self.setHorizontalHeaderItem(column, item)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setShowGrid(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(_ROW)
        head = self.horizontalHeader()
        head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        head.setMinimumSectionSize(30)
        self.fill(())

    def name(self, header: tuple[str, ...]) -> None:
        """Rename the columns."""
        for column, name in enumerate(header):
            self.horizontalHeaderItem(column).setText(name)

    def fill(self, rows: tuple[tuple[str, ...], ...]) -> None:
        """Replace the rows; text in brackets appears in the tooltips only."""
        self.setRowCount(len(rows))
        for number, row in enumerate(rows):
            for column, words in enumerate(row):
                item = QTableWidgetItem(words.partition(" [")[0] if column else words)
                item.setToolTip(words)
                if column:
                    item.setTextAlignment(
                        Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    )
                self.setItem(number, column, item)
        shown = min(len(rows), _MOST)
        self.setFixedHeight(self.horizontalHeader().sizeHint().height() + shown * _ROW + 4)
        self.setVisible(bool(rows))
