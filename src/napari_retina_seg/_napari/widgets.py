"""Small widgets shared by the docks."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QEvent, QObject, Qt, QUrl
from qtpy.QtGui import QDesktopServices, QIcon
from qtpy.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QBoxLayout,
    QComboBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QScrollArea,
    QScrollBar,
    QSizePolicy,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolTip,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.plain import PlainLabel, qt_text
from napari_retina_seg._napari.settings import Settings

_LABELS = 60  # px; width of row labels in all forms

# White on these has a contrast above 5 : 1; sign and word carry the meaning without the colour.
AMBER = "#8f5a00"
GREEN = "#1b6e3c"
_STYLES = {
    JobStatus.SUCCEEDED: ("✔", "Done", GREEN),
    JobStatus.CANCELLED: ("■", "Cancelled", "#7a5200"),
    JobStatus.FAILED: ("✖", "Failed", "#a8201a"),
}
_DOUBTFUL = ("⚠", "Done, with a warning", AMBER)


def _style(color: str) -> str:
    return f"QLabel {{ background: {color}; color: white; border-radius: 4px; padding: 6px; }}"


# napari's dark theme draws unchecked boxes black on black.
SEEN_BOXES = (
    "QTreeView::indicator:unchecked, QListView::indicator:unchecked { border: 1px solid gray; }"
)
WARNS = _style(AMBER)  # the style sheet of a label that holds a warning


def text(content: str = "", *, html: bool = False) -> QLabel:
    """Return a label that wraps instead of widening its dock."""
    label = QLabel(content) if html else PlainLabel(content)
    label.setTextFormat(Qt.TextFormat.RichText if html else Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label


def stack(
    *rows: QWidget | QLayout,
    horizontal: bool = False,
    margins: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> QBoxLayout:
    """Return a layout of rows below each other, or next to each other."""
    layout: QBoxLayout = QHBoxLayout() if horizontal else QVBoxLayout()
    layout.setContentsMargins(*margins)
    for each in rows:
        if isinstance(each, QLayout):
            layout.addLayout(each)
        else:
            layout.addWidget(each)
    return layout


def combo_box() -> QComboBox:
    """Return a combo box for docks; see `elide`."""
    return elide(QComboBox())


def elide(box: QComboBox) -> QComboBox:
    """Let a combo box be narrower than its text: elide that, and show it all in the tooltip."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    box.view().setTextElideMode(Qt.TextElideMode.ElideMiddle)
    box.installEventFilter(_Elision(box))
    return box


def elided_text(box: QComboBox) -> str:
    """Return the text of a combo box as it is displayed."""
    option = QStyleOptionComboBox()
    box.initStyleOption(option)
    field = box.style().subControlRect(
        QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, box
    )
    middle = Qt.TextElideMode.ElideMiddle
    return box.fontMetrics().elidedText(box.currentText(), middle, field.width() - 4)


class _Elision(QObject):
    """Draws a combo box with its text elided in the middle, where Qt would cut it off."""

    def eventFilter(self, box: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's
        """Draw the box, and put elided text above its tooltip."""
        if event.type() == QEvent.Type.Paint:
            self._paint(box)
            return True
        if event.type() == QEvent.Type.ToolTip and elided_text(box) != box.currentText():
            tip = qt_text(f"{box.currentText()}\n\n{box.toolTip()}")
            QToolTip.showText(event.globalPos(), tip, box)
            return True
        return False

    def _paint(self, box: QComboBox) -> None:
        option = QStyleOptionComboBox()
        box.initStyleOption(option)
        if box.currentIndex() < 0:
            option.currentText = box.placeholderText()
        else:
            option.currentText = elided_text(box)
        painter = QStylePainter(box)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
        painter.end()


class _WheelScrolls(QObject):
    """Leaves the wheel over a choice that has no focus to the scroll area around it."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's
        """Ignore the wheel, so that Qt passes it on to the parent."""
        is_idle = isinstance(watched, QWidget) and not watched.hasFocus()
        if event.type() != QEvent.Type.Wheel or not is_idle:
            return False
        event.ignore()
        return True


def scrolling(inner: QWidget) -> QScrollArea:
    """Return an area that scrolls vertically only.

    The wheel scrolls it also over combo boxes, numbers and sliders, which change only once they
    were clicked: scrolling the dock must not change a choice unseen.
    """
    area = QScrollArea()
    wheel = _WheelScrolls(area)
    for kind in (QComboBox, QAbstractSpinBox, QAbstractSlider):
        for choice in inner.findChildren(kind):
            if not isinstance(choice, QScrollBar):
                choice.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                choice.installEventFilter(wheel)
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


def open_in_browser(page: Path) -> None:
    """Open a report in the browser."""
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(page)))


def add_row(form: QFormLayout, name: str, field: QWidget | QLayout) -> None:
    """Add a labelled row to a form; the fields of all forms are aligned."""
    form.setContentsMargins(0, 0, 0, 0)
    label = QLabel(name)
    label.setMinimumWidth(_LABELS)
    form.addRow(label, field)


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


class StatusLine(PlainLabel):
    """Wrapping message with a distinct look for success, warning, cancellation and failure."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.result: JobStatus | None = None

    def keep_place(self, lines: int = 2) -> None:
        """Take the room of so many lines also without text: what is below must not jump."""
        policy = self.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.setSizePolicy(policy)
        self.setMinimumHeight(lines * self.fontMetrics().lineSpacing() + 18)

    def show_message(self, sentence: str) -> None:
        """Show a neutral message, or clear it."""
        self.result = None
        self.setStyleSheet("")
        self.setText(sentence)
        self.setVisible(bool(sentence))

    def warn(self, sentence: str) -> None:
        """Show a warning about an earlier result."""
        self.result = None
        self.setStyleSheet(WARNS)
        self.setText(f"{_DOUBTFUL[0]} {sentence}")
        self.setVisible(True)

    def show_result(self, status: JobStatus, sentence: str, *, doubtful: bool = False) -> None:
        """Show a job's result; a doubtful one does not look like success."""
        self.result = status
        sign, word, color = (
            _DOUBTFUL if doubtful and status is JobStatus.SUCCEEDED else _STYLES[status]
        )
        self.setStyleSheet(_style(color))
        text = sentence if sentence.startswith(word) else f"{word}: {sentence}"
        self.setText(f"{sign} {text}")
        self.setVisible(True)
