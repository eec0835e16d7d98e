"""Agreement of two graders: tables, a plot, and the images sorted by agreement."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.widgets import WARNS, combo_box, stack, text
from napari_retina_seg.metrics.agreement import Agreement, GradedImage
from napari_retina_seg.metrics.measures import Key
from napari_retina_seg.reports.agreement import (
    boundary_table,
    caution,
    class_table,
    summary_table,
)
from napari_retina_seg.reports.evaluation import format_score
from napari_retina_seg.types.text import displayed

_ROW = 22  # px
_MOST = 12  # rows before it scrolls
_WIDTH = 300  # px
_HINT = "Images, worst first. Double-click one to see both gradings and where they differ."


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
            for column, content in enumerate(row):
                item = QTableWidgetItem(
                    displayed(content.partition(" [")[0] if column else content)
                )
                item.setToolTip(qt_text(content))
                if column:
                    item.setTextAlignment(
                        Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    )
                self.setItem(number, column, item)
        shown = min(len(rows), _MOST)
        self.setFixedHeight(self.horizontalHeader().sizeHint().height() + shown * _ROW + 4)
        self.setVisible(bool(rows))


class BlandAltmanPlot(QWidget):
    """Differences between the two graders against their mean, for a chosen class."""

    def __init__(self) -> None:
        super().__init__()
        self._agreement: Agreement | None = None
        self.classes = combo_box()
        self.classes.setToolTip("Class whose sizes are compared.")
        self.picture = QLabel()
        self.picture.setToolTip(
            "One point per image: the second grader's size less the first's, against their mean."
            " The black line is the mean difference, the dashed lines are the 95 % limits of"
            " agreement."
        )
        self.setLayout(stack(self.classes, self.picture))
        self.classes.currentIndexChanged.connect(self._draw)
        self.show_agreement(None)

    def show_agreement(self, agreement: Agreement | None) -> None:
        """Plot an agreement, or nothing; keep the chosen class if possible."""
        chosen = self.classes.currentText()
        self._agreement = agreement
        names = [] if agreement is None else [size.name for size in agreement.sizes]
        with signals_blocked(self.classes):
            self.classes.clear()
            self.classes.addItems(names)
            self.classes.setCurrentIndex(names.index(chosen) if chosen in names else 0)
        self.setVisible(bool(names))
        self._draw()

    def _draw(self) -> None:
        if self._agreement is None or not self.classes.currentText():
            self.picture.clear()
            return
        from napari_retina_seg.reports._plots import figure_file
        from napari_retina_seg.reports.agreement_plots import bland_altman_figure

        figure = bland_altman_figure(self._agreement, [self.classes.currentText()])
        sharpness = self.devicePixelRatioF()
        dpi = round(_WIDTH * sharpness / figure.get_figwidth())
        picture = QPixmap()
        picture.loadFromData(figure_file(figure, "png", dpi))
        picture.setDevicePixelRatio(sharpness)
        self.picture.setPixmap(picture)
        self.picture.setAlignment(Qt.AlignmentFlag.AlignHCenter)


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
        self.caution = text()
        self.caution.setStyleSheet(WARNS)
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
        self.setLayout(
            stack(
                *(self.caution, self.summary, self.hint, self.images, self.classes),
                *(self.plot, self.boundaries),
            )
        )
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
        warning = caution(agreement)
        self.caution.setText(warning)
        self.caution.setVisible(bool(warning))
        self.classes.name(("class", "Dice", "ICC", "bias", f"limits, {agreement.unit[:2]}"))
        self.classes.fill(class_table(agreement).rows)
        unit = "µm" if agreement.boundaries_um else "px"
        self.boundaries.name(("boundary", "bias", "absolute", f"limits, {unit}"))
        self.boundaries.fill(boundary_table(agreement).rows)
        self.images.fill(
            tuple(
                (
                    one.image.name,
                    format_score(one.dice, "dice"),
                    format_score(one.scores.get(Key("kappa")), "kappa"),
                )
                for one in agreement.images
            )
        )
        self.hint.setVisible(bool(agreement.images))

    def _on_double_click(self, row: int, column: int) -> None:
        del column
        if self._agreement is not None:
            self.wanted.emit(self._agreement.images[row].image.number)
