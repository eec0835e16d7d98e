"""MATLAB files with a volume ``images``, as Duke University publishes its OCT data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.io._decoding import check_claim, decoding
from napari_retina_seg.io.images.assemble import assemble
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import RetinaImage

_KIND = "MATLAB file"
_IMAGES = "images"
_BYTES = {"double": 8, "single": 4, "int64": 8, "uint64": 8, "int32": 4, "uint32": 4}
_COLORS = (3, 4)


def read_matlab(path: Path) -> RetinaImage:
    """Read the array ``images`` of a file: ``(rows, columns)`` or ``(rows, columns, slices)``.

    Parameters
    ----------
    path : Path
        A ``.mat`` file, not of version 7.3.

    Returns
    -------
    RetinaImage
        ``(rows, columns)`` or ``(slices, rows, columns)``, uint8 where that loses nothing. Such
        files state no pixel sizes.

    Raises
    ------
    ReadError
        If there is no such array, or it can't be read.
    """
    values = load_matlab(path, _IMAGES).get(_IMAGES)
    if values is None or values.dtype.kind not in "buif" or values.ndim not in (2, 3):
        raise ReadError(
            f"'{path}' holds no array 'images' of numbers, (rows, columns) or (rows, columns,"
            " slices): save it with one."
        )
    if values.ndim == 3 and values.shape[2] in _COLORS:
        raise ReadError(
            f"'{path}' holds 'images' of {values.shape}, which may be slices or colours: save it as"
            " TIFF."
        )
    pixels = values if values.ndim == 2 else np.moveaxis(values, -1, 0)
    return assemble(path, as_bytes(pixels), color=False, metadata={"format": "MATLAB"})


def may_hold_images(path: Path) -> bool:
    """Whether a file has an array ``images``; also if that can't be told."""
    from scipy.io import whosmat

    try:
        return any(name == _IMAGES for name, _, _ in whosmat(path))
    except (OSError, ValueError, NotImplementedError, KeyError, TypeError):
        return True


def load_matlab(path: Path, *names: str) -> dict[str, npt.NDArray[Any]]:
    """Read arrays of a file by their names; those that are not in it are left out.

    Raises
    ------
    ReadError
        If it is damaged, of version 7.3, or one is larger than may be opened.
    """
    from scipy.io import loadmat, whosmat

    with decoding(path, _KIND):
        try:
            stated = {name: (shape, kind) for name, shape, kind in whosmat(path)}
            for name in stated.keys() & set(names):
                shape, kind = stated[name]
                what = f"The array '{name}' in '{path}'"
                check_claim(what, list(map(int, shape)), itemsize=_BYTES.get(kind, 1))
            found = loadmat(path, variable_names=names)
        except NotImplementedError as error:
            raise ReadError(
                f"'{path}' was saved as MATLAB 7.3: save it again with '-v7'."
            ) from error
    return {name: np.asarray(found[name]) for name in names if name in found}


def as_bytes(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return uint8 where that loses nothing, else float32: MATLAB saves whole numbers as double."""
    with np.errstate(invalid="ignore"):
        whole = values.astype(np.uint8)
    return whole if np.array_equal(whole, values) else values.astype(np.float32)
