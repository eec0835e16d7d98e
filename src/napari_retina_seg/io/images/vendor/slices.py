"""Volumes whose B-scans are read from their file when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt

_AT_ONCE = 2**24  # px of a volume that is read in one go


def gather_slices(
    read: Callable[[int], npt.NDArray[Any]],
    shape: tuple[int, int, int],
    dtype: npt.DTypeLike,
) -> Any:
    """Return ``(slices, rows, columns)``: numpy, or for large volumes a lazy dask array.

    Parameters
    ----------
    read : callable
        Reads the slice of an index, ``(rows, columns)`` of `dtype`. It is called in other threads.
    shape : tuple of int
        Slices, rows and columns.
    dtype : dtype
        Of the values.
    """
    if int(np.prod(shape, dtype=np.int64)) <= _AT_ONCE:
        volume = np.empty(shape, dtype)
        for index in range(shape[0]):
            volume[index] = read(index)
        return volume
    from dask import array

    slices, rows, columns = shape
    return array.map_blocks(
        partial(_read_block, read),
        chunks=((1,) * slices, (rows,), (columns,)),
        dtype=dtype,
        meta=np.empty((0, 0, 0), dtype),
        name=f"slices-{uuid4().hex}",  # one of its own: what a cache keeps may be of an older file
    )


def _read_block(
    read: Callable[[int], npt.NDArray[Any]], block_id: tuple[int, ...] | None = None
) -> npt.NDArray[Any]:
    return read(block_id[0] if block_id else 0)[np.newaxis]
