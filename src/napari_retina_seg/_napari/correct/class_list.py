"""Classes of a mask: choose, show or hide, and lock them."""

from __future__ import annotations

import napari
from napari.layers import Labels
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QSizePolicy,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.legend import class_icon, hidden_classes
from napari_retina_seg._napari.masks.edits import lock, locked
from napari_retina_seg._napari.masks.linked_layers import mask_of
from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.results import MaskInfo, colormap
from napari_retina_seg._napari.shortcuts import CLASS_KEYS
from napari_retina_seg._napari.widgets import SEEN_BOXES, stack
from napari_retina_seg.types.labels import LabelClass
from napari_retina_seg.types.text import displayed

_NAME, _KEY, _SHOWN, _LOCKED = range(4)
_HEADINGS = ("Class", "Key", "Show", "Lock")
_TICKED = Qt.CheckState.Checked
_ROWS = 10  # more scroll


class ClassList(QWidget):
    """Lists the classes of one mask.

    Signals
    -------
    locks_changed : ()
        The user locked or unlocked a class.
    """

    locks_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._mask: Labels | None = None
        self._rows = QTreeWidget()
        self._rows.setColumnCount(len(_HEADINGS))
        self._rows.setHeaderLabels(_HEADINGS)
        self._rows.setRootIsDecorated(False)
        self._rows.setUniformRowHeights(True)
        self._rows.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self._rows.setStyleSheet(SEEN_BOXES)
        self._rows.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # keys stay with the canvas
        self._rows.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._rows.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        header = self._rows.header()
        header.setStretchLastSection(False)
        header.setSectionsMovable(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        self.setLayout(stack(self._rows))
        self._rows.itemChanged.connect(self._on_ticked)
        self._rows.itemClicked.connect(self._on_clicked)

    @property
    def names(self) -> list[str]:
        """Names of the listed classes."""
        return [each.text(_NAME) for each in self._items()]

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's
        """Fit the height to the rows, which is known only now."""
        super().showEvent(event)
        self._set_height()

    def show_mask(self, mask: Labels | None) -> None:
        """List the classes of a mask."""
        if self._mask is not None:
            self._mask.events.colormap.disconnect(self._on_colors)
        self._mask = mask
        if mask is not None:
            mask.events.colormap.connect(self._on_colors)
        with signals_blocked(self._rows):
            self._rows.clear()
            if mask is not None:
                hidden, fixed = hidden_classes(mask), locked(mask)
                for label in mask.metadata[KEY].scheme.classes:
                    shown = label.value not in hidden
                    self._rows.addTopLevelItem(_row(label, shown, label.value in fixed))
        self._set_height()
        self.show_chosen()

    def show_chosen(self) -> None:
        """Highlight the chosen class."""
        item = None if self._mask is None else self._item(int(self._mask.selected_label))
        self._rows.setCurrentItem(item)

    def set_shown(self, value: int, on: bool) -> None:
        """Show or hide a class."""
        self._items()[value].setCheckState(_SHOWN, _TICKED if on else Qt.CheckState.Unchecked)

    def _items(self) -> list[QTreeWidgetItem]:
        return [self._rows.topLevelItem(row) for row in range(self._rows.topLevelItemCount())]

    def _item(self, value: int) -> QTreeWidgetItem | None:
        return self._rows.topLevelItem(value)

    def _ticked(self, column: int) -> frozenset[int]:
        states = [each.checkState(column) for each in self._items()]
        return frozenset(value for value, state in enumerate(states) if state == _TICKED)

    def _on_ticked(self, item: QTreeWidgetItem, column: int) -> None:  # noqa: ARG002 - Qt's
        if self._mask is None:
            return
        if column == _LOCKED:
            lock(self._mask, self._ticked(_LOCKED))
            self.locks_changed.emit()
        if column == _SHOWN:
            scheme = self._mask.metadata[KEY].scheme
            shown = self._ticked(_SHOWN)
            hidden = frozenset(range(1, len(scheme))) - shown
            self._mask.colormap = colormap(scheme, hidden)

    def _on_colors(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        """Update the ticks after classes were hidden elsewhere."""
        hidden = hidden_classes(self._mask)
        with signals_blocked(self._rows):
            for value, item in enumerate(self._items()[1:], start=1):
                item.setCheckState(_SHOWN, Qt.CheckState.Unchecked if value in hidden else _TICKED)

    def _on_clicked(self, item: QTreeWidgetItem, column: int) -> None:
        """Choose a class by clicking its name or key, not its ticks."""
        if self._mask is not None and column in (_NAME, _KEY):
            self._mask.selected_label = self._rows.indexOfTopLevelItem(item)
        self.show_chosen()

    def _set_height(self) -> None:
        rows = self._items()[:_ROWS]
        each = self._rows.sizeHintForRow(0) if rows else 0
        self._rows.setFixedHeight(self._rows.header().sizeHint().height() + each * len(rows) + 4)


def choose_class(viewer: napari.Viewer, value: int) -> None:
    """Choose a class of the selected mask, if it exists; the number keys."""
    active = viewer.layers.selection.active
    mask = mask_of(active) or active
    known = None if mask is None else mask.metadata.get(KEY)
    if isinstance(known, MaskInfo) and value < len(known.scheme):
        mask.selected_label = value


def _row(label: LabelClass, shown: bool, fixed: bool) -> QTreeWidgetItem:
    keys = CLASS_KEYS[label.value].native if label.value < len(CLASS_KEYS) else ""
    item = QTreeWidgetItem([displayed(label.abbreviation if label.value else label.name), keys])
    item.setIcon(_NAME, class_icon(label))
    tip = f"{label.name}: mask value {label.value}. Click to choose it."
    item.setToolTip(_NAME, qt_text(tip))
    if label.value:
        item.setCheckState(_SHOWN, _TICKED if shown else Qt.CheckState.Unchecked)
        item.setToolTip(_SHOWN, qt_text(f"Show {label.name}."))
    item.setCheckState(_LOCKED, _TICKED if fixed else Qt.CheckState.Unchecked)
    tip = f"Lock {label.name}, so that it can't be painted over."
    item.setToolTip(_LOCKED, qt_text(tip))
    return item
