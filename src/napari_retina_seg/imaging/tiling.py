"""Cut images that are too large for one pass into overlapping tiles, and blend the results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


def pad_to_multiple(tensor: npt.NDArray[Any], multiple: tuple[int, int]) -> npt.NDArray[Any]:
    """Repeat the last row and column of ``(rows, columns, …)`` up to the next multiples."""
    rows, columns = (-size % step for size, step in zip(tensor.shape, multiple, strict=False))
    if not rows and not columns:
        return tensor
    widths = [(0, rows), (0, columns)] + [(0, 0)] * (tensor.ndim - 2)
    return np.pad(tensor, widths, mode="edge")


@dataclass(frozen=True, eq=False)
class Tile:
    """A rectangle of the image and the weight of its pixels in the blend.

    Attributes
    ----------
    rows, columns : slice
        Where the tile lies.
    weight : array
        ``(rows, columns)`` float32; at each pixel the weights of all tiles sum to one.
    """

    rows: slice
    columns: slice
    weight: npt.NDArray[np.float32]


def tiles(
    grid: tuple[int, int],
    size: tuple[int, int],
    overlap: int,
    step: tuple[int, int] = (1, 1),
) -> Iterator[Tile]:
    """Cover a grid with tiles of at most `size`, which overlap by `overlap` px or more.

    Parameters
    ----------
    grid, size : tuple of int
        ``(rows, columns)`` of the image and of the largest tile.
    overlap : int
        Least overlap of neighbours in px, less than the tile's sides.
    step : tuple of int
        Tiles begin at multiples of it, where a network's coarse cells lie as in one pass; grid
        and size are multiples of it too.

    Yields
    ------
    Tile
        Row by row.
    """
    row_spans = _spans(grid[0], size[0], overlap, step[0])
    column_spans = _spans(grid[1], size[1], overlap, step[1])
    for rows, row_weight in row_spans:
        for columns, column_weight in column_spans:
            yield Tile(rows, columns, np.outer(row_weight, column_weight))


def _spans(
    length: int, size: int, overlap: int, step: int
) -> list[tuple[slice, npt.NDArray[np.float32]]]:
    """Cut a line into equal overlapping spans with ramps that sum to one."""
    if length <= size:
        return [(slice(0, length), np.ones(length, np.float32))]
    # Rounding to steps moves two neighbours apart by up to one step.
    count = -(-(length - overlap) // (size - overlap - (step - 1)))
    starts = (np.linspace(0, (length - size) / step, count).round() * step).astype(int)
    ramps = np.zeros((count, length), np.float32)
    tent = np.minimum(np.arange(1, size + 1), np.arange(size, 0, -1))
    for ramp, start in zip(ramps, starts, strict=True):
        ramp[start : start + size] = np.minimum(tent, overlap + 1)
    ramps /= ramps.sum(axis=0)
    return [
        (slice(start, start + size), ramp[start : start + size])
        for ramp, start in zip(ramps, starts.tolist(), strict=True)
    ]
