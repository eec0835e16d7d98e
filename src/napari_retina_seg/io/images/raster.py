"""PNG, JPEG, BMP, GIF, WebP and the PPM family."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError

from napari_retina_seg.io._compat import without_pillow_limit
from napari_retina_seg.io._decoding import check_size, decoding
from napari_retina_seg.io.images.deep_raster import (
    decode_deep_jpeg,
    decode_png,
    decode_webp,
    read_pnm,
)
from napari_retina_seg.io.images.orientation import turn_upright
from napari_retina_seg.io.images.stored import StoredPixels
from napari_retina_seg.types.errors import ReadError

Values = npt.NDArray[Any]

_COLOR_MODES = ("LA", "RGB", "RGBA")
_STRIP = 2**22  # pixels that are copied at a time
_BYTE = 8  # bits
_PALETTE, _NO_PNG = 3, -1  # of a PNG's colour types
_PNG_CHUNKS_AT, _PNG_DEPTH_AT = 8, 24
_GIF_FLAGS_AT, _GIF_BLOCKS_AT = 10, 13
_FIRST_FRAME = "'{name}' is an animation of {count} frames in colour: only the first is read."


def decode_raster(path: Path, kind: str) -> StoredPixels:
    """Read the stored values of one picture; the frames of a grey animation become slices.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        Which of Pillow's formats it is: ``PNG``, ``JPEG``, ``BMP``, ``GIF``, ``WEBP``, ``PPM``.

    Returns
    -------
    StoredPixels
        uint8 or uint16, turned upright as EXIF says; alpha is kept, CMYK becomes RGB. The
        resolution in the file is that of a print, so the spacing stays unknown.

    Raises
    ------
    ReadError
        If it is damaged, cut short, too large, or of a kind that can't be decoded.
    """
    with decoding(path, kind), path.open("rb") as file, without_pillow_limit():
        if kind == "PPM":
            return read_pnm(path)
        try:
            picture = Image.open(file, formats=(kind,))
        except UnidentifiedImageError:
            if kind != "JPEG":
                raise
            return decode_deep_jpeg(path)
        with picture:
            return _decode(path, kind, picture)


def _decode(path: Path, kind: str, picture: Image.Image) -> StoredPixels:
    depth, color_type = _png_header(path) if kind == "PNG" else (_BYTE, _NO_PNG)
    channels = len(picture.getbands())
    shape = (picture.height, picture.width, channels)
    check_size(path, shape, color=True, itemsize=2 if depth > _BYTE else 1)
    orientation = _orientation(path, picture)
    count = int(getattr(picture, "n_frames", 1)) if kind != "JPEG" else 1
    frames = _grey_frames(path, picture, count) if count > 1 and depth <= _BYTE else None
    if frames is not None:
        return StoredPixels(turn_upright(frames, orientation, rows_axis=1))
    if kind == "WEBP" and count == 1:
        picture.close()
        stored = decode_webp(path)
    elif color_type not in (_NO_PNG, _PALETTE) and (
        depth > _BYTE or (depth == _BYTE and count == 1)
    ):
        stored = decode_png(path, color_type)
    else:
        stored = _stored(picture, depth)
    if kind == "GIF" and stored.palette is not None:
        stored = _grey_of_gif(stored)
    if count > 1:
        warning = _FIRST_FRAME.format(name=path.name, count=count)
        stored = replace(stored, warnings=(warning,))
    return replace(stored, values=turn_upright(stored.values, orientation))


def _png_header(path: Path) -> tuple[int, int]:
    """Return the bits per channel and the colour type."""
    with path.open("rb") as file:
        file.seek(_PNG_DEPTH_AT)
        depth, color_type = file.read(2)
    return depth, color_type


def _orientation(path: Path, picture: Image.Image) -> int:
    try:
        # Pillow's own method for PNG would decode all pixels, to look behind them.
        exif = Image.Image.getexif(picture)
        if picture.format == "PNG" and not exif:
            exif.load(b"Exif\0\0" + _find_exif(path))
        return int(exif.get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - cameras write broken EXIF around good pixels
        return 1


def _find_exif(path: Path) -> bytes:
    """Return the content of a PNG's chunk eXIf, which may follow the pixels."""
    with path.open("rb") as file:
        at = _PNG_CHUNKS_AT
        while True:
            file.seek(at)
            length, name = struct.unpack(">I4s", file.read(8))
            if name == b"eXIf":
                return file.read(length)
            at += 12 + length


