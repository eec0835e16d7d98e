"""Differences of two eyes, and of two visits of one eye."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.measurement.etdrs import Etdrs, sample
from napari_retina_seg.measurement.fovea import Fovea
from napari_retina_seg.measurement.thickness import Thickness
from napari_retina_seg.measurement.units import UM, MeasureError
from napari_retina_seg.types.image import Laterality

Map = npt.NDArray[Any]

_COVERED = 0.5  # share of a subfield that both must have measured


@dataclass(frozen=True)
class SubfieldDifference:
    """Difference of one subfield.

    Attributes
    ----------
    name : str
        Its name in both grids.
    difference : float
        In µm; NaN where less than half of the subfield was measured in one of them.
    covered : float
        The smaller of both covered shares, 0 to 1.
    """

    name: str
    difference: float
    covered: float


@dataclass(frozen=True, eq=False)
class FollowUp:
    """What changed between two visits.

    Attributes
    ----------
    difference : array
        ``(slices, columns)`` on the first visit's grid in µm, second minus first visit; NaN where
        one of them was not measured.
    error : array or None
        Standard deviation of the difference by both models' probabilities, in µm.
    mean : float
        Of the difference, in µm.
    mean_error : float
        Of `error`, in µm; NaN where it is unknown.
    covered : float
        Share of the first visit's map that was compared.
    """

    difference: Map
    error: Map | None
    mean: float
    mean_error: float
    covered: float


def asymmetry(right: Etdrs, left: Etdrs) -> tuple[SubfieldDifference, ...]:
    """Compare both eyes: right minus left in each subfield, nasal with nasal.

    Parameters
    ----------
    right, left : Etdrs
        Grids of the same layer or total.

    Raises
    ------
    MeasureError
        If they are not of a right and a left eye, or their sides have different names.
    """
    if (right.laterality, left.laterality) != (Laterality.RIGHT, Laterality.LEFT):
        raise MeasureError(
            f"Asymmetry needs a right and a left eye: received {right.laterality} and"
            f" {left.laterality}."
        )
    return _differences(right, left)


def _differences(first: Etdrs, second: Etdrs) -> tuple[SubfieldDifference, ...]:
    other = {subfield.name: subfield for subfield in second.subfields}
    names = [subfield.name for subfield in first.subfields]
    if set(names) != set(other):
        raise MeasureError(
            "The subfields of both grids have different names, since the direction of slices or"
            " columns is known for one of them only: state it."
        )
    result = []
    for subfield in first.subfields:
        partner = other[subfield.name]
        covered = min(subfield.covered, partner.covered)
        value = subfield.mean - partner.mean if covered >= _COVERED else np.nan
        result.append(SubfieldDifference(subfield.name, value, covered))
    return tuple(result)


def follow_up(
    first: Thickness, second: Thickness, band: str, first_fovea: Fovea, second_fovea: Fovea
) -> FollowUp:
    """Compare two visits of one eye, registered by the fovea.

    The second map is shifted so that the foveas meet, and interpolated on the first one's grid;
    it is not turned. The error is that of two independent measurements, the root of the sum of
    their variances; see `boundary_sd`.

    Parameters
    ----------
    first, second : Thickness
        Of two volumes, or two B-scans, with known pixel sizes.
    band : str
        Abbreviation of the layer or total.
    first_fovea, second_fovea : Fovea
        In each scan.

    Raises
    ------
    MeasureError
        If a pixel size is unknown, only one is a volume, or they share no place.
    """
    kinds = [one.values.shape[1] > 1 for one in (first, second)]
    if kinds[0] != kinds[1]:
        raise MeasureError("A volume and a single B-scan can't be compared: choose two alike.")
    scale = [_sizes(one, kinds[0]) for one in (first, second)]
    slices, columns = first.values.shape[1:]
    y = (np.arange(slices) - first_fovea.slice)[:, np.newaxis] * scale[0][0] / scale[1][0]
    x = (np.arange(columns) - first_fovea.column) * scale[0][1] / scale[1][1]
    rows, places = np.broadcast_arrays(second_fovea.slice + y, second_fovea.column + x)
    if not kinds[0]:
        rows = np.zeros_like(rows)
    k, m = first.index(band), second.index(band)
    difference = sample(second.values[m], rows, places) - first.values[k]
    seen = np.isfinite(difference)
    if not seen.any():
        raise MeasureError("Both visits share no measured place: check where the fovea is.")
    error = None
    if first.uncertainty is not None and second.uncertainty is not None:
        error = np.hypot(first.uncertainty[k], sample(second.uncertainty[m], rows, places))
        error = np.where(seen, error, np.nan)
    mean_error = np.nan if error is None else float(np.nanmean(error[seen]))
    return FollowUp(
        difference, error, float(difference[seen].mean()), mean_error, float(seen.mean())
    )


def _sizes(thickness: Thickness, volume: bool) -> tuple[float, float]:
    """Return the distances of slices and of columns in µm; 1 for the slice of a single scan."""
    spacing = thickness.spacing
    lateral, between = spacing.lateral.um, spacing.slice.um if volume else 1.0
    if thickness.unit != UM or lateral is None or between is None:
        raise MeasureError(
            "Two visits are compared in µm, but a pixel size is not known: state the axial and"
            " lateral one and, of volumes, that between slices."
        )
    return between, lateral
