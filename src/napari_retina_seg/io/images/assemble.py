"""The last step of every reader: from decoded pixels to a `RetinaImage`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.io.images.stored import StoredPixels
from napari_retina_seg.io.names import image_name
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import Laterality, Modality, RetinaImage, Spacing

_PART = 2**22  # values that are compared at a time


def assemble(
    path: Path,
    pixels: npt.NDArray[Any],
    *,
    color: bool,
    modality: Modality = Modality.UNKNOWN,
    spacing: Spacing | None = None,
    laterality: Laterality = Laterality.UNKNOWN,
    metadata: dict[str, Any] | None = None,
) -> RetinaImage:
    """Build an image: reduce grey RGB to one channel, and guess the modality if it is not given.

    Parameters
    ----------
    path : Path
        The file.
    pixels : array
        ``(rows, columns)`` or ``(slices, rows, columns)``; if `color`, with a last axis of 2
        (grey and alpha), 3 or 4.
    color : bool
        Whether the last axis holds channels.
    modality, spacing, laterality, metadata
        What the file says.

    Raises
    ------
    ReadError
        If the pixels are no image.
    """
    from napari_retina_seg.imaging.modality import guess_modality

    if color:
        pixels, color = reduce_channels(pixels)
    if pixels.ndim - color not in (2, 3) or 0 in pixels.shape:
        raise ReadError(
            f"'{path}' holds an array of shape {pixels.shape}: an image is (rows, columns) or"
            " (slices, rows, columns), with a last axis of 3 or 4 for colour."
        )
    image = RetinaImage(
        # Decoders hand out read-only buffers, which compiled code downstream refuses.
        np.require(pixels, pixels.dtype.newbyteorder("="), ["C", "W"]),
        color=color,
        spacing=spacing or Spacing(),
        laterality=laterality,
        name=image_name(path),
        source=str(path),
        modality=modality,
        metadata=metadata or {},
    )
    if modality is Modality.UNKNOWN:
        return replace(image, modality=guess_modality(image.plane(image.n_slices // 2)))
    return image


def assemble_stored(path: Path, stored: StoredPixels) -> RetinaImage:
    """Make an image of the stored pixels of a picture.

    Raises
    ------
    ReadError
        If the pixels are no image.
    """
    spacing, warnings = stored.spacing, stored.warnings
    pixels, color = stored.picture()
    del stored  # so that colours that are grey need no memory while the image is looked at
    if color:
        pixels, color = reduce_channels(pixels)
    image = assemble(path, pixels, color=color, spacing=spacing)
    return replace(image, warnings=warnings)


def reduce_channels(pixels: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], bool]:
    """Reduce colours that are grey.

    Parameters
    ----------
    pixels : array
        With a last axis of 2 (grey and alpha), 3 or 4.

    Returns
    -------
    tuple of array and bool
        A copy of the grey pixels and False where all channels are equal and nothing is
        transparent, else RGB or RGBA and True.
    """
    channels = pixels.shape[-1]
    white = _largest(pixels)
    opaque = channels == 3 or all((part[..., -1] == white).all() for part in _parts(pixels))
    if channels == 2:
        return (pixels[..., 0].copy(), False) if opaque else (pixels[..., [0, 0, 0, 1]], True)
    if opaque and all(map(_is_grey, _parts(pixels))):
        return pixels[..., 0].copy(), False
    return pixels, True


def _parts(pixels: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """Yield the pixels a few rows or slices at a time: comparisons of all take memory and time."""
    step = max(1, _PART // max(1, pixels[:1].size))
    for start in range(0, len(pixels), step):
        yield pixels[start : start + step]


def _is_grey(part: npt.NDArray[Any]) -> bool:
    return all(np.array_equal(part[..., 0], part[..., k]) for k in (1, 2))


def _largest(pixels: npt.NDArray[Any]) -> float:
    return float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind in "ui" else 1.0
