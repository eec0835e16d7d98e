"""Open mask files as Labels layers with their classes, on their image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image
from napari.types import LayerDataTuple

from napari_retina_seg._napari.layers import placement_of
from napari_retina_seg._napari.mask_place import (
    find_image,
    is_named_after,
    open_images,
    place_alone,
    place_on,
)
from napari_retina_seg._napari.results import MaskInfo, mask_options
from napari_retina_seg.io import is_tiff_content
from napari_retina_seg.io.formats.card import read_sidecar, restore
from napari_retina_seg.io.formats.nifti import is_nifti, read_voxels
from napari_retina_seg.io.mask_spacing import read_mask_spacing
from napari_retina_seg.io.masks import read_mask
from napari_retina_seg.io.names import image_name
from napari_retina_seg.types.annotation import IGNORE
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import Placement, Spacing


def read_mask_layer(path: Path, images: Sequence[Image] | None = None) -> LayerDataTuple | None:
    """Read a mask of this plugin, or any NIfTI mask.

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
        If a NIfTI file can't be read, or is not a mask.
    """
    if is_nifti(path):
        return _read_nifti(path, images)
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
    path: Path, values: np.ndarray, spacing: Spacing, images: Sequence[Image] | None
) -> LayerDataTuple:
    """Return a layer of a mask without class names."""
    labels = np.nan_to_num(values).astype(np.int64)
    if not np.array_equal(labels, values) or labels.min() < 0 or labels.max() > 255:
        raise ReadError(
            f"'{path}' holds no mask of classes 0 to 255: export the image as TIFF or DICOM."
        )
    options, _ = place(image_name(path), labels.shape, spacing, images)
    return labels.astype(np.uint8), {"name": image_name(path), **options}, "labels"


def _layer(
    path: Path, labels: np.ndarray, info: MaskInfo, images: Sequence[Image] | None
) -> LayerDataTuple:
    """Return a layer with named classes, which can be corrected further."""
    options, image = place(image_name(path), labels.shape, info.spacing, images)
    named = mask_options(replace(info, image=image))
    return labels, {"name": image_name(path), **named, **options}, "labels"


def place(
    stem: str, shape: tuple[int, ...], spacing: Spacing, images: Sequence[Image] | None = None
) -> tuple[dict[str, Any], str]:
    """Return the grid of a mask, and its image's name if the file is named after it.

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
        return place_alone(spacing, len(shape)), ""
    return place_on(image, len(shape)), image.name if is_named_after(stem, image.name) else ""
