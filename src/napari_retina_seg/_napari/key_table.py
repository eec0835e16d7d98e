"""The table of all keys, shown with ``?``."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

from napari.settings import get_settings
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_retina_seg._napari.keys import SHORTCUTS

KEY = "?"
_NAME = "retina-seg-key-table"
_WIDTH, _HEIGHT = 560, 640  # px
_ROW = 22  # px

# What people who paint need of napari's own; the keys are read from napari's settings.
_NAPARI = {
    "napari:activate_labels_paint_mode": "Brush",
    "napari:activate_labels_erase_mode": "Eraser",
    "napari:activate_labels_polygon_mode": "Polygon",
    "napari:activate_labels_fill_mode": "Fill",
    "napari:activate_labels_picker_mode": "Pick a class",
    "napari:activate_labels_pan_zoom_mode": "Move the image",
    "napari:hold_for_pan_zoom": "Move the image while it is held",
    "napari:decrease_brush_size": "Smaller brush",
    "napari:increase_brush_size": "Larger brush",
    "napari:toggle_preserve_labels": "Paint over background only",
    "napari:swap_selected_and_background_labels": "Swap class and background",
    "napari:toggle_selected_visibility": "Hide or show the selected layer",
    "napari:increment_dims_left": "Previous slice",
    "napari:increment_dims_right": "Next slice",
    "napari:reset_view": "See the whole image",
}
_FIXED = (("Ctrl+Z", "Undo"), ("Ctrl+Shift+Z", "Redo"))


def offer_key_table(main: QWidget) -> None:
    """Let ``?`` show the table in a window, wherever in it the keys go, but not while one types."""
    if main.findChild(QShortcut, _NAME) is None:
        shortcut = _shortcut(main)
        shortcut.setObjectName(_NAME)
        window = weakref.ref(main)  # the shortcut is the window's: a cycle would keep both
        shortcut.activated.connect(lambda: show_key_table(window()))


def show_key_table(main: QWidget) -> QDialog:
    """Show the table beside what is worked on; ``?`` once more, or Escape, closes it."""
    dialog = KeyTable(main)
    dialog.show()
    return dialog


class KeyTable(QDialog):
    """All keys of the plugin by dock, and napari's own for painting."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        rows = [*_ours(), *_napari()]
        self.table = QTableWidget(len(rows), 3)
        self.table.setHorizontalHeaderLabels(["Where", "Key", "What it does"])
        for number, row in enumerate(rows):
            for column, words in enumerate(row):
                self.table.setItem(number, column, QTableWidgetItem(words))
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(_ROW)
        self.table.setShowGrid(False)
        self.table.resizeColumnsToContents()
        self.table.horizontalHeader().setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.close)
        layout = QVBoxLayout(self)
        layout.addWidget(self.table)
        layout.addWidget(buttons)
        _shortcut(self).activated.connect(self.close)
        self.resize(_WIDTH, _HEIGHT)


def _shortcut(parent: QWidget) -> QShortcut:
    shortcut = QShortcut(parent)
    # On some keyboards Shift is needed to type it, and is told; on others it is not.
    shortcut.setKeys([QKeySequence(KEY), QKeySequence(f"Shift+{KEY}")])
    return shortcut


def _ours() -> Iterator[tuple[str, str, str]]:
    for shortcut in sorted(SHORTCUTS, key=lambda shortcut: shortcut.dock):
        yield shortcut.dock, shortcut.native, shortcut.description
    yield "everywhere", KEY, "Show or close this table"


def _napari() -> Iterator[tuple[str, str, str]]:
    known = get_settings().shortcuts.shortcuts
    for action, words in _NAPARI.items():
        keys = " or ".join(_native(str(key)) for key in known.get(action, ()))
        if keys:
            yield "napari", keys, words
    for key, words in _FIXED:
        yield "napari", _native(key), words


def _native(keys: str) -> str:
    sequence = QKeySequence(keys)
    return sequence.toString(QKeySequence.SequenceFormat.NativeText) or keys
