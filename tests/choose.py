"""Choose options of the docks as a user does."""

from enum import Enum

from napari.layers import Layer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QWidget

from napari_retina_seg.types.image import Modality

_KINDS = {Modality.OCT: "OCT scan", Modality.FUNDUS: "Fundus photograph"}


def choose(box: QComboBox, wanted: str | Enum) -> None:
    """Choose an item by its value, its text, or what precedes " · " or " (" in that."""
    if isinstance(wanted, Enum) and box.findData(wanted) >= 0:
        wanted = box.itemText(box.findData(wanted))
    text = wanted.value if isinstance(wanted, Enum) else wanted
    items = [box.itemText(row) for row in range(box.count())]
    short = [(item.partition(" · ")[0], item.partition(" (")[0]) for item in items]
    row = items.index(text) if text in items else [text in each for each in short].index(True)
    box.setCurrentIndex(row)
    box.activated.emit(row)


def choose_modality(images: QWidget, modality: Modality) -> None:
    """Choose the kind of the image."""
    choose(images.kind_box, _KINDS.get(modality, "Unknown"))


def choose_target(targets: QWidget, kind: str, layer: Layer | None = None) -> None:
    """Choose what is explained: its kind, and the layer of a region."""
    targets.kind_box.setCurrentText(kind)
    if layer is not None:
        choose(targets.region_box, layer.name)
    targets.kind_box.activated.emit(targets.kind_box.currentIndex())


def choose_layer(layers: QWidget, name: str) -> None:
    """Choose a layer among all, by its position or its own name."""
    choose(layers.box, "All layers…")
    choose(layers.all_box, name)


def choose_colors(colors: QWidget, name: str, *, shared: bool) -> None:
    """Choose the colours of maps, and whether all classes have one scale."""
    colors.scale_box.setCurrentIndex(int(shared))
    choose(colors.colors_box, name)


def tick(legend: QWidget, value: int, on: bool) -> None:
    """Tick or untick a class of the legend."""
    state = Qt.CheckState.Checked if on else Qt.CheckState.Unchecked
    legend.list.item(value - 1).setCheckState(state)
