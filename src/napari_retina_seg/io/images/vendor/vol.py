"""Heidelberg Spectralis raw exports (``.vol``), of every version.

The header is that of Heidelberg Engineering's *Spectralis OCT Special Function* exports. Versions
differ in what they append to it: HSF-OCT-101 the patient and the quality of B-scans, 102 a
thickness grid, 103 a second one, 104 the margins of the disc. What is read here is in all of them,
but for the quality, which 100 lacks. Files of eyepy, which begin with its own version, have the
layout of 103.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from napari_retina_seg.io._decoding import check_claim, decoding
from napari_retina_seg.io.images.content import VOL_STARTS
from napari_retina_seg.io.images.vendor.geometry import Positions, arrange, place
from napari_retina_seg.io.images.vendor.lines import HEIDELBERG_COUNT, heidelberg_line, known_lines
from napari_retina_seg.io.images.vendor.slices import gather_slices
from napari_retina_seg.io.names import image_name
from napari_retina_seg.types.acquisition import Acquisition, DeviceLines, EnFace, ScanPattern
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import Laterality, Modality, RetinaImage, Spacing
from napari_retina_seg.types.patient import patient_token
from napari_retina_seg.types.pixel_size import plausible_um

_HEADER_SIZE = 2048
_HEADER = struct.Struct("<12s3I3d2I2dId4sQiI36x21s")
_BSCAN = struct.Struct("<12sI4d2If")
_BSCAN_START = b"HSF-BS-"
_EYEPY = b"ep-v"
_WITHOUT_QUALITY = b"HSF-OCT-100"
_PATTERNS = {
    1: ScanPattern.LINE,
    2: ScanPattern.CIRCLE,
    3: ScanPattern.RASTER,
    4: ScanPattern.RASTER,
    5: ScanPattern.RADIAL,
}
_NO_DATA = 1e30  # where there is none, the device writes the largest float
_INTENSITY = 2.0  # intensities lie between 0 and 1, grey levels between 0 and 255


class _Header(NamedTuple):
    version: bytes
    columns: int
    slices: int
    rows: int
    lateral_mm: float
    distance_mm: float
    axial_mm: float
    face_columns: int
    face_rows: int
    face_lateral_mm: float
    face_axial_mm: float
    field_degrees: int
    focus: float
    eye: bytes
    exam_time: int
    pattern: int
    bscan_header: int
    patient: bytes

    @property
    def first_bscan(self) -> int:
        return _HEADER_SIZE + self.face_rows * self.face_columns

    @property
    def is_eyepys(self) -> bool:
        return self.version.startswith(_EYEPY)


class _BScan(NamedTuple):
    version: bytes
    header_size: int
    start_x: float
    start_y: float
    end_x: float
    end_y: float
    lines: int
    lines_at: int
    quality: float


@dataclass(frozen=True)
class _Layout:
    """Where the B-scans of a file are."""

    path: Path
    first: int
    header_size: int
    rows: int
    columns: int

    @property
    def step(self) -> int:
        return self.header_size + 4 * self.rows * self.columns

    def start(self, index: int) -> int:
        """Return where the header of a B-scan begins, in bytes."""
        return self.first + index * self.step

    def intensities(self, index: int) -> npt.NDArray[np.float32]:
        """Return ``(rows, columns)`` as stored."""
        count = self.rows * self.columns
        with decoding(self.path, "a Heidelberg raw export"):
            stored = np.fromfile(self.path, "<f4", count, offset=self.start(index)
                                 + self.header_size)  # fmt: skip
            return stored.reshape(self.rows, self.columns)


def read_vol(path: Path) -> RetinaImage:
    """Read a raw export of the Heidelberg Spectralis.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    RetinaImage
        uint8, ``(rows, columns)`` of a single B-scan, else ``(slices, rows, columns)`` in stored
        order, lazy where that is large: the fourth root of the intensities, as Heidelberg shows
        them. Of the header nothing is kept that could identify the person.

    Raises
    ------
    ReadError
        If the file does not hold what its header states.
    """
    with decoding(path, "a Heidelberg raw export"), path.open("rb") as file:
        header = _read_header(path, file)
        layout = _find_layout(path, file, header)
        bscans = [_read_bscan(layout, file, header, index) for index in range(header.slices)]
        lines = _read_lines(layout, file, header, bscans)
        face = _read_face(file, header)
        is_grey, warnings = _find_levels(layout, header.slices)
    return _assemble(layout, header, bscans, lines, face, is_grey, warnings)


def _read_header(path: Path, file: BufferedReader) -> _Header:
    content = file.read(_HEADER_SIZE)
    if len(content) < _HEADER_SIZE or not content.startswith(VOL_STARTS):
        raise _cut_short(path, "its header")
    header = _Header._make(_HEADER.unpack_from(content))
    shape = header.slices, header.rows, header.columns
    if 0 in shape:
        raise ReadError(
            f"'{path}' holds no B-scans: its header states {' × '.join(map(str, shape))} (B-scans,"
            " rows, columns). Export it again."
        )
    return header


def _find_layout(path: Path, file: BufferedReader, header: _Header) -> _Layout:
    """Find the B-scans: where the file's and the B-scans' headers differ, what fits the file."""
    size = path.stat().st_size
    pixels = 4 * header.rows * header.columns
    least = header.first_bscan + header.slices * (_BSCAN.size + pixels)
    if least > size:
        raise _cut_short(
            path,
            f"{header.slices:,} B-scans of {header.rows:,} × {header.columns:,} px, which take"
            f" {least:,} bytes or more: the file has {size:,}",
        )
    shape = header.slices, header.rows, header.columns
    check_claim(f"'{path}'", shape)
    first = _read_start(file, header.first_bscan)
    fitting = []
    for header_size in dict.fromkeys((first.header_size, header.bscan_header)):
        layout = _Layout(path, header.first_bscan, header_size, header.rows, header.columns)
        if header_size >= _BSCAN.size and layout.start(header.slices) <= size:
            fitting.append(layout)
    if not fitting:
        raise _cut_short(
            path, f"{header.slices:,} B-scans with headers of {header.bscan_header:,} bytes"
        )
    last = header.slices - 1
    ends = (one for one in fitting if _is_bscan(header, _read_start(file, one.start(last))))
    return next(ends, fitting[0])


def _read_start(file: BufferedReader, at: int) -> _BScan:
    file.seek(at)
    return _BScan._make(_BSCAN.unpack(file.read(_BSCAN.size)))


def _is_bscan(header: _Header, bscan: _BScan) -> bool:
    return bscan.version.startswith(_EYEPY if header.is_eyepys else _BSCAN_START)


def _read_bscan(layout: _Layout, file: BufferedReader, header: _Header, index: int) -> _BScan:
    bscan = _read_start(file, layout.start(index))
    if not _is_bscan(header, bscan):
        raise ReadError(
            f"'{layout.path}' is damaged: its header states {header.slices} B-scans, but at the"
            f" place of B-scan {index + 1} there is something else. Copy or export it again."
        )
    return bscan


def _read_lines(
    layout: _Layout, file: BufferedReader, header: _Header, bscans: list[_BScan]
) -> DeviceLines | None:
    # eyepy counts the lines that it has, and writes all 17, with zeros for the others.
    counts = [HEIDELBERG_COUNT if header.is_eyepys and one.lines else one.lines for one in bscans]
    most = max(counts)
    for index, (bscan, count) in enumerate(zip(bscans, counts, strict=True)):
        if bscan.lines_at + 4 * count * header.columns > layout.header_size and count:
            raise ReadError(
                f"'{layout.path}' is damaged: B-scan {index + 1} states {bscan.lines:,} layer"
                " lines, more than its header has room for. Copy or export it again."
            )
    heights = np.full((header.slices, most, header.columns), np.nan, np.float32)
    for index, (bscan, count) in enumerate(zip(bscans, counts, strict=True)):
        file.seek(layout.start(index) + bscan.lines_at)
        stored = np.frombuffer(file.read(4 * count * header.columns), "<f4")
        heights[index, :count] = stored.reshape(count, header.columns)
    return known_lines([heidelberg_line(k) for k in range(most)], heights, header.rows)


def _read_face(file: BufferedReader, header: _Header) -> npt.NDArray[np.uint8] | None:
    shape = header.face_rows, header.face_columns
    if 0 in shape:
        return None
    file.seek(_HEADER_SIZE)
    return np.frombuffer(bytearray(file.read(shape[0] * shape[1])), np.uint8).reshape(shape)


def _find_levels(layout: _Layout, slices: int) -> tuple[bool, tuple[str, ...]]:
    """Return whether the values are grey levels already, as early versions of eyepy wrote them."""
    for index in sorted({0, slices // 2, slices - 1}):
        values = layout.intensities(index)
        known = values[_holds_data(values)]
        if known.size and known.max() > _INTENSITY:
            return True, ("It holds grey levels instead of intensities; they are shown as they"
                          " are.",)  # fmt: skip
    return False, ()


def _assemble(
    layout: _Layout,
    header: _Header,
    bscans: list[_BScan],
    lines: DeviceLines | None,
    face: npt.NDArray[np.uint8] | None,
    is_grey: bool,
    warnings: tuple[str, ...],
) -> RetinaImage:
    laterality = _laterality(header)
    lateral_um = plausible_um(1000 * header.lateral_mm)
    places = np.array([(one.start_y, one.start_x, one.end_y, one.end_x) for one in bscans])
    positions = Positions(
        places[:, :2], places[:, 2:], header.columns, lateral_um and lateral_um / 1000
    )
    stated = _PATTERNS.get(header.pattern, ScanPattern.UNKNOWN)
    arranged = arrange(positions, stated, header.distance_mm)
    en_face, face_warnings = _en_face(header, face, positions, arranged.pattern, laterality)
    shape = header.slices, header.rows, header.columns
    pixels = gather_slices(partial(_grey_values, layout, is_grey), shape, np.uint8)
    valid = gather_slices(partial(_valid_values, layout), shape, np.bool_)
    if isinstance(valid, np.ndarray) and valid.all():
        valid = None
    if header.slices == 1:
        pixels, valid = pixels[0], None if valid is None else valid[0]
    return RetinaImage(
        pixels,
        modality=Modality.OCT,
        spacing=Spacing.from_um(
            slice=arranged.slice_um,
            axial=plausible_um(1000 * header.axial_mm),
            lateral=lateral_um,
        ),
        laterality=laterality,
        patient=patient_token(header.patient.split(b"\0")[0].decode("latin-1")),
        name=image_name(layout.path),
        source=str(layout.path),
        metadata={"manufacturer": "Heidelberg Engineering", "format": _format(header)},
        valid=valid,
        warnings=(*warnings, *arranged.warnings, *face_warnings),
        acquisition=Acquisition(
            arranged.pattern, "Heidelberg Spectralis", en_face, lines, _quality(header, bscans)
        ),
    )


def _en_face(
    header: _Header,
    pixels: npt.NDArray[np.uint8] | None,
    positions: Positions,
    pattern: ScanPattern,
    laterality: Laterality,
) -> tuple[EnFace | None, tuple[str, ...]]:
    if pixels is None:
        return None, ()
    axial = plausible_um(1000 * header.face_axial_mm)
    lateral = plausible_um(1000 * header.face_lateral_mm)
    sizes_mm = axial and axial / 1000, lateral and lateral / 1000
    paths, warnings = place(positions, pattern, laterality, pixels.shape, sizes_mm)
    return EnFace(pixels, Spacing.from_um(axial=axial, lateral=lateral), paths), warnings


def _grey_values(layout: _Layout, is_grey: bool, index: int) -> npt.NDArray[np.uint8]:
    """Return ``(rows, columns)`` as Heidelberg shows it, 0 where there is no data."""
    values = layout.intensities(index)
    values = np.where(_holds_data(values), values, np.float32(0))
    shown = values if is_grey else 255 * np.sqrt(np.sqrt(np.minimum(values, 1)))
    return np.rint(np.minimum(shown, 255)).astype(np.uint8)


def _valid_values(layout: _Layout, index: int) -> npt.NDArray[np.bool_]:
    return _holds_data(layout.intensities(index))


def _holds_data(values: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        return np.asarray((values >= 0) & (values < _NO_DATA))  # false for NaN


def _laterality(header: _Header) -> Laterality:
    eye = header.eye.split(b"\0")[0].strip().upper()
    return {b"OD": Laterality.RIGHT, b"OS": Laterality.LEFT}.get(eye, Laterality.UNKNOWN)


def _quality(header: _Header, bscans: list[_BScan]) -> tuple[float | None, ...]:
    if header.version.startswith(_WITHOUT_QUALITY):
        return ()
    values = tuple(one.quality if 0 <= one.quality < _NO_DATA else None for one in bscans)
    return () if set(values) == {None} else values


def _format(header: _Header) -> str:
    text = header.version.split(b"\0")[0].decode("ascii", "replace").strip()
    return text if text.isprintable() else ""


def _cut_short(path: Path, claim: str) -> ReadError:
    return ReadError(f"'{path}' is cut short or damaged: it should hold {claim}. Copy or export it"
                     " again.")  # fmt: skip
