"""Hide a place of a network's input by filling it in from its surroundings.

What a network says without a place is the question of occlusion sensitivity (Zeiler and Fergus
2014). A grey patch would be a new structure; a smooth fill from around it, by pull-push (Gortler
et al. 1996), brings in as little as possible.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.preprocess import Geometry
from napari_retina_seg.imaging.target import Point, Region, weigh

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_SHARE = 32  # a point's disc has this share of the input's shorter side as its radius
_SMALLEST = 2  # px; its smallest radius


def find_place(target: Region | Point, geometry: Geometry, index: int = 0) -> Mask:
    """Find the pixels of a network's input that show a target.

    Parameters
    ----------
    target : Region or Point
        On the image's grid. A region is itself; a point stands for a disc around it with a radius
        of 1/32 of the input's shorter side.
    geometry : Geometry
        Where the network's input lies on the image.
    index : int
        The slice, for a region of a volume.

    Returns
    -------
    array
        ``geometry.working`` bool.
    """
    asked = weigh(target, geometry, index) > 0
    if isinstance(target, Region):
        mask = target.mask[index] if target.mask.ndim == 3 else target.mask
        return asked | _on_input(mask, geometry)  # an input finer than the image has no holes
    row, column = np.argwhere(asked)[0]
    rows, columns = np.ogrid[: geometry.working[0], : geometry.working[1]]
    radius = max(_SMALLEST, min(geometry.working) // _SHARE)
    return np.asarray((rows - row) ** 2 + (columns - column) ** 2 <= radius**2)


def fill_in(tensor: Array, place: Mask, geometry: Geometry) -> Array | None:
    """Fill a place in smoothly from what is around it.

    Parameters
    ----------
    tensor : array
        ``(rows, columns, channels)`` float32, a network's input.
    place : array
        ``(rows, columns)`` bool: what to fill.
    geometry : Geometry
        Pixels without data and outside the field of view are no surroundings.

    Returns
    -------
    array or None
        The input with the place filled in, elsewhere as it was; None if nothing is around it.
    """
    known = _on_input(geometry.predicted, geometry) & ~place
    if not known.any():
        return None
    filled = tensor.copy()
    for channel in range(tensor.shape[-1]):
        smooth = _pull_push(tensor[..., channel] * known, known.astype(np.float32))
        filled[place, channel] = smooth[place]
    return filled


def _pull_push(values: Array, weights: Array) -> Array:
    """Interpolate values, given multiplied by their weights of 0 to 1, from coarse to fine."""
    if weights.min() > 0 or max(weights.shape) == 1:
        return np.asarray(values / np.maximum(weights, 1e-6), np.float32)
    rows, columns = weights.shape
    coarse = _pull_push(cv2.pyrDown(values), cv2.pyrDown(weights))
    around = cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_LINEAR)
    return np.asarray(values + (1 - weights) * around, np.float32)


def _on_input(mask: Mask, geometry: Geometry) -> Mask:
    """Sample a mask of the image's grid at the middle of each pixel of the input."""
    top, left, _, _ = geometry.box
    steps = np.array(geometry.box_grid) / geometry.working
    rows = top + ((np.arange(geometry.working[0]) + 0.5) * steps[0]).astype(int)
    columns = left + ((np.arange(geometry.working[1]) + 0.5) * steps[1]).astype(int)
    return np.asarray(mask[np.ix_(rows, columns)])
