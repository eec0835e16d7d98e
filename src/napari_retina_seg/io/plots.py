"""Plots and pictures as PNG, for reports."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from napari_retina_seg.core.errors import ImageError

_DPI = 110


def figure_png(figure: Any) -> bytes:
    """Draw a figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Made by itself, not by pyplot, which would keep it and look for a screen.

    Returns
    -------
    bytes
        A PNG file, the same for the same figure.
    """
    file = BytesIO()
    figure.savefig(file, format="png", dpi=_DPI, metadata={"Software": None})
    return file.getvalue()


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
