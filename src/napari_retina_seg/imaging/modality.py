"""Guess the modality of an image from its pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.fov import detect_fov
from napari_retina_seg.imaging.invalid_pixels import fill_invalid, find_invalid
from napari_retina_seg.imaging.pixels import check_plane, has_colors, resize, to_float, to_grey
from napari_retina_seg.types.errors import ImageError
from napari_retina_seg.types.image import Modality

_BANDED = 1.5
_WIDEST = 16 / 9  # columns over rows of a photograph
_LARGEST = 2048  # px along the longer side that are looked at


def guess_modality(plane: npt.NDArray[Any]) -> Modality:
    """Guess OCT or fundus from one plane.

    A photograph has colours, or a round field of view and is no wider than 16:9; a B-scan is grey,
    dark above the retina and below the choroid, and much more alike along its rows than across
    them.

    Parameters
    ----------
    plane : array
        ``(rows, columns)`` or ``(rows, columns, 3 or 4)``.

    Returns
    -------
    Modality
        UNKNOWN where neither shows.
    """
    plane = _shrink(plane)
    invalid = find_invalid(plane)
    plane = plane if invalid is None else fill_invalid(plane, ~invalid)
    try:
        check_plane(plane)
    except ImageError:
        return Modality.UNKNOWN
    if has_colors(plane) or _shows_photograph(plane):
        return Modality.FUNDUS
    values = to_float(plane)
    rows, columns = plane.shape[:2]
    scale = min(1.0, 256 / max(rows, columns))
    small = resize(values, (max(8, round(rows * scale)), max(8, round(columns * scale))))
    spread = max(float(np.ptp(small)), 1e-12)
    if _is_banded(to_grey(small) / spread):
        return Modality.OCT
    is_photograph = columns <= _WIDEST * rows and detect_fov(to_grey(values)).found
    return Modality.FUNDUS if is_photograph else Modality.UNKNOWN


def _shows_photograph(plane: npt.NDArray[Any]) -> bool:
    """Whether colours fill a round field, however small it is on its page."""
    if plane.ndim == 2:
        return False
    field = detect_fov(plane[..., :3])
    top, left, bottom, right = field.box
    return field.found and has_colors(plane[top:bottom, left:right])


def _shrink(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Leave out rows and columns of a very large plane: as reals it would take much memory."""
    step = -(-max(plane.shape[:2]) // _LARGEST)
    return plane[::step, ::step]


def _is_banded(grey: npt.NDArray[np.float32]) -> bool:
    """Whether brightness changes much more down the columns than along the rows.

    The ratio is over 5 for all B-scans of Tian et al. 2015, and under 1.1 for all
    photographs of CHASE_DB1 and HRF.
    """
    down, along = grey.mean(axis=1).std(), grey.mean(axis=0).std()
    return bool(down > _BANDED * along and down > 0.02)
