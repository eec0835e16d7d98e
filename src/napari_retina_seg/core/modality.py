"""Guess what kind of picture an image is, by how it looks; a person may say otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.core.errors import ImageError
from napari_retina_seg.core.fov import detect_fov
from napari_retina_seg.core.image import Modality
from napari_retina_seg.core.preprocess import resize, to_float, to_grey

_CHROMA = 0.05  # difference of the channels, in the range of the image, that is no grey


def guess_modality(plane: npt.NDArray[Any]) -> Modality:
    """Guess OCT or fundus from one plane.

    A photograph has colours, or a round field of view; a B-scan is grey, dark above the retina
    and below the choroid, and much more alike along its rows than across them.

    Parameters
    ----------
    plane : array
        ``(rows, columns)`` or ``(rows, columns, 3 or 4)``.

    Returns
    -------
    Modality
        UNKNOWN where neither shows.
    """
    try:
        values = to_float(plane)
    except ImageError:
        return Modality.UNKNOWN
    rows, columns = plane.shape[:2]
    scale = min(1.0, 256 / max(rows, columns))
    small = resize(values, (max(8, round(rows * scale)), max(8, round(columns * scale))))
    spread = max(float(np.ptp(small)), 1e-12)
    if small.ndim == 3:
        red, green, blue = (small[..., channel] for channel in range(3))
        chroma = np.maximum.reduce([red, green, blue]) - np.minimum.reduce([red, green, blue])
        if float(np.median(chroma[chroma >= np.median(chroma)])) / spread > _CHROMA:
            return Modality.FUNDUS
    grey = to_grey(small)
    if detect_fov(to_grey(values)).found:
        return Modality.FUNDUS
    return Modality.OCT if _is_banded(grey / spread) else Modality.UNKNOWN


def _is_banded(grey: npt.NDArray[np.float32]) -> bool:
    """Whether brightness changes down the columns much more than along the rows."""
    down = grey.mean(axis=1)
    along = grey.mean(axis=0)
    return bool(down.std() > 1.3 * along.std() and down.std() > 0.02)
