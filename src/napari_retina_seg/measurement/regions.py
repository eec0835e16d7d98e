"""Parts of a photograph in which vessels are measured: zones around the disc, ETDRS subfields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_retina_seg.measurement.etdrs import subfield_masks
from napari_retina_seg.measurement.fovea import Fovea
from napari_retina_seg.measurement.orientation import PHOTOGRAPH
from napari_retina_seg.measurement.units import UM, Grid, MeasureError
from napari_retina_seg.types.image import Laterality

Mask = npt.NDArray[np.bool_]

# Inner and outer distance from the disc's margin in disc diameters (Hubbard et al. 1999,
# Ophthalmology 106: 2269; zone C as in Cheung et al. 2010, Invest. Ophthalmol. Vis. Sci. 51: 3519).
ZONES = {"zone A": (0.0, 0.5), "zone B": (0.5, 1.0), "zone C": (0.5, 2.0)}


@dataclass(frozen=True)
class Disc:
    """The optic disc as marked by the user, a circle.

    Attributes
    ----------
    row, column, diameter : float
        Centre and diameter in px.

    Raises
    ------
    MeasureError
        If the diameter is not a positive number.
    """

    row: float
    column: float
    diameter: float

    def __post_init__(self) -> None:
        if not (np.isfinite([self.row, self.column, self.diameter]).all() and self.diameter > 0):
            raise MeasureError(
                f"The disc needs a centre and a positive diameter in px: received {self.row},"
                f" {self.column}, {self.diameter}."
            )


def disc_zones(disc: Disc, shape: tuple[int, int]) -> dict[str, Mask]:
    """Return the zones A, B and C around the optic disc.

    Parameters
    ----------
    disc : Disc
        The disc.
    shape : tuple of int
        ``(rows, columns)`` of the photograph.

    Raises
    ------
    MeasureError
        If the disc's centre lies outside.
    """
    if not (0 <= disc.row < shape[0] and 0 <= disc.column < shape[1]):
        raise MeasureError(
            f"The disc's centre ({disc.row:g}, {disc.column:g}) lies outside the image of"
            f" {shape[0]} × {shape[1]} px."
        )
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    margin = np.hypot(rows - disc.row, columns - disc.column) / disc.diameter - 0.5
    return {name: (margin >= low) & (margin < high) for name, (low, high) in ZONES.items()}


def etdrs_regions(
    fovea: Fovea, grid: Grid, shape: tuple[int, int], laterality: Laterality
) -> dict[str, Mask]:
    """Return the ETDRS subfields of a photograph.

    Parameters
    ----------
    fovea : Fovea
        Its row, as `Fovea.slice`, and column.
    grid : Grid
        Size of a pixel.
    shape : tuple of int
        ``(rows, columns)``.
    laterality : Laterality
        Which eye; without it no side is called nasal or temporal.

    Raises
    ------
    MeasureError
        If the pixel size is unknown.
    """
    if grid.unit != UM:
        raise MeasureError(
            "The ETDRS grid needs distances in µm, but the pixel size is not known: state it."
        )
    y = (np.arange(shape[0]) - fovea.slice)[:, np.newaxis] * grid.row
    x = (np.arange(shape[1]) - fovea.column)[np.newaxis] * grid.column
    down, across = np.broadcast_arrays(y, x)
    return subfield_masks(down, across, PHOTOGRAPH.sides(laterality))
