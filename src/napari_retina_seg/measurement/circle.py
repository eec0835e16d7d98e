"""Sectors of a circle scan around the optic disc."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.measurement.units import MeasureError
from napari_retina_seg.types.acquisition import CirclePath
from napari_retina_seg.types.image import Laterality

GLOBAL = "global"
# From, to and name, in degrees from temporal over superior; as Heidelberg's RNFL report has them.
SECTORS = (
    (315, 45, "T", "temporal"),
    (45, 90, "TS", "temporal superior"),
    (90, 135, "NS", "nasal superior"),
    (135, 225, "N", "nasal"),
    (225, 270, "NI", "nasal inferior"),
    (270, 315, "TI", "temporal inferior"),
)


@dataclass(frozen=True)
class Sector:
    """Thickness of a part of a circle scan.

    Attributes
    ----------
    name : str
        ``global``, or such as ``TS``.
    title : str
        The name in words.
    mean : float
        Mean thickness of the measured columns; NaN if there are none.
    measured : float
        Share of its columns that were measured, 0 to 1.
    """

    name: str
    title: str
    mean: float
    measured: float


def column_angles(path: CirclePath, columns: int, laterality: Laterality) -> npt.NDArray[Any]:
    """Return the angle of each column in degrees: 0 is temporal, 90 superior, 180 nasal.

    Parameters
    ----------
    path : CirclePath
        Where the scan lies on the en-face image, which shows the fundus upright.
    columns : int
        Of the B-scan.
    laterality : Laterality
        ``OD``, whose temporal side is at the left of the fundus, or ``OS``.
    """
    down, right = (path.points(columns) - np.array(path.center)).T
    temporal = -right if laterality is Laterality.RIGHT else right
    return np.asarray(np.degrees(np.arctan2(-down, temporal)) % 360)


def check_named(paths: Sequence[CirclePath | None], laterality: Laterality) -> None:
    """Raise `MeasureError` if nothing says which column lies temporal or superior."""
    if not paths or None in paths:
        raise MeasureError(
            "The sectors of a circle scan are not named, since the file does not say where the"
            " circle begins and which way it runs."
        )
    if laterality is Laterality.UNKNOWN:
        raise MeasureError(
            "The sectors of a circle scan are not named, since it is not known which eye this is:"
            " state it."
        )


def measure_sectors(
    thickness: npt.NDArray[Any], path: CirclePath | None, laterality: Laterality
) -> tuple[Sector, ...]:
    """Measure the mean thickness of a circle scan, in all and in six sectors.

    Sectors are those of Heidelberg's RNFL report: temporal and nasal 90° wide, the others 45°,
    symmetrical about the horizontal; they are not turned to the axis from fovea to disc.

    Parameters
    ----------
    thickness : array
        ``(columns,)``, NaN where it was not measured.
    path : CirclePath or None
        Where the scan lies; None measures the whole circle alone.
    laterality : Laterality
        Which eye.

    Examples
    --------
    >>> import numpy as np
    >>> circle = CirclePath(start=(50, 10), center=(50, 50), clockwise=True)
    >>> [one.name for one in measure_sectors(np.full(8, 90.0), circle, Laterality.RIGHT)]
    ['global', 'T', 'TS', 'NS', 'N', 'NI', 'TI']
    """
    parts = [(GLOBAL, "whole circle", np.ones(len(thickness), bool))]
    if path is not None:
        angles = column_angles(path, len(thickness), laterality)
        parts += [
            (name, title, (angles - low) % 360 < (high - low) % 360)
            for low, high, name, title in SECTORS
        ]
    result = []
    for name, title, inside in parts:
        values = thickness[inside]
        seen = np.isfinite(values)
        mean = float(values[seen].mean()) if seen.any() else np.nan
        result.append(Sector(name, title, mean, float(seen.mean()) if seen.size else 0.0))
    return tuple(result)
