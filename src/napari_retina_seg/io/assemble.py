"""The last step of every reader: from decoded pixels to a `RetinaImage`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.core.errors import ReadError
from napari_retina_seg.core.image import Laterality, Modality, RetinaImage, Spacing
from napari_retina_seg.io.names import image_name
from napari_retina_seg.io.stored import StoredPixels


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
    """Name the pixels, reduce colours that are grey, and guess the modality if it was not told.

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
    from napari_retina_seg.core.modality import guess_modality

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
    pixels, color = stored.picture()
    image = assemble(path, pixels, color=color, spacing=stored.spacing)
    return replace(image, warnings=stored.warnings)


def reduce_channels(pixels: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], bool]:
    """Reduce colours that are grey.

    Parameters
    ----------
    pixels : array
        With a last axis of 2 (grey and alpha), 3 or 4.

    Returns
    -------
    tuple of array and bool
        Grey pixels and False where all channels are equal and nothing is transparent, else RGB
        or RGBA and True.
    """
    channels = pixels.shape[-1]
    opaque = channels == 3 or bool((pixels[..., -1] == _largest(pixels)).all())
    if channels == 2:
        return (pixels[..., 0], False) if opaque else (pixels[..., [0, 0, 0, 1]], True)
    first = pixels[..., 0]
    if opaque and all(np.array_equal(first, pixels[..., k]) for k in (1, 2)):
        return first, False
    return pixels, True


def _largest(pixels: npt.NDArray[Any]) -> float:
    return float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind in "ui" else 1.0
