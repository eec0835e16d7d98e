"""Change the pixel size of an image layer and of all layers on it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Layer
from napari.utils.transforms import CompositeAffine

from napari_retina_seg._napari.layer_sizes import sizes_of
from napari_retina_seg._napari.layers import KEY, finest, is_image, place_of
from napari_retina_seg._napari.results import MaskInfo
from napari_retina_seg.types.image import Spacing


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
    names = {layer.name for layer in viewer.layers if is_image(layer)}
    others = [layer for layer in viewer.layers if layer is not image]
    followers = [layer for layer in others if _lies_on(layer, image, names)]
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


def _lies_on(layer: Layer, image: Image, names: set[str]) -> bool:
    """Whether a layer belongs to an image, or is not an image and has its shape and position.

    A layer that names none of the open images may be of an image that was renamed.
    """
    about = getattr(layer.metadata.get(KEY), "image", "")
    if about in names or is_image(layer):
        return bool(about == image.name and layer.ndim >= image.ndim)
    axes = image.ndim
    shape = tuple(getattr(getattr(layer, "data", None), "shape", ()))
    return (
        shape[-axes if about else 0 :] == tuple(finest(image).shape[:axes])
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
        layer.metadata[KEY] = replace(known, **place_of(image))
