"""Agreement of two graders: tables, a plot, and the images sorted by agreement."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_retina_seg._napari.agreement.plot import BlandAltmanPlot
from napari_retina_seg._napari.agreement.table import FigureTable
from napari_retina_seg._napari.widgets import text
from napari_retina_seg.metrics.agreement import Agreement, GradedImage
from napari_retina_seg.metrics.measures import Key
from napari_retina_seg.reports.agreement import (
    boundary_table,
    class_table,
    summary_table,
)
from napari_retina_seg.reports.evaluation import figure

_HINT = "Images, worst first. Double-click one to see both gradings and where they differ."


class Findings(QWidget):
    """Shows an `Agreement`; hidden without one.

    Signals
    -------
    wanted : (int)
        Number of the image that was double-clicked.
    selected : ()
        The selection in the list changed.
    """

    wanted = Signal(int)
    selected = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._agreement: Agreement | None = None
        self.summary = text()
        self.classes = FigureTable(
            ("class", "Dice", "ICC", "bias", "limits"),
            (
                "The classes of the project.",
                "Overlap of the two gradings, 0 to 1; mean over the images.",
                "ICC(2,1) of the measured sizes, at most 1.",
                "Mean difference, second less first.",
                "95 % limits of agreement.",
            ),
        )
        self.boundaries = FigureTable(
            ("boundary", "bias", "absolute", "limits"),
            (
                "The boundaries between the layers.",
                "Mean difference, second less first: positive is deeper.",
                "Mean absolute difference.",
                "95 % limits of agreement, over columns.",
            ),
        )
        self.plot = BlandAltmanPlot()
        self.hint = text(_HINT)
        self.images = FigureTable(
            ("image", "Dice", "kappa"),
            (
                "Double-click to see both gradings.",
                "Overlap of the two gradings, 0 to 1.",
                "Cohen's kappa: agreement on pixels beyond chance.",
            ),
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.summary, self.hint, self.images, self.classes):
            layout.addWidget(widget)
        for widget in (self.plot, self.boundaries):
            layout.addWidget(widget)
        self.images.cellDoubleClicked.connect(self._on_double_click)
        self.images.itemSelectionChanged.connect(self.selected)
        self.show_agreement(None)

    @property
    def agreement(self) -> Agreement | None:
        """The displayed agreement."""
        return self._agreement

    @property
    def chosen(self) -> GradedImage | None:
        """The image selected in the list, with its graders."""
        row = self.images.currentRow()
        if self._agreement is None or not 0 <= row < len(self._agreement.images):
            return None
        return self._agreement.images[row].image

    def show_agreement(self, agreement: Agreement | None) -> None:
        """Show an agreement, or nothing."""
        self._agreement = agreement
        self.plot.show_agreement(agreement)
        self.setVisible(agreement is not None)
        if agreement is None:
            self.images.fill(())
            return
        rows = [row for row in summary_table(agreement).rows[1:] if row[1] != "0"]
        self.summary.setText("\n".join(f"{name}: {value}" for name, value in rows))
        self.classes.name(("class", "Dice", "ICC", "bias", f"limits, {agreement.unit[:2]}"))
        self.classes.fill(class_table(agreement).rows)
        unit = "µm" if agreement.boundaries_um else "px"
        self.boundaries.name(("boundary", "bias", "absolute", f"limits, {unit}"))
        self.boundaries.fill(boundary_table(agreement).rows)
        self.images.fill(
            tuple(
                (
                    one.image.name,
                    figure(one.dice, "dice"),
                    figure(one.scores.get(Key("kappa")), "kappa"),
                )
                for one in agreement.images
            )
        )
        self.hint.setVisible(bool(agreement.images))

    def _on_double_click(self, row: int, column: int) -> None:
        del column
        self.wanted.emit(self._agreement.images[row].image.number)
