"""Colour bar of the displayed map, with the evidence at its strongest colour."""

from __future__ import annotations

import numpy as np
from napari.utils.colormaps import Colormap
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QGridLayout, QLabel, QSizePolicy, QWidget

_HEIGHT = 12  # px
_STEPS = 256
_FRAME = "QLabel { border: 1px solid #808080; }"  # visible on dark and light themes


class ColorBar(QWidget):
    """Colour bar from no evidence to the most; visible while a map is displayed."""

    def __init__(self) -> None:
        super().__init__()
        self._colors = QLabel()
        self._colors.setScaledContents(True)
        self._colors.setFixedHeight(_HEIGHT)
        self._colors.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._colors.setStyleSheet(_FRAME)
        self._most = QLabel()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(1)
        grid.addWidget(self._colors, 0, 0, 1, 2)
        grid.addWidget(QLabel("0"), 1, 0)
        grid.addWidget(self._most, 1, 1, Qt.AlignmentFlag.AlignRight)
        self.hide()

    @property
    def words(self) -> str:
        """The displayed maximum; empty while hidden."""
        return "" if self.isHidden() else self._most.text()

    def show_scale(self, colors: Colormap, top: float, classes: str) -> None:
        """Show the colours on black, and the largest evidence and its classes."""
        shown = colors.map(np.linspace(0, 1, _STEPS))
        rgb = np.ascontiguousarray(np.rint(255 * shown[:, :3] * shown[:, 3:]), np.uint8)
        image = QImage(rgb.tobytes(), _STEPS, 1, 3 * _STEPS, QImage.Format.Format_RGB888)
        self._colors.setPixmap(QPixmap.fromImage(image))
        self._most.setText(f"evidence for {classes}: {top:.3g}")
        self.setToolTip(
            "Evidence from none to the most, in logits per target pixel. The transparent end"
            " shows the image."
        )
        self.show()
