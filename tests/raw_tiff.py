"""TIFF files byte by byte, of kinds that no library here writes (TIFF 6.0, Adobe 1992)."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

BYTE, SHORT, LONG, RATIONAL = 1, 3, 4, 5
_CODES = {BYTE: "B", SHORT: "H", LONG: "I", RATIONAL: "I"}
GREY, RGB, PALETTE, SEPARATED, YCBCR = 1, 2, 3, 5, 6

Tags = Mapping[int, tuple[int, Sequence[int]]]


def tiff_bytes(
    shape: tuple[int, int],
    data: bytes,
    *,
    kind: int = GREY,
    bits: Sequence[int] = (8,),
    compression: int = 1,
    orientation: int = 1,
    tags: Tags | None = None,
) -> bytes:
    """Return a little-endian TIFF of one strip."""
    out = bytearray(b"II*\0\0\0\0\0") + data + b"\0" * (len(data) % 2)
    entries = {
        256: (LONG, [shape[1]]),
        257: (LONG, [shape[0]]),
        258: (SHORT, bits),
        259: (SHORT, [compression]),
        262: (SHORT, [kind]),
        273: (LONG, [8]),
        274: (SHORT, [orientation]),
        277: (SHORT, [len(bits)]),
        278: (LONG, [shape[0]]),
        279: (LONG, [len(data)]),
        **(tags or {}),
    }
    fields = [_field(out, code, *entry) for code, entry in sorted(entries.items())]
    struct.pack_into("<I", out, 4, len(out))
    return bytes(out) + struct.pack("<H", len(fields)) + b"".join(fields) + bytes(4)


def _field(out: bytearray, code: int, kind: int, values: Sequence[int]) -> bytes:
    content = struct.pack(f"<{len(values)}{_CODES[kind]}", *values)
    count = len(values) // 2 if kind == RATIONAL else len(values)
    if len(content) > 4:
        at = len(out)
        out += content + b"\0" * (len(content) % 2)
        content = struct.pack("<I", at)
    return struct.pack("<HHI", code, kind, count) + content.ljust(4, b"\0")


def pack_bits(values: np.ndarray, bits: int) -> bytes:
    """Pack rows of values of any number of bits, the highest first, each row to whole bytes."""
    packed = []
    for row in values.reshape(len(values), -1):
        digits = "".join(f"{int(value):0{bits}b}" for value in row)
        digits += "0" * (-len(digits) % 8)
        packed.append(int(digits, 2).to_bytes(len(digits) // 8, "big"))
    return b"".join(packed)


def subsampled_ycbcr(rgb: np.ndarray, across: int, down: int) -> tuple[bytes, Tags]:
    """Return pixels as units of brightness and two mean colours (section 21), and their tags."""
    values = np.asarray(Image.fromarray(rgb).convert("YCbCr")).astype(int)
    rows, columns = rgb.shape[:2]
    values = np.pad(values, ((0, -rows % down), (0, -columns % across), (0, 0)), mode="edge")
    out = bytearray()
    for row in range(0, len(values), down):
        for column in range(0, values.shape[1], across):
            unit = values[row : row + down, column : column + across]
            out += bytes(unit[..., 0].ravel().astype(np.uint8))
            out += bytes(round(float(unit[..., channel].mean())) for channel in (1, 2))
    full_range = [0, 1, 255, 1, 128, 1, 255, 1, 128, 1, 255, 1]
    return bytes(out), {530: (SHORT, [across, down]), 532: (RATIONAL, full_range)}


def old_jpeg(rgb: np.ndarray, subsampling: int) -> bytes:
    """Return a TIFF that holds a whole JPEG, as TIFF 6.0 had it (section 22)."""
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "jpeg", quality=95, subsampling={1: 0, 2: 2}[subsampling])
    content = file.getvalue()
    tags = {
        512: (SHORT, [1]),
        513: (LONG, [8]),
        514: (LONG, [len(content)]),
        530: (SHORT, [subsampling] * 2),
    }
    return tiff_bytes(rgb.shape[:2], content, kind=YCBCR, bits=(8, 8, 8), compression=6, tags=tags)


def stored_as(upright: np.ndarray, orientation: int) -> np.ndarray:
    """Store a picture so that the tag turns it upright: the definition of TIFF 6.0, p. 36."""
    by_place = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),  # stored turned left: to be seen turned right
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }
    return np.ascontiguousarray(by_place[orientation])
