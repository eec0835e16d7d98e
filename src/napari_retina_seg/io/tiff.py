"""TIFF: one page is an image, many pages of one size are a volume."""

from __future__ import annotations

import operator
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from napari_retina_seg.core.errors import ReadError
from napari_retina_seg.core.image import RetinaImage
from napari_retina_seg.io.assemble import assemble
from napari_retina_seg.io.guard import check_size, decoding
from napari_retina_seg.io.tiff_spacing import read_tiff_spacing

_SAVE_AS = "export it as grey or RGB."


def read_tiff(path: Path) -> RetinaImage:
    """Read a TIFF, compressed or not.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    RetinaImage
        In the file's own dtype; 1-bit pages become uint8 0 and 255, palettes RGB; with the pixel
        sizes that `read_tiff_spacing` finds.

    Raises
    ------
    ReadError
        If it is damaged, or holds a pyramid, pages of several sizes, or more than three axes.
    """
    with decoding(path, "TIFF"), path.open("rb") as file, tifffile.TiffFile(file) as tiff:
        _check_chain(tiff)
        series = _only_series(path, tiff)
        page = series.keyframe
        check_size(path, series.shape)
        _check_extent(path, tiff)
        pixels = _to_light(path, series.asarray(), page)
        pixels, color = _order_axes(path, pixels, series.axes)
        if page.photometric == tifffile.PHOTOMETRIC.PALETTE:
            pixels, color = _look_up(pixels, page.colormap), True
        spacing = read_tiff_spacing(tiff)
    return assemble(path, pixels, color=color, spacing=spacing)


def _check_chain(tiff: tifffile.TiffFile) -> None:
    """Raise `struct.error` if the list of pages breaks off, where tifffile would drop the rest."""
    layout, file = tiff.tiff, tiff.filehandle
    seen: set[int] = set()
    offset = tiff.pages.first.offset
    while offset and offset not in seen:
        seen.add(offset)
        file.seek(offset)
        (tags,) = struct.unpack(layout.tagnoformat, file.read(layout.tagnosize))
        file.seek(offset + layout.tagnosize + tags * layout.tagsize)
        (offset,) = struct.unpack(layout.offsetformat, file.read(layout.offsetsize))


def _check_extent(path: Path, tiff: tifffile.TiffFile) -> None:
    """Raise `ReadError` if pixels lie past the end, which JPEG's decoder would make up in grey."""
    for page in tiff.pages:
        ends = map(operator.add, page.dataoffsets, page.databytecounts)
        if max(ends, default=0) > tiff.filehandle.size:
            raise ReadError(f"'{path}' is cut short: copy or export it again.")


def _only_series(path: Path, tiff: tifffile.TiffFile) -> Any:
    if not tiff.series:
        raise ReadError(f"'{path}' is a TIFF without an image in it: export it again.")
    if len(tiff.series) > 1:
        sizes = sorted({f"{page.imagelength} × {page.imagewidth}" for page in tiff.pages})
        raise ReadError(
            f"'{path}' holds pages of several sizes or kinds ({', '.join(sizes[:5])} px): save the"
            " ones that belong together as a file of their own."
        )
    if len(tiff.series[0].levels) > 1:
        raise ReadError(
            f"'{path}' holds a pyramid of resolutions: export one of them as a plain TIFF."
        )
    return tiff.series[0]


def _to_light(path: Path, pixels: npt.NDArray[Any], page: Any) -> npt.NDArray[Any]:
    """Return pixels in which more is brighter."""
    kind = page.photometric
    known = tifffile.PHOTOMETRIC
    if pixels.dtype.kind not in "buif":
        raise ReadError(f"'{path}' holds {pixels.dtype} values: {_SAVE_AS}")
    if kind not in (known.MINISWHITE, known.MINISBLACK, known.RGB, known.PALETTE, known.YCBCR):
        raise ReadError(f"'{path}' holds {getattr(kind, 'name', kind)} colours: {_SAVE_AS}")
    if kind == known.PALETTE:
        return pixels
    if pixels.dtype.kind == "b":
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    if kind == known.MINISWHITE and pixels.dtype.kind == "u":
        # 12-bit values lie in 16-bit words: what is white follows from the file's own depth.
        white = 255 if page.bitspersample == 1 else 2**page.bitspersample - 1
        pixels = pixels.dtype.type(white) - pixels
    return pixels


def _order_axes(path: Path, pixels: npt.NDArray[Any], axes: str) -> tuple[npt.NDArray[Any], bool]:
    """Return ``(slices, rows, columns, samples)``, of which first and last may be missing."""
    slices = [axis for axis in axes if axis not in "YXS"]
    if len(slices) > 1 or "C" in slices:
        sizes = ", ".join(f"{a} {n}" for a, n in zip(axes, pixels.shape, strict=True))
        raise ReadError(
            f"'{path}' has the axes {sizes}: save one channel and one time point as slices."
        )
    wanted = "".join(slices) + "YX" + "S" * ("S" in axes)
    if sorted(wanted) != sorted(axes):
        raise ReadError(f"'{path}' has the axes {axes}: an image has rows and columns.")
    ordered = pixels.transpose([axes.index(axis) for axis in wanted])
    color = "S" in axes
    if color and ordered.shape[-1] not in (2, 3, 4):
        raise ReadError(f"'{path}' has {ordered.shape[-1]} values per pixel: {_SAVE_AS}")
    return ordered, color


def _look_up(pixels: npt.NDArray[Any], colormap: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    # Some programs write 8-bit colours into the 16-bit palette, as libtiff also allows for.
    colors = colormap >> 8 if colormap.max() > 255 else colormap
    return np.asarray(colors.T.astype(np.uint8)[pixels])
