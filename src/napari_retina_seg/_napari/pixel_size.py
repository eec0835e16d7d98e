"""Enter or correct the pixel size of the chosen image."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import napari
import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Layer
from napari.utils.transforms import CompositeAffine
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QLineEdit, QPushButton, QWidget

from napari_retina_seg._napari.layer_sizes import sizes_of
from napari_retina_seg._napari.layers import (
    KEY,
    ImageInfo,
    find_image_of,
    finest,
    image_fields,
    is_image,
    is_volume,
    layer_spacing,
)
from napari_retina_seg._napari.results import MaskInfo
from napari_retina_seg._napari.widgets import WARNS, add_row, stack, text
from napari_retina_seg.types.errors import ImageError
from napari_retina_seg.types.image import Spacing
from napari_retina_seg.types.pixel_size import describe_spacing, state_spacing

_SQUARE = 1.05  # sides whose ratio is less look equal
_TIPS = {
    "axial": "Distance between rows in µm: depth in an OCT scan.",
    "lateral": "Distance between columns in µm.",
    "slice": "Distance between slices in µm; leave empty if unknown.",
}


def set_size(viewer: ViewerModel, image: Image, spacing: Spacing) -> None:
    """Change an image layer's pixel sizes, and those of masks and maps on it.

    Parameters
    ----------
    viewer : ViewerModel
        Viewer with the layers.
    image : Image
        The layer; its position and rotation are kept.
    spacing : Spacing
        The new sizes. Without axial and lateral size the plane is in pixels.
    """
    others = [layer for layer in viewer.layers if layer is not image]
    followers = [layer for layer in others if _lies_on(layer, image, viewer.layers)]
    corners = [_corner(layer, image) for layer in followers]
    axes = min(image.ndim, 3)
    wanted = (spacing.slice.um, spacing.axial.um, spacing.lateral.um)[-axes:]
    _resize(image, wanted)
    for layer, corner in zip(followers, corners, strict=True):
        _follow(layer, image, corner)
    viewer.reset_view()


def _resize(image: Image, wanted: tuple[float | None, ...]) -> None:
    first = image.ndim - len(wanted)
    units = [str(unit) for unit in image.units]
    for axis, um in enumerate(wanted, first):
        known = sizes_of(image)[axis] is not None
        if um is None or not known:
            units[axis] = "pixel" if um is None else "um"
    scale = np.array(image.scale)
    for axis, um in enumerate(wanted, first):
        if um is None:
            scale[axis] = 1.0
    image.units = units
    image.scale = scale
    sizes = sizes_of(image)
    for axis, um in enumerate(wanted, first):
        size = sizes[axis]
        if um is not None and size is not None:
            scale[axis] *= um / size
    image.scale = scale


def _lies_on(layer: Layer, image: Image, layers: Iterable[Layer]) -> bool:
    """Whether a layer belongs to an image, or is not an image and has its shape and position.

    A layer of which no image is open may be of one that was renamed.
    """
    if is_image(layer):
        return False
    about = find_image_of(layer, layers)
    if about is not None:
        return bool(about == image and layer.ndim >= image.ndim)
    axes = image.ndim
    names_image = bool(getattr(layer.metadata.get(KEY), "image", ""))
    shape = tuple(getattr(getattr(layer, "data", None), "shape", ()))
    return (
        shape[-axes if names_image else 0 :] == tuple(finest(image).shape[:axes])
        and tuple(layer.units)[-axes:] == tuple(image.units)
        and np.allclose(layer.scale[-axes:], image.scale)
    )


def _linear(layer: Layer, axes: int) -> Any:
    whole = CompositeAffine(scale=layer.scale, rotate=layer.rotate, shear=layer.shear)
    return whole.affine_matrix[-axes - 1 : -1, -axes - 1 : -1]


def _corner(layer: Layer, image: Image) -> Any:
    """Return the image pixel at the first pixel of a layer on it."""
    axes = image.ndim
    offset = np.array(layer.translate)[-axes:] - np.array(image.translate)
    return np.linalg.solve(_linear(image, axes), offset)


def _follow(layer: Layer, image: Image, corner: Any) -> None:
    axes = image.ndim
    scale, translate = np.array(layer.scale), np.array(layer.translate)
    scale[-axes:] = image.scale
    translate[-axes:] = np.array(image.translate) + _linear(image, axes) @ corner
    layer.units = (*layer.units[: layer.ndim - axes], *image.units)
    layer.scale, layer.translate = scale, translate
    known = layer.metadata.get(KEY)
    if isinstance(known, MaskInfo):
        layer.metadata[KEY] = replace(known, **image_fields(image))


class PixelSizeWidget(QWidget):
    """Shows and edits the pixel size of an image, with its origin.

    Parameters
    ----------
    viewer : napari.Viewer
        Viewer with the image; masks and maps on it are resized, too.

    Signals
    -------
    checked : ()
        The entered size became invalid, or valid again.
    resized : (str)
        The size was changed here: what the viewer shows now, and how to go back.
    """

    checked = Signal()
    resized = Signal(str)

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._layer: Image | None = None
        self._before: weakref.WeakKeyDictionary[Image, list[Spacing]] = weakref.WeakKeyDictionary()
        self.summary = text()
        self.problem = text()
        self.problem.setStyleSheet(WARNS)
        self.fields = {name: QLineEdit() for name in _TIPS}
        self._shown: list[str] = []  # texts of the fields before editing
        self.undo_button = QPushButton("Undo")
        self.reset_button = QPushButton("From file")
        self._lay_out()
        for field in self.fields.values():
            field.editingFinished.connect(self.apply)
            field.textEdited.connect(self._on_edited)
        self.undo_button.clicked.connect(self.undo)
        self.reset_button.clicked.connect(self.reset)
        self.show_layer(None)

    def show_layer(self, layer: Image | None) -> None:
        """Show the pixel size of a layer."""
        if layer is not self._layer:
            self._listen(False)
            self._layer = layer
            self._listen(True)
            self._forget_typed()
        self.refresh()

    def refresh(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        """Show the layer's current size; text typed but not applied is kept."""
        layer, keep = self._layer, self._is_typed()
        spacing = Spacing() if layer is None else layer_spacing(layer)
        sizes = (spacing.axial.um, spacing.lateral.um, spacing.slice.um)
        for (name, field), um in zip(self.fields.items(), sizes, strict=True):
            if not keep:
                field.setText("" if um is None else f"{um:.6g}")
            there = layer is not None and (name != "slice" or is_volume(layer))
            field.setEnabled(there)
            field.setToolTip(_TIPS[name] if there else "Open an image of this kind first.")
        self.summary.setText(f"Pixel size: {describe_spacing(spacing)}.")
        if not keep:
            self._shown = self._texts()
            self._show_problem("")
        self.undo_button.setEnabled(bool(layer is not None and self._before.get(layer)))
        self.reset_button.setEnabled(layer is not None and spacing != self._stated_by_file())

    def apply(self) -> None:
        """Apply the entered size; an invalid one is reported."""
        layer = self._layer
        if layer is None:
            return
        if not self._is_typed():
            self._show_problem("")
            return
        try:
            wanted = _spacing(self._texts())
        except ImageError as error:
            self._show_problem(str(error))
            return
        if _sizes(wanted) != _sizes(layer_spacing(layer), rounded=True):
            self._change(wanted)
        else:
            self._forget_typed()
            self.refresh()

    def undo(self) -> None:
        """Undo the last change of size."""
        earlier = self._before.get(self._layer, []) if self._layer is not None else []
        if earlier:
            self._set(earlier.pop())

    def reset(self) -> None:
        """Reset to the size stated by the file."""
        if self._layer is not None:
            self._change(self._stated_by_file())

    def disconnect_layer(self) -> None:
        """Disconnect: the dock is closing."""
        self._listen(False)
        self._layer = None

    def _change(self, spacing: Spacing) -> None:
        self._before.setdefault(self._layer, []).append(layer_spacing(self._layer))
        self._set(spacing)

    def _set(self, spacing: Spacing) -> None:
        layer = self._layer
        self._forget_typed()
        set_size(self._viewer, layer, spacing)
        self.refresh()
        if layer is not None:
            back = " Undo, under Pixel size, takes it back." if self._before[layer] else ""
            self.resized.emit(f"{_describe_view(layer.name, spacing)}{back}")

    def _stated_by_file(self) -> Spacing:
        known = None if self._layer is None else self._layer.metadata.get(KEY)
        return known.spacing if isinstance(known, ImageInfo) else Spacing()

    def _texts(self) -> list[str]:
        return [field.text() for field in self.fields.values()]

    def _is_typed(self) -> bool:
        """Whether the fields were edited."""
        return bool(self._shown) and self._texts() != self._shown

    def _forget_typed(self) -> None:
        self._shown = []

    def _on_edited(self, entered: str) -> None:  # noqa: ARG002 - passed by Qt
        """Check an invalid size again while it is edited."""
        if not self.problem.text():
            return
        try:
            if self._is_typed():
                _spacing(self._texts())
        except ImageError as error:
            self._show_problem(str(error))
        else:
            self._show_problem("")

    def _show_problem(self, message: str) -> None:
        changed = message != self.problem.text()
        self.problem.setText(message)
        self.problem.setVisible(bool(message))
        if changed:
            self.checked.emit()

    def _listen(self, on: bool) -> None:
        if self._layer is None:
            return
        for event in (self._layer.events.scale, self._layer.events.units):
            (event.connect if on else event.disconnect)(self.refresh)

    def _lay_out(self) -> None:
        self.undo_button.setToolTip("Undo the last change of size.")
        self.reset_button.setToolTip("Reset to the size stated by the image file.")
        form = QFormLayout()
        for name, field in self.fields.items():
            field.setPlaceholderText("unknown")
            add_row(form, f"{name.capitalize()} µm", field)
        row = stack(self.undo_button, self.reset_button, horizontal=True)
        self.setLayout(stack(self.summary, form, self.problem, row))


