"""A thickness map as a picture: on the en-face image, or on slices and columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.overlay import display
from napari_retina_seg.imaging.pixels import shrink
from napari_retina_seg.measurement.etdrs import RADII_UM, Etdrs, Subfield, sample
from napari_retina_seg.measurement.measurements import Measurements
from napari_retina_seg.measurement.registration import en_face_affine

Floats = npt.NDArray[Any]

_LONGEST = 700  # px of an en-face image
_SIDES_UM = 2770.0  # from the fovea, where the names of the sides stand
_KNOWN_SIDES = frozenset({"superior", "inferior", "nasal", "temporal"})
_DIRECTIONS = ((0, 0), *2 * ((-1, 0), (0, 1), (1, 0), (0, -1)))  # of the subfields, in order
_RINGS_UM = (0.0, *4 * (1000.0,), *4 * (2250.0,))  # their middles


@dataclass(frozen=True, eq=False)
class Canvas:
    """What a map is drawn on.

    Attributes
    ----------
    values : array
        The map as it is drawn, ``(rows, columns)``, NaN where there is none.
    face : array or None
        The image under it, RGB, on the same extent.
    extent : tuple of float
        Left, right, bottom and top of both, in the units of the canvas.
    view : tuple of float
        Left, right, bottom and top of what is shown.
    is_square : bool
        Whether a unit is as long along both axes.
    to_canvas : array
        ``(3, 3)``: from slice and column to row and column of the canvas.
    fovea : tuple of float
        Slice and column.
    steps : tuple of float
        Distance from slice to slice and from column to column in µm, NaN if unknown.
    """

    values: Floats
    face: Floats | None
    extent: tuple[float, float, float, float]
    view: tuple[float, float, float, float]
    is_square: bool
    to_canvas: Floats
    fovea: tuple[float, float]
    steps: tuple[float, float]

    @property
    def tallness(self) -> float:
        """Height by width."""
        left, right, bottom, top = self.view
        return abs((bottom - top) / (right - left)) if self.is_square else 0.75

    def place(self, down: Any, across: Any) -> tuple[Any, Any]:
        """Return x and y of places given in µm from the fovea along slices and columns."""
        rows = self.fovea[0] + np.asarray(down) / self.steps[0]
        columns = self.fovea[1] + np.asarray(across) / self.steps[1]
        return _apply(self.to_canvas, rows, columns)[::-1]


def make_canvas(found: Measurements, band: int) -> Canvas:
    """Lay the map of a band on the en-face image; without one, on a plane of µm or px.

    Parameters
    ----------
    found : Measurements
        Of a volume with a fovea.
    band : int
        Index of the layer or total.
    """
    thickness, fovea = found.thickness, found.fovea
    if thickness is None or fovea is None:
        raise ValueError("There is no map.")
    values = np.asarray(thickness.values[band], np.float64)
    spacing, place = found.image.spacing, (fovea.slice, fovea.column)
    between, lateral = spacing.slice.um, spacing.lateral.um
    steps = (between or np.nan, lateral or np.nan)
    affine, acquisition = en_face_affine(found.image), found.image.acquisition
    if affine is not None and acquisition is not None and acquisition.en_face is not None:
        return _on_face(values, acquisition.en_face.pixels, affine, place, steps)
    is_square = between is not None and lateral is not None
    size = (between, lateral) if between is not None and lateral is not None else (1.0, 1.0)
    rows, columns = values.shape
    edges = (-0.5 * size[1], (columns - 0.5) * size[1], (rows - 0.5) * size[0], -0.5 * size[0])
    view = edges
    if is_square and found.etdrs:
        y, x = place[0] * size[0], place[1] * size[1]
        reach = 1.05 * RADII_UM[-1]
        view = (min(edges[0], x - reach), max(edges[1], x + reach),
                max(edges[2], y + reach), min(edges[3], y - reach))  # fmt: skip
    to_canvas = np.diag([*size, 1.0])
    return Canvas(values, None, edges, view, is_square, to_canvas, place, steps)


def _on_face(
    values: Floats,
    pixels: Floats,
    affine: Floats,
    place: tuple[float, float],
    steps: tuple[float, float],
) -> Canvas:
    """Resample a map on the pixels of an en-face image, which is shrunk if it is large."""
    rows, columns = pixels.shape[:2]
    small = shrink(display(pixels), _LONGEST)
    r, c = np.meshgrid(
        (np.arange(small.shape[0]) + 0.5) * rows / small.shape[0] - 0.5,
        (np.arange(small.shape[1]) + 0.5) * columns / small.shape[1] - 0.5,
        indexing="ij",
    )
    sampled = sample(values, *_apply(np.linalg.inv(affine), r, c))
    edges = (-0.5, columns - 0.5, rows - 0.5, -0.5)
    return Canvas(sampled, small, edges, edges, True, affine, place, steps)


def _apply(matrix: Floats, rows: Any, columns: Any) -> tuple[Floats, Floats]:
    first, second = (line[0] * rows + line[1] * columns + line[2] for line in matrix[:2])
    return np.asarray(first), np.asarray(second)


def grid_lines() -> Iterator[tuple[Floats, Floats]]:
    """Yield circles and dividers of the ETDRS grid in µm from the fovea, down and across."""
    turn = np.linspace(0, 2 * np.pi, 121)
    for radius in RADII_UM:
        yield radius * np.sin(turn), radius * np.cos(turn)
    for angle in np.pi / 4 * np.array([1, 3, 5, 7]):
        ends = np.array([RADII_UM[0], RADII_UM[-1]])
        yield ends * np.sin(angle), ends * np.cos(angle)


def subfields(
    grid: Etdrs,
) -> Iterator[tuple[Subfield, tuple[float, float], tuple[float, float] | None]]:
    """Yield each subfield, where its value stands, and where the name of its side, if known.

    Places are in µm from the fovea, down and across.
    """
    parts = zip(grid.subfields[:-1], _DIRECTIONS, _RINGS_UM, strict=True)
    for subfield, (down, across), radius in parts:
        ring, _, side = subfield.name.partition(" ")
        outside = None
        if ring == "outer" and side in _KNOWN_SIDES:
            outside = (down * _SIDES_UM, across * _SIDES_UM)
        yield subfield, (down * radius, across * radius), outside
