"""Tables of measurements, one at a time, with a row to choose."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QTableWidget, QTableWidgetItem, QWidget

from napari_retina_seg._napari.widgets import combo_box, stack, text
from napari_retina_seg.measurement.tables import Table, Value
from napari_retina_seg.types.text import displayed
from napari_retina_seg.workflows.comparing import COMPARED

# The same in every row, or too long for a dock: in the saved table they are all there.
_HIDDEN = frozenset(
    {
        *("image", "structure", "between", "laterality", "laterality from", "mask from", "model"),
        *(
            "weights SHA-256",
            "program",
            "DICOM code",
            "fovea slice [px]",
            "fovea column [px]",
            "fovea from",
            "sides from",
            "sector in words",
            "diameter of the circle [mm]",
        ),
    }
)
_BY_BAND = ("etdrs", "follow-up", "asymmetry")  # shown for one layer or total at a time
_TITLES = {
    "thickness": "Thickness by B-scan",
    "etdrs": "ETDRS subfields",
    "device": "Against the device's lines",
    "sectors": "Sectors of the circle",
    "follow-up": "Change since the earlier visit",
    "asymmetry": "Right minus left",
    "vessels": "Vessels",
    "segments": "Vessel segments",
    "branchings": "Branchings",
    "lesions": "Lesions",
}


class TablePanel(QWidget):
    """Shows one of several tables.

    Signals
    -------
    segment_chosen : (int)
        The row of a vessel segment was chosen, by its number.
    """

    segment_chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._tables: tuple[Table, ...] = ()
        self._band = ""
        self.box = combo_box()
        self.box.setToolTip("Which numbers to show; all are saved.")
        self.about = text()
        self.table = QTableWidget()
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.verticalHeader().hide()
        self.table.setMinimumHeight(220)
        self.setLayout(stack(self.box, self.about, self.table))
        self.box.currentIndexChanged.connect(self._show)
        self.table.itemSelectionChanged.connect(self._on_row)

    def show_tables(self, tables: tuple[Table, ...]) -> None:
        """Show the last of a few tables, which sums up most, or the only one."""
        self._tables = tables
        with QSignalBlocker(self.box):
            self.box.clear()
            self.box.addItems([_TITLES.get(table.name, table.name) for table in tables])
            names = [table.name for table in tables]
            sums_up = [k for k, name in enumerate(names) if name in (*_BY_BAND, "sectors")]
            self.box.setCurrentIndex(sums_up[-1] if sums_up else 0)
        self._show()

    def show_band(self, band: str) -> None:
        """Show only the subfields of a layer or total; all if it is empty."""
        self._band = band
        self._show()

    def choose_segment(self, number: int) -> None:
        """Show the row of a vessel segment."""
        names = [table.name for table in self._tables]
        if "segments" not in names or not number:
            return
        self.box.setCurrentIndex(names.index("segments"))
        table = self._tables[names.index("segments")]
        column = table.columns.index("segment")
        rows = [row for row, values in enumerate(table.rows) if values[column] == number]
        if rows:
            with QSignalBlocker(self.table):
                self.table.selectRow(rows[0])

    def _show(self, index: int = 0) -> None:  # noqa: ARG002 - passed by Qt
        table = self._shown()
        self.about.setText(_describe_pair(table))
        self.about.setVisible(bool(self.about.text()))
        same = "abbreviation" if table.name in _BY_BAND and self._band else ""  # in every row
        shown = [k for k, name in enumerate(table.columns) if _is_shown(name) and name != same]
        with QSignalBlocker(self.table):
            self.table.clear()
            self.table.setRowCount(len(table.rows))
            self.table.setColumnCount(len(shown))
            self.table.setHorizontalHeaderLabels([table.columns[k] for k in shown])
            for row, values in enumerate(table.rows):
                for column, k in enumerate(shown):
                    self.table.setItem(row, column, _item(values[k]))
            self.table.resizeColumnsToContents()

    def _shown(self) -> Table:
        table = self._tables[self.box.currentIndex()] if self._tables else Table("", (), ())
        if table.name not in _BY_BAND or not self._band:
            return table
        column = table.columns.index("abbreviation")
        return replace(table, rows=tuple(row for row in table.rows if row[column] == self._band))

    def _on_row(self) -> None:
        table = self._shown()
        row = self.table.currentRow()
        if table.name == "segments" and row >= 0:
            number = table.rows[row][table.columns.index("segment")]
            self.segment_chosen.emit(int(number or 0))


def _is_shown(column: str) -> bool:
    hidden = column in _HIDDEN or column.startswith(COMPARED)
    return not hidden and "pixel size" not in column


def _describe_pair(table: Table) -> str:
    """Say which scans a table compares, as its rows do; empty if it compares none."""
    if f"{COMPARED}image" not in table.columns or not table.rows:
        return ""
    row = dict(zip(table.columns, table.rows[0], strict=True))
    scans = []
    for start in ("", COMPARED):
        name, eye, origin = (row[f"{start}{key}"] for key in ("image", "laterality", "mask from"))
        scans.append(f"'{name}' ({eye}; mask: {origin})")
    return displayed(f"{scans[0]}, compared with {scans[1]}.")


def _item(value: Value) -> QTableWidgetItem:
    is_number = isinstance(value, (int, float))
    item = QTableWidgetItem(_text(value))
    if is_number:
        item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return item


def _text(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if isfinite(value) else "–"
    return "–" if value is None else displayed(str(value))
