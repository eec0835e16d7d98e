"""Layer lines of devices, without the values that stand for no line."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from napari_retina_seg.types.acquisition import DeviceLines

# The order in which Heidelberg's devices number their lines; eyepy calls them so, too.
_HEIDELBERG = ("ILM", "BM", "RNFL", "GCL", "IPL", "INL", "OPL", "ONL", "ELM", "IOS", "OPT", "CHO",
               "VIT", "ANT", "PR1", "PR2", "RPE")  # fmt: skip
HEIDELBERG_COUNT = len(_HEIDELBERG)


def heidelberg_line(number: int) -> str:
    """Return what Heidelberg calls a line of this number, from 0."""
    return _HEIDELBERG[number] if number < len(_HEIDELBERG) else f"line {number + 1}"


def known_lines(
    names: Sequence[str], heights: npt.NDArray[np.floating], rows: int
) -> DeviceLines | None:
    """Return the lines that a device drew.

    A height that is no number or lies outside of the B-scan, such as the largest float or 65,535,
    is a marker for *no line here*; so is a line that is 0 everywhere.

    Parameters
    ----------
    names : sequence of str
        What they are called.
    heights : array
        ``(slices, lines, columns)`` float, in px.
    rows : int
        Of a B-scan.

    Returns
    -------
    DeviceLines or None
        Those with a height anywhere, ``(lines, columns)`` if there is one slice; None without any.
    """
    with np.errstate(invalid="ignore"):
        is_there = (heights >= 0) & (heights <= rows)  # false for NaN
    is_there &= (heights != 0).any(axis=2, keepdims=True)
    drawn: npt.NDArray[np.bool_] = np.any(is_there, axis=(0, 2))
    if not drawn.any():
        return None
    cleaned = np.where(is_there, heights, np.nan)[:, drawn].astype(np.float32)
    kept = tuple(name for name, is_drawn in zip(names, drawn, strict=True) if is_drawn)
    return DeviceLines(kept, cleaned[0] if len(cleaned) == 1 else cleaned)