def _stored(picture: Image.Image, depth: int) -> StoredPixels:
    mode = picture.mode
    if mode == "P":
        return _indices(picture)
    if mode == "1":
        return StoredPixels(np.minimum(_copy(picture).view(np.uint8), 1), white=1)
    if mode == "L":
        values = _copy(picture)
        if depth == 8:
            return StoredPixels(values)
        white = 2**depth - 1  # Pillow stretches fewer bits to a byte
        return StoredPixels(values // (255 // white), white=white)
    if mode.startswith("I"):
        return StoredPixels(_copy(picture).astype(np.uint16))
    if mode in _COLOR_MODES:
        return StoredPixels(_copy(picture), color=True)
    target = "RGBA" if picture.has_transparency_data else "RGB"
    return StoredPixels(_copy(picture, lambda strip: strip.convert(target)), color=True)


def _indices(picture: Image.Image) -> StoredPixels:
    values = _copy(picture)
    colors = np.array(picture.getpalette("RGB"), np.uint8).reshape(-1, 3)
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(colors)] = colors
    clear = picture.info.get("transparency")
    if clear is None:
        return StoredPixels(values, palette=palette)
    alpha = np.full((256, 1), 255, np.uint8)
    if isinstance(clear, bytes):
        alpha[: len(clear), 0] = np.frombuffer(clear, np.uint8)[:256]
    else:
        alpha[clear] = 0
    return StoredPixels(values, palette=np.hstack([palette, alpha]))


def _grey_of_gif(stored: StoredPixels) -> StoredPixels:
    """Take the grey values for the stored ones: each GIF has a palette, of a grey image too."""
    pixels, color = stored.picture()
    return stored if color else StoredPixels(pixels)


def _grey_frames(path: Path, picture: Image.Image, count: int) -> npt.NDArray[np.uint8] | None:
    """Return the frames of an animation as ``(slices, rows, columns)`` if all are grey."""
    shape = (count, picture.height, picture.width)
    if not _is_grey(picture):
        return None
    check_size(path, shape)
    if picture.format == "GIF":
        _check_gif_frames(path, (picture.width, picture.height))
    slices = np.empty(shape, np.uint8)
    for index in range(count):
        picture.seek(index)
        for rows, colors in _strips(picture, lambda strip: strip.convert("RGB")):
            if (colors != colors[..., :1]).any():
                picture.seek(0)
                return None
            slices[index, rows] = colors[..., 0]
    return slices


def _check_gif_frames(path: Path, screen: tuple[int, int]) -> None:
    """Refuse frames that leave the screen, which Pillow would enlarge (GIF89a, sections 18 to 25).

    Raises
    ------
    ReadError
        If one does.
    """
    content = path.read_bytes()
    at = _GIF_BLOCKS_AT + _gif_palette(content[_GIF_FLAGS_AT])
    while content[at : at + 1] in (b"!", b","):
        if content[at : at + 1] == b",":
            left, top, columns, rows, flags = struct.unpack_from("<4HB", content, at + 1)
            if left + columns > screen[0] or top + rows > screen[1]:
                raise ReadError(
                    f"'{path}' holds a frame of {rows} × {columns} px that is larger than the"
                    f" first one, {screen[1]} × {screen[0]} px: export it again."
                )
            at += 9 + _gif_palette(flags)
        at += 2
        while content[at : at + 1] not in (b"", b"\0"):
            at += 1 + content[at]
        at += 1


def _gif_palette(flags: int) -> int:
    """Return how many bytes the palette takes that these flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _is_grey(picture: Image.Image) -> bool:
    strips = _strips(picture, lambda strip: strip.convert("RGB"))
    return all((colors == colors[..., :1]).all() for _, colors in strips)


def _copy(
    picture: Image.Image, convert: Callable[[Image.Image], Image.Image] | None = None
) -> Values:
    """Copy pixels into an array; a strip at a time, or Pillow takes twice the memory more."""
    picture.load()
    (_, first), *_ = _strips(picture.crop((0, 0, 1, 1)), convert)
    out = np.empty((picture.height, picture.width, *first.shape[2:]), first.dtype)
    for rows, strip in _strips(picture, convert):
        out[rows] = strip
    return out


def _strips(
    picture: Image.Image, convert: Callable[[Image.Image], Image.Image] | None
) -> Iterator[tuple[slice, Values]]:
    step = max(1, _STRIP // picture.width)
    for top in range(0, picture.height, step):
        bottom = min(top + step, picture.height)
        strip = picture.crop((0, top, picture.width, bottom))
        yield slice(top, bottom), np.asarray(convert(strip) if convert else strip)
