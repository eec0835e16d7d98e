"""Plots and pictures as files: PNG for reports, SVG and PDF for print."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from napari_retina_seg.types.errors import ImageError
from napari_retina_seg.types.text import displayed

# The field of the metadata that would differ from one drawing to the next.
FIGURE_FORMATS = {"png": "Software", "svg": "Date", "pdf": "CreationDate"}
_DPI = 110


def figure_png(figure: Any) -> bytes:
    """Draw a figure for a report.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Made by itself, not by pyplot, which would keep it and look for a screen.

    Returns
    -------
    bytes
        A PNG file, the same for the same figure.
    """
    return figure_file(figure, "png", _DPI)


def figure_file(figure: Any, form: str, dpi: int) -> bytes:
    """Draw a figure in one of the formats that `FIGURE_FORMATS` names.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Made by itself, not by pyplot, which would keep it and look for a screen.
    form : str
        ``png``, ``svg`` or ``pdf``.
    dpi : int
        Dots per inch of a PNG, and of pictures in the others.

    Returns
    -------
    bytes
        A file, the same for the same figure.
    """
    import matplotlib as mpl

    show_as_text(figure)
    file = BytesIO()
    with mpl.rc_context({"svg.hashsalt": "napari-retina-seg"}):
        figure.savefig(file, format=form, dpi=dpi, metadata={FIGURE_FORMATS[form]: None})
    return file.getvalue()


def show_as_text(figure: Any) -> None:
    """Keep names from being read as formulas of TeX, and codes in them from the file."""
    from matplotlib.text import Text
    from matplotlib.ticker import FuncFormatter

    numbers: set[int] = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            formatter = axis.get_major_formatter()
            if isinstance(formatter, FuncFormatter):  # the names of ticks, not numbers
                formatter.func = partial(_display_tick, formatter.func)
            else:
                numbers.update(map(id, axis.findobj(Text)))
            numbers.discard(id(axis.label))
    for text in figure.findobj(Text):
        if id(text) not in numbers:
            text.set_text(displayed(text.get_text(), lines=True))
            text.set_parse_math(False)


def _display_tick(name: Callable[..., str], *place: object) -> str:
    return displayed(name(*place))


def picture_png(rgb: npt.NDArray[np.uint8]) -> bytes:
    """Write pixels as they are.

    Parameters
    ----------
    rgb : array
        ``(rows, columns, 3)`` uint8.

    Returns
    -------
    bytes
        A PNG file.

    Raises
    ------
    ImageError
        If the array is no such picture.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or not rgb.size:
        raise ImageError(
            f"A picture is uint8 of shape (rows, columns, 3): received {rgb.dtype} {rgb.shape}."
        )
    _, content = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    return bytes(content)
