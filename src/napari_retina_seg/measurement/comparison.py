"""Differences of two eyes, and of two visits of one eye: maps and ETDRS subfields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.measurement.etdrs import Etdrs, sample
from napari_retina_seg.measurement.fovea import Fovea
from napari_retina_seg.measurement.thickness import Thickness
from napari_retina_seg.measurement.units import UM, MeasureError

Map = npt.NDArray[Any]

_COVERED = 0.5  # share of a subfield that both must have measured


@dataclass(frozen=True)
class SubfieldDifference:
    """Difference of one subfield, in µm.

    Attributes
    ----------
    name : str
        Its name in both grids.
    first, second : float
        Mean thickness in each.
    difference : float
        Second minus first; NaN where less than half of the subfield was measured in one of them.
    error : float
        Bound of the standard deviation of `difference` by both models' probabilities; NaN without
        them. How far the errors of neighbouring columns go together is not known, but that of a
        mean is at most the mean of theirs, σ(x̄) ≤ Σ σᵢ / n (Minkowski's inequality; equal where
        all err alike, √n times less where each errs by itself). Those of two scans are taken as
        independent: σ² = σ₁² + σ₂². So a difference beyond 1.96 σ is beyond what the models'
        boundaries explain; one within it may be, too.
    covered : float
        The smaller of both covered shares, 0 to 1.
    """

    name: str
    first: float
    second: float
    difference: float
    error: float
    covered: float


@dataclass(frozen=True, eq=False)
class MapDifference:
    """What differs between two scans.

    Attributes
    ----------
    first, second : array
        ``(slices, columns)`` on the first scan's grid in µm.
    difference : array
        Second minus first; NaN where one of them was not measured.
    error : array or None
        Standard deviation of the difference by both models' probabilities, in µm.
    """

    first: Map
    second: Map
    difference: Map
    error: Map | None

    def summary(self, name: str) -> SubfieldDifference:
        """Return the means over all that both scans measured."""
        seen = np.isfinite(self.difference)
        first, second = (
            float(one[seen].mean(dtype=np.float64)) for one in (self.first, self.second)
        )
        error = np.nan
        if self.error is not None:
            error = float(np.nanmean(self.error[seen], dtype=np.float64))
        return SubfieldDifference(name, first, second, second - first, error, float(seen.mean()))


def compare_grids(first: Etdrs, second: Etdrs) -> tuple[SubfieldDifference, ...]:
    """Compare the ETDRS grids of two scans: second minus first, nasal with nasal.

    Parameters
    ----------
    first, second : Etdrs
        Grids of the same layer or total.

    Raises
    ------
    MeasureError
        If their sides have different names.
    """
    other = {subfield.name: subfield for subfield in second.subfields}
    if {subfield.name for subfield in first.subfields} != set(other):
        raise MeasureError(
            "The ETDRS subfields are not compared: those of both scans have different names, since"
            " the direction of slices or columns is known for one of them only."
        )
    result = []
    for subfield in first.subfields:
        partner = other[subfield.name]
        covered = min(subfield.covered, partner.covered)
        value = partner.mean - subfield.mean if covered >= _COVERED else np.nan
        error = float(np.hypot(subfield.uncertainty, partner.uncertainty))
        result.append(
            SubfieldDifference(subfield.name, subfield.mean, partner.mean, value, error, covered)
        )
    return tuple(result)


def compare_maps(
    first: Thickness,
    second: Thickness,
    band: str,
    foveas: tuple[Fovea, Fovea],
    reversed_axes: tuple[bool, bool] = (False, False),
) -> MapDifference:
    """Compare the maps of two scans, registered by the fovea.

    The second map is shifted so that the foveas meet, and interpolated on the first one's grid;
    it is not turned. The error is that of two independent measurements, the root of the sum of
    their variances; see `boundary_sd`.

    Parameters
    ----------
    first, second : Thickness
        Of two volumes, or two B-scans, with known pixel sizes.
    band : str
        Abbreviation of the layer or total.
    foveas : tuple of Fovea
        In each scan.
    reversed_axes : tuple of bool
        Whether slices and columns of the second scan run the other way: the columns of a left
        eye do, if it is compared with a right one.

    Raises
    ------
    MeasureError
        If a pixel size is unknown, only one is a volume, or they share no place.
    """
    kinds = [one.values.shape[1] > 1 for one in (first, second)]
    if kinds[0] != kinds[1]:
        raise MeasureError("A volume and a single B-scan can't be compared: choose two alike.")
    scale = [_sizes(one, kinds[0]) for one in (first, second)]
    down, right = (-1 if flip else 1 for flip in reversed_axes)
    slices, columns = first.values.shape[1:]
    y = (np.arange(slices) - foveas[0].slice)[:, np.newaxis] * down * scale[0][0] / scale[1][0]
    x = (np.arange(columns) - foveas[0].column) * right * scale[0][1] / scale[1][1]
    rows, places = np.broadcast_arrays(foveas[1].slice + y, foveas[1].column + x)
    if not kinds[0]:
        rows = np.zeros_like(rows)
    k, m = first.index(band), second.index(band)
    earlier, later = first.values[k], sample(second.values[m], rows, places)
    difference = later - earlier
    seen = np.isfinite(difference)
    if not seen.any():
        raise MeasureError(
            f"Both scans share no place where {band} was measured: check where the fovea is."
        )
    error = None
    if first.uncertainty is not None and second.uncertainty is not None:
        error = np.hypot(first.uncertainty[k], sample(second.uncertainty[m], rows, places))
        error = np.where(seen, error, np.nan)
    return MapDifference(earlier, later, difference, error)


def _sizes(thickness: Thickness, volume: bool) -> tuple[float, float]:
    """Return the distances of slices and of columns in µm; 1 for the slice of a single scan."""
    spacing = thickness.spacing
    lateral, between = spacing.lateral.um, spacing.slice.um if volume else 1.0
    if thickness.unit != UM or lateral is None or between is None:
        raise MeasureError(
            "Two scans are compared in µm, but a pixel size is not known: state the axial and"
            " lateral one and, of volumes, that between slices."
        )
    return between, lateral
