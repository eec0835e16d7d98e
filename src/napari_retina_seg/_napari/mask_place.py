"""Place masks from files on their image in the viewer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import napari
import numpy as np
from napari.layers import Image, Labels, Layer
from napari.types import LayerDataTuple
from napari.utils.transforms import CompositeAffine

from napari_retina_seg._napari.layer_sizes import grid_of, sizes_of
from napari_retina_seg._napari.layers import AXES, KEY, finest, is_image
from napari_retina_seg._napari.results import MaskInfo
from napari_retina_seg.types.file_names import name_key
from napari_retina_seg.types.image import Spacing

_SAME_SIZE = 0.01  # relative; a file may state a size rounded


def open_images() -> tuple[Image, ...]:
    """Return the image layers of the current viewer, the selected one first."""
    viewer = napari.current_viewer()
    layers: Iterable[Layer] = () if viewer is None else viewer.layers
    active = None if viewer is None else viewer.layers.selection.active
    return tuple(
        sorted((each for each in layers if is_image(each)), key=lambda each: each != active)
    )


def find_image(
    images: Iterable[Image], shape: tuple[int, ...], spacing: Spacing, stem: str
) -> Image | None:
    """Find the image that a mask was drawn on.

    Parameters
    ----------
    images : iterable of Image
        Candidates, the most likely one first.
    shape : tuple of int
        ``(rows, columns)`` or ``(slices, rows, columns)`` of the mask.
    spacing : Spacing
        The pixel sizes that the mask's file states.
    stem : str
        Name of the mask's file; it belongs to an image whose name it begins with.

    Returns
    -------
    Image or None
        None if no image has this shape and matching pixel sizes.
    """
    fitting = [image for image in images if _raster(image)[-len(shape) :] == shape]
    fitting = [image for image in fitting if len(shape) == 3 or len(_raster(image)) == 2]
    named = [image for image in fitting if is_named_after(stem, image.name)]
    if named:
        return max(named, key=lambda image: len(image.name))
    return next((image for image in fitting if _has_sizes(sizes_of(image), spacing)), None)


def is_named_after(stem: str, image: str) -> bool:
    """Whether a file's name is that of an image, or begins with it: ``scan_mask`` of ``scan``."""
    stem, image = name_key(stem), name_key(image)
    rest = stem.removeprefix(image)
    return stem.startswith(image) and not rest[:1].isalnum()


def place_on(image: Image, axes: int) -> dict[str, Any]:
    """Return the options of a layer that lies on the last axes of an image."""
    last = list(range(image.ndim - axes, image.ndim))
    own = CompositeAffine(
        scale=image.scale, translate=image.translate, rotate=image.rotate, shear=image.shear
    ).set_slice(last)
    return {
        "scale": own.scale,
        "translate": own.translate,
        "rotate": own.rotate,
        "shear": own.shear,
        "affine": image.affine.set_slice(last).affine_matrix,
        "units": tuple(image.units)[-axes:],
        "axis_labels": tuple(image.axis_labels)[-axes:],
    }


def place_alone(spacing: Spacing, axes: int) -> dict[str, Any]:
    """Return the options of a layer without an image, in µm if its file states the size."""
    scale, units = grid_of(spacing, axes)
    return {"scale": scale, "units": units, "axis_labels": AXES[-axes:]}


def place_waiting_masks(data: LayerDataTuple) -> None:
    """Place masks that were opened before their image once it is opened."""
    pixels, options, _ = data
    shape = tuple(pixels.shape[: len(pixels.shape) - bool(options.get("rgb"))])
    viewer = napari.current_viewer()
    if viewer is None or any(_raster(image) == shape for image in open_images()):
        return
    for layer in viewer.layers:
        known = layer.metadata.get(KEY)
        if not _is_waiting(layer, shape):
            continue
        named = is_named_after(layer.name, options["name"])
        sizes = options["metadata"][KEY].spacing
        if named or _has_sizes((sizes.slice.um, sizes.axial.um, sizes.lateral.um), known.spacing):
            for name in ("scale", "units", "axis_labels"):
                setattr(layer, name, options[name])
            layer.metadata[KEY] = replace(known, image=options["name"] if named else "")


def _is_waiting(layer: Layer, shape: tuple[int, ...]) -> bool:
    known = layer.metadata.get(KEY)
    ours = isinstance(layer, Labels) and isinstance(known, MaskInfo) and not known.image
    return ours and tuple(layer.data.shape) == shape


def _raster(image: Image) -> tuple[int, ...]:
    return tuple(map(int, finest(image).shape[: image.ndim]))


def _has_sizes(sizes: tuple[float | None, ...], spacing: Spacing) -> bool:
    """Whether the known pixel sizes are consistent."""
    stated = (spacing.slice.um, spacing.axial.um, spacing.lateral.um)[-len(sizes) :]
    pairs = zip(sizes[-len(stated) :], stated, strict=True)
    return all(
        one is None or other is None or np.isclose(one, other, rtol=_SAME_SIZE, atol=0)
        for one, other in pairs
    )
