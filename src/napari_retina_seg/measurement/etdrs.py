"""The grid of the Early Treatment Diabetic Retinopathy Study: nine subfields around the fovea."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.measurement.fovea import Fovea
from napari_retina_seg.measurement.orientation import Orientation
from napari_retina_seg.measurement.units import MeasureError
from napari_retina_seg.types.image import Laterality, Spacing

Map = npt.NDArray[Any]

RADII_UM = (500.0, 1500.0, 3000.0)  # circles of 1, 3 and 6 mm diameter
_STEP_UM = 10.0  # of the fine grid on which is integrated
_RINGS = ("inner", "outer")
_SIDES = ("first", "right", "last", "left")  # clockwise from the first slice


@dataclass(frozen=True)
class Subfield:
    """One part of the grid.

    Attributes
    ----------
    name : str
        Such as ``inner nasal``; sides that are not known are named by slice and column.
    mean : float
        Mean thickness of what is covered, in µm; NaN if nothing is.
    uncertainty : float
        Mean standard deviation of the thickness, in µm; NaN without probabilities.
    covered : float
        Share of its area that was measured, 0 to 1.
    area_mm2 : float
        Of the whole subfield.
    volume_mm3 : float
        Thickness integrated over what is covered.
    """

    name: str
    mean: float
    uncertainty: float
    covered: float
    area_mm2: float
    volume_mm3: float


@dataclass(frozen=True)
class Etdrs:
    """The grid of one map.

    Attributes
    ----------
    subfields : tuple of Subfield
        ``central``, four inner and four outer ones, and last the ``total`` of all nine.
    fovea : Fovea
        Its centre.
    laterality : Laterality
        Which eye.
    """

    subfields: tuple[Subfield, ...]
    fovea: Fovea
    laterality: Laterality

    def find(self, name: str) -> Subfield:
        """Return a subfield by its name.

        Raises
        ------
        MeasureError
            If there is none of that name.
        """
        for subfield in self.subfields:
            if subfield.name == name:
                return subfield
        names = ", ".join(subfield.name for subfield in self.subfields)
        raise MeasureError(f"There is no subfield '{name}': there are {names}.")


def measure_etdrs(
    thickness: Map,
    spacing: Spacing,
    fovea: Fovea,
    *,
    laterality: Laterality = Laterality.UNKNOWN,
    orientation: Orientation | None = None,
    uncertainty: Map | None = None,
) -> Etdrs:
    """Measure the mean thickness and volume of the nine subfields.

    Circles of 1, 3 and 6 mm diameter, divided at 45, 135, 225 and 315° (ETDRS report 10, 1991,
    Ophthalmology 98: 786). The map is interpolated linearly between slices and columns, on a
    grid of 10 µm, so that slices far apart count by the area between them.

    Parameters
    ----------
    thickness : array
        ``(slices, columns)`` in µm, NaN where it was not measured.
    spacing : Spacing
        Pixel sizes; those between columns and slices must be known.
    fovea : Fovea
        The centre.
    laterality : Laterality
        Which eye; without it no side is called nasal or temporal.
    orientation : Orientation, optional
        Which way slices and columns run.
    uncertainty : array, optional
        Standard deviations of the thickness, of its shape.

    Raises
    ------
    MeasureError
        If a pixel size is unknown, or the map is a single scan.
    """
    lateral, between = _sizes(thickness, spacing)
    y, x = _fine_grid()
    rows = fovea.slice + y / between
    columns = fovea.column + x / lateral
    known = sample(thickness, rows, columns)
    sigma = np.full_like(known, np.nan)
    if uncertainty is not None:
        sigma = sample(uncertainty, rows, columns)
    sides = (orientation or Orientation()).sides(laterality)
    parts = [
        _subfield(name, inside, known, sigma)
        for name, inside in subfield_masks(y, x, sides).items()
    ]
    total = np.hypot(y, x) <= RADII_UM[2]
    return Etdrs((*parts, _subfield("total", total, known, sigma)), fovea, laterality)


def subfield_masks(y: Map, x: Map, sides: dict[str, str]) -> dict[str, npt.NDArray[np.bool_]]:
    """Return which points lie in each subfield.

    Parameters
    ----------
    y, x : array
        Distance from the fovea in µm, along the slices and along the columns.
    sides : dict
        Names of the sides, by `Orientation.sides`.
    """
    radius = np.hypot(y, x)
    within = {  # each side has one of the diagonals, so that all are of one size
        "first": (y <= x) & (y < -x),
        "right": (y < x) & (y >= -x),
        "last": (y >= x) & (y > -x),
        "left": (y > x) & (y <= -x),
    }
    masks = {"central": radius <= RADII_UM[0]}
    for ring, low, high in zip(_RINGS, RADII_UM[:-1], RADII_UM[1:], strict=True):
        for side in _SIDES:
            masks[f"{ring} {sides[side]}"] = (radius > low) & (radius <= high) & within[side]
    return masks


def sample(values: Map, rows: Map, columns: Map) -> Map:
    """Interpolate a map linearly at places between its pixels.

    Parameters
    ----------
    values : array
        ``(slices, columns)``, NaN where unknown.
    rows, columns : array
        Where, as indices; a pixel reaches half a pixel to each side.

    Returns
    -------
    array
        NaN outside the map, and where a pixel that counts is NaN.
    """
    shape = values.shape
    inside = (rows >= -0.5) & (rows <= shape[0] - 0.5)
    inside &= (columns >= -0.5) & (columns <= shape[1] - 0.5)
    r = np.clip(rows, 0, shape[0] - 1)
    c = np.clip(columns, 0, shape[1] - 1)
    top = np.minimum(np.floor(r), max(shape[0] - 2, 0)).astype(np.intp)
    left = np.minimum(np.floor(c), max(shape[1] - 2, 0)).astype(np.intp)
    down, right = r - top, c - left
    result = np.zeros(np.broadcast(rows, columns).shape)
    for i, weight_row in ((0, 1 - down), (1, down)):
        for j, weight_column in ((0, 1 - right), (1, right)):
            weight = weight_row * weight_column
            row = np.minimum(top + i, shape[0] - 1)
            column = np.minimum(left + j, shape[1] - 1)
            # Without this 0 × NaN would lose the neighbours of an unmeasured column.
            result += np.where(weight > 0, weight * values[row, column], 0)
    return np.where(inside, result, np.nan)


def _sizes(thickness: Map, spacing: Spacing) -> tuple[float, float]:
    lateral, between = spacing.lateral.um, spacing.slice.um
    if thickness.ndim != 2 or len(thickness) < 2:
        raise MeasureError("The ETDRS grid needs a volume: a single B-scan does not cover it.")
    if lateral is None or between is None:
        missing = " and ".join(
            name
            for name, size in (("between columns", lateral), ("between slices", between))
            if size is None
        )
        raise MeasureError(
            f"The ETDRS grid needs distances in µm, but the distance {missing} is not known: state"
            " the pixel size."
        )
    return lateral, between


def _fine_grid() -> tuple[Map, Map]:
    reach = RADII_UM[-1]
    steps = np.arange(-reach + _STEP_UM / 2, reach, _STEP_UM)
    y, x = np.meshgrid(steps, steps, indexing="ij")
    return y, x


def _subfield(name: str, inside: npt.NDArray[np.bool_], known: Map, sigma: Map) -> Subfield:
    values = known[inside]
    seen = np.isfinite(values)
    pixel = (_STEP_UM / 1000) ** 2
    area = float(inside.sum()) * pixel
    if not seen.any():
        return Subfield(name, np.nan, np.nan, 0.0, area, np.nan)
    volume = float(values[seen].sum()) / 1000 * pixel
    spread = sigma[inside][seen]
    mean_spread = float(np.nanmean(spread)) if np.isfinite(spread).any() else np.nan
    return Subfield(name, float(values[seen].mean()), mean_spread, float(seen.mean()), area, volume)
