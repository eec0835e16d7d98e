"""Decoders for images that Pillow reads only in part, with other values, or with more memory."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.io._decoding import check_size
from napari_retina_seg.io.images.stored import StoredPixels
from napari_retina_seg.types.errors import ReadError

_GREY = 0  # of a PNG's colour types
_CHANNELS = {2: 3, 4: 2, 6: 4}  # of the others but the palette
_SPACE = rb"(?:\s|#[^\r\n]*[\r\n])+"
_PNM = re.compile(rb"P([1-6])" + 2 * (_SPACE + rb"(\d{1,10})"))
_MAXVAL = re.compile(_SPACE + rb"(\d{1,10})")
_LARGEST_MAXVAL = 65535
_STARTS_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # ITU T.81, table B.1
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length


def decode_png(path: Path, color_type: int) -> StoredPixels:
    """Read a PNG of 8 or 16 bits; of an animation the default image.

    Parameters
    ----------
    path : Path
        The file.
    color_type : int
        As its header says. A transparent grey value or colour is left out.

    Raises
    ------
    Exception
        Whatever libpng raises: for one cut short too.
    """
    import imagecodecs

    values = imagecodecs.png_decode(path.read_bytes())
    if color_type == _GREY:
        return StoredPixels(values if values.ndim == 2 else values[..., 0])
    return StoredPixels(values[..., : _CHANNELS[color_type]], color=True)


def decode_webp(path: Path) -> StoredPixels:
    """Read a WebP of one frame.

    Raises
    ------
    Exception
        Whatever libwebp raises.
    """
    import imagecodecs

    return StoredPixels(imagecodecs.webp_decode(path.read_bytes()), color=True)


def decode_deep_jpeg(path: Path) -> StoredPixels:
    """Read a JPEG of 12 or 16 bits, or a lossless one.

    Raises
    ------
    ReadError
        If its header claims too much.
    Exception
        Whatever libjpeg raises.
    """
    import imagecodecs

    content = path.read_bytes()
    bits, rows, columns, channels = find_jpeg_frame(content)
    check_size(path, (rows, columns, channels), color=True, itemsize=2 if bits > 8 else 1)
    values = imagecodecs.jpeg_decode(content)
    color = values.ndim == 3
    white = 2**bits - 1 if color and bits not in (8, 16) else None
    return StoredPixels(values, color=color, white=white)


def find_jpeg_frame(content: bytes) -> tuple[int, int, int, int]:
    """Return bits, rows, columns and channels that the first start of frame of a JPEG states.

    Raises
    ------
    ValueError, struct.error
        If there is none.
    """
    at = 2
    while True:
        (mark, code) = struct.unpack_from(">BB", content, at)
        if mark != 0xFF:
            raise ValueError("no marker where one has to be")
        if code in _STARTS_OF_FRAME:
            return struct.unpack_from(">BHHB", content, at + 4)
        if code == 0xFF:  # a fill byte
            at += 1
        elif code in _ALONE:
            at += 2
        else:
            at += 2 + struct.unpack_from(">H", content, at + 2)[0]


def read_pnm(path: Path) -> StoredPixels:
    """Read a PBM, PGM or PPM, of which other decoders scale the values.

    Their definition: https://netpbm.sourceforge.net/doc/ppm.html

    Raises
    ------
    ReadError
        If it is damaged, cut short or too large.
    """
    content = path.read_bytes()
    header = _PNM.match(content)
    kind, columns, rows = (int(number) for number in header.groups()) if header else (0, 0, 0)
    largest = None
    end = header.end() if header else 0
    if kind not in (1, 4) and header:
        largest = _MAXVAL.match(content, end)
        end = largest.end() if largest else end
    white = int(largest[1]) if largest else 1
    if not kind or (kind not in (1, 4) and not largest) or not 0 < white <= _LARGEST_MAXVAL:
        raise ReadError(f"'{path}' has no header of a PBM, PGM or PPM file: export it again.")
    shape = (rows, columns, 3) if kind in (3, 6) else (rows, columns)
    check_size(path, shape, color=kind in (3, 6), itemsize=1 if white < 256 else 2)
    values = _values_of_pnm(content, end, kind, shape, white)
    if values.max(initial=0) > white:
        raise ReadError(f"'{path}' has larger values than its header says: export it again.")
    if kind in (1, 4):
        values = 1 - values  # 1 is black
    full = 255 if white < 256 else _LARGEST_MAXVAL
    # Grey values of more than a byte are those of a sensor: they stay as they are.
    scaled = white != full and (white < 256 or kind in (3, 6))
    return StoredPixels(values, color=kind in (3, 6), white=white if scaled else None)


def _values_of_pnm(
    content: bytes, end: int, kind: int, shape: tuple[int, ...], white: int
) -> npt.NDArray[Any]:
    count = int(np.prod(shape))
    stored = np.uint8 if white < 256 else np.uint16
    if kind == 1:  # digits that need no space between them
        digits = re.sub(rb"#[^\r\n]*|\s", b"", content[end:])[:count]
        return (np.frombuffer(digits, np.uint8, count) - ord("0")).reshape(shape)
    if kind in (2, 3):
        text = re.sub(rb"#[^\r\n]*", b"", content[end:])
        found = np.fromstring(text, np.int32, count, sep=" ")
        return found.clip(0, _LARGEST_MAXVAL).astype(stored).reshape(shape)
    start = end + 1  # one white space
    if kind == 4:
        row_bytes = -(-shape[1] // 8)
        packed = np.frombuffer(content, np.uint8, shape[0] * row_bytes, start)
        return np.unpackbits(packed.reshape(shape[0], row_bytes), axis=1)[:, : shape[1]]
    dtype = np.dtype(np.uint8) if white < 256 else np.dtype(">u2")
    return np.frombuffer(content, dtype, count, start).reshape(shape).astype(stored, copy=False)
