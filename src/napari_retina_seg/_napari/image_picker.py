"""Choose the image layer, its modality, and one slice or all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QFormLayout,
    QHBoxLayout,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from napari_retina_seg._napari.layers import (
    KEY,
    Position,
    is_beside,
    is_image,
    is_volume,
    modality,
    position,
    remember_modality,
)
from napari_retina_seg._napari.widgets import ElidedComboBox, add_row, narrow, text
from napari_retina_seg.types.image import Modality

if TYPE_CHECKING:
    import napari

_MODALITIES = (
    (Modality.OCT, "OCT scan"),
    (Modality.FUNDUS, "Fundus photograph"),
    (Modality.UNKNOWN, "Unknown"),
)
_NO_SLICES = "A single image has no slices."


class ImagePicker(QWidget):
    """Follows the selected image layer, or the image of the selected mask.

    Signals
    -------
    changed : ()
        Layer or modality changed.
    axes_changed : ()
        The displayed axes changed.
    """

    changed = Signal()
    axes_changed = Signal()

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._layers: list[Image] = []
        self._box = narrow(ElidedComboBox())
        self._box.setToolTip("Image layer to use; follows the selected layer.")
        self._kind = narrow(ElidedComboBox())
        self._kind.setToolTip(
            "Modality of the image, guessed from the pixels: change it if it is wrong."
        )
        for _, words in _MODALITIES:
            self._kind.addItem(words)
        self._question = text()
        self.this_slice = QRadioButton("This slice")
        self.whole = QRadioButton("Whole volume")
        self.this_slice.setChecked(True)
        self._lay_out()
        self._box.currentIndexChanged.connect(self._on_layer)
        self._kind.activated.connect(self._on_kind)
        self._connect(True)
        self.refresh()

    @property
    def layer(self) -> Image | None:
        """The chosen image layer."""
        index = self._box.currentIndex()
        return self._layers[index] if 0 <= index < len(self._layers) else None

    @property
    def modality(self) -> Modality:
        """Modality of the chosen layer."""
        return _MODALITIES[self._kind.currentIndex()][0]

    @property
    def at(self) -> Position:
        """Position of the viewer in the chosen layer."""
        if self.layer is None:
            return Position()
        return position(self.layer, self._viewer.dims.point, self._viewer.layers.extent.units)

    @property
    def is_beside(self) -> bool:
        """Whether no slice of the chosen layer is displayed."""
        if self.layer is None:
            return False
        return is_beside(self.layer, self._viewer.dims.point, self._viewer.layers.extent.units)

    @property
    def slice_disabled_reason(self) -> str:
        """Return why no slice of the chosen volume is displayed; empty if one is.

        A slice is displayed if its rows and columns are, in either order, whatever the order of the
        other axes.
        """
        dims = self._viewer.dims
        if self.layer is None or not is_volume(self.layer):
            return ""
        if dims.ndisplay == 3:
            return "The 3D view shows all slices: switch it off, or choose the whole volume."
        if set(dims.displayed) != {dims.ndim - 2, dims.ndim - 1}:
            return (
                "The view is a cut across the slices: roll the axes until it shows rows and"
                " columns, or choose the whole volume."
            )
        return ""

    def choose(self, layer: Image) -> None:
        """Choose a layer."""
        if layer in self._layers:
            self._box.setCurrentIndex(self._layers.index(layer))

    def set_modality(self, kind: Modality) -> None:
        """Set the modality of the chosen layer."""
        index = [each for each, _ in _MODALITIES].index(kind)
        self._kind.setCurrentIndex(index)
        self._on_kind(index)

    def refresh(self) -> None:
        """Update the list of image layers."""
        before, known = self.layer, self._layers
        self._layers = [layer for layer in self._viewer.layers if is_image(layer)]
        self._box.blockSignals(True)
        self._box.clear()
        self._box.addItems([layer.name for layer in self._layers])
        active = self._viewer.layers.selection.active
        new = active if active not in known else None  # only a new layer changes the choice
        for wanted in (new, before, active, self._layers[-1] if self._layers else None):
            if wanted in self._layers:
                self._box.setCurrentIndex(self._layers.index(wanted))
                break
        self._box.blockSignals(False)
        self._box.setEnabled(bool(self._layers))
        self._on_layer()

    def disconnect_viewer(self) -> None:
        """Disconnect: the dock is closing."""
        self._connect(False)

    def _on_axes(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        self._offer_slices(self.layer is not None and is_volume(self.layer))
        self.axes_changed.emit()

    def _lay_out(self) -> None:
        scope = QHBoxLayout()
        group = QButtonGroup(self)
        for button in (self.this_slice, self.whole):
            group.addButton(button)
            scope.addWidget(button)
        form = QFormLayout()
        for name, row in (("Image", self._box), ("Kind", self._kind), ("Slices", scope)):
            add_row(form, name, row)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self._question)

    def _connect(self, on: bool) -> None:
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            (event.connect if on else event.disconnect)(self._on_list)
        for event in (self._viewer.dims.events.order, self._viewer.dims.events.ndisplay):
            (event.connect if on else event.disconnect)(self._on_axes)
        active = self._viewer.layers.selection.events.active
        (active.connect if on else active.disconnect)(self.follow)

    def _on_list(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        self.refresh()

    def follow(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        """Choose the selected layer, or the image of the selected mask."""
        active = self._viewer.layers.selection.active
        if active is None:
            return
        made_of = getattr(
            active.metadata.get(KEY), "image", None
        )  # of a mask or a map of the plugin
        for layer in self._layers:
            if layer == active or layer.name == made_of:
                self.choose(layer)

    def _on_kind(self, index: int) -> None:
        if self.layer is not None:
            remember_modality(self.layer, _MODALITIES[index][0])
        self._show_question()
        self.changed.emit()

    def _on_layer(self, index: int = 0) -> None:  # noqa: ARG002 - passed by Qt
        layer = self.layer
        kind = Modality.UNKNOWN if layer is None else modality(layer, self.at)
        self._kind.setCurrentIndex([each for each, _ in _MODALITIES].index(kind))
        self._kind.setEnabled(layer is not None)
        self._offer_slices(layer is not None and is_volume(layer))
        self._show_question()
        self.changed.emit()

    def _offer_slices(self, volume: bool) -> None:
        self.this_slice.setEnabled(volume)
        self.whole.setEnabled(volume)
        shown = self.slice_disabled_reason or "Use the displayed slice."
        self.this_slice.setToolTip(shown if volume else _NO_SLICES)
        self.whole.setToolTip("Use all slices of the volume." if volume else _NO_SLICES)

    def _show_question(self) -> None:
        asks = self.layer is not None and self.modality is Modality.UNKNOWN
        if asks:
            self._question.setText(
                f"Is '{self.layer.name}' an OCT scan or a fundus photograph? It can't be"
                " guessed: choose its kind above."
            )
        self._question.setVisible(asks)
