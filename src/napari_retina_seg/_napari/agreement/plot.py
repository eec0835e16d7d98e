"""A Bland-Altman plot of one class, as wide as the dock."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import QComboBox, QLabel, QVBoxLayout, QWidget

from napari_retina_seg._napari.widgets import narrow
from napari_retina_seg.core.two_graders import Agreement

_WIDTH = 300  # px


class BlandAltmanPlot(QWidget):
    """The differences of the two readers against their mean; a box chooses the class."""

    def __init__(self) -> None:
        super().__init__()
        self._agreement: Agreement | None = None
        self.classes = narrow(QComboBox())
        self.classes.setToolTip("The class whose sizes are compared.")
        self.picture = QLabel()
        self.picture.setToolTip(
            "A point is an image: by how much the second reader measured more than the first,"
            " against the mean of both. Black is the mean difference; 95 % lie between the dashed"
            " lines."
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.classes)
        layout.addWidget(self.picture)
        self.classes.currentIndexChanged.connect(self._draw)
        self.show_agreement(None)

    def show_agreement(self, agreement: Agreement | None) -> None:
        """Plot what was found, or nothing; the class stays the same if it can."""
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
        from napari_retina_seg.io.agreement_plots import bland_altman_figure
        from napari_retina_seg.io.plots import figure_file

        figure = bland_altman_figure(self._agreement, [self.classes.currentText()])
        sharpness = self.devicePixelRatioF()
        dpi = round(_WIDTH * sharpness / figure.get_figwidth())
        picture = QPixmap()
        picture.loadFromData(figure_file(figure, "png", dpi))
        picture.setDevicePixelRatio(sharpness)
        self.picture.setPixmap(picture)
        self.picture.setAlignment(Qt.AlignmentFlag.AlignHCenter)
