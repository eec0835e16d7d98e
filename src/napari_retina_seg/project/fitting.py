"""Check that an annotation fits its image and scheme."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.project.values import ProjectImage
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.labels import LabelScheme


def check_fits(annotation: Annotation, image: ProjectImage, scheme: LabelScheme) -> None:
    """Raise `ProjectError` if it does not fit the image's grid and the scheme."""
    _check(annotation.labels, np.uint8, image.shape, image, "mask")
    highest = int(annotation.labels.max(initial=0))
    if highest >= len(scheme):
        raise ProjectError(
            f"The mask of '{image.name}' has the value {highest}: the classes of"
            f" '{scheme.name}' are 0 to {len(scheme) - 1}."
        )
    if annotation.ignore is not None:
        _check(annotation.ignore, np.bool_, image.shape, image, "questionable region")
    if annotation.boundaries is not None:
        shape = (*image.shape[:-2], len(scheme.surfaces), image.shape[-1])
        _check(annotation.boundaries, np.float32, shape, image, "boundaries")


_LIKE_IMAGE = ("mask", "questionable region")  # a value for each of its pixels


def _check(
    array: npt.NDArray[Any], dtype: type, shape: tuple[int, ...], image: ProjectImage, what: str
) -> None:
    fits = array.shape == shape
    if array.dtype == dtype and not fits and what in _LIKE_IMAGE and array.ndim in (2, 3):
        raise ProjectError(
            f"The {what} is {_size(array.shape)}, the image '{image.name}' {_size(shape)}: draw"
            " it on this image."
        )
    if array.dtype != dtype or not fits:
        raise ProjectError(
            f"The {what} of '{image.name}' must be {np.dtype(dtype)} of shape {shape}: received"
            f" {array.dtype} {array.shape}."
        )


def _size(shape: tuple[int, ...]) -> str:
    """Format a size as image viewers do: width first."""
    *slices, rows, columns = shape
    plane = f"{columns} × {rows} px"
    return f"{count(slices[0], 'slice')} of {plane}" if slices else plane
