"""Where the fovea is: stated by the user, or found where the retina is thinnest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_retina_seg.measurement.thickness import Thickness, widest_band
from napari_retina_seg.measurement.units import MeasureError
from napari_retina_seg.types.image import Spacing

Map = npt.NDArray[Any]

FOUND = "found where the retina is thinnest"
STATED = "stated by the user"

_SMOOTHING_UM = 75.0  # standard deviation; the foveola is about 350 µm wide
_SMOOTHING = 0.015  # of the columns, where the lateral pixel size is unknown
_WIDE = 10.0  # times as much, for what surrounds the pit
_NEAR_UM = 300.0  # from the deepest place, within which the thinnest is taken
_NEAR = 0.05  # of the columns
_RING_UM = (900.0, 1400.0)  # around the pit, where the retina is thickest
_RING = (0.15, 0.24)  # of the columns
_SHALLOW = 0.1  # of the ring's thickness; a healthy pit is a quarter to a third deep
_ALIKE = 0.1  # of the pit's depth
_EDGE = 0.1  # of the scan, along either axis
_LEAST = 0.2  # of the map that must be measured


@dataclass(frozen=True)
class Fovea:
    """The centre of the fovea.

    Attributes
    ----------
    slice, column : float
        Its place on the scan's grid; the slice of a photograph is its row.
    origin : str
        `STATED` or `FOUND`.
    warnings : tuple of str
        Why a place that was found may be wrong; each a sentence.
    """

    slice: float
    column: float
    origin: str = STATED
    warnings: tuple[str, ...] = ()


def state_fovea(slice: float, column: float, shape: tuple[int, int]) -> Fovea:
    """Return a fovea stated by the user.

    Parameters
    ----------
    slice, column : float
        Its place; the slice of a photograph is its row.
    shape : tuple of int
        ``(slices, columns)`` of the scan, or ``(rows, columns)`` of the photograph.

    Raises
    ------
    MeasureError
        If it lies outside.
    """
    for what, value, size in zip(("slice", "column"), (slice, column), shape, strict=True):
        if not 0 <= value <= size - 1:
            raise MeasureError(
                f"The fovea lies at {what} {value:g}, but there are only 0 to {size - 1}: state"
                " it on the grid of the image."
            )
    return Fovea(float(slice), float(column))


def find_fovea(thickness: Thickness) -> Fovea:
    """Find the fovea: the thinnest place of the deepest pit in the retina, smoothed.

    Parameters
    ----------
    thickness : Thickness
        Of a macular volume or B-scan, with a total or layers.

    Returns
    -------
    Fovea
        With a warning if it is at the edge, the pit is shallow or another place is as thin; in a
        single B-scan always, since nothing says that the scan passes through the fovea.

    Raises
    ------
    MeasureError
        If too little was measured to find it.
    """
    total = np.asarray(thickness.values[widest_band(thickness)], np.float64)
    seen = np.isfinite(total)
    if seen.mean() < _LEAST:
        raise MeasureError(
            f"The fovea can't be found: thickness is known in {seen.mean():.0%} of the scan only."
            " State where it is."
        )
    sigma = _sigma(thickness.spacing, total.shape)
    smooth = _smooth(total, sigma)
    # A pit is thinner than what surrounds it: the periphery may be thinner than the fovea.
    depth = smooth - _smooth(total, (_WIDE * sigma[0], _WIDE * sigma[1]))
    depth[~seen] = smooth[~seen] = np.inf
    pit = np.unravel_index(depth.argmin(), depth.shape)
    near = _distance(smooth.shape, int(pit[0]), int(pit[1]), thickness.spacing)
    within = near <= (_NEAR_UM if thickness.spacing.lateral.um else _NEAR * total.shape[1])
    thinnest = np.where(within, smooth, np.inf)
    row, column = (int(i) for i in np.unravel_index(thinnest.argmin(), smooth.shape))
    return Fovea(row, column, FOUND, _warnings(smooth, row, column, thickness.spacing))


def _sigma(spacing: Spacing, shape: tuple[int, ...]) -> tuple[float, float]:
    """Return the smoothing along slices and columns, in px."""
    lateral, between = spacing.lateral.um, spacing.slice.um
    along = _SMOOTHING_UM / lateral if lateral else _SMOOTHING * shape[1]
    return (_SMOOTHING_UM / between if between else 0.0), along


def _smooth(total: Map, sigma: tuple[float, float]) -> Map:
    """Smooth a map, its unmeasured places not counted."""
    seen = np.isfinite(total)
    weight = ndimage.gaussian_filter(seen.astype(np.float64), sigma, mode="nearest")
    filled = ndimage.gaussian_filter(np.where(seen, total, 0), sigma, mode="nearest")
    return np.asarray(filled / np.maximum(weight, 1e-9))


def _warnings(smooth: Map, row: int, column: int, spacing: Spacing) -> tuple[str, ...]:
    slices, columns = smooth.shape
    warnings = []
    if slices == 1:
        warnings.append("Whether this single scan passes through the fovea is not known.")
    margin = (max(1, round(_EDGE * slices)), max(1, round(_EDGE * columns)))
    inside = margin[1] <= column < columns - margin[1]
    if slices > 2:
        inside &= margin[0] <= row < slices - margin[0]
    if not inside:
        warnings.append("The thinnest place is at the edge of the scan.")
    distance = _distance(smooth.shape, row, column, spacing)
    known = spacing.lateral.um is not None
    low, high = _RING_UM if known else (_RING[0] * columns, _RING[1] * columns)
    finite = np.isfinite(smooth)
    ring = finite & (distance >= low) & (distance <= high)
    around = float(np.median(smooth[ring])) if ring.any() else np.nan
    depth = 1 - smooth[row, column] / around if around > 0 else 0.0
    if not depth >= _SHALLOW:
        warnings.append("There is no clear pit at the thinnest place.")
    rival = finite & (distance > high) & (smooth <= smooth[row, column] + _ALIKE * depth * around)
    if depth >= _SHALLOW and rival.any():
        warnings.append("Another place is almost as thin.")
    return tuple(warnings)


def _distance(shape: tuple[int, ...], row: int, column: int, spacing: Spacing) -> Map:
    """Return the distance of each place from one, in µm, or in columns if that is unknown."""
    lateral = spacing.lateral.um
    step = lateral or 1.0
    between = spacing.slice.um if lateral and spacing.slice.um else step
    down = (np.arange(shape[0]) - row)[:, np.newaxis] * between
    return np.asarray(np.hypot(down, (np.arange(shape[1]) - column) * step))
