"""Topcon's ``.fda`` and ``.fds``, as far as their layout is known.

Topcon publishes no specification. The layout is that found by the project uocte (its wiki, "Topcon
File Format") and used by OCT-Converter 0.7 (M. Graham, MIT licence): chunks with names, of which
those with pixels, sizes, the eye, the fundus photograph and the layer lines are read.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.io._compat import without_pillow_limit
from napari_retina_seg.io._decoding import check_claim, decoding
from napari_retina_seg.io.images.vendor.lines import known_lines
from napari_retina_seg.io.names import image_name
from napari_retina_seg.types.acquisition import Acquisition, DeviceLines, EnFace, ScanPattern
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import Laterality, Modality, RetinaImage, Spacing
from napari_retina_seg.types.pixel_size import SLICE_UM, plausible_um

_KIND = "a Topcon file"
_START = 15  # bytes before the first chunk
_MOST_CHUNKS = 10_000
_PATTERNS = {2: ScanPattern.RASTER, 3: ScanPattern.RADIAL}
_EYES = {0: Laterality.RIGHT, 1: Laterality.LEFT}
_RAW = ("@IMG_MOT_COMP_03", "@IMG_SCAN_03")
_RAW_HEADER = struct.Struct("<B4IBI")
_JPEG_HEADER = struct.Struct("<B6I")
_FACE_HEADER = struct.Struct("<4I4sI")
_LINE_HEADER = struct.Struct("<20sBB3I")
_SIZES = {"@PARAM_SCAN_04": 12, "@PARAM_SCAN_02": 21}  # where the three sizes begin
_LINES = {
    "MULTILAYERS_1": "ILM",
    "MULTILAYERS_2": "RNFL-GCL",
    "MULTILAYERS_3": "GCL-IPL",
    "MULTILAYERS_4": "IPL-INL",
    "MULTILAYERS_5": "MZ-EZ",
    "MULTILAYERS_6": "IZ-RPE",
    "MULTILAYERS_7": "BM",
    "MULTILAYERS_8": "INL-OPL",
    "MULTILAYERS_9": "ELM",
    "MULTILAYERS_10": "CSI",
}


@dataclass(frozen=True, eq=False)
class _Scans:
    pixels: npt.NDArray[Any]
    pattern: ScanPattern


@dataclass(frozen=True, eq=False)
class _Chunks:
    """The chunks of a file by their names, each with where it begins and how long it is."""

    path: Path
    places: dict[str, list[tuple[int, int]]]

    def read(self, name: str, most: int | None = None) -> bytes:
        """Return the content of the first chunk of a name, or its first bytes."""
        return self.read_all(name, most)[0] if name in self.places else b""

    def read_all(self, name: str, most: int | None = None) -> list[bytes]:
        """Return the contents of all chunks of a name."""
        contents = []
        with self.path.open("rb") as file:
            for start, size in self.places.get(name, []):
                file.seek(start)
                contents.append(file.read(size if most is None else min(most, size)))
        return contents


def read_topcon(path: Path) -> RetinaImage:
    """Read a file of a Topcon 3D-OCT, Maestro or Triton.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    RetinaImage
        ``(rows, columns)`` of a single B-scan, else ``(slices, rows, columns)`` in stored order,
        uint8 or uint16. The pixel sizes are the scanned width and height by their number of
        columns and B-scans. Nothing is kept that could identify the person.

    Raises
    ------
    ReadError
        If there are no B-scans of a kind that can be read, or fewer than the header states.
    """
    with decoding(path, _KIND):
        chunks = _find_chunks(path)
        scans = _read_scans(chunks)
        lines = _read_lines(chunks, scans.pixels.shape)
        face, warnings = _read_face(chunks)
        return RetinaImage(
            scans.pixels if len(scans.pixels) > 1 else scans.pixels[0],
            modality=Modality.OCT,
            spacing=_read_spacing(chunks, scans),
            laterality=_read_eye(chunks),
            name=image_name(path),
            source=str(path),
            metadata={"manufacturer": "Topcon", "format": path.suffix.lower().lstrip(".")},
            warnings=warnings,
            acquisition=Acquisition(scans.pattern, "Topcon", face, lines),
        )


def _find_chunks(path: Path) -> _Chunks:
    places: dict[str, list[tuple[int, int]]] = {}
    end = path.stat().st_size
    with path.open("rb") as file:
        at = _START
        for _ in range(_MOST_CHUNKS):
            file.seek(at)
            length = file.read(1)
            if length in (b"", b"\0"):
                return _Chunks(path, places)
            name = file.read(length[0]).decode("latin-1")
            (size,) = struct.unpack("<I", file.read(4))
            at = file.tell() + size
            if at > end:
                raise ReadError(
                    f"'{path}' is cut short: its part {name[:32]!r} should end at byte {at:,}, but"
                    f" the file has {end:,}. Copy or export it again."
                )
            places.setdefault(name, []).append((at - size, size))
    raise ReadError(f"'{path}' is damaged: it has more than {_MOST_CHUNKS:,} parts.")


def _read_scans(chunks: _Chunks) -> _Scans:
    if "@IMG_JPEG" in chunks.places:
        return _read_compressed(chunks)
    for name in _RAW:
        if name in chunks.places:
            return _read_raw(chunks, name)
    raise ReadError(
        f"'{chunks.path}' holds no B-scans of a kind that can be read: export it as DICOM."
    )


def _read_raw(chunks: _Chunks, name: str) -> _Scans:
    content = chunks.read(name, _RAW_HEADER.size)
    mode, columns, rows, bits, slices, _, _ = _RAW_HEADER.unpack(content)
    shape = _checked(chunks, (slices, rows, columns), 2 * slices * rows * columns, name)
    if bits != 16:
        raise ReadError(
            f"The B-scans of '{chunks.path}' have {bits} bits a pixel, which is not supported:"
            " export it as DICOM."
        )
    values = np.frombuffer(chunks.read(name), "<u2", int(np.prod(shape)), _RAW_HEADER.size)
    return _Scans(values.reshape(shape).astype(np.uint16), _pattern(mode, slices))


def _read_compressed(chunks: _Chunks) -> _Scans:
    content = chunks.read("@IMG_JPEG")
    mode, _, _, columns, rows, slices, _ = _JPEG_HEADER.unpack_from(content)
    _checked(chunks, (slices, rows, columns), 4 * slices, "@IMG_JPEG")
    at, pictures = _JPEG_HEADER.size, []
    for index in range(slices):
        if len(content) < at + 4:
            raise _too_few(chunks, index, slices)
        (size,) = struct.unpack_from("<I", content, at)
        at += 4 + size
        if len(content) < at:
            raise _too_few(chunks, index, slices)
        picture = _decode(content[at - size : at], (rows, columns))
        if picture is None or picture.ndim != 2:
            raise ReadError(
                f"B-scan {index + 1} of '{chunks.path}' is not a grey picture of {rows} ×"
                f" {columns} px as its header states: export it again."
            )
        pictures.append(picture)
    return _Scans(np.stack(pictures), _pattern(mode, slices))


def _checked(
    chunks: _Chunks, shape: tuple[int, int, int], least: int, name: str
) -> tuple[int, int, int]:
    """Return a shape that its chunk has room for."""
    if 0 in shape:
        raise ReadError(f"'{chunks.path}' holds no B-scans: export it again.")
    check_claim(f"'{chunks.path}'", shape, itemsize=2)
    _, size = chunks.places[name][0]
    if size < _RAW_HEADER.size + least:
        raise ReadError(
            f"'{chunks.path}' is damaged: {shape[0]:,} B-scans of {shape[1]:,} × {shape[2]:,} px"
            " are more than it has room for. Copy or export it again."
        )
    return shape


def _too_few(chunks: _Chunks, found: int, stated: int) -> ReadError:
    return ReadError(
        f"'{chunks.path}' is damaged: it states {stated} B-scans and holds {found}. Copy or export"
        " it again."
    )


def _decode(content: bytes, shape: tuple[int, int] | None) -> npt.NDArray[Any] | None:
    """Decode a JPEG or JPEG 2000; None if it is of another size than stated."""
    from PIL import Image

    with without_pillow_limit(), Image.open(io.BytesIO(content)) as picture:
        if shape is not None and picture.size != (shape[1], shape[0]):
            return None
        check_claim("A picture", (picture.height, picture.width))
        return np.array(picture)


def _pattern(mode: int, slices: int) -> ScanPattern:
    pattern = _PATTERNS.get(mode, ScanPattern.UNKNOWN)
    return pattern if slices > 1 else ScanPattern.UNKNOWN


def _read_spacing(chunks: _Chunks, scans: _Scans) -> Spacing:
    """Return the sizes that the file states, of which that of slices holds for a raster alone."""
    for name, start in _SIZES.items():
        content = chunks.read(name)
        if len(content) >= start + 24:
            width, height, axial = struct.unpack_from("<3d", content, start)
            is_raster = scans.pattern is ScanPattern.RASTER
            return Spacing.from_um(
                slice=plausible_um(1000 * height / len(scans.pixels), SLICE_UM)
                if is_raster else None,
                axial=plausible_um(axial),
                lateral=plausible_um(1000 * width / scans.pixels.shape[2]),
            )  # fmt: skip
    return Spacing()


def _read_eye(chunks: _Chunks) -> Laterality:
    for name in ("@CAPTURE_INFO_02", "@CAPTURE_INFO"):
        content = chunks.read(name, 1)
        if content:
            return _EYES.get(content[0], Laterality.UNKNOWN)
    return Laterality.UNKNOWN


def _read_face(chunks: _Chunks) -> tuple[EnFace | None, tuple[str, ...]]:
    """Return the fundus photograph, whose colours are stored blue first."""
    content = chunks.read("@IMG_FUNDUS")
    if len(content) < _FACE_HEADER.size:
        return None, ()
    columns, rows, *_, size = _FACE_HEADER.unpack_from(content)
    try:
        with decoding(chunks.path, _KIND):
            part = content[_FACE_HEADER.size : _FACE_HEADER.size + size]
            pixels = _decode(part, (rows, columns))
    except ReadError:
        pixels = None
    if pixels is None or (pixels.ndim == 3 and pixels.shape[2] != 3):
        return None, ("Its fundus photograph can't be read.",)
    return EnFace(pixels[..., ::-1].copy() if pixels.ndim == 3 else pixels), ()


def _read_lines(chunks: _Chunks, shape: tuple[int, ...]) -> DeviceLines | None:
    """Return the lines, which are stored as heights above the lower edge, last B-scan first."""
    slices, rows, columns = shape
    names, heights = [], []
    for content in chunks.read_all("@CONTOUR_INFO"):
        if len(content) < _LINE_HEADER.size:
            continue
        stored, _, _, width, height, _ = _LINE_HEADER.unpack_from(content)
        if (height, width) != (slices, columns):
            continue
        if len(content) < _LINE_HEADER.size + 2 * slices * columns:
            continue
        values = np.frombuffer(content, "<u2", slices * columns, _LINE_HEADER.size)
        name = stored.split(b"\0")[0].decode("latin-1").strip()
        names.append(_LINES.get(name, name if name.isprintable() else "line"))
        heights.append(rows - values.reshape(slices, columns)[::-1].astype(np.float32))
    return known_lines(names, np.stack(heights, axis=1), rows) if heights else None
