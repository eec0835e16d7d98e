"""Legend of the selected mask: show, hide and choose its classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QSizePolicy, QVBoxLayout, QWidget

from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.results import MaskInfo, colormap
from napari_retina_seg._napari.widgets import text
from napari_retina_seg.types.labels import LabelClass

if TYPE_CHECKING:
    import napari

_HINT = "Select a segmentation in the layer list to see its classes."
_USE = "Tick a class to show it; click its name to paint it."


class Legend(QWidget):
    """Follows the selected Labels layer, if it is a mask of the plugin."""

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._layer: Labels | None = None
        self._ticked = False  # by the current click
        self._hint = text(_HINT)
        self._list = QListWidget()
        self._list.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self._list.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._hint)
        layout.addWidget(self._list)
        self._list.itemChanged.connect(self._on_ticked)
        self._list.currentItemChanged.connect(self._on_picked)
        self._list.itemPressed.connect(self._on_pressed)
        self._list.itemClicked.connect(self._on_clicked)
        viewer.layers.selection.events.active.connect(self._on_active)
        self._on_active()

    @property
    def layer(self) -> Labels | None:
        """The listed mask."""
        return self._layer

    @property
    def names(self) -> list[str]:
        """Names of the listed classes."""
        return [self._list.item(row).text() for row in range(self._list.count())]

    def show_class(self, value: int, on: bool) -> None:
        """Tick or untick a class."""
        self._item(value).setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)

    def pick(self, value: int) -> None:
        """Choose a class by its name."""
        self._list.setCurrentItem(self._item(value))

    def disconnect_viewer(self) -> None:
        """Disconnect: the dock is closing."""
        self._viewer.layers.selection.events.active.disconnect(self._on_active)
        self._follow(None)

    def _item(self, value: int) -> QListWidgetItem:
        return self._list.item(value - 1)

    def _on_active(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        active = self._viewer.layers.selection.active
        ours = isinstance(active, Labels) and isinstance(active.metadata.get(KEY), MaskInfo)
        self._follow(active if ours else None)

    def _follow(self, layer: Labels | None) -> None:
        if self._layer is not None:
            self._layer.events.selected_label.disconnect(self._on_selected_label)
        self._layer = layer
        self._list.blockSignals(True)
        self._list.clear()
        if layer is not None:
            hidden = hidden_classes(layer)
            for label in layer.metadata[KEY].scheme.classes[1:]:
                self._list.addItem(_row(label, label.value not in hidden))
            layer.events.selected_label.connect(self._on_selected_label)
        self._list.blockSignals(False)
        self._list.setVisible(layer is not None)
        self._list.setFixedHeight(
            sum(self._list.sizeHintForRow(row) for row in range(self._list.count())) + 6
        )
        self._hint.setText(_HINT if layer is None else f"Classes of '{layer.name}'. {_USE}")
        self._on_selected_label()

    def _on_ticked(self, item: QListWidgetItem) -> None:  # noqa: ARG002 - passed by Qt
        self._ticked = True
        if self._layer is None:
            return
        hidden = frozenset(
            row + 1
            for row in range(self._list.count())
            if self._list.item(row).checkState() is Qt.CheckState.Unchecked
        )
        self._layer.colormap = colormap(self._layer.metadata[KEY].scheme, hidden)

    def _on_picked(self, item: QListWidgetItem | None) -> None:
        if self._layer is not None and item is not None:
            self._layer.selected_label = self._list.row(item) + 1

    def _on_pressed(self, item: QListWidgetItem) -> None:  # noqa: ARG002 - passed by Qt
        self._ticked = False

    def _on_clicked(self, item: QListWidgetItem) -> None:
        """Select the brush, unless the click was on the tick."""
        if self._layer is None or self._ticked:
            return
        item.setCheckState(Qt.CheckState.Checked)  # the painted class must be visible
        self._layer.mode = "paint"

    def _on_selected_label(self, event: object = None) -> None:  # noqa: ARG002 - napari's
        if self._layer is None:
            return
        self._list.blockSignals(True)
        self._list.setCurrentRow(int(self._layer.selected_label) - 1)
        self._list.blockSignals(False)


def hidden_classes(layer: Labels) -> set[int]:
    """Return the classes that are transparent in the layer's colour map."""
    colors = getattr(layer.colormap, "color_dict", {})
    return {value for value, color in colors.items() if value and color[3] == 0}


def _row(label: LabelClass, shown: bool) -> QListWidgetItem:
    swatch = QPixmap(14, 14)
    swatch.fill(QColor(label.color))
    same = label.name == label.abbreviation
    words = label.name if same else f"{label.abbreviation} · {label.name}"
    icon = QIcon(swatch)
    icon.addPixmap(swatch, QIcon.Mode.Selected)  # otherwise Qt tints the selected row's icon
    item = QListWidgetItem(icon, words)
    item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
    item.setCheckState(Qt.CheckState.Checked if shown else Qt.CheckState.Unchecked)
    item.setToolTip(f"{label.name}: mask value {label.value}. {_USE}")
    return item
