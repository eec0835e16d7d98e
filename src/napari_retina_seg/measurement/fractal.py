"""Fractal dimension by box counting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.measurement.units import MeasureError

_SMALLEST = 4  # px; below, a line of pixels is a set of dots
_LARGEST = 1 / 12  # of the extent; of larger boxes too few are counted
_FEWEST = 4  # box sizes
_RATIO = 2**0.5
_SHIFTS = 4  # places of the grid along each axis, over which is averaged


@dataclass(frozen=True)
class FractalDimension:
    """A dimension with the fit it comes from.

    Attributes
    ----------
    value : float
        Minus the slope of log count over log size.
    error : float
        Standard error of the slope.
    r_squared : float
        Of the fit.
    sizes : tuple of int
        Sides of the boxes in px.
    counts : tuple of float
        How many hold a part, on average.
    """

    value: float
    error: float
    r_squared: float
    sizes: tuple[int, ...]
    counts: tuple[float, ...]


def box_dimension(skeleton: npt.NDArray[Any]) -> FractalDimension:
    """Count boxes over the skeleton of a vessel tree.

    The box-counting dimension of a skeleton, as in Stosic and Stosic 2006, IEEE Trans. Med.
    Imaging 25: 1101. For each size the count is the mean over shifts of the grid. Koch's curve
    (1.262) has 1.23 to 1.25, a straight line 0.94 to 0.98: fewer boxes than the curve's size allows
    have room at the ends.

    Parameters
    ----------
    skeleton : array
        ``(rows, columns)``, True on the centre lines.

    Raises
    ------
    MeasureError
        If too little is drawn for four box sizes.
    """
    points = np.argwhere(skeleton)
    extent = int(np.ptp(points, axis=0).max()) + 1 if len(points) else 0
    largest = extent * _LARGEST
    steps = int(np.log(max(largest, 1) / _SMALLEST) / np.log(_RATIO)) + 1 if largest else 0
    sizes = sorted({round(_SMALLEST * _RATIO**k) for k in range(max(steps, 0))})
    if len(sizes) < _FEWEST:
        raise MeasureError(
            f"The vessels reach over {extent} px: a fractal dimension needs"
            f" {int(_SMALLEST * _RATIO ** (_FEWEST - 1) / _LARGEST) + 1} at least."
        )
    counts = [_count(points, size) for size in sizes]
    x, y = np.log(sizes), np.log(counts)
    slope, intercept = np.polyfit(x, y, 1)
    left = float(((y - slope * x - intercept) ** 2).sum())
    spread = float(((x - x.mean()) ** 2).sum())
    total = float(((y - y.mean()) ** 2).sum())
    error = float(np.sqrt(left / (len(sizes) - 2) / spread))
    r_squared = 1 - left / total if total else 1.0
    return FractalDimension(-float(slope), error, r_squared, tuple(sizes), tuple(counts))


def _count(points: npt.NDArray[np.intp], size: int) -> float:
    """Return the number of boxes of one size that hold a point, on average over shifts."""
    shifts = sorted({round(size * k / _SHIFTS) for k in range(_SHIFTS)})
    across = int(points[:, 1].max()) // size + 2
    rows = [(points[:, 0] + down) // size * across for down in shifts]
    columns = [(points[:, 1] + right) // size for right in shifts]
    return float(np.mean([len(np.unique(row + column)) for row in rows for column in columns]))
