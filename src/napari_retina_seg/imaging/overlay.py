"""The image with its mask drawn over it, as a picture."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.invalid_pixels import find_invalid
from napari_retina_seg.types.errors import ImageError
from napari_retina_seg.types.labels import LabelScheme

_BAND_OPACITY = 0.35  # of layers, which have an outline besides
_AREA_OPACITY = 0.6  # of what is too thin for an outline, as vessels are
_SAMPLES = 500_000  # pixels from which the range of brightness is taken


def draw_overlay(
    plane: npt.NDArray[Any], labels: npt.NDArray[np.uint8], scheme: LabelScheme
) -> npt.NDArray[np.uint8]:
    """Draw the classes in their colours, translucent, over the image.

    Parameters
    ----------
    plane : array
        ``(rows, columns)``, stretched to the range of its values, or
        ``(rows, columns, 3 or 4)``, shown as it is if uint8; any real dtype, NaN is black.
    labels : array
        ``(rows, columns)`` uint8 class values.
    scheme : LabelScheme
        The colours. Where it has surfaces these are drawn as crisp lines.

    Returns
    -------
    array
        ``(rows, columns, 3)`` uint8.

    Raises
    ------
    ImageError
        If the mask has not the image's size, or a value that is no class.
    """
    if plane.shape[:2] != labels.shape:
        raise ImageError(
            f"The mask of an image of {plane.shape[:2]} px has the shape {labels.shape}: segment"
            " this very image."
        )
    if labels.max(initial=0) >= len(scheme):
        raise ImageError(
            f"The mask holds the value {labels.max()}: '{scheme.name}' ends at {len(scheme) - 1}."
        )
    picture = display(plane)
    colors = scheme.palette[labels]
    opacity = _BAND_OPACITY if scheme.surfaces else _AREA_OPACITY
    blended = cv2.addWeighted(picture, 1 - opacity, colors, opacity, 0)
    picture = np.where((labels > 0)[..., np.newaxis], blended, picture)
    if scheme.surfaces:
        edges = _outline(labels)
        picture[edges] = colors[edges]
    return picture


def display(plane: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return the image for display, ``(rows, columns, 3)`` uint8; not always a copy."""
    if plane.ndim == 3 and plane.dtype == np.uint8:
        return np.ascontiguousarray(plane[..., :3])
    values = plane[..., :3] if plane.ndim == 3 else plane
    grey = _stretch(values)
    return grey if grey.ndim == 3 else np.repeat(grey[..., np.newaxis], 3, axis=2)


def _stretch(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Map nearly the whole range of the finite values to 0 … 255, all channels alike."""
    step = max(1, int(np.sqrt(values.size / _SAMPLES)))
    seen = values[::step, ::step]
    invalid = find_invalid(seen)
    seen = (seen if invalid is None else seen[~invalid]).astype(np.float32)
    low, high = np.percentile(seen, [0.5, 99.8]) if seen.size else (0.0, 0.0)
    if low == high:
        low, high = 0.0, max(float(high), 1.0)
    scaled = np.nan_to_num(_as_float(values), nan=low, posinf=high, neginf=low)
    with np.errstate(over="ignore"):  # markers near the largest float become infinite
        scaled -= np.float32(low)
        scaled *= np.float32(255 / (high - low))
    return np.clip(np.rint(scaled, out=scaled), 0, 255, out=scaled).astype(np.uint8)


def _as_float(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):  # a double beyond float32 becomes infinite
        return values.astype(np.float32)


def _outline(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Return the pixels of a class that has another one above or to the left, or none below."""
    edges = np.zeros(labels.shape, bool)
    edges[1:] |= labels[1:] != labels[:-1]
    edges[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    edges[:-1] |= labels[1:] == 0
    edges[:, :-1] |= labels[:, 1:] == 0
    return np.asarray(edges & (labels > 0))
