"""Region edits of a class mask: small objects, small holes, lasso, dilation and erosion."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from skimage.draw import polygon2mask

from napari_retina_seg.types.errors import ImageError

Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.uint8]

_WITH_CORNERS, _BY_EDGES = 8, 4


def small_objects(mask: npt.NDArray[Any], size: int) -> Mask:
    """Find small objects in a mask.

    Parameters
    ----------
    mask : array
        ``(rows, columns)`` bool. Pixels that touch at a corner belong together.
    size : int
        Objects of fewer px than this are small.

    Returns
    -------
    array
        bool, the small objects.
    """
    return _smaller(mask, size, _WITH_CORNERS)


def small_holes(mask: npt.NDArray[Any], size: int) -> Mask:
    """Find small holes in a mask.

    Parameters
    ----------
    mask : array
        ``(rows, columns)`` bool. What is outside leaks in through edges, not through corners.
    size : int
        Holes of fewer px than this are small; what touches the image's edge is no hole.

    Returns
    -------
    array
        bool, the small holes.
    """
    # A frame joins all that touches the image's edge; it is never smaller than a hole inside it.
    outside = np.pad(~_plane(mask), 1, constant_values=True)
    frame = 2 * sum(mask.shape) + 4
    return _smaller(outside, min(size, frame), _BY_EDGES)[1:-1, 1:-1]


def inside(lasso: npt.NDArray[Any], shape: tuple[int, int]) -> Mask:
    """Return the pixels inside a closed line.

    Parameters
    ----------
    lasso : array
        ``(points, 2)`` row and column in px; the centre of the first pixel is ``(0, 0)``.
    shape : tuple of int
        Rows and columns of the plane.

    Raises
    ------
    ImageError
        If there are fewer than three points.
    """
    if len(lasso) < 3:
        raise ImageError(f"A lasso needs at least three points: received {len(lasso)}.")
    return np.asarray(polygon2mask(shape, np.asarray(lasso, float)), bool)


def dilate(labels: Labels, value: int, by: int, locked: frozenset[int] = frozenset()) -> Labels:
    """Dilate a class.

    Parameters
    ----------
    labels : array
        ``(rows, columns)`` uint8 class values.
    value : int
        The class.
    by : int
        Distance in px.
    locked : frozenset of int
        Classes that are not painted over.

    Returns
    -------
    array
        A copy.
    """
    near = _distance(labels != value) <= by
    result = labels.copy()
    result[near & ~np.isin(labels, list(locked))] = value
    return result


def erode(labels: Labels, value: int, by: int, locked: frozenset[int] = frozenset()) -> Labels:
    """Erode a class; each freed pixel goes to the nearest other class.

    The image's edge is no side: a class that leaves the image stays as long as it is.

    Parameters
    ----------
    labels : array
        ``(rows, columns)`` uint8 class values.
    value : int
        The class; nothing happens if it is locked.
    by : int
        Distance in px.
    locked : frozenset of int
        Classes that are not painted over.

    Returns
    -------
    array
        A copy.
    """
    result = labels.copy()
    mask = labels == value
    if value in locked or mask.all():
        return result
    _, nearest = cv2.distanceTransformWithLabels(
        mask.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    classes = np.zeros(int(nearest.max()) + 1, np.uint8)
    classes[nearest[~mask]] = labels[~mask]
    rim = mask & (_distance(mask) <= by)
    result[rim] = classes[nearest[rim]]
    return result


def _plane(mask: npt.NDArray[Any]) -> Mask:
    if mask.ndim != 2:
        raise ImageError(f"A plane has the shape (rows, columns): received {mask.shape}.")
    return np.asarray(mask, bool)


def _distance(mask: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return each pixel's distance in px to the nearest that is not in a mask."""
    if mask.all():
        return np.full(mask.shape, np.inf, np.float32)
    found: npt.NDArray[np.float32] = cv2.distanceTransform(
        _plane(mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    )
    return found


def _smaller(mask: npt.NDArray[Any], size: int, connectivity: int) -> Mask:
    _, parts, facts, _ = cv2.connectedComponentsWithStats(
        _plane(mask).astype(np.uint8), connectivity=connectivity
    )
    small = facts[:, cv2.CC_STAT_AREA] < size
    small[0] = False  # the part 0 is what is not in the mask
    return np.asarray(small[parts])
