"""Length, bending and width along the centre line of a vessel."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_retina_seg.measurement.skeleton import Points, path_length

Scale = tuple[float, float]

_SMOOTHING = 2.0  # points; takes the steps of pixels out of a centre line
_BENDING = 5.0  # points; curvature is a second derivative, in which steps weigh more
_STEP = 0.2  # px, along the normal
_AVERAGE = 3.0  # points, over which widths are averaged
_MARGIN = 3.0  # px beyond the wall


def smooth_path(path: Points, sigma: float = _SMOOTHING, *, ring: bool = False) -> Points:
    """Smooth a path of pixels, its ends kept.

    Parameters
    ----------
    path : array
        ``(points, 2)``.
    sigma : float
        Standard deviation of the Gaussian in points; less for a short path.
    ring : bool
        Whether its end is its beginning.
    """
    count = len(path)
    if count < 4:
        return path
    width = min(sigma, (count - 1) / 6)
    if ring:
        return np.asarray(ndimage.gaussian_filter1d(path, width, axis=0, mode="wrap"))
    pad = min(count - 1, int(np.ceil(4 * width)))
    extended = np.pad(path, ((pad, pad), (0, 0)), mode="reflect", reflect_type="odd")
    return np.asarray(ndimage.gaussian_filter1d(extended, width, axis=0)[pad:-pad])


def arc_and_chord(path: Points, scale: Scale, *, ring: bool = False) -> tuple[float, float]:
    """Return the length of a path, smoothed, and the distance of its ends."""
    smooth = smooth_path(path, ring=ring)
    chord = 0.0 if ring else float(np.hypot(*((path[-1] - path[0]) * scale)))
    return path_length(smooth, scale), chord


def mean_curvature(path: Points, scale: Scale, *, ring: bool = False) -> float:
    """Return the mean absolute curvature, in 1 over the unit of `scale`.

    The integral of the absolute curvature over the length (Hart et al. 1999, Int. J. Med.
    Inform. 53: 239); 0 for a straight line, 1 / radius for a circle. NaN for a short path.
    """
    if len(path) < 4 * _BENDING:
        return np.nan
    smooth = smooth_path(path, _BENDING, ring=ring) * scale
    steps = np.diff(smooth, axis=0)
    lengths = np.hypot(*steps.T)
    directions = np.unwrap(np.arctan2(steps[:, 0], steps[:, 1]))
    return float(np.abs(np.diff(directions)).sum() / lengths[:-1].sum())


def widths(
    mask: npt.NDArray[Any], path: Points, radius: float, scale: Scale, *, ring: bool = False
) -> npt.NDArray[np.float64]:
    """Measure the width of a vessel at every point of its centre line.

    Along the normal to both sides the mask, interpolated between pixels, is integrated from the
    centre to where it has ended: the distance of an edge between pixels. It is right in the mean
    for an edge at any angle, and for vessels as thin as a pixel.

    Parameters
    ----------
    mask : array
        ``(rows, columns)``, bool.
    path : array
        ``(points, 2)`` row and column in px.
    radius : float
        Largest half width along the path, in px.
    scale : tuple of float
        Distance of rows and of columns, in one unit.
    ring : bool
        Whether its end is its beginning.

    Returns
    -------
    array
        ``(points,)`` in the unit of `scale`; NaN where the centre lies outside of the mask.
    """
    smooth = smooth_path(path, ring=ring)
    tangent = np.gradient(smooth, axis=0) * scale if len(smooth) > 1 else np.zeros_like(smooth)
    norm = np.hypot(*tangent.T)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1) / np.maximum(norm, 1e-9)[:, None]
    unit = float(np.sqrt(scale[0] * scale[1]))  # a px, in the unit
    distances = np.arange(0, 1.5 * radius + _MARGIN, _STEP)
    offsets = normal[:, None, :] * unit / np.asarray(scale) * distances[:, None]
    total = np.zeros(len(path))
    sides = []
    for sign in (1, -1):
        places = smooth[:, None, :] + sign * offsets
        values = ndimage.map_coordinates(
            np.asarray(mask, np.float32), np.moveaxis(places, -1, 0), order=1
        )
        sides.append(values)
        total += _reach(values) * unit
    inside = (sides[0][:, 0] >= 0.5) & (norm > 0)
    return _average(np.where(inside, total, np.nan))


def _average(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Average over neighbours, in which the steps of a slanting edge cancel out."""
    seen = np.isfinite(values)
    weight = ndimage.gaussian_filter1d(seen.astype(float), _AVERAGE, mode="nearest")
    total = ndimage.gaussian_filter1d(np.where(seen, values, 0), _AVERAGE, mode="nearest")
    return np.asarray(np.where(seen, total / np.maximum(weight, 1e-9), np.nan))


def _reach(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Integrate profiles outwards until the vessel has ended or another one begins."""
    rising = np.diff(values, axis=1, prepend=values[:, :1]) > 0
    passed = np.maximum.accumulate(values < 0.5, axis=1)
    ended = np.maximum.accumulate(passed & (rising | (values <= 0)), axis=1)
    counted = np.where(ended, 0, values)
    return np.asarray((counted.sum(axis=1) - counted[:, 0] / 2) * _STEP, np.float64)
