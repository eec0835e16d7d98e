"""Masks that are given to be measured: files, arrays or annotations, and whether they fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_retina_seg.io.formats.boundaries import read_boundary_csv
from napari_retina_seg.io.formats.nifti import is_nifti, read_voxels
from napari_retina_seg.io.masks import as_whole_numbers, read_class_values, read_mask
from napari_retina_seg.io.names import image_name
from napari_retina_seg.io.schemes import find_scheme
from napari_retina_seg.measurement.units import MeasureError
from napari_retina_seg.types.annotation import IGNORE, Annotation
from napari_retina_seg.types.errors import ImageError, ReadError
from napari_retina_seg.types.image import Modality, RetinaImage
from napari_retina_seg.types.labels import FUNDUS_VESSELS, LabelScheme
from napari_retina_seg.types.segmentation import Segmentation

MaskLike = Annotation | str | Path | npt.NDArray[Any]
_Values = npt.NDArray[Any]


class GivenMask(NamedTuple):
    """A mask, what its values mean, and what of its files is not used, as a sentence."""

    annotation: Annotation
    scheme: LabelScheme
    note: str = ""


def as_annotation(
    mask: MaskLike, image: RetinaImage, scheme: LabelScheme | str | None
) -> GivenMask:
    """Return a mask with its scheme, which it states, the caller states, or is plain.

    Of a file the boundaries between pixels are taken from ``<stem>_boundaries.csv`` beside it,
    where `segment` puts them; `measure_thickness` uses them in those columns in which they draw
    the mask exactly.

    Raises
    ------
    RetinaSegError
        If it can't be read, its classes are not known, or it is no mask.
    """
    known = None if scheme is None else find_scheme(scheme)
    if isinstance(mask, Segmentation):
        return GivenMask(mask, mask.scheme)
    if isinstance(mask, (str, Path)):
        values, own = _read_values(Path(mask), image)
        known = known or own
    elif isinstance(mask, Annotation):
        values = mask.labels
    else:
        values = np.asarray(mask)
    if known is None and image.modality is Modality.FUNDUS and _is_binary(values):
        known = FUNDUS_VESSELS
    if known is None:
        raise MeasureError(
            "It is not known what the values of the mask mean: state its label scheme, such as"
            " 'oct-layers' or 'fundus-vessels'."
        )
    if isinstance(mask, Annotation):
        return GivenMask(mask, known)
    annotation = _from_values(values, known)
    if isinstance(mask, (str, Path)) and known.surfaces:
        return _with_boundaries(annotation, Path(mask), known)
    return GivenMask(annotation, known)


def _read_values(path: Path, image: RetinaImage) -> tuple[_Values, LabelScheme | None]:
    """Return the class values of a file on the grid of its image, and the classes it states."""
    if is_nifti(path):
        placements = () if image.placement is None else (image.placement,)
        values, _, card = read_voxels(path, placements)
        values = as_whole_numbers(path, values if image.is_volume or len(values) > 1 else values[0])
        return values, None if card is None else card.scheme
    stated = read_mask(path)
    return (read_class_values(path), None) if stated is None else stated


def _with_boundaries(mask: Annotation, path: Path, scheme: LabelScheme) -> GivenMask:
    """Add the boundaries beside the file of a mask, if they are of its size and surfaces."""
    beside = path.with_name(f"{image_name(path).removesuffix('_mask')}_boundaries.csv")
    if not beside.is_file():
        return GivenMask(mask, scheme)
    try:
        heights = read_boundary_csv(beside, scheme).heights
        return GivenMask(replace(mask, boundaries=heights), scheme)
    except (ReadError, ImageError) as error:  # of something else: the mask is what is measured
        reason = str(error).replace(str(beside), beside.name)  # reports show no folders
        note = f"Whole pixels are measured, without the boundaries beside the mask: {reason}"
        return GivenMask(mask, scheme, note)


def _is_binary(values: _Values) -> bool:
    return values.dtype == bool or bool(np.isin(values, (0, 1, IGNORE)).all())


def _from_values(values: _Values, scheme: LabelScheme) -> Annotation:
    if values.dtype.kind not in "bui" or values.ndim not in (2, 3):
        raise MeasureError(
            "A mask holds whole numbers, (rows, columns) or (slices, rows, columns): received"
            f" {values.dtype} {values.shape}."
        )
    if len(scheme) == 2 and set(np.unique(values)) == {0, IGNORE}:
        values = values > 0  # black and white, as other programs draw two classes
    wrong = (values < 0) | ((values >= len(scheme)) & (values != IGNORE))
    if wrong.any():
        raise MeasureError(
            f"The mask holds the value {values[wrong][0]}, which '{scheme.name}' does not have:"
            " choose the scheme that it was drawn with."
        )
    labels = values.astype(np.uint8)
    ignore = labels == IGNORE
    return Annotation(np.where(ignore, 0, labels).astype(np.uint8), ignore=ignore)


def check_fit(mask: Annotation, image: RetinaImage) -> None:
    """Raise `MeasureError` if a mask has not the size of its image."""
    expected = (image.n_slices, *image.grid) if image.is_volume else image.grid
    if mask.labels.shape != expected:
        sizes = [" × ".join(map(str, shape)) for shape in (mask.labels.shape, expected)]
        raise MeasureError(
            f"The mask is {sizes[0]} px, but the image is {sizes[1]} px: choose the mask that was"
            " drawn on this image."
        )
