"""Open mask files as Labels layers with their classes, on their image."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import napari
import numpy as np
from napari.layers import Image, Labels, Layer
from napari.types import LayerDataTuple
from napari.utils.notifications import show_warning
from napari.utils.transforms import CompositeAffine

from napari_retina_seg._napari.layer_sizes import grid_of, sizes_of
from napari_retina_seg._napari.layers import (
    AXES,
    KEY,
    ImageInfo,
    finest,
    is_image,
    placement_of,
    unwrap_proxy,
)
from napari_retina_seg._napari.results import MaskInfo, mask_options
from napari_retina_seg.imaging.class_values import count_class_values
from napari_retina_seg.io import is_dicom_content, is_tiff_content, read_image
from napari_retina_seg.io.formats.card import read_sidecar, restore
from napari_retina_seg.io.formats.nifti import is_nifti, may_be_mask, read_voxels
from napari_retina_seg.io.images.content import METAIMAGE
from napari_retina_seg.io.mask_spacing import read_mask_spacing
from napari_retina_seg.io.masks import read_mask
from napari_retina_seg.io.names import image_name
from napari_retina_seg.types.annotation import IGNORE
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.file_names import name_key
from napari_retina_seg.types.image import Placement, Spacing
from napari_retina_seg.types.text import displayed

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


def read_mask_layer(path: Path, images: Sequence[Image] | None = None) -> LayerDataTuple | None:
    """Read a mask of this plugin, or any mask that is NIfTI or MetaImage.

    Parameters
    ----------
    path : Path
        The file.
    images : sequence of Image, optional
        Candidates for the mask's image; by default the open ones.

    Returns
    -------
    LayerDataTuple or None
        A Labels layer on the mask's image if that is open, otherwise with the pixel size that the
        file states. None for any other file.

    Raises
    ------
    ReadError
        If a NIfTI file can't be read, or lies on no open image.
    """
    if is_nifti(path):
        return _read_nifti(path, images) if may_be_mask(path) else None
    if path.suffix.lower() == METAIMAGE:
        image = read_image(path)
        is_mask = count_class_values(image) > 1
        return _foreign(path, image.pixels, image.spacing, images) if is_mask else None
    known = read_mask(path)
    if known is None:
        return None
    card = None if is_tiff_content(path) else read_sidecar(path)
    spacing = read_mask_spacing(path) if card is None else card.spacing
    labels, scheme = known
    ignore = labels == IGNORE if len(scheme) <= IGNORE else np.zeros(labels.shape, bool)
    info = MaskInfo("", scheme, spacing=spacing, ignore=ignore if ignore.any() else None)
    return _layer(path, np.where(ignore, np.uint8(0), labels), info, images)


def _read_nifti(path: Path, images: Sequence[Image] | None) -> LayerDataTuple:
    placed = map(placement_of, open_images() if images is None else images)
    values, spacing, card = read_voxels(path, [each for each in placed if each is not None])
    plane = values[0] if len(values) == 1 else values
    if card is None:
        return _foreign(path, plane, spacing, images)
    record = restore(path, plane, card, None)
    placement = Placement(np.array(card.placement)) if card.placement else None
    info = MaskInfo(
        "", record.scheme, spacing=card.spacing, placement=placement, ignore=record.ignore
    )
    return _layer(path, record.labels, info, images)


def _foreign(
    path: Path, values: Any, spacing: Spacing, images: Sequence[Image] | None
) -> LayerDataTuple:
    """Return a layer of a mask without class names."""
    options, _ = place(image_name(path), values.shape, spacing, images)
    return np.asarray(values, np.uint8), {"name": image_name(path), **options}, "labels"


def _layer(
    path: Path, labels: np.ndarray, info: MaskInfo, images: Sequence[Image] | None
) -> LayerDataTuple:
    """Return a layer with named classes, which can be corrected further."""
    options, link = place(image_name(path), labels.shape, info.spacing, images)
    named = mask_options(replace(info, **link))
    return labels, {"name": image_name(path), **named, **options}, "labels"


def place(
    stem: str, shape: tuple[int, ...], spacing: Spacing, images: Sequence[Image] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the grid of a mask, and for its `MaskInfo` the image that the file is named after.

    Parameters
    ----------
    stem : str
        Name of the mask's file.
    shape : tuple of int
        Shape of the mask.
    spacing : Spacing
        Pixel sizes stated by the mask's file.
    images : sequence of Image, optional
        Candidates for the mask's image; by default the open ones.
    """
    image = find_image(open_images() if images is None else images, shape, spacing, stem)
    if image is None:
        return place_alone(spacing, len(shape)), {}
    named = is_named_after(stem, image.name)
    link = {"image": image.name, "image_layer": weakref.ref(unwrap_proxy(image))} if named else {}
    return place_on(image, len(shape)), link


def segmentation_layers(
    path: Path, images: Sequence[Image] | None = None
) -> list[LayerDataTuple] | None:
    """Read a DICOM Segmentation; None for any other file.

    Parameters
    ----------
    path : Path
        The file.
    images : sequence of Image, optional
        Candidates for the mask's image; by default the open ones.

    Returns
    -------
    list of LayerDataTuple or None
        One Labels layer on the mask's image if that is open, otherwise with its own pixel sizes.
        The values are those of the scheme that matches the segments, or else the segment numbers.

    Raises
    ------
    ReadError
        If it can't be read as a mask.
    """
    if not is_dicom_content(path):
        return None
    from napari_retina_seg.io.formats.dicom_masks import is_dicom_mask, read_dicom_mask

    if not is_dicom_mask(path):
        return None
    source = _find_source(path, open_images() if images is None else images)
    if source is not None:
        images = [source.layer]
    mask = read_dicom_mask(path, None if source is None else source.order)
    if mask.warning:
        show_warning(displayed(mask.warning))
    options, link = place(mask.name, mask.labels.shape, mask.spacing, images)
    if mask.scheme is not None:
        info = MaskInfo("", mask.scheme, spacing=mask.spacing, ignore=mask.ignore)
        options |= mask_options(replace(info, **link))
    return [(mask.labels, {"name": mask.name, **options}, "labels")]


class _Source(NamedTuple):
    """The open image that a segmentation refers to, and the frame of each of its slices."""

    layer: Image
    order: tuple[int, ...]


def _find_source(path: Path, images: Sequence[Image]) -> _Source | None:
    """Find the image by its UID among the open ones; only its file says the order of its frames."""
    from napari_retina_seg.io.formats.dicom_header import (
        read_header,
        read_ids,
        read_referenced_ids,
    )
    from napari_retina_seg.io.images.dicom_slices import slice_order

    wanted = read_referenced_ids(path)
    if wanted is None:
        return None
    for layer in images:
        info = layer.metadata.get(KEY)
        file = Path(info.source if isinstance(info, ImageInfo) else "")
        try:
            ids = read_ids(file) if file.is_file() else None
            header = read_header(file) if ids and ids.instance == wanted.instance else None
        except (RetinaSegError, OSError, ValueError):  # the file is another, or gone
            continue
        if header is not None:
            return _Source(layer, slice_order(header))
    return None
