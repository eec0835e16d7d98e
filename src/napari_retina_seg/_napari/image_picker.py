"""Choose the image layer, its modality, and one slice or all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import napari
from magicgui.widgets import create_widget
from napari.layers import Image, Layer
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QRadioButton,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_retina_seg._napari.layers import (
    Position,
    find_image_of,
    is_image,
    is_off_slice,
    is_volume,
    modality,
    position,
    remember_modality,
)
from napari_retina_seg._napari.masks.active_mask import ActiveMask
from napari_retina_seg._napari.widgets import add_row, combo_box, elide, stack, text
from napari_retina_seg.types.image import Modality

_MODALITIES = (
    (Modality.OCT, "OCT scan"),
    (Modality.FUNDUS, "Fundus photograph"),
    (Modality.UNKNOWN, "Unknown"),
)
_NO_SLICES = "A single image has no slices."


class LayerChoice(QObject):
    """Lists the layers of a viewer that are accepted, and follows the layer list.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    annotation : type
        Type of the layers, as magicgui knows it.
    accepts : callable
        Whether a layer is listed.

    Attributes
    ----------
    native : QComboBox
        The widget.

    Signals
    -------
    listed : (Layer or None)
        The layers were listed again; the layer chosen before. It is still chosen if it is listed,
        otherwise none is.
    """

    listed = Signal(object)

    def __init__(
        self, viewer: napari.Viewer, annotation: object, accepts: Callable[[Layer], bool]
    ) -> None:
        super().__init__()
        self._viewer, self._accepts = viewer, accepts
        choices = {"choices": lambda _: [each for each in viewer.layers if accepts(each)]}
        self._box: Any = create_widget(annotation=annotation, options=choices)
        self.native: QComboBox = elide(self._box.native)
        self._connect(True)
        self.refresh()

    @property
    def layers(self) -> list[Layer]:
        """The listed layers."""
        return list(self._box.choices)

    @property
    def layer(self) -> Layer | None:
        """The chosen layer."""
        return self._box.value

    def choose(self, layer: Layer | None) -> None:
        """Choose a listed layer, or none."""
        self.native.setCurrentIndex(-1 if layer is None else self.layers.index(layer))

    def refresh(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        """List the layers again."""
        before = self.layer
        with signals_blocked(self.native):
            self.native.clear()  # magicgui appends new layers and loses renamed ones
            self._box.reset_choices()
            for row, layer in enumerate(self.layers):
                self.native.setItemData(row, layer.name, Qt.ItemDataRole.ToolTipRole)
            self.choose(before if before in self.layers else None)
        self.native.setEnabled(bool(self.layers))
        self.listed.emit(before)

    def cleanup(self) -> None:
        """Disconnect: the dock is closing."""
        self._connect(False)

    def _connect(self, on: bool) -> None:
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            (event.connect if on else event.disconnect)(self.refresh)


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

    def __init__(self, viewer: napari.Viewer, active_mask: ActiveMask) -> None:
        super().__init__()
        self._viewer = viewer
        self._known: list[Layer] = []
        self._images = LayerChoice(viewer, Image, is_image)
        self._box = self._images.native
        self._box.setToolTip("Image layer to use; follows the selected layer.")
        self.kind_box = combo_box()
        self.kind_box.setToolTip(
            "Modality of the image, guessed from the pixels: change it if it is wrong."
        )
        for _, label in _MODALITIES:
            self.kind_box.addItem(label)
        self._question = text()
        self.this_slice = QRadioButton("This slice")
        self.whole = QRadioButton("Whole volume")
        self.this_slice.setChecked(True)
        self._lay_out()
        self._box.currentIndexChanged.connect(self._on_layer)
        self.kind_box.activated.connect(self._on_kind)
        self._connect(True)
        self._images.listed.connect(self.refresh)
        active_mask.subscribe(selected=self.follow)
        self.refresh()

    @property
    def layer(self) -> Image | None:
        """The chosen image layer."""
        return self._images.layer

    @property
    def modality(self) -> Modality:
        """Modality of the chosen layer."""
        return _MODALITIES[self.kind_box.currentIndex()][0]

    @property
    def at(self) -> Position:
        """Position of the viewer in the chosen layer."""
        if self.layer is None:
            return Position()
        return position(self.layer, self._viewer.dims.point, self._viewer.layers.extent.units)

    @property
    def is_off_slice(self) -> bool:
        """Whether no slice of the chosen layer is displayed."""
        if self.layer is None:
            return False
        return is_off_slice(self.layer, self._viewer.dims.point, self._viewer.layers.extent.units)

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

    def choose(self, layer: Image | None) -> None:
        """Choose a layer."""
        if layer in self._images.layers:
            self._images.choose(layer)

    def refresh(self) -> None:
        """Choose an image again after layers were added or removed."""
        known, layers = self._known, self._images.layers
        self._known = layers
        active = self._viewer.layers.selection.active
        new = active if active not in known else None  # only a new layer changes the choice
        for wanted in (new, self.layer, active, layers[-1] if layers else None):
            if wanted in layers:
                with signals_blocked(self._box):
                    self._images.choose(wanted)
                break
        self._on_layer()

    def disconnect_viewer(self) -> None:
        """Disconnect: the dock is closing."""
        self._connect(False)
        self._images.cleanup()

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
        for name, row in (("Image", self._box), ("Kind", self.kind_box), ("Slices", scope)):
            add_row(form, name, row)
        self.setLayout(stack(form, self._question))

    def _connect(self, on: bool) -> None:
        for event in (self._viewer.dims.events.order, self._viewer.dims.events.ndisplay):
            (event.connect if on else event.disconnect)(self._on_axes)

    def follow(self) -> None:
        """Choose the selected layer, or the image of the selected mask or map."""
        active = self._viewer.layers.selection.active
        if active in self._images.layers:
            self.choose(active)
        elif active is not None:
            self.choose(find_image_of(active, self._images.layers))

    def _on_kind(self, index: int) -> None:
        if self.layer is not None:
            remember_modality(self.layer, _MODALITIES[index][0])
        self._show_question()
        self.changed.emit()

    def _on_layer(self, index: int = 0) -> None:  # noqa: ARG002 - passed by Qt
        layer = self.layer
        kind = Modality.UNKNOWN if layer is None else modality(layer, self.at)
        self.kind_box.setCurrentIndex([each for each, _ in _MODALITIES].index(kind))
        self.kind_box.setEnabled(layer is not None)
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
        layer = self.layer
        asks = layer is not None and self.modality is Modality.UNKNOWN
        if layer is not None and asks:
            self._question.setText(
                f"Is '{layer.name}' an OCT scan or a fundus photograph? It can't be"
                " guessed: choose its kind above."
            )
        self._question.setVisible(asks)
