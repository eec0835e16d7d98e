"""Pixels to µm where the size of a pixel is known; otherwise lengths stay in px."""

from __future__ import annotations

from dataclasses import dataclass

from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.image import Length, Spacing

UM, PX = "µm", "px"
_SQUARE = 0.2  # most by which a pixel's width and height differ in a photograph, as a share


class MeasureError(RetinaSegError):
    """Something can't be measured; the sentence says what is missing."""


@dataclass(frozen=True)
class Grid:
    """Height and width of a pixel of an en-face picture, both in one unit.

    Attributes
    ----------
    row, column : float
        Distance from row to row and from column to column, in `unit`.
    unit : str
        ``µm``, or ``px`` where a size is unknown.
    """

    row: float = 1.0
    column: float = 1.0
    unit: str = PX

    @property
    def area_unit(self) -> str:
        """``mm²`` or ``px²``."""
        return "mm²" if self.unit == UM else "px²"

    @property
    def pixel_area(self) -> float:
        """Area of a pixel in `area_unit`."""
        area = self.row * self.column
        return area / 1e6 if self.unit == UM else area

    @property
    def density_unit(self) -> str:
        """Unit of a length per area: ``mm/mm²`` or ``px/px²``."""
        return "mm/mm²" if self.unit == UM else "px/px²"


def length_of(size: Length) -> tuple[float, str]:
    """Return the factor from px to a unit, and that unit: ``µm``, or ``px`` if unknown."""
    return (1.0, PX) if size.um is None else (size.um, UM)


def photograph_grid(spacing: Spacing) -> Grid:
    """Return the grid of a photograph: in µm only if both sizes of a pixel are known.

    Raises
    ------
    MeasureError
        If a pixel would be far from square, which no photograph's is.
    """
    row, column = spacing.axial.um, spacing.lateral.um
    if row is None or column is None:
        return Grid()
    if abs(row - column) > _SQUARE * max(row, column):
        raise MeasureError(
            f"A pixel of a photograph is about square, but this one is {row:g} µm high and"
            f" {column:g} µm wide: state its size."
        )
    return Grid(row, column, UM)
