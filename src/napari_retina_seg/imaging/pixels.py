"""Convert pixels of any type and number of channels for computation."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from napari_retina_seg.types.errors import ImageError

Plane = npt.NDArray[Any]
Tensor = npt.NDArray[np.float32]

SMALLEST = 16  # px; a shorter side shows nothing that could be segmented
_GLANCE = 256  # px along the longer side that show whether there are colours
_CHROMA = 0.05  # difference of the channels, in the range of the image, that is no grey


def check_plane(plane: Plane) -> None:
    """Raise `ImageError` if nothing could be segmented: too small, or one value throughout."""
    if min(plane.shape[:2]) < SMALLEST:
        raise ImageError(
            f"The image is {plane.shape[0]} × {plane.shape[1]} px: it needs at least"
            f" {SMALLEST} × {SMALLEST}."
        )
    pixels = np.atleast_3d(plane)[..., :3]
    if plane.dtype.kind == "f":
        pixels = pixels[np.isfinite(pixels).all(axis=2)][:, np.newaxis]
        if not pixels.size:
            raise ImageError(
                "The image holds no finite value (all NaN): there is nothing to segment."
            )
    first = pixels[0, 0]
    # Most images differ in their middle row already, which spares looking at all of them.
    if (pixels[len(pixels) // 2] == first).all() and (pixels == first).all():
        value = ", ".join(f"{channel:g}" for channel in np.unique(first))
        raise ImageError(
            f"The image is {value} everywhere: there is nothing to segment. Check the file."
        )


def has_colors(plane: Plane) -> bool:
    """Whether over a quarter of an image is not grey; a coloured caption makes no difference."""
    if plane.ndim == 2:
        return False
    step = -(-max(plane.shape[:2]) // _GLANCE)
    values = to_float(plane[::step, ::step, :3])
    chroma = values.max(axis=2) - values.min(axis=2)
    return bool(np.percentile(chroma, 75) > _CHROMA * float(np.ptp(values)))


def to_float(plane: Plane) -> Tensor:
    """Return float32 pixels in which NaN and infinities are replaced by the least finite value."""
    with np.errstate(over="ignore"):  # a double beyond float32 becomes infinite
        values = plane.astype(np.float32)
    if plane.dtype.kind == "f":
        finite = np.isfinite(values)
        if not finite.all():
            values[~finite] = values[finite].min()
    return values


def to_grey(values: Tensor) -> Tensor:
    """Reduce colours to their mean; alpha is left out."""
    return values if values.ndim == 2 else np.asarray(values[..., :3].mean(axis=2), np.float32)


def to_rgb(values: Tensor) -> Tensor:
    """Return three channels: grey is repeated, alpha is left out."""
    return np.repeat(values[..., np.newaxis], 3, 2) if values.ndim == 2 else values[..., :3]


def resize(values: npt.NDArray[Any], size: tuple[int, int]) -> npt.NDArray[Any]:
    """Resize ``(rows, columns, …)`` to `size`: averaging down, linearly up.

    uint8, uint16 and float32 stay what they are; other types become float32.
    """
    if values.shape[:2] == size:
        return values
    if values.dtype not in (np.uint8, np.uint16, np.float32):
        values = values.astype(np.float32)
    shrinks = size[0] * size[1] < values.shape[0] * values.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(values, (size[1], size[0]), interpolation=how))


def shrink(picture: npt.NDArray[np.uint8], longest: int) -> npt.NDArray[np.uint8]:
    """Shrink a picture so that its longer side has at most `longest` px."""
    scale = longest / max(picture.shape[:2])
    if scale >= 1:
        return picture
    rows, columns = (max(1, round(size * scale)) for size in picture.shape[:2])
    return np.asarray(resize(picture, (rows, columns)), np.uint8)
