"""A Bland-Altman plot of one class, as wide as the dock."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import QComboBox, QLabel, QVBoxLayout, QWidget

from napari_retina_seg._napari.widgets import narrow
from napari_retina_seg.metrics.agreement import Agreement

_WIDTH = 300  # px


class BlandAltmanPlot(QWidget):
    """Differences between the two graders against their mean, for a chosen class."""

    def __init__(self) -> None:
        super().__init__()
        self._agreement: Agreement | None = None
        self.classes = narrow(QComboBox())
        self.classes.setToolTip("Class whose sizes are compared.")
        self.picture = QLabel()
        self.picture.setToolTip(
            "One point per image: the second grader's size less the first's, against their mean."
            " The black line is the mean difference, the dashed lines are the 95 % limits of"
            " agreement."
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.classes)
        layout.addWidget(self.picture)
        self.classes.currentIndexChanged.connect(self._draw)
        self.show_agreement(None)

    def show_agreement(self, agreement: Agreement | None) -> None:
        """Plot an agreement, or nothing; keep the chosen class if possible."""
        chosen = self.classes.currentText()
        self._agreement = agreement
        names = [] if agreement is None else [size.name for size in agreement.sizes]
        self.classes.blockSignals(True)
        self.classes.clear()
        self.classes.addItems(names)
        self.classes.setCurrentIndex(names.index(chosen) if chosen in names else 0)
        self.classes.blockSignals(False)
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
