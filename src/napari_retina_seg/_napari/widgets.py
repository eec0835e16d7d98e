"""Small pieces that the docks are put together from."""

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
from napari_retina_seg.core.progress import Progress

_LABELS = 60  # px; the names of the rows, one width in all parts


def text(words: str = "", *, html: bool = False) -> QLabel:
    """Return a label that wraps instead of making its dock wider."""
    label = QLabel(words)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.RichText if html else Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label


def narrow(box: QComboBox) -> QComboBox:
    """Let a box be narrower than its longest item."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return box


def scrolling(inner: QWidget) -> QScrollArea:
    """Return an area that scrolls up and down, never sideways."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(inner)
    return area


def large(button: QPushButton) -> QPushButton:
    """Make a button that is pressed most look so."""
    button.setMinimumHeight(44)
    button.setStyleSheet("QPushButton { font-size: 15px; font-weight: bold; }")
    return button


def add_row(form: QFormLayout, name: str, field: QWidget | QLayout) -> None:
    """Add a named row to a form; the fields of all forms begin at one place."""
    form.setContentsMargins(0, 0, 0, 0)
    label = QLabel(name)
    label.setMinimumWidth(_LABELS)
    form.addRow(label, field)


class ElidedComboBox(QComboBox):
    """A box whose text, where it is too long, lacks its middle; all of it is in the tooltip."""

    def __init__(self) -> None:
        super().__init__()
        self.view().setTextElideMode(Qt.TextElideMode.ElideMiddle)

    @property
    def shown(self) -> str:
        """What of the text fits."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        field = self.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, self
        )
        middle = Qt.TextElideMode.ElideMiddle
        return self.fontMetrics().elidedText(self.currentText(), middle, field.width() - 4)

    def event(self, event: QEvent) -> bool:
        """Put what is left out above the tooltip."""
        if event.type() != QEvent.Type.ToolTip or self.shown == self.currentText():
            return super().event(event)
        QToolTip.showText(event.globalPos(), f"{self.currentText()}\n\n{self.toolTip()}", self)
        return True

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802 - Qt's
        """Draw the box as ever, with the text that fits."""
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        option.currentText = self.shown
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)


class CollapsibleSection(QCollapsible):
    """A part that can be folded away, and stays so in the next session.

    Its sign is text: superqt draws icons in the palette's colour, and napari's themes are style
    sheets, so that the icons would be black on black.
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
    """How far a job is, the time left and Cancel; there while a job is at work.

    Parameters
    ----------
    what : str
        What the job makes, in words.
    keeps_place : bool
        Whether its place stays empty in between, so that nothing jumps where jobs are short.
    """

    def __init__(self, what: str, keeps_place: bool = False) -> None:
        super().__init__()
        self.progress = QProgressBar()
        self.progress.setToolTip(f"How far {what} is.")
        self.time_left = QLabel()
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop after the current step; nothing is changed.")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for widget in (self.progress, self.time_left, self.cancel_button):
            row.addWidget(widget)
        if keeps_place:
            self.setMinimumHeight(self.sizeHint().height())
        self.show_work(False)

    def show_work(self, on: bool) -> None:
        """Appear for a new job, or go."""
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
