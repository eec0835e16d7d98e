"""MetaImage (``.mhd``), as RETOUCH's volumes are: a text that describes a raw file beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_retina_seg.io._decoding import check_claim, decoding
from napari_retina_seg.io.images.vendor.slices import gather_slices
from napari_retina_seg.io.names import image_name
from napari_retina_seg.types.confined import confined
from napari_retina_seg.types.errors import OutsideError, ReadError
from napari_retina_seg.types.image import RetinaImage, Spacing
from napari_retina_seg.types.pixel_size import SLICE_UM, plausible_um

_KIND = "MetaImage"
_LONGEST = 2**16  # bytes of a header
_TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4",
    "MET_UINT": "u4", "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}  # fmt: skip


@dataclass(frozen=True)
class _Raw:
    """A file of raw values: ``(slices, rows, columns)`` of a type."""

    path: Path
    shape: tuple[int, int, int]
    dtype: np.dtype[np.generic]

    def read(self, index: int) -> npt.NDArray[np.generic]:
        """Return a slice, ``(rows, columns)``."""
        _, rows, columns = self.shape
        with decoding(self.path, _KIND):
            at = index * rows * columns * self.dtype.itemsize
            stored = np.fromfile(self.path, self.dtype, rows * columns, offset=at)
            return stored.reshape(rows, columns).astype(self.dtype.newbyteorder("="))


def read_metaimage(path: Path) -> RetinaImage:
    """Read a header and the raw file that it names.

    Parameters
    ----------
    path : Path
        The ``.mhd`` file.

    Returns
    -------
    RetinaImage
        ``(rows, columns)``, or ``(slices, rows, columns)``, lazy where that is large; sizes are the
        stated spacing, in mm.

    Raises
    ------
    ReadError
        If the raw file is missing or of another size, or the values are of a kind that is not read.
    """
    from napari_retina_seg.imaging.modality import guess_modality

    with decoding(path, _KIND):
        fields = _read_header(path)
        raw = _find_raw(path, fields)
        sizes = [float(size) for size in fields.get("ElementSpacing", "").split()]
    check_claim(f"'{path}'", raw.shape, itemsize=raw.dtype.itemsize)
    pixels = gather_slices(raw.read, raw.shape, raw.dtype.newbyteorder("="))
    lateral, axial, distance = (*sizes, *[math.nan] * 3)[:3]
    is_volume = raw.shape[0] > 1
    return RetinaImage(
        pixels if is_volume else pixels[0],
        modality=guess_modality(raw.read(raw.shape[0] // 2)),
        spacing=Spacing.from_um(
            slice=plausible_um(1000 * distance, SLICE_UM) if is_volume else None,
            axial=plausible_um(1000 * axial),
            lateral=plausible_um(1000 * lateral),
        ),
        name=image_name(path),
        source=str(path),
        metadata={"format": "MetaImage"},
    )


def find_raw_file(path: Path) -> Path:
    """Return the raw file that a header names.

    Raises
    ------
    ReadError
        As `read_metaimage`.
    """
    with decoding(path, _KIND):
        return _find_raw(path, _read_header(path)).path


def _read_header(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        text = file.read(_LONGEST).decode("latin-1")
    pairs = (line.partition("=") for line in text.splitlines())
    return {key.strip(): value.strip() for key, equals, value in pairs if equals}


def _find_raw(path: Path, fields: dict[str, str]) -> _Raw:
    kind = _TYPES.get(fields.get("ElementType", ""))
    shape = tuple(int(size) for size in fields.get("DimSize", "").split())
    channels = fields.get("ElementNumberOfChannels", "1")
    is_packed = fields.get("CompressedData", "False").lower() == "true"
    if kind is None or len(shape) not in (2, 3) or channels != "1" or is_packed:
        raise ReadError(
            f"'{path}' is not an uncompressed grey image of two or three axes: save it as one."
        )
    name = fields.get("ElementDataFile", "")
    try:
        raw: Path | None = confined(path.parent, name)
    except OutsideError:
        raw = None
    if raw is None or not raw.is_file():
        raise ReadError(f"'{path}' needs its raw file '{name}' beside it: copy both.")
    columns, rows, slices = (*shape, 1)[:3]
    is_big = "true" in (fields.get(key, "").lower() for key in
                        ("ElementByteOrderMSB", "BinaryDataByteOrderMSB"))  # fmt: skip
    dtype = np.dtype(kind).newbyteorder(">" if is_big else "<")
    expected = slices * rows * columns * dtype.itemsize
    if min(shape) < 1 or raw.stat().st_size != expected:
        raise ReadError(
            f"'{path}' states {expected:,} bytes of values, but '{raw.name}' has"
            f" {raw.stat().st_size:,}: copy both again."
        )
    return _Raw(raw, (slices, rows, columns), dtype)
