"""NumPy's own files."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.core.errors import ReadError
from napari_retina_seg.core.image import RetinaImage
from napari_retina_seg.io.assemble import assemble
from napari_retina_seg.io.guard import check_size, decoding

_USUAL_NAMES = ("image", "images", "arr_0")
_SMALLEST_PICTURE = 16  # px; an array of three columns is no volume, one of three rows no picture


def read_npy(path: Path) -> RetinaImage:
    """Read an array file; objects in it are refused, never unpickled.

    Parameters
    ----------
    path : Path
        The file. ``(rows, columns)``, ``(slices, rows, columns)``, with a last axis of 3 or 4
        for colours, or of 1.

    Raises
    ------
    ReadError
        If it is damaged or its shape or type is not an image's.
    """
    with decoding(path, "NumPy array"), path.open("rb") as file:
        pixels = _read_array(path, file)
    return _assemble(path, pixels)


def read_npz(path: Path) -> RetinaImage:
    """Read the array ``image``, ``images`` or ``arr_0``, or the only one, of an archive.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    ReadError
        If it is damaged, it can't be told which array is meant, or that is no image.
    """
    with decoding(path, "NumPy archive"), zipfile.ZipFile(path) as archive:
        name = _choose_array(path, archive)
        with archive.open(name) as member:
            pixels = _read_array(path, member)
    return _assemble(path, pixels)


def open_stack(path: Path) -> npt.NDArray[Any]:
    """Open an array file without reading it: its slices are read when they are taken.

    Parameters
    ----------
    path : Path
        A ``.npy`` file.

    Raises
    ------
    ReadError
        If it is damaged, cut short, or holds something else than numbers.
    """
    with decoding(path, "NumPy array"):
        stack = np.load(path, mmap_mode="r", allow_pickle=False)
    if stack.dtype.kind not in "buif":
        raise ReadError(f"'{path}' holds {stack.dtype}: a stack is of whole or real numbers.")
    return np.asarray(stack)


def _choose_array(path: Path, archive: zipfile.ZipFile) -> str:
    names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    if not names:
        raise ReadError(f"'{path}' holds no NumPy array: save it with numpy.savez.")
    usual = [name for name in _USUAL_NAMES if name in names]
    if not usual and len(names) > 1:
        listed = ", ".join(name for name in names[:10] if name.isprintable())
        raise ReadError(f"'{path}' holds the arrays {listed}: call the one with the image 'image'.")
    return f"{(usual or names)[0]}.npy"


def _read_array(path: Path, file: Any) -> npt.NDArray[Any]:
    from numpy.lib import format as npy

    version = npy.read_magic(file)
    # Version 3 differs from 2 only in the names of a structure's fields, which is refused below.
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.kind not in "buif":
        kind = "records" if dtype.names else str(dtype)
        raise ReadError(f"'{path}' holds {kind}: an image is an array of whole or real numbers.")
    check_size(path, shape)
    values = np.frombuffer(file.read(math.prod(shape) * dtype.itemsize), dtype)
    return values.reshape(shape, order="F" if fortran else "C")


def _assemble(path: Path, pixels: npt.NDArray[Any]) -> RetinaImage:
    if pixels.ndim in (3, 4) and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    color = pixels.shape[-1:] in ((3,), (4,)) and (
        pixels.ndim == 4 or (pixels.ndim == 3 and min(pixels.shape[:2]) >= _SMALLEST_PICTURE)
    )
    return assemble(path, pixels, color=color)
