"""NumPy files."""

from __future__ import annotations

import math
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.io._decoding import check_size, decoding
from napari_retina_seg.io.images.assemble import assemble
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import RetinaImage

_USUAL_NAMES = ("image", "images", "arr_0")
_SMALLEST_PICTURE = 16  # px; an array of three columns is no volume, one of three rows no picture
_SLICES_TO_COLUMNS = 4
_MAGIC_BYTES = 8  # with the format's version
_LONGEST_HEADER = 10_000  # bytes, as numpy allows; that of an image has some 130
_ENCRYPTED = 1  # of a ZIP member's flags


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
        If it is damaged, the array is ambiguous, or is not an image.
    """
    with decoding(path, "NumPy archive"), zipfile.ZipFile(path) as archive:
        name = _choose_array(path, archive)
        if archive.getinfo(name).flag_bits & _ENCRYPTED:
            raise ReadError(f"'{path}' is encrypted: save it without a password.")
        with archive.open(name) as member:
            pixels = _read_array(path, member)
    return _assemble(path, pixels)


def image_from_array(pixels: npt.NDArray[Any]) -> RetinaImage:
    """Make an image of an array, by the same rules as of a ``.npy`` file.

    Raises
    ------
    ReadError
        If its shape is not an image's.
    ImageError
        If it holds no numbers.
    """
    return _assemble(Path("array"), pixels)


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
        raise ReadError(f"'{path}' holds the arrays {listed}: name the one with the image 'image'.")
    return f"{(usual or names)[0]}.npy"


def _read_array(path: Path, file: Any) -> npt.NDArray[Any]:
    from numpy.lib import format as npy

    header = _read_header(path, file)
    version = npy.read_magic(header)
    # Version 3 differs from 2 only in the names of a structure's fields, which is refused below.
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(header)
    if dtype.kind not in "buif":
        kind = "records" if dtype.names else str(dtype)
        raise ReadError(f"'{path}' holds {kind}: an image is an array of whole or real numbers.")
    check_size(path, shape, color=_is_color(shape), itemsize=dtype.itemsize)
    values = np.frombuffer(file.read(math.prod(shape) * dtype.itemsize), dtype)
    return values.reshape(shape, order="F" if fortran else "C")


def _read_header(path: Path, file: Any) -> BytesIO:
    """Read a bounded header: in an archive it may claim gigabytes."""
    start = file.read(_MAGIC_BYTES)
    width = 2 if start[6:7] == b"\x01" else 4
    length = file.read(width)
    if int.from_bytes(length, "little") > _LONGEST_HEADER:
        raise ReadError(f"'{path}' has a header that is longer than any image's: save it again.")
    return BytesIO(start + length + file.read(int.from_bytes(length, "little")))


def _is_color(shape: tuple[int, ...]) -> bool:
    return shape[-1:] in ((3,), (4,)) and (
        len(shape) == 4 or (len(shape) == 3 and min(shape[:2]) >= _SMALLEST_PICTURE)
    )


def has_slices_last(shape: tuple[int, ...]) -> bool:
    """Whether three axes are most likely ``(rows, columns, slices)``.

    Slices are taken to be last where that axis is too short for the columns of an image: under
    16, or under a quarter of both others.

    Parameters
    ----------
    shape : tuple of int
        Of an array without colours.

    Examples
    --------
    >>> has_slices_last((496, 512, 49)), has_slices_last((49, 496, 512))
    (True, False)
    """
    if len(shape) != 3:
        return False
    *others, last = shape
    return last < _SMALLEST_PICTURE <= min(others) or last * _SLICES_TO_COLUMNS < min(others)


def _assemble(path: Path, pixels: npt.NDArray[Any]) -> RetinaImage:
    if pixels.ndim in (3, 4) and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    color = _is_color(pixels.shape)
    if not color and has_slices_last(pixels.shape):
        raise ReadError(
            f"'{path}' has the shape {pixels.shape}, with the slices last: save it as (slices,"
            " rows, columns), e.g. with numpy.moveaxis(array, -1, 0)."
        )
    image = assemble(path, pixels, color=color)
    return image if color else replace(image, warnings=_warnings(pixels.shape))


def _warnings(shape: tuple[int, ...]) -> tuple[str, ...]:
    if len(shape) != 3 or shape[0] not in (3, 4) or min(shape[1:]) < _SMALLEST_PICTURE:
        return ()
    slices, rows, columns = shape
    return (
        f"the shape {shape} was read as {slices} slices of {rows} × {columns} pixels; if they are"
        f" the channels of one colour image, save it as ({rows}, {columns}, {slices}).",
    )