def _describe_view(name: str, spacing: Spacing) -> str:
    """Describe how an image of a pixel size looks in the viewer."""
    axial, lateral = spacing.axial.um, spacing.lateral.um
    if axial is None or lateral is None:
        return f"The pixel size of '{name}' is unknown now: its pixels are shown as squares."
    sentence = (
        f"'{name}' is shown in µm now, with pixels {axial:.4g} µm high and {lateral:.4g} µm wide"
    )
    ratio = max(axial, lateral) / min(axial, lateral)
    if ratio < _SQUARE:
        return f"{sentence}."
    look = "flatter" if lateral > axial else "taller"
    return (
        f"{sentence}: it looks {ratio:.2g} times {look} than with square pixels. The image itself"
        " and its masks are unchanged."
    )


def _spacing(texts: list[str]) -> Spacing:
    entered = [_number(entry) for entry in texts]
    if entered[0] is not None and entered[1] is not None:
        return state_spacing(entered)
    if any(um is not None for um in entered):
        raise ImageError("Enter both the axial and the lateral size, in µm.")
    return Spacing()


def _number(entry: str) -> float | None:
    cleaned = entry.strip().replace(",", ".")
    if not cleaned:
        return None
    try:
        return float(cleaned)
    except ValueError as error:
        raise ImageError(f"'{entry}' is not a number: enter a size in µm, such as 3.87.") from error


def _sizes(spacing: Spacing, *, rounded: bool = False) -> tuple[float | None, ...]:
    """Return sizes to compare; rounded as the fields show them."""
    sizes = (spacing.axial.um, spacing.lateral.um, spacing.slice.um)
    return tuple(float(f"{um:.6g}") if rounded and um is not None else um for um in sizes)
