"""Sizes that a TIFF states in more than one place, compared before memory is taken."""

from __future__ import annotations

import math
import operator
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import tifffile

from napari_retina_seg.io._compat import without_pillow_limit
from napari_retina_seg.io._decoding import check_claim, check_size
from napari_retina_seg.io.images.deep_raster import find_jpeg_frame
from napari_retina_seg.types.errors import ReadError

_CODES = tifffile.COMPRESSION
_PICTURES = {  # compressions whose segments are pictures with a size of their own
    _CODES.JPEG: "JPEG",
    _CODES.WEBP: "WEBP",
    _CODES.PNG: "PNG",
    _CODES.APERIO_JP2000_YCBC: "JPEG2000",
    _CODES.JPEG_2000_LOSSY: "JPEG2000",
    _CODES.APERIO_JP2000_RGB: "JPEG2000",
    _CODES.JPEG2000: "JPEG2000",
}
# Pictures whose size only their decoder knows, after it has taken the memory.
UNBOUNDED = frozenset({_CODES.LERC, _CODES.JPEGXR, _CODES.JPEGXR_NDPI, _CODES.JPEGXL,
                       _CODES.JPEGXL_DNG})  # fmt: skip
_SMALL_TILE = 2**22  # pixels
_TILES_OF_IMAGE = 4  # a tile larger than so many images was not made by a program
_PLANE = 256  # px that a plane counts for at least: a list of planes takes memory too
_PIXELS = re.compile(r"<(?:\w+:)?Pixels\s[^>]*>")
_SIZE = re.compile(r"\bSize([XYZCT])\s*=\s*[\"'](\d{1,18})[\"']")


def check_planes(path: Path, tiff: tifffile.TiffFile) -> None:
    """Refuse OME text that describes more planes than can be, of which tifffile makes a list.

    Raises
    ------
    ReadError
        If it does.
    """
    if not tiff.is_ome:
        return
    for element in _PIXELS.findall(tiff.ome_metadata or ""):
        sizes = {axis: int(length) for axis, length in _SIZE.findall(element)}
        planes = math.prod(sizes.get(axis, 1) for axis in "ZCT")
        area = sizes.get("X", 1) * sizes.get("Y", 1)
        check_size(path, (planes, max(area, _PLANE)))


def check_extent(path: Path, tiff: tifffile.TiffFile) -> None:
    """Raise `ReadError` if pixels lie past the end, which JPEG's decoder would make up in grey."""
    for page in tiff.pages:
        ends = map(operator.add, page.dataoffsets, page.databytecounts)
        if max(ends, default=0) > tiff.filehandle.size:
            raise ReadError(f"'{path}' is cut short: copy or export it again.")


def check_segments(path: Path, series: Any) -> None:
    """Refuse tiles, and pictures in strips or tiles, that are larger than their place.

    The decoder would take the memory, and tifffile would cut them to size without a word.

    Raises
    ------
    ReadError
        If one is.
    """
    page = series.keyframe
    if page.is_tiled:
        tile = (page.tilelength, page.tilewidth)
        check_claim(f"A tile of '{path}'", tile)
        image = page.imagelength * page.imagewidth
        if math.prod(tile) > max(_SMALL_TILE, _TILES_OF_IMAGE * image):
            raise ReadError(
                f"'{path}' has tiles of {tile[0]:,} × {tile[1]:,} px for an image of"
                f" {page.imagelength:,} × {page.imagewidth:,} px: export it again."
            )
    kind = _PICTURES.get(page.compression)
    if kind is not None:
        for each in series.pages:
            _check_pictures(path, each.aspage(), kind)


def _check_pictures(path: Path, page: Any, kind: str) -> None:
    rows, columns = page.rowsperstrip, page.imagewidth
    if page.is_tiled:
        rows, columns = page.tilelength, page.tilewidth
    rows = rows if page.is_tiled else min(rows, page.imagelength)
    segments = page.parent.filehandle.read_segments(page.dataoffsets, page.databytecounts)
    for data, *_ in segments:
        if not data:  # left out, or reported when it is decoded
            continue
        height, width = _size(data, kind)
        if height > rows or width > columns:
            raise ReadError(
                f"'{path}' holds a compressed picture of {height:,} × {width:,} px where its header"
                f" says {rows:,} × {columns:,} px: export it again."
            )


def _size(data: bytes, kind: str) -> tuple[int, int]:
    from PIL import Image

    if kind == "JPEG":  # of 12 bits too
        _, rows, columns, _ = find_jpeg_frame(data)
        return rows, columns
    with without_pillow_limit(), Image.open(BytesIO(data), formats=(kind,)) as picture:
        return picture.height, picture.width
