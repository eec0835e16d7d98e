"""Table of all shortcuts, shown with ``?``."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from html import escape

from napari.settings import get_settings
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from napari_retina_seg._napari.shortcuts import (
    BACKGROUND,
    BLINK,
    CLASS_KEYS,
    CORRECT,
    EXPLAIN,
    LINE_KEYS,
    MEASURE,
    REVIEW_KEYS,
    SEGMENT,
    VESSEL_KEYS,
)
from napari_retina_seg._napari.widgets import scrolling, text

KEY = "?"
_NAME = "retina-seg-key-table"
_WIDTH, _HEIGHT = 880, 712  # px; a laptop shows 1366 x 768

_HOW = (
    "Keys work while the image has the focus, which a new image or a tool gives it. Those of"
    " Review, Correct and boundary lines work while their dock is open."
)

KeyRow = tuple[str, str]  # keys, and what they do
Group = tuple[str, list[KeyRow]]

# napari's own actions for painting; the keys are read from napari's settings.
_PAINT = {
    "napari:activate_labels_paint_mode": "Brush",
    "napari:activate_labels_erase_mode": "Eraser",
    "napari:activate_labels_fill_mode": "Fill",
    "napari:activate_labels_polygon_mode": "Polygon",
    "napari:activate_labels_picker_mode": "Pick the class under the mouse",
    "napari:decrease_brush_size": "Smaller brush",
    "napari:increase_brush_size": "Larger brush",
    "napari:toggle_preserve_labels": "Toggle painting over background only",
    "napari:swap_selected_and_background_labels": "Swap the class with background",
}
_UNDO = (("Ctrl+Z", "Undo"), ("Ctrl+Shift+Z", "Redo"))
_VIEW = {
    "napari:activate_labels_pan_zoom_mode": "Move the image instead of painting",
    "napari:hold_for_pan_zoom": "Move the image while held",
    "napari:reset_view": "Reset the view",
    "napari:increment_dims_left": "Previous slice",
    "napari:increment_dims_right": "Next slice",
    "napari:toggle_selected_visibility": "Hide or show the selected layer",
}
_ZOOM = ("Mouse wheel", "Zoom")


def offer_key_table(main: QWidget) -> None:
    """Bind ``?`` to the table in a window, except while the user types text."""
    if main.findChild(QShortcut, _NAME) is None:
        shortcut = _shortcut(main)
        shortcut.setObjectName(_NAME)
        window = weakref.ref(main)  # weak: the window owns the shortcut
        shortcut.activated.connect(lambda: show_key_table(window()))


def show_key_table(main: QWidget) -> None:
    """Show or close the table, without blocking the window."""
    shown = main.findChild(KeyTable)
    if shown is None:
        KeyTable(main).show()
    else:
        shown.close()


class KeyTable(QDialog):
    """Shortcuts of the plugin, and napari's own for painting, the most used first."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        columns = QWidget()
        row = QHBoxLayout(columns)
        self.columns = [text(_html(groups), html=True) for groups in (_left(), _right())]
        for column in self.columns:
            row.addWidget(column, 1, Qt.AlignmentFlag.AlignTop)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.close)
        layout = QVBoxLayout(self)
        layout.addWidget(scrolling(columns))
        layout.addWidget(QLabel(_HOW))
        layout.addWidget(buttons)
        _shortcut(self).activated.connect(self.close)
        # The image may still have the focus.
        leave = QShortcut(QKeySequence(Qt.Key.Key_Escape), self)
        leave.setContext(Qt.ShortcutContext.ApplicationShortcut)
        leave.activated.connect(self.close)
        self.resize(_WIDTH, _HEIGHT)


def _shortcut(parent: QWidget) -> QShortcut:
    shortcut = QShortcut(parent)
    # Whether Shift is reported depends on the keyboard layout.
    shortcut.setKeys([QKeySequence(KEY), QKeySequence(f"Shift+{KEY}")])
    return shortcut


def _left() -> Iterator[Group]:
    classes = f"{CLASS_KEYS[1].native} … {CLASS_KEYS[-1].native}"
    yield "Review", [(each.native, each.description) for each in REVIEW_KEYS]
    yield (
        "Correct",
        [
            (CORRECT.native, CORRECT.description),
            (classes, "Choose the class of this number"),
            (BACKGROUND.native, BACKGROUND.description),
            (BLINK.native, BLINK.description),
        ],
    )
    yield "Boundary lines", [(each.native, each.description) for each in LINE_KEYS]
    vessels = [(each.native, each.description) for each in VESSEL_KEYS]
    yield "Arteries and veins, while the tool is in use", vessels


def _right() -> Iterator[Group]:
    undo = [(_native(keys), meaning) for keys, meaning in _UNDO]
    yield "Paint", [*undo, *_of_napari(_PAINT)]
    yield "Look", [_ZOOM, *_of_napari(_VIEW)]
    docks = (SEGMENT, EXPLAIN, MEASURE)
    yield "Segment, Explain, Measure", [(each.native, each.description) for each in docks]
    yield "Everywhere", [(KEY, "Show or close this table")]


def _of_napari(actions: dict[str, str]) -> Iterator[KeyRow]:
    known = get_settings().shortcuts.shortcuts
    for action, meaning in actions.items():
        keys = " or ".join(_native(str(key)) for key in known.get(action, ()))
        if keys:
            yield keys, meaning


def _html(groups: Iterable[Group]) -> str:
    lines = []
    for title, rows in groups:
        lines.append(f'<tr><td colspan="2"><br><b>{escape(title)}</b></td></tr>')
        lines += [
            f'<tr><td style="white-space: nowrap; padding-right: 14px;">{escape(keys)}</td>'
            f"<td>{escape(meaning)}</td></tr>"
            for keys, meaning in rows
        ]
    return f"<table>{''.join(lines)}</table>"


def _native(keys: str) -> str:
    sequence = QKeySequence(keys)
    return sequence.toString(QKeySequence.SequenceFormat.NativeText) or keys
