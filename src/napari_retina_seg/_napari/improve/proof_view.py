"""Show a training's curves, and the scores of the new model beside those of the one in use."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QPixmap, QResizeEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QLabel, QTableWidget, QTableWidgetItem

from napari_retina_seg._napari.improve.runs import ProofTable, Row
from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.widgets import AMBER, GREEN
from napari_retina_seg.metrics.measures import MEASURES
from napari_retina_seg.metrics.proof import Verdict
from napari_retina_seg.reports.evaluation import format_score

_HEADER = ("Dice", "in use", "new", "difference")
_COLORS = {Verdict.BETTER: GREEN, Verdict.WORSE: AMBER}
_ROWS = 9  # that are visible at once


class Picture(QLabel):
    """A picture that is as wide as its dock."""

    def __init__(self) -> None:
        super().__init__()
        self._pixmap = QPixmap()
        self._file: tuple[Path, int] | None = None
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setMinimumWidth(1)  # else the dock could not become narrower than the picture

    def show_file(self, path: Path | None) -> None:
        """Show a picture file, again if it was written since; None for nothing."""
        if path is None:
            self._file = None
            self.setVisible(False)
            return
        try:
            known = path, path.stat().st_mtime_ns
        except OSError:  # it is being replaced
            return
        if known == self._file:
            return
        self._file, self._pixmap = known, QPixmap(str(path))
        self._scale()
        self.setVisible(not self._pixmap.isNull())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's
        """Fit the picture."""
        super().resizeEvent(event)
        self._scale()

    def _scale(self) -> None:
        if not self._pixmap.isNull():
            smooth = Qt.TransformationMode.SmoothTransformation
            width = min(max(self.width(), 1), self._pixmap.width())
            self.setPixmap(self._pixmap.scaledToWidth(width, smooth))


class ProofView(QTableWidget):
    """The scores of the proof, one row each; intervals and verdicts are in the tooltips."""

    def __init__(self) -> None:
        super().__init__(0, len(_HEADER))
        self.setHorizontalHeaderLabels(_HEADER)
        self.verticalHeader().hide()
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)

    def show_proof(self, proof: ProofTable | None) -> None:
        """Show a proof, or nothing."""
        rows = () if proof is None else proof.rows
        self.setRowCount(len(rows))
        for number, row in enumerate(rows):
            self._show_row(number, row)
        self.setVisible(bool(rows))
        height = self.verticalHeader().defaultSectionSize()
        self.setFixedHeight((min(len(rows), _ROWS) + 1) * height + 4)

    def _show_row(self, number: int, row: Row) -> None:
        difference = row.difference
        label = MEASURES[row.measure].label if row.measure in MEASURES else row.measure
        interval = "no interval: too few patients"
        if difference is not None and difference.low is not None and difference.high is not None:
            both = (difference.low, difference.high)
            ends = (format_score(each, row.measure, signed=True) for each in both)
            interval = f"95 % interval {' to '.join(ends)}"
        cells = (
            _title(row),
            format_score(row.in_use, row.measure),
            format_score(row.candidate, row.measure),
            format_score(
                None if difference is None else difference.value, row.measure, signed=True
            ),
        )
        for column, cell in enumerate(cells):
            item = QTableWidgetItem(cell)
            item.setToolTip(qt_text(f"{label}, {row.name}: {row.verdict}, {interval}."))
            color = next((c for verdict, c in _COLORS.items() if verdict.value == row.verdict), "")
            if column == len(cells) - 1 and color:
                item.setBackground(QColor(color))
                item.setForeground(QColor("white"))
            self.setItem(number, column, item)


def _title(row: Row) -> str:
    """Return the name of a row, with the unit of one that is no Dice."""
    name = "mean" if row.name == "all" else row.name
    return f"{name}, px" if row.measure.endswith("px") else name
