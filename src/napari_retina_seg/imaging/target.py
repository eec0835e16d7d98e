"""Targets of an explanation: the pixels it is about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.preprocess import Geometry
from napari_retina_seg.types.errors import ImageError

Array = npt.NDArray[np.float32]
REGION = "a region"
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class WholeClass:
    """Explain all pixels that the network assigns to the class."""

    @property
    def description(self) -> str:
        """Name of the target in captions."""
        return "the whole class as drawn"


@dataclass(frozen=True, eq=False)
class Region:
    """Explain the pixels of a region.

    Attributes
    ----------
    mask : array
        ``(rows, columns)`` or ``(slices, rows, columns)`` bool, on the image's own grid.
    name : str
        What to call it in captions.
    """

    mask: Mask
    name: str = REGION

    @property
    def description(self) -> str:
        """Name of the target in captions."""
        return self.name


@dataclass(frozen=True)
class Point:
    """Explain one pixel of the image.

    Attributes
    ----------
    row, column : int
        On the image's own grid.
    """

    row: int
    column: int

    @property
    def description(self) -> str:
        """Name of the target in captions."""
        return f"the point at row {self.row}, column {self.column}"


Target = WholeClass | Region | Point


def check_target(target: Target, grid: tuple[int, int], n_slices: int) -> None:
    """Check the target against the image, before any work is done.

    Parameters
    ----------
    target : Target
        On the image's grid.
    grid : tuple of int
        ``(rows, columns)`` of the image.
    n_slices : int
        How many slices it has.

    Raises
    ------
    ImageError
        If the target is empty, of another size or outside the image.
    """
    if isinstance(target, WholeClass):
        return
    _check_grid(target, grid)
    if isinstance(target, Point):
        return
    if target.mask.ndim == 3 and len(target.mask) != n_slices:
        raise ImageError(
            f"{_sentence(target.description)} has {len(target.mask)} slices, but the image"
            f" {n_slices}: draw it on this image."
        )
    if not target.mask.any():
        raise ImageError(
            f"{_sentence(target.description)} is empty: paint or draw something first."
        )


def weigh(target: Region | Point, geometry: Geometry, index: int = 0) -> Array:
    """Count the target pixels that lie on each pixel of a network's input.

    Parameters
    ----------
    target : Region or Point
        On the image's grid.
    geometry : Geometry
        Where the network's input lies on the image.
    index : int
        The slice, for a region of a volume.

    Returns
    -------
    array
        ``geometry.working`` float32.

    Raises
    ------
    ImageError
        If the target is empty, or lies outside the image or its field of view.
    """
    top, left, bottom, right = geometry.box
    rows, columns = locate(target, geometry.grid, index)
    seen = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
    if geometry.field is not None:
        seen &= geometry.field.core[rows, columns]
    if not seen.any():
        raise ImageError(
            f"{_sentence(target.description)} lies outside the field of view, where nothing is"
            " predicted: choose another place."
        )
    scale = np.array(geometry.working) / geometry.box_grid
    places = (np.stack([rows - top, columns - left])[:, seen].T + 0.5) * scale
    flat = np.ravel_multi_index(tuple(places.astype(int).T), geometry.working)
    counts = np.bincount(flat, minlength=geometry.working[0] * geometry.working[1])
    return counts.reshape(geometry.working).astype(np.float32)


def locate(
    target: Region | Point, grid: tuple[int, int], index: int = 0
) -> tuple[Indices, Indices]:
    """Return rows and columns of the target pixels on one slice.

    Raises
    ------
    ImageError
        If there are none, or they lie outside the grid.
    """
    _check_grid(target, grid)
    if isinstance(target, Point):
        return np.array([target.row]), np.array([target.column])
    rows, columns = np.nonzero(target.mask[index] if target.mask.ndim == 3 else target.mask)
    if not rows.size:
        raise ImageError(
            f"{_sentence(target.description)} is empty here: paint or draw something first."
        )
    return rows, columns


def _check_grid(target: Region | Point, grid: tuple[int, int]) -> None:
    if isinstance(target, Point):
        if not (0 <= target.row < grid[0] and 0 <= target.column < grid[1]):
            raise ImageError(
                f"{_sentence(target.description)} lies outside the image of {grid[0]} × {grid[1]}"
                " px: choose one inside."
            )
        return
    rows, columns = target.mask.shape[-2:]
    if (rows, columns) != grid:
        raise ImageError(
            f"{_sentence(target.description)} has {rows} × {columns} px, but the image"
            f" {grid[0]} × {grid[1]}: draw it on this image."
        )


def _sentence(description: str) -> str:
    return description[0].upper() + description[1:]
