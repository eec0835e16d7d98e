"""The orientation that TIFF and EXIF state: how the stored rows and columns are to be seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_MIRRORED_COLUMNS = (2, 3, 6, 7)
_MIRRORED_ROWS = (3, 4, 7, 8)


def swaps_axes(orientation: int) -> bool:
    """Whether stored rows are seen as columns."""
    return 5 <= orientation <= 8


def turn_upright(
    values: npt.NDArray[Any], orientation: int, *, rows_axis: int = 0
) -> npt.NDArray[Any]:
    """Return a view of stored values as they are to be seen.

    Parameters
    ----------
    values : array
        With the axes rows and columns one after the other.
    orientation : int
        1 to 8, of the tag Orientation, 274 (TIFF 6.0, p. 36; Exif 2.3, 4.6.4). Any other value
        is none, as other programs take it.
    rows_axis : int
        Which axis counts the rows.
    """
    columns_axis = rows_axis + 1
    if swaps_axes(orientation):
        values = values.swapaxes(rows_axis, columns_axis)
    if orientation in _MIRRORED_COLUMNS:
        values = np.flip(values, columns_axis)
    if orientation in _MIRRORED_ROWS:
        values = np.flip(values, rows_axis)
    return values
