"""Legend of the selected mask: show, hide and choose its classes."""

from __future__ import annotations

from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QSizePolicy, QWidget
from superqt.utils import signals_blocked

from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.masks.active_mask import ActiveMask
from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.results import colormap
from napari_retina_seg._napari.widgets import stack, text
from napari_retina_seg.types.labels import LabelClass
from napari_retina_seg.types.text import displayed

_HINT = "Select a segmentation in the layer list to see its classes."
_USE = "Tick a class to show it; click its name to paint it."


class Legend(QWidget):
    """Lists the classes of the active mask."""

    def __init__(self, active_mask: ActiveMask) -> None:
        super().__init__()
        self._active_mask = active_mask
        self._layer: Labels | None = None
        self._ticked = False  # by the current click
        self._hint = text(_HINT)
        self.list = QListWidget()
        self.list.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.list.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setLayout(stack(self._hint, self.list))
        self.list.itemChanged.connect(self._on_ticked)
        self.list.currentItemChanged.connect(self._on_picked)
        self.list.itemPressed.connect(self._on_pressed)
        self.list.itemClicked.connect(self._on_clicked)
        active_mask.subscribe(changed=self._on_mask, class_changed=self._on_class)
        self._show_mask(active_mask.mask)

    @property
    def layer(self) -> Labels | None:
        """The listed mask."""
        return self._layer

    @property
    def names(self) -> list[str]:
        """Names of the listed classes."""
        return [self.list.item(row).text() for row in range(self.list.count())]

    def _item(self, value: int) -> QListWidgetItem:
        return self.list.item(value - 1)

    def _on_mask(self) -> None:
        if self._active_mask.mask != self._layer:
            self._show_mask(self._active_mask.mask)

    def _show_mask(self, layer: Labels | None) -> None:
        if self._layer is not None:
            self._layer.events.colormap.disconnect(self._on_colors)
        self._layer = layer
        if layer is not None:
            layer.events.colormap.connect(self._on_colors)
        with signals_blocked(self.list):
            self.list.clear()
            hidden = set() if layer is None else hidden_classes(layer)
            classes = () if layer is None else layer.metadata[KEY].scheme.classes[1:]
            for label in classes:
                self.list.addItem(_row(label, label.value not in hidden))
        self.list.setVisible(layer is not None)
        self.list.setFixedHeight(
            sum(self.list.sizeHintForRow(row) for row in range(self.list.count())) + 6
        )
        self._hint.setText(_HINT if layer is None else f"Classes of '{layer.name}'. {_USE}")
        self._on_class()

    def _on_ticked(self, item: QListWidgetItem) -> None:  # noqa: ARG002 - passed by Qt
        self._ticked = True
        if self._layer is None:
            return
        hidden = frozenset(
            row + 1
            for row in range(self.list.count())
            if self.list.item(row).checkState() is Qt.CheckState.Unchecked
        )
        self._layer.colormap = colormap(self._layer.metadata[KEY].scheme, hidden)

    def _on_colors(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        """Update the ticks after classes were hidden elsewhere."""
        if self._layer is None:
            return
        hidden = hidden_classes(self._layer)
        with signals_blocked(self.list):
            for row in range(self.list.count()):
                shown = row + 1 not in hidden
                state = Qt.CheckState.Checked if shown else Qt.CheckState.Unchecked
                self.list.item(row).setCheckState(state)

    def _on_picked(self, item: QListWidgetItem | None) -> None:
        if self._layer is not None and item is not None:
            self._layer.selected_label = self.list.row(item) + 1

    def _on_pressed(self, item: QListWidgetItem) -> None:  # noqa: ARG002 - passed by Qt
        self._ticked = False

    def _on_clicked(self, item: QListWidgetItem) -> None:
        """Select the brush, unless the click was on the tick."""
        if self._layer is None or self._ticked:
            return
        item.setCheckState(Qt.CheckState.Checked)  # the painted class must be visible
        self._layer.mode = "paint"

    def _on_class(self) -> None:
        if self._layer is not None:
            with signals_blocked(self.list):
                self.list.setCurrentRow(int(self._layer.selected_label) - 1)


def hidden_classes(layer: Labels) -> set[int]:
    """Return the classes that are transparent in the layer's colour map."""
    colors = getattr(layer.colormap, "color_dict", {})
    return {value for value, color in colors.items() if value and color[3] == 0}


def class_icon(label: LabelClass) -> QIcon:
    """Return a square in the colour of a class."""
    swatch = QPixmap(14, 14)
    swatch.fill(QColor(label.color))
    icon = QIcon(swatch)
    icon.addPixmap(swatch, QIcon.Mode.Selected)  # otherwise Qt tints the selected row's icon
    return icon


def _row(label: LabelClass, shown: bool) -> QListWidgetItem:
    item = QListWidgetItem(class_icon(label), displayed(label.title))
    item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
    item.setCheckState(Qt.CheckState.Checked if shown else Qt.CheckState.Unchecked)
    item.setToolTip(qt_text(f"{label.name}: mask value {label.value}. {_USE}"))
    return item
