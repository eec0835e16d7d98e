"""Segment vessels by thresholding, and bridge gaps."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from skimage.draw import disk
from skimage.graph import route_through_array

from napari_retina_seg.types.errors import ImageError

Mask = npt.NDArray[np.bool_]
Pixel = tuple[int, int]

_LEAST = 0.02  # evidence below which a path pays for its length alone
_MARGIN = 24  # px around two clicks in which the path may run, at least
_VESSEL, _AROUND = 1.0, 12.0  # px, of the blurs whose difference is darkness
_REACH = 6  # px around a click in which the vessel is measured
_THINNEST = 1.0  # px, the radius where there is no vessel to measure


def threshold(probability: npt.NDArray[Any], level: float, low: float | None = None) -> Mask:
    """Threshold vessel probabilities, with optional hysteresis.

    Parameters
    ----------
    probability : array
        ``(rows, columns)``, 0 to 1.
    level : float
        The least probability of a vessel.
    low : float, optional
        With hysteresis (Canny 1986, IEEE TPAMI 8: 679): what reaches this counts too if it is
        connected, be it by corners, to what reaches `level`.
    """
    if low is None or low >= level:
        return np.asarray(probability >= level)
    _, parts = cv2.connectedComponents((probability >= low).astype(np.uint8))
    reaches = np.zeros(int(parts.max()) + 1, bool)
    reaches[parts[probability >= level]] = True
    return np.asarray(reaches[parts])


def local_darkness(pixels: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return the local darkness of each pixel relative to its surroundings.

    Parameters
    ----------
    pixels : array
        ``(rows, columns)`` or ``(rows, columns, 3 or 4)``, of which the green channel counts, in
        which blood absorbs most.

    Returns
    -------
    array
        float32 ``(rows, columns)``, 0 to 1; the darkest hundredth is 1.
    """
    plane = pixels[..., 1] if pixels.ndim == 3 else pixels
    grey = np.nan_to_num(plane.astype(np.float32))
    fine, coarse = (cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in (_VESSEL, _AROUND))
    darker = np.maximum(coarse - fine, 0)
    most = float(np.percentile(darker, 99)) or 1.0
    return np.asarray(np.minimum(darker / np.float32(most), 1), np.float32)


def bridge(evidence: npt.NDArray[Any], mask: npt.NDArray[Any], start: Pixel, stop: Pixel) -> Mask:
    """Bridge two points along the vessel between them.

    The path is the cheapest one, a pixel costing more the less there is evidence of a vessel
    (Cohen and Kimmel 1997, Int. J. Comput. Vis. 24: 57). It is as wide as the vessel at its ends.

    Parameters
    ----------
    evidence : array
        ``(rows, columns)``, 0 to 1: the model's probability, or `local_darkness`.
    mask : array
        bool, the vessels that are there already; of these the width is taken.
    start, stop : tuple of int
        Row and column.

    Returns
    -------
    array
        bool, the pixels of the bridge.

    Raises
    ------
    ImageError
        If a point lies outside.
    """
    shape = evidence.shape
    for row, column in (start, stop):
        if not (0 <= row < shape[0] and 0 <= column < shape[1]):
            raise ImageError(f"The point ({row}, {column}) lies outside the image of {shape} px.")
    window, corner = _window(shape, start, stop)
    ends = _radii(mask, start, stop)
    seen = np.clip(np.nan_to_num(evidence[window].astype(np.float32)), 0, 1)
    # A ridge in the middle of the vessel: in a plateau the path would cut the corners.
    ridge = cv2.GaussianBlur(seen, (0, 0), max(_VESSEL, sum(ends) / 2))
    cost = 1 / (_LEAST + ridge)
    first, last = (tuple(np.subtract(point, corner)) for point in (start, stop))
    path, _ = route_through_array(cost, first, last, fully_connected=True, geometric=True)
    found = np.zeros(shape, bool)
    radii = np.linspace(*ends, len(path))
    for point, radius in zip(np.add(path, corner), radii, strict=True):
        found[disk(point, radius + 0.5, shape=shape)] = True
    return found


def _window(shape: tuple[int, ...], start: Pixel, stop: Pixel) -> tuple[tuple[slice, ...], Pixel]:
    """Return the part of an image in which a path may run, and its first pixel."""
    ends = np.array([start, stop])
    margin = max(_MARGIN, int(np.hypot(*(ends[1] - ends[0])) / 2))
    low = np.maximum(ends.min(axis=0) - margin, 0)
    high = np.minimum(ends.max(axis=0) + margin + 1, shape)
    window = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return window, (int(low[0]), int(low[1]))


def _radii(mask: npt.NDArray[Any], start: Pixel, stop: Pixel) -> tuple[float, float]:
    """Return the vessel's radius at both ends; where it can't be measured, that of the other."""
    first, last = _radius(mask, start), _radius(mask, stop)
    known = [radius for radius in (first, last) if radius is not None]
    otherwise = known[0] if known else _THINNEST
    return (
        otherwise if first is None else first,
        otherwise if last is None else last,
    )


def _radius(mask: npt.NDArray[Any], point: Pixel) -> float | None:
    """Return the largest distance to the outside of the vessel near a point, in px."""
    wide = _around(mask.shape, point, 4 * _REACH)
    near = np.asarray(mask[wide], bool)
    if not near.any() or near.all():
        return None
    distances = cv2.distanceTransform(near.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    rows, columns = (
        np.arange(part.start, part.stop) - p for part, p in zip(wide, point, strict=True)
    )
    close = np.hypot(rows[:, np.newaxis], columns) <= _REACH
    found = float(distances[close].max())
    return max(found - 0.5, 0.0) if found else None


def _around(shape: tuple[int, ...], point: Pixel, reach: int) -> tuple[slice, ...]:
    return tuple(
        slice(max(0, p - reach), min(size, p + reach + 1))
        for p, size in zip(point, shape, strict=False)
    )
