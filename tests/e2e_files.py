"""Small E2E files as Heidelberg's programs write them, by the layout that uocte and eyepy found."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from vendor_files import PATIENT

FLOATS, GREYS = 0x02200201, 0x02010201  # types of images
AXIAL_MM = 0.0039
MARKER = np.float32(3.4028235e38)


@dataclass
class Exam:
    """An examination: ``(slices, rows, columns)`` uint16 as stored, and what belongs to it."""

    bscans: np.ndarray | None = None
    face: np.ndarray | None = None
    eye: bytes = b"R"
    lines: dict[int, np.ndarray] = field(default_factory=dict)
    places: np.ndarray | None = None  # start x, start y, end x, end y in degrees
    pattern: int = 3
    stated: int | None = None
    kind: int = FLOATS
    face_kind: int = GREYS


def stored(values: np.ndarray) -> np.ndarray:
    """Encode intensities as floats of 10 bits of mantissa and 6 of exponent, counted from -63."""
    mantissa, exponent = np.frexp(values)
    low = np.clip(np.rint((2 * mantissa - 1) * 1024), 0, 1023).astype(int)
    return np.where(values > 0, low | (exponent + 62) << 10, 0).astype("<u2")


def raster(slices: int) -> np.ndarray:
    """Return places of parallel B-scans, the lowest first."""
    height = 0.25 * np.arange(slices) - 1.0
    return np.stack([np.full(slices, -10.0), height, np.full(slices, 10.0), height], axis=1)


def e2e_bytes(exams: Sequence[Exam], *, prefix: bytes = b"", per_directory: int = 512) -> bytes:
    """Return a file of examinations of one patient; `prefix` is of a file of several volumes."""
    parts = [(-1, -1, 0, 9, PATIENT.encode().ljust(131, b"\0"))]
    for series, exam in enumerate(exams):
        parts += [(series, *part) for part in _parts(exam)]
    groups = [parts[k : k + per_directory] for k in range(0, len(parts), per_directory)]
    content, previous = b"", 0
    for group in groups:
        at = 36 + 52 + len(content)
        content += _directory(b"MDbDir", len(group), 0, previous) + _entries(group, at)
        previous = at
    start = struct.pack("<12sI20s", b"CMDb", 100, b"\xff" * 20)
    return prefix + start + _directory(b"MDbMDir", 0, previous, 0) + content


def _directory(mark: bytes, count: int, newest: int, previous: int) -> bytes:
    return struct.pack("<12sI20s4I", mark, 100, b"\xff" * 20, count, newest, previous, 0)


def _entries(group: list, at: int) -> bytes:
    listed, contents = b"", b""
    start = at + 52 + 44 * len(group)
    for number, (series, bscan, index, kind, content) in enumerate(group):
        place, here = at + 52 + 44 * number, start + len(contents)
        ids = struct.pack("<4i2H2I", 1, 7, series, bscan, index, 0, kind, 0)
        listed += struct.pack("<4I", place, here, len(content), 0) + ids
        contents += struct.pack("<12s5I", b"MDbData", 0, place, here, len(content), 0) + ids
        contents += content
    return listed + contents


def _parts(exam: Exam) -> list:
    """Return B-scan, index, kind and content of each part."""
    modality = struct.pack("<2I", 2, 256) + b"".join(
        text.encode("utf-16").ljust(256, b"\0") for text in ("Infra-Red", "IR")
    )
    parts = [(-1, 0, 11, bytes(14) + exam.eye + bytes(12)), (-1, 0, 9007, modality)]
    if exam.face is not None:
        parts.append((-1, 0, 0x40000000, _image(exam.face, exam.face_kind)))
    bscans = () if exam.bscans is None else exam.bscans
    places = raster(len(bscans)) if exam.places is None else exam.places
    count = len(bscans) if exam.stated is None else exam.stated
    for k, pixels in enumerate(bscans):
        number = 2 * k if len(bscans) > 1 else 2  # as the devices count
        meta = struct.pack(
            "<3I4fI3fI2f5I2fIQIf", 0, *pixels.shape, *places[k], 0, 0, AXIAL_MM, 0, 0, 0, 0, 0,
            pixels.shape[1], count, k, exam.pattern, 0, 0, 0, 131286184616218310, 1, 0.84,
        )  # fmt: skip
        meta = meta.ljust(156, b"\0") + struct.pack("<f", 25.0 + k)
        parts += [(number, 1, 0x40000000, _image(pixels, exam.kind)),
                  (number, 0xFFFF, 10004, meta.ljust(428, b"\0"))]  # fmt: skip
        for line, heights in exam.lines.items():
            header = struct.pack("<9I", 0, line, 0, pixels.shape[1], *[0] * 5)
            content = header + heights[k].astype("<f4").tobytes()
            parts.append((number, 0xFFFF, 10019, content))
    return parts


def _image(pixels: np.ndarray, kind: int) -> bytes:
    header = struct.pack("<5I", pixels.nbytes, kind, pixels.size, *pixels.shape)
    return header + pixels.tobytes()
