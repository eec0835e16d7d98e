"""What the values of a TIFF stand for: brightness, red, green and blue, or entries of a palette."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from napari_retina_seg.io.images.stored import StoredPixels
from napari_retina_seg.io.images.tiff_bounds import UNBOUNDED
from napari_retina_seg.types.errors import ReadError

_KIND = tifffile.PHOTOMETRIC
_READ = (
    _KIND.MINISWHITE,
    _KIND.MINISBLACK,
    _KIND.RGB,
    _KIND.PALETTE,
    _KIND.YCBCR,
    _KIND.SEPARATED,
)
_UNCOMPRESSED, _OLD_JPEG, _JPEG = 1, 6, 7  # TIFF 6.0, section 22; TIFF Technical Note 2
_ORIENTATION, _INK_SET, _SUBSAMPLING = 274, 332, 530
_CMYK = 1  # of the tag InkSet
_UNASSOCIATED_ALPHA, _ASSOCIATED_ALPHA = 2, 1  # of the tag ExtraSamples
_STRIP = 256  # rows that are converted at a time
_SAVE_AS = "export it as grey or RGB."

Values = npt.NDArray[Any]


def check_kind(path: Path, page: Any) -> None:
    """Refuse, before decoding, what is sound but can't be read.

    Raises
    ------
    ReadError
        For colours, sample types and compressions that can't be decoded here.
    """
    kind = page.photometric
    if kind not in _READ:
        raise ReadError(f"'{path}' holds {getattr(kind, 'name', kind)} colours: {_SAVE_AS}")
    if kind == _KIND.SEPARATED and (
        page.tags.valueof(_INK_SET, _CMYK) != _CMYK or page.samplesperpixel != 4
    ):
        raise ReadError(f"'{path}' holds other inks than CMYK: {_SAVE_AS}")
    bits = page.bitspersample
    if page.dtype is None or not isinstance(bits, int) or (page.dtype.kind in "ui" and bits == 24):
        raise ReadError(
            f"'{path}' holds values of {bits} bits, which can't be decoded here: export it with 8"
            " or 16 bits per value."
        )
    if page.dtype.kind not in "buif":
        raise ReadError(f"'{path}' holds {page.dtype} values: {_SAVE_AS}")
    known = page.compression in tifffile.TIFF.DECOMPRESSORS and page.compression not in UNBOUNDED
    if not known and not needs_libtiff(page):
        name = getattr(page.compression, "name", page.compression)
        raise ReadError(
            f"'{path}' is compressed as {name}, which can't be decoded here: export it"
            " uncompressed, or compressed as LZW or Deflate."
        )


def needs_libtiff(page: Any) -> bool:
    """Whether its colours need libtiff: tifffile converts none but those of JPEG."""
    if page.compression == _OLD_JPEG:
        return True
    return bool(page.photometric == _KIND.YCBCR and page.compression != _JPEG)


def decode_by_libtiff(path: Path, page: Any) -> npt.NDArray[np.uint8]:
    """Return ``(rows, columns, 3)`` RGB of a YCbCr page, whatever its chroma's resolution.

    Raises
    ------
    Exception
        Whatever libtiff raises.
    """
    import imagecodecs

    _check_segments(page)
    content = bytearray(path.stat().st_size)
    with path.open("rb") as file:
        file.readinto(content)
    # libtiff mirrors what the tag says to be mirrored, but turns nothing: we do both, later.
    tag = page.tags.get(_ORIENTATION)
    if tag is not None:
        order = page.parent.byteorder
        content[tag.valueoffset : tag.valueoffset + 2] = struct.pack(f"{order}H", 1)
    index = page.index if isinstance(page.index, int) else page.index[0]
    return np.asarray(imagecodecs.tiff_decode(content, index=index, asrgb=True)[..., :3])


def _check_segments(page: Any) -> None:
    """Raise where strips or tiles are damaged or too short, which libtiff would leave black."""
    if page.compression == _OLD_JPEG:
        return
    across, down = page.tags.valueof(_SUBSAMPLING) or (2, 2)
    columns = page.tilewidth if page.is_tiled else page.imagewidth
    full = page.tilelength if page.is_tiled else min(page.rowsperstrip, page.imagelength)

    def size(rows: int) -> int:
        # A unit holds the brightness of its pixels and two values of colour.
        return int(-(-rows // down) * -(-columns // across) * (down * across + 2))

    segments = page.parent.filehandle.read_segments(page.dataoffsets, page.databytecounts)
    for index, (data, *_) in enumerate(segments):
        rows = full if page.is_tiled else min(full, page.imagelength - index * full)
        if data is None:
            raise ValueError("a strip or tile is missing")
        # The last strip may be as long as the others, and none longer: that would be a bomb.
        stored = page.compression == _UNCOMPRESSED
        values = data if stored else _decompress(page, data, size(full))
        if len(values) < size(rows):
            raise ValueError("a strip or tile is too short")


def _decompress(page: Any, data: bytes, size: int) -> bytes:
    return bytes(tifffile.TIFF.DECOMPRESSORS[page.compression](data, out=size))


def to_light(path: Path, values: Values, color: bool, series: Any) -> StoredPixels:
    """Return values of which more is brighter, in red, green and blue.

    Parameters
    ----------
    path : Path
        The file, for messages.
    values : array
        As decoded; the last axis holds samples if `color`.
    color : bool
        Whether it does.
    series : tifffile.TiffPageSeries
        The pages they are of.
    """
    page = series.keyframe
    if page.photometric == _KIND.PALETTE:
        return _indices(path, values, color, series)
    if page.photometric == _KIND.SEPARATED:
        return StoredPixels(_cmyk_to_rgb(path, values), color=True)
    bits = int(page.bitspersample)
    if values.dtype.kind == "b":
        values = values.astype(np.uint8)
    if page.photometric == _KIND.MINISWHITE:
        values = _invert(values, bits)
    # Grey values of 9 to 15 bits are those of a sensor: they stay as they are.
    white = 2**bits - 1 if bits < (16 if color else 8) and bits != 8 else None
    if color:
        values, color = _without_extras(path, values, page)
    return StoredPixels(values, color=color, white=white)


def _invert(values: Values, bits: int) -> Values:
    """Turn values round of which zero, or the least, is white."""
    if values.dtype.kind == "f":
        # Reals have no largest value: those of an image are 0 to 1, or measures.
        one = bool(np.nanmin(values) >= 0 and np.nanmax(values) <= 1)
        return np.asarray(values.dtype.type(1) - values if one else -values)
    if values.dtype.kind == "i":
        return ~values
    # 12-bit values lie in 16-bit words: what is white follows from the file's own depth.
    white = values.dtype.type(2**bits - 1)
    return np.asarray(white - np.minimum(values, white))


def _without_extras(path: Path, values: Values, page: Any) -> tuple[Values, bool]:
    """Keep brightness or RGB, and alpha if a further sample is said to be that."""
    samples = values.shape[-1]
    shown = 3 if page.photometric in (_KIND.RGB, _KIND.YCBCR) or samples == 3 else 1
    if samples < shown:
        raise ReadError(f"'{path}' has {samples} values per pixel: {_SAVE_AS}")
    extra_samples = page.extrasamples[:1]
    alpha = (
        samples > shown
        and extra_samples
        and extra_samples[0] in (_UNASSOCIATED_ALPHA, _ASSOCIATED_ALPHA)
    )
    if alpha:
        return values[..., : shown + 1], True
    if shown == 3:
        return values[..., :3], True
    if values[..., 1:].any():
        raise ReadError(
            f"'{path}' has {samples} values per pixel, and doesn't say that they are colours: save"
            " each as a file of its own."
        )
    return values[..., 0], False


def _indices(path: Path, values: Values, color: bool, series: Any) -> StoredPixels:
    page = series.keyframe
    maps = [other.aspage().colormap for other in series.pages if other is not None]
    if page.colormap is None or any(not np.array_equal(each, page.colormap) for each in maps):
        raise ReadError(f"'{path}' holds pages of several palettes, or none: export it as RGB.")
    # Some programs write 8-bit colours into the 16-bit palette, as libtiff also allows for.
    colors = page.colormap >> 8 if page.colormap.max() > 255 else page.colormap
    palette = np.ascontiguousarray(colors.T.astype(np.uint8))
    alpha = None
    if color:
        if page.extrasamples[:1] and page.extrasamples[0] in (
            _UNASSOCIATED_ALPHA,
            _ASSOCIATED_ALPHA,
        ):
            alpha = values[..., 1].astype(np.uint8)
        values = values[..., 0]
    values = values.astype(np.uint8) if values.dtype.kind == "b" else values
    if values.max(initial=0) >= len(palette):
        raise ReadError(f"'{path}' has pixels that are not in its palette: export it again.")
    return StoredPixels(values, palette=palette, alpha=alpha)


def _cmyk_to_rgb(path: Path, values: Values) -> Values:
    """Convert as Pillow and libtiff do: R = white - C, darkened by K; profiles are left out."""
    if values.dtype.kind != "u":
        raise ReadError(f"'{path}' holds CMYK as {values.dtype}: {_SAVE_AS}")
    white = np.iinfo(values.dtype).max
    rgb = np.empty((*values.shape[:-1], 3), values.dtype)
    rows = values.reshape(-1, *values.shape[-2:])
    out = rgb.reshape(-1, *rgb.shape[-2:])
    for start in range(0, len(rows), _STRIP):
        light = white - rows[start : start + _STRIP].astype(np.float64)
        out[start : start + _STRIP] = np.round(light[..., :3] * (light[..., 3:] / white))
    return rgb
