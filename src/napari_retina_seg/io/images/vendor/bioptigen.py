"""Bioptigen's ``.OCT``: a header of named fields, and a frame of named fields for each B-scan.

The layout is that of Bioptigen's own program for MATLAB (``extractOctFunction.m``, B. Bower, 2010).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_retina_seg.io._decoding import check_claim, decoding
from napari_retina_seg.io.images.vendor.slices import gather_slices
from napari_retina_seg.io.names import image_name
from napari_retina_seg.types.acquisition import Acquisition, ScanPattern
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import Modality, RetinaImage, Spacing
from napari_retina_seg.types.pixel_size import SLICE_UM, plausible_um

_KIND = "a Bioptigen file"
_FIELDS_AT = 6  # after a magic number and the version
_CONTAINERS = (b"FRAMEHEADER", b"FRAMEDATA")  # their fields follow
_LONGEST_KEY = 32
_MIXED = 6  # a scan type of B-scans of several widths
_PATTERNS = {0: ScanPattern.LINE, 1: ScanPattern.RASTER, 3: ScanPattern.RADIAL}
_DEPTH_UNKNOWN = (
    "Its header does not say whether depths are those in air or in tissue: the axial size counts as"
    " unknown. State it."
)


@dataclass(frozen=True)
class _Header:
    """Whole numbers and lengths in mm by their names; 0 where they are missing."""

    numbers: dict[bytes, int]
    lengths: dict[bytes, float]

    def number(self, key: bytes) -> int:
        return self.numbers.get(key, 0)


def read_bioptigen(path: Path) -> RetinaImage:
    """Read a file of a Bioptigen or Leica Envisu.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    RetinaImage
        uint16, ``(rows, columns)`` of a single B-scan, else ``(slices, rows, columns)`` in stored
        order, repeated ones included, lazy where that is large. The eye is not in the file. Its
        description and dates are not kept.

    Raises
    ------
    ReadError
        If there are fewer B-scans than the header states, or they are of several sizes.
    """
    with decoding(path, _KIND), path.open("rb") as file:
        header = _read_header(path, file)
        rows, frames = header.number(b"LINELENGTH"), header.number(b"FRAMECOUNT")
        if header.number(b"SCANTYPE") == _MIXED:
            raise ReadError(
                f"'{path}' is a scan of mixed density, which is not supported: export it as TIFF."
            )
        if 0 in (rows, frames):
            raise ReadError(f"'{path}' holds no B-scans: export it again.")
        places = [_find_frame(path, file, header, k) for k in range(frames)]
    if len({columns for _, columns in places}) > 1:
        raise ReadError(f"The B-scans of '{path}' are of several widths: export it as TIFF.")
    shape = frames, rows, places[0][1]
    check_claim(f"'{path}'", shape, itemsize=2)
    pixels = gather_slices(partial(_read, path, places, rows), shape, np.uint16)
    pattern = _find_pattern(header)
    return RetinaImage(
        pixels if frames > 1 else pixels[0],
        modality=Modality.OCT,
        spacing=_spacing(header, pattern, shape),
        name=image_name(path),
        source=str(path),
        metadata={"manufacturer": "Bioptigen", "format": "OCT"},
        warnings=(_DEPTH_UNKNOWN,),
        acquisition=Acquisition(pattern, "Bioptigen"),
    )


def _read_header(path: Path, file: BufferedReader) -> _Header:
    file.seek(_FIELDS_AT)
    numbers, lengths = {}, {}
    while field := _next_field(path, file):
        key, size = field
        content = file.read(min(size, 8))
        if size == 4:
            numbers[key] = int.from_bytes(content, "little")
        elif size == 8:
            (lengths[key],) = struct.unpack("<d", content)
        else:
            file.seek(size - len(content), 1)
    return _Header(numbers, lengths)


def _find_frame(path: Path, file: BufferedReader, header: _Header, index: int) -> tuple[int, int]:
    """Return where the pixels of the next B-scan begin, and how many columns it has."""
    columns, at = header.number(b"LINECOUNT"), 0
    while field := _next_field(path, file):
        key, size = field
        if key == b"FRAMELINES" and size == 4:
            columns = int.from_bytes(file.read(4), "little") or columns
        elif key.endswith(b"SAMPLES"):  # as many as there are lines, whatever size is stated
            at = file.tell() if key == b"FRAMESAMPLES" else at
            file.seek(2 * columns * header.number(b"LINELENGTH"), 1)
        else:
            file.seek(size, 1)
    if not at or not columns or file.tell() > path.stat().st_size:
        raise ReadError(
            f"'{path}' is cut short or damaged: it states {header.number(b'FRAMECOUNT'):,} B-scans,"
            f" but number {index + 1:,} is not there. Copy or export it again."
        )
    return at, columns


def _next_field(path: Path, file: BufferedReader) -> tuple[bytes, int] | None:
    """Return the name of a field and the bytes of its content, or None at the end of a list."""
    length = int.from_bytes(file.read(4), "little")
    if length == 0:
        return None
    if length > _LONGEST_KEY:
        raise ReadError(f"'{path}' is damaged at byte {file.tell():,}: copy or export it again.")
    key = file.read(length).rstrip(b"\0")
    size = int.from_bytes(file.read(4), "little")
    return (key, 0) if key in _CONTAINERS else (key, size)


def _find_pattern(header: _Header) -> ScanPattern:
    """Return how B-scans lie; unknown where some may be repeated at one place."""
    count = header.number(b"FRAMECOUNT")
    repeats = sorted((header.number(b"SCANS"), header.number(b"FRAMES")))
    if count > 1 and (repeats[1] != count or repeats[0] > 1):
        return ScanPattern.UNKNOWN
    pattern = _PATTERNS.get(header.number(b"SCANTYPE"), ScanPattern.UNKNOWN)
    return ScanPattern.UNKNOWN if pattern is ScanPattern.LINE and count > 1 else pattern


def _spacing(header: _Header, pattern: ScanPattern, shape: tuple[int, int, int]) -> Spacing:
    """Return the lateral size and, of a raster, the distance of B-scans: lengths by numbers."""
    is_raster = pattern is ScanPattern.RASTER
    width = header.lengths.get(b"AZSCANLENGTH" if is_raster else b"SCANLENGTH", 0.0)
    height = header.lengths.get(b"ELSCANLENGTH", 0.0)
    return Spacing.from_um(
        slice=plausible_um(1000 * height / shape[0], SLICE_UM)
        if is_raster and shape[0] > 1 else None,
        lateral=plausible_um(1000 * width / shape[2]),
    )  # fmt: skip


def _read(
    path: Path, places: Sequence[tuple[int, int]], rows: int, index: int
) -> npt.NDArray[np.uint16]:
    at, columns = places[index]
    with decoding(path, _KIND):
        stored = np.fromfile(path, "<u2", rows * columns, offset=at)
        return stored.reshape(columns, rows).T  # A-scan by A-scan
