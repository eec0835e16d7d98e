"""Heidelberg's ``.e2e``: B-scans, en-face image, lines and eye of each examination in a file.

Which part holds what is that found by uocte, LibE2E and eyepy; see `e2e_parts`. Places of B-scans
are in degrees there, and neither the size of a column nor that of the en-face image's pixels has
been found by anybody, so that they are unknown.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from napari_retina_seg.io._decoding import check_claim, decoding
from napari_retina_seg.io.images.assemble import assemble
from napari_retina_seg.io.images.vendor.e2e_parts import BSCAN, EYE, IMAGE, LINE, Part, find_parts
from napari_retina_seg.io.images.vendor.geometry import Positions, arrange
from napari_retina_seg.io.images.vendor.lines import heidelberg_line, known_lines
from napari_retina_seg.io.images.vendor.slices import gather_slices
from napari_retina_seg.io.names import image_name
from napari_retina_seg.types.acquisition import Acquisition, DeviceLines, EnFace, ScanPattern
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import Laterality, Modality, RetinaImage, Spacing
from napari_retina_seg.types.pixel_size import plausible_um

_KIND = "a Heidelberg E2E file"
_DEVICE = {"manufacturer": "Heidelberg Engineering", "format": "E2E"}
_IMAGE = struct.Struct("<5I")  # bytes, type, values, rows, columns
_GREY, _FLOAT = 1, 32  # the type's third byte: uint8, or floats of 16 bits
_LINE = struct.Struct("<4I")  # of which the second is its number, the last its columns
_BSCAN = struct.Struct("<12x4f8xf24xI4xI80xf")
_EYE_AT = 14
_EYES = {b"R": Laterality.RIGHT, b"L": Laterality.LEFT}
_PATTERNS = {1: ScanPattern.LINE, 2: ScanPattern.CIRCLE, 5: ScanPattern.RADIAL}
_DECIBELS = (0.0, 100.0)
_SIZES_UNKNOWN = (
    "E2E files don't state the width of a pixel or the distance of B-scans: state them, or export"
    " the examination as raw data (.vol) or XML, which do."
)
_NO_FACE = (
    "The en-face image is left out: it is stored in a way that is not known. Raw data (.vol) or"
    " XML of the examination have it."
)


class _BScan(NamedTuple):
    start_x: float
    start_y: float
    end_x: float
    end_y: float
    axial_mm: float
    bscans: int
    pattern: int
    quality: float


@dataclass(frozen=True)
class _Plane:
    """Where the pixels of an image begin, and how they are stored."""

    path: Path
    at: int
    shape: tuple[int, int]
    dtype: str

    def read(self) -> npt.NDArray[np.generic]:
        """Return ``(rows, columns)`` as stored."""
        with decoding(self.path, _KIND):
            count = self.shape[0] * self.shape[1]
            stored = np.fromfile(self.path, self.dtype, count, offset=self.at)
            return stored.reshape(self.shape)


def count_e2e(path: Path) -> int:
    """Return how many images a file holds: examinations with B-scans or an en-face image.

    Raises
    ------
    ReadError
        If it is damaged, or holds none.
    """
    with decoding(path, _KIND), path.open("rb") as file:
        return len(_find_series(path, file))


def read_e2e(path: Path, number: int) -> RetinaImage:
    """Read one examination of a file.

    Parameters
    ----------
    path : Path
        The file.
    number : int
        Which one, from 1, in the order of the file.

    Returns
    -------
    RetinaImage
        uint8, ``(rows, columns)`` of a single B-scan, else ``(slices, rows, columns)`` by number of
        B-scan, lazy where that is large: the fourth root of the intensities, as of ``.vol`` files.
        Without B-scans it is the en-face image. Only the axial size is known. The parts that name
        the patient are not read.

    Raises
    ------
    ReadError
        If the file is damaged, holds fewer B-scans than it states, or stores them in an unknown
        way.
    """
    with decoding(path, _KIND), path.open("rb") as file:
        series = _find_series(path, file)
        parts = series[number - 1]
        scans = _planes(path, file, [one for one in parts if _is_image(one, 1)], _FLOAT, "<u2")
        en_face = [one for one in parts if _is_image(one, 0)]
        known = [one for one in en_face if _stored_kind(file, one) == _GREY]
        faces = _planes(path, file, known, _GREY, "u1")
        eye = _read_eye(file, parts)
        if not scans:
            return _assemble_face(path, faces, eye)
        metas = _read_metas(path, file, parts, scans)
        lines = _read_lines(path, file, parts, scans)
    image = _assemble(path, scans, metas, lines, faces, eye)
    is_left_out = bool(en_face) and not faces
    return replace(image, warnings=(*image.warnings, _NO_FACE)) if is_left_out else image


def _find_series(path: Path, file: BufferedReader) -> list[list[Part]]:
    found: dict[tuple[int, int, int], list[Part]] = {}
    for part in find_parts(path, file):
        found.setdefault(part.series, []).append(part)
    series = [parts for parts in found.values() if any(one.kind == IMAGE for one in parts)]
    if not series:
        raise ReadError(f"'{path}' holds no images: export an examination with its images.")
    return series


def _is_image(part: Part, index: int) -> bool:
    return part.kind == IMAGE and part.index == index


def _stored_kind(file: BufferedReader, part: Part) -> int:
    """Return the number that says how the pixels of an image are stored."""
    stored = _IMAGE.unpack(_read(file, part, _IMAGE.size))[1]
    return int(stored) >> 16 & 0xFF


def _planes(
    path: Path, file: BufferedReader, parts: Sequence[Part], kind: int, dtype: str
) -> dict[int, _Plane]:
    """Return the images of one kind by the number of their B-scan, in its order."""
    planes: dict[int, _Plane] = {}
    for part in sorted(parts, key=lambda one: one.bscan):
        *_, rows, columns = _IMAGE.unpack(_read(file, part, _IMAGE.size))
        if _stored_kind(file, part) != kind:
            raise ReadError(
                f"'{path}' stores its images in a way that is not known: export the examination in"
                " HEYEX as raw data (.vol) or as XML."
            )
        least = _IMAGE.size + rows * columns * np.dtype(dtype).itemsize
        if 0 in (rows, columns) or part.size < least:
            raise _damaged(path, f"an image states {rows:,} × {columns:,} px")
        if part.bscan in planes:
            if kind == _FLOAT:
                raise _damaged(path, "a B-scan is there twice")
            continue  # further en-face images of an examination
        planes[part.bscan] = _Plane(path, part.start + _IMAGE.size, (rows, columns), dtype)
    return planes


def _read(file: BufferedReader, part: Part, count: int) -> bytes:
    file.seek(part.start)
    return file.read(min(count, part.size))


def _read_eye(file: BufferedReader, parts: Sequence[Part]) -> Laterality:
    stated = {_read(file, one, _EYE_AT + 1)[_EYE_AT:] for one in parts if one.kind == EYE}
    return _EYES.get(stated.pop(), Laterality.UNKNOWN) if len(stated) == 1 else Laterality.UNKNOWN


def _read_metas(
    path: Path, file: BufferedReader, parts: Sequence[Part], scans: dict[int, _Plane]
) -> list[_BScan]:
    """Return what is said about each B-scan; nothing where it is not said about all."""
    found: dict[int, _BScan] = {}
    for part in parts:
        if part.kind == BSCAN and part.bscan in scans:
            content = _read(file, part, _BSCAN.size).ljust(_BSCAN.size, b"\0")
            found[part.bscan] = _BScan._make(_BSCAN.unpack(content))
    stated = max((one.bscans for one in found.values()), default=0)
    if stated > len(scans):
        raise _damaged(path, f"it states {stated:,} B-scans and holds {len(scans):,}")
    return [found[k] for k in scans] if len(found) == len(scans) else []


def _read_lines(
    path: Path, file: BufferedReader, parts: Sequence[Part], scans: dict[int, _Plane]
) -> DeviceLines | None:
    rows, columns = next(iter(scans.values())).shape
    order = {bscan: index for index, bscan in enumerate(scans)}
    lines: dict[int, npt.NDArray[np.float32]] = {}
    for part in parts:
        if part.kind != LINE or part.bscan not in order:
            continue
        _, number, _, width = _LINE.unpack(_read(file, part, _LINE.size))
        if width == 0:
            continue
        if width != columns or part.size < _LINE.size + 4 * width:
            raise _damaged(path, f"a line of {width:,} columns, but {columns:,} of its B-scan")
        file.seek(part.start + part.size - 4 * width)  # versions differ in what is before
        heights = np.frombuffer(file.read(4 * width), "<f4")
        if number not in lines:
            lines[number] = np.full((len(scans), columns), np.nan, np.float32)
        lines[number][order[part.bscan]] = np.where(heights == 0, np.nan, heights)
    if not lines:
        return None
    names = [heidelberg_line(number) for number in sorted(lines)]
    return known_lines(names, np.stack([lines[k] for k in sorted(lines)], axis=1), rows)


def _assemble_face(path: Path, faces: dict[int, _Plane], eye: Laterality) -> RetinaImage:
    if not faces:
        raise ReadError(f"'{path}' stores its images in a way that is not known: export it as XML.")
    face = next(iter(faces.values()))
    check_claim(f"'{path}'", face.shape)
    pixels = np.array(face.read(), np.uint8)
    return assemble(path, pixels, color=False, laterality=eye, metadata=dict(_DEVICE))


def _assemble(
    path: Path,
    scans: dict[int, _Plane],
    metas: Sequence[_BScan],
    lines: DeviceLines | None,
    faces: dict[int, _Plane],
    eye: Laterality,
) -> RetinaImage:
    planes = list(scans.values())
    if len({one.shape for one in planes}) > 1:
        raise ReadError(f"The B-scans of an examination in '{path}' are of several sizes: export"
                        " it as XML.")  # fmt: skip
    shape = len(planes), *planes[0].shape
    check_claim(f"'{path}'", shape)
    axials = {one.axial_mm for one in metas}
    pixels = gather_slices(partial(_look_up, planes, _greys()), shape, np.uint8)
    valid = gather_slices(partial(_look_up, planes, _data()), shape, np.bool_)
    if isinstance(valid, np.ndarray) and valid.all():
        valid = None
    if shape[0] == 1:
        pixels, valid = pixels[0], None if valid is None else valid[0]
    face = next(iter(faces.values()), None)
    quality = tuple(_decibels(one.quality) for one in metas)
    return RetinaImage(
        pixels,
        modality=Modality.OCT,
        spacing=Spacing.from_um(
            axial=plausible_um(1000 * axials.pop()) if len(axials) == 1 else None
        ),
        laterality=eye,
        name=image_name(path),
        source=str(path),
        metadata=dict(_DEVICE),
        valid=valid,
        warnings=(_SIZES_UNKNOWN,),
        acquisition=Acquisition(
            _find_pattern(metas, shape[2]),
            "Heidelberg Spectralis",
            None if face is None else EnFace(np.array(face.read(), np.uint8)),
            lines,
            () if set(quality) <= {None} else quality,
        ),
    )


def _find_pattern(metas: Sequence[_BScan], columns: int) -> ScanPattern:
    """Return how B-scans lie; it takes no lengths, so that degrees do."""
    if not metas:
        return ScanPattern.UNKNOWN
    places = np.array([(one.start_y, one.start_x, one.end_y, one.end_x) for one in metas])
    stated = {_PATTERNS.get(one.pattern, ScanPattern.UNKNOWN) for one in metas}
    positions = Positions(places[:, :2], places[:, 2:], columns, None)
    return arrange(
        positions, stated.pop() if len(stated) == 1 else ScanPattern.UNKNOWN, None
    ).pattern


def _decibels(quality: float) -> float | None:
    return quality if _DECIBELS[0] < quality < _DECIBELS[1] else None


def _look_up(
    planes: Sequence[_Plane], table: npt.NDArray[np.generic], index: int
) -> npt.NDArray[np.generic]:
    return np.asarray(table[planes[index].read()])


@cache
def _intensities() -> npt.NDArray[np.float64]:
    """Return ``(65536,)``: what stored values stand for, by uocte.

    They are floats without a sign, of 10 bits of mantissa and 6 of exponent, which counts from
    -63; with the exponent 0 the mantissa has no leading one.
    """
    stored = np.arange(2**16)
    mantissa, exponent = stored & 0x3FF, stored >> 10
    whole = np.ldexp(1 + mantissa / 1024, exponent - 63)
    return np.where(exponent == 0, np.ldexp(mantissa / 1024, -62), whole)


@cache
def _data() -> npt.NDArray[np.bool_]:
    """Return ``(65536,)``: which values are intensities, between 0 and 1; others are markers."""
    return np.asarray(_intensities() <= 1)


@cache
def _greys() -> npt.NDArray[np.uint8]:
    """Return ``(65536,)``: the grey levels in which stored values are shown."""
    shown = 255 * np.where(_data(), _intensities(), 0) ** 0.25
    return np.asarray(np.rint(shown).astype(np.uint8))


def _damaged(path: Path, what: str) -> ReadError:
    return ReadError(f"'{path}' is damaged: {what}. Copy or export it again.")
