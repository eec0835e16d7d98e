"""Small widgets shared by the docks."""

from __future__ import annotations

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QIcon, QPaintEvent
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolTip,
    QWidget,
)
from superqt import QCollapsible

from napari_retina_seg._napari.settings import Settings
from napari_retina_seg.types.progress import Progress

_LABELS = 60  # px; width of row labels in all forms


def text(words: str = "", *, html: bool = False) -> QLabel:
    """Return a label that wraps instead of widening its dock."""
    label = QLabel(words)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.RichText if html else Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label


def narrow(box: QComboBox) -> QComboBox:
    """Allow a combo box to be narrower than its longest item."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return box


def scrolling(inner: QWidget) -> QScrollArea:
    """Return an area that scrolls vertically only."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(inner)
    return area


def large(button: QPushButton) -> QPushButton:
    """Make a primary button large."""
    button.setMinimumHeight(44)
    button.setStyleSheet("QPushButton { font-size: 15px; font-weight: bold; }")
    return button


def add_row(form: QFormLayout, name: str, field: QWidget | QLayout) -> None:
    """Add a labelled row to a form; the fields of all forms are aligned."""
    form.setContentsMargins(0, 0, 0, 0)
    label = QLabel(name)
    label.setMinimumWidth(_LABELS)
    form.addRow(label, field)


class ElidedComboBox(QComboBox):
    """Combo box that elides long text in the middle and shows all of it in the tooltip."""

    def __init__(self) -> None:
        super().__init__()
        self.view().setTextElideMode(Qt.TextElideMode.ElideMiddle)

    @property
    def shown(self) -> str:
        """The elided text."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        field = self.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, self
        )
        middle = Qt.TextElideMode.ElideMiddle
        return self.fontMetrics().elidedText(self.currentText(), middle, field.width() - 4)

    def event(self, event: QEvent) -> bool:
        """Put elided text above the tooltip."""
        if event.type() != QEvent.Type.ToolTip or self.shown == self.currentText():
            return super().event(event)
        QToolTip.showText(event.globalPos(), f"{self.currentText()}\n\n{self.toolTip()}", self)
        return True

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802 - Qt's
        """Draw the box with the elided text."""
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        option.currentText = self.shown
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)


class CollapsibleSection(QCollapsible):
    """Collapsible section that remembers its state across sessions.

    Its arrow is text: superqt draws icons in the palette's colour, but napari's themes are style
    sheets, so the icons would be black on black.
    """

    def __init__(self, title: str, settings: Settings, key: str, default: bool) -> None:
        super().__init__(title, expandedIcon=QIcon(), collapsedIcon=QIcon())
        self._title = title
        self.setDuration(0)
        self.layout().setContentsMargins(0, 0, 0, 0)
        self.toggleButton().setStyleSheet(
            "QPushButton, QPushButton:checked { text-align: left; border: none; padding: 2px;"
            " background: transparent; font-weight: bold; }"
        )
        self.toggled.connect(lambda on: settings.remember_switch(key, on))
        self.toggled.connect(self._show_sign)
        if settings.switch(key, default):
            self.expand(animate=False)
        self._show_sign(self.isExpanded())

    def _show_sign(self, on: bool) -> None:
        self.setText(f"{'▾' if on else '▸'} {self._title}")


class ProgressRow(QWidget):
    """Progress bar, time left and Cancel; visible while a job is running.

    Parameters
    ----------
    what : str
        Name of the job, for the tooltip.
    keeps_place : bool
        Whether to reserve its space while hidden, so that short jobs do not shift the layout.
    """

    def __init__(self, what: str, keeps_place: bool = False) -> None:
        super().__init__()
        self.progress = QProgressBar()
        self.progress.setToolTip(f"Progress of {what}.")
        self.time_left = QLabel()
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop after the current step, without changes.")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for widget in (self.progress, self.time_left, self.cancel_button):
            row.addWidget(widget)
        if keeps_place:
            self.setMinimumHeight(self.sizeHint().height())
        self.show_work(False)

    def show_work(self, on: bool) -> None:
        """Show the row for a new job, or hide it."""
        self.progress.setRange(0, 0)
        self.time_left.setText("")
        self.cancel_button.setEnabled(on)
        for widget in (self.progress, self.time_left, self.cancel_button):
            widget.setVisible(on)

    def show_step(self, step: Progress, time_left: str) -> None:
        """Show a step of the job."""
        known = step.total > 1 and step.done > 0
        self.progress.setRange(0, step.total if known else 0)
        self.progress.setValue(step.done if known else -1)
        self.time_left.setText(time_left)
