"""Headers of compressed DICOM frames, parsed before decoding."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import JPEG2000TransferSyntaxes, RLELossless

from napari_retina_seg.types.errors import ReadError

_J2K_START, _JPEG_START = b"\xff\x4f\xff\x51", b"\xff\xd8"
_JP2_BOX = b"jp2c"
_NOT_FRAMES = (0xC4, 0xC8, 0xCC)  # DHT, JPG and DAC, amid the start-of-frame markers
_JPEG_LS_FRAME = 0xF7
_START_OF_SCAN, _END = 0xDA, 0xD9
_LOSSY = (0xC0, 0xC1, 0xC2)  # baseline, extended sequential, progressive
_ADOBE_TRANSFORM_AT = 11  # in the segment "Adobe", version, two words of flags, transform
_JFIF_IDS = (1, 2, 3)  # of luminance and chrominance
_RGB_IDS = ((82, 71, 66), (114, 103, 98))  # "RGB" and "rgb"


@dataclass(frozen=True)
class Codestream:
    """The header of a compressed frame.

    Attributes
    ----------
    rows, columns, components : int
        Its size.
    precision : int
        Bits of a sample.
    is_lossy_jpeg : bool
        Whether it is JPEG with a discrete cosine transform.
    holds_ybr : bool
        Whether the samples of three components are luminance and chrominance. In JPEG
        2000 the decoder turns them back. In JPEG an Adobe marker says so; without one they are,
        unless the components are called R, G and B.
    is_silent : bool
        Whether a JPEG says nothing of its colours: no marker, no usual names of components, one
        resolution for all. The header of the file decides then.
    """

    rows: int
    columns: int
    components: int
    precision: int
    is_lossy_jpeg: bool = False
    holds_ybr: bool = False
    is_silent: bool = False


def frames_of(dataset: Dataset) -> Iterator[bytes]:
    """Yield the compressed frames, as many as the header claims."""
    count = int(dataset.get("NumberOfFrames") or 1)
    table: Any = None
    if "ExtendedOffsetTable" in dataset:
        table = (dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths)
    content: Any = dataset.PixelData
    found = generate_frames(content, number_of_frames=count, extended_offsets=table)
    yield from (frame for _, frame in zip(range(count), found, strict=False))


def check_frames(path: Path, dataset: Dataset) -> Codestream | None:
    """Compare the sizes that frames state with that of the header, before any is decoded.

    Parameters
    ----------
    path : Path
        The file.
    dataset : Dataset
        With compressed pixels.

    Returns
    -------
    Codestream or None
        That of the first frame; None for run lengths, which state none.

    Raises
    ------
    ReadError
        If one is of another size.
    """
    if dataset.file_meta.TransferSyntaxUID == RLELossless:
        return None
    stated = (int(dataset.Rows), int(dataset.Columns), int(dataset.get("SamplesPerPixel", 1)))
    first = None
    for frame in frames_of(dataset):
        stream = _read(frame, dataset.file_meta.TransferSyntaxUID in JPEG2000TransferSyntaxes)
        found = (stream.rows, stream.columns, stream.components)
        if found != stated:
            sizes = [" × ".join(map(str, size)) for size in (found, stated)]
            raise ReadError(
                f"'{path}' holds a compressed picture of {sizes[0]} values where its header says"
                f" {sizes[1]}: export it again."
            )
        first = first or stream
    return first


def _read(frame: bytes, is_j2k: bool) -> Codestream:
    return _read_j2k(frame) if is_j2k else _read_jpeg(frame)


def _read_j2k(frame: bytes) -> Codestream:
    """Read the SIZ and COD segments of JPEG 2000 (ISO/IEC 15444-1, A.5.1 and A.6.1)."""
    start = 0 if frame.startswith(_J2K_START) else _find_codestream(frame)
    (right, lower, left, upper) = struct.unpack_from(">4I", frame, start + 8)
    (components,) = struct.unpack_from(">H", frame, start + 40)
    precision = (frame[start + 42] & 0x7F) + 1
    place = start + 4
    while frame[place - 2 : place] != b"\xff\x52":
        place += int.from_bytes(frame[place : place + 2], "big") + 2
        if place >= len(frame):
            raise ValueError("no coding style in a JPEG 2000 codestream")
    return Codestream(
        lower - upper, right - left, components, precision, holds_ybr=bool(frame[place + 6])
    )


def _find_codestream(frame: bytes) -> int:
    """Return where the codestream of a JP2 file begins, box by box (ISO/IEC 15444-1, I.4)."""
    start = 0
    while start + 8 <= len(frame):
        length, kind = struct.unpack_from(">I4s", frame, start)
        head = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", frame, start + 8)
            head = 16
        if kind == _JP2_BOX:
            return start + head
        if length < head:
            break
        start += length
    raise ValueError("no codestream in a JP2 file")


def _read_jpeg(frame: bytes) -> Codestream:
    """Read the markers of JPEG and JPEG-LS up to the first scan (ISO/IEC 10918-1, B.2)."""
    adobe: int | None = None
    jfif = False
    for marker, segment in _segments(frame):
        if marker == 0xEE and segment.startswith(b"Adobe") and len(segment) >= 12:
            adobe = segment[_ADOBE_TRANSFORM_AT]
        elif marker == 0xE0:
            jfif = segment.startswith(b"JFIF")
        elif marker == _JPEG_LS_FRAME or (0xC0 <= marker <= 0xCF and marker not in _NOT_FRAMES):
            precision, rows, columns, count = struct.unpack_from(">BHHB", segment)
            ids = tuple(segment[6 + 3 * k] for k in range(count))
            lossy = marker in _LOSSY
            one_resolution = len({segment[7 + 3 * k] for k in range(count)}) == 1
            usual = jfif or ids in (*_RGB_IDS, _JFIF_IDS)
            silent = lossy and count == 3 and adobe is None and one_resolution and not usual
            holds_ybr = ids not in _RGB_IDS if adobe is None else adobe != 0
            ybr = lossy and count == 3 and holds_ybr and not silent
            return Codestream(rows, columns, count, precision, lossy, ybr, silent)
    raise ValueError("no frame in a JPEG codestream")


def _segments(frame: bytes) -> Iterator[tuple[int, bytes]]:
    place = frame.index(_JPEG_START) + 2
    while place + 4 <= len(frame):
        marker = frame[place + 1]
        if frame[place] != 0xFF or marker in (_START_OF_SCAN, _END):
            return
        if marker == 0xFF:  # a fill byte
            place += 1
            continue
        length = int.from_bytes(frame[place + 2 : place + 4], "big")
        yield marker, frame[place + 4 : place + 2 + length]
        place += 2 + length
