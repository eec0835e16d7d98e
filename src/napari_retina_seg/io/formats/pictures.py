"""Export images beside masks as PNG without metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.invalid_pixels import combine_valid
from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.types.errors import WriteError
from napari_retina_seg.types.image import Modality, RetinaImage

_SUFFIX = ".png"


def picture_names(name: str, shape: tuple[int, ...], suffix: str = _SUFFIX) -> list[str]:
    """Return the PNG names of an image, one per slice of a volume.

    Parameters
    ----------
    name : str
        Of the image.
    shape : tuple of int
        ``(rows, columns)`` or ``(slices, rows, columns)``.
    suffix : str
        Of a single image.
    """
    if len(shape) == 2:
        return [f"{name}{suffix}"]
    return [f"{name}_{index:04d}{_SUFFIX}" for index in range(shape[0])]


def write_pictures(folder: Path, image: RetinaImage, name: str) -> tuple[Path, ...]:
    """Write an image as PNG, or each slice of a volume, upright and without metadata.

    Pixels of 8 bits are written as they are. Deeper ones are stretched, over the whole image, from
    the smallest to the largest value that holds data to 0 … 255: annotation tools show 8 bits.

    Parameters
    ----------
    folder : Path
        Where to; made if missing.
    image : RetinaImage
        The image.
    name : str
        How the files are called.

    Returns
    -------
    tuple of Path
        The files, in the order of the slices.

    Raises
    ------
    WriteError
        If one can't be written.
    """
    import cv2

    slices = range(image.n_slices)
    low, high = _span(image)
    shape = (image.n_slices, *image.grid) if image.is_volume else image.grid
    paths = tuple(folder / each for each in picture_names(name, shape))
    for index, path in zip(slices, paths, strict=True):
        plane = _to_bytes(image.plane(index), low, high)
        plane = plane[..., 2::-1] if plane.ndim == 3 else plane
        done, content = cv2.imencode(_SUFFIX, np.ascontiguousarray(plane))
        if not done:
            raise WriteError(f"The image '{name}' can't be written as PNG: leave images out.")
        write_atomically(path, bytes(content))
    return paths


def _span(image: RetinaImage) -> tuple[float, float]:
    if image.pixels.dtype == np.uint8:
        return 0.0, 255.0
    lows, highs = [], []
    for index in range(image.n_slices):
        plane = image.plane(index)
        is_bscan = image.modality is Modality.OCT
        valid = combine_valid(plane, image.valid_plane(index), is_bscan=is_bscan)
        values = plane if valid is None else plane[valid]
        values = values[np.isfinite(values)]
        if values.size:
            lows.append(float(values.min()))
            highs.append(float(values.max()))
    return min(lows, default=0.0), max(highs, default=1.0)


def _to_bytes(plane: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.uint8]:
    if plane.dtype == np.uint8:
        return plane
    values = np.nan_to_num(plane.astype(np.float64), nan=low, posinf=high, neginf=low)
    scaled = (values - low) / (high - low or 1.0) * 255
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)
