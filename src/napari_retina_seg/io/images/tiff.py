"""TIFF: one page is an image, many pages of one size are a volume."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from napari_retina_seg.io._decoding import check_size, decoding
from napari_retina_seg.io.images.orientation import swaps_axes, turn_upright
from napari_retina_seg.io.images.stored import StoredPixels
from napari_retina_seg.io.images.tiff_bounds import check_extent, check_planes, check_segments
from napari_retina_seg.io.images.tiff_colors import (
    check_kind,
    decode_by_libtiff,
    needs_libtiff,
    to_light,
)
from napari_retina_seg.io.images.tiff_spacing import read_tiff_spacing
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.errors import ReadError

_ORIENTATION = 274
_THREE_CHANNELS = (
    "The three channels of '{name}' are taken as red, green and blue, as ImageJ shows them: the"
    " file doesn't say what they are."
)


def decode_tiff(path: Path) -> StoredPixels:
    """Read the stored values of a TIFF, compressed or not.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    StoredPixels
        In the file's own dtype, 1-bit pages as uint8. YCbCr and CMYK become RGB; where white is
        stored as zero, values are turned round. Of a pyramid the full resolution is read, and
        thumbnails are skipped.

    Raises
    ------
    ReadError
        If it is damaged, too large, of a kind that can't be decoded, or holds pages of several
        sizes, or more than three axes.
    """
    with decoding(path, "TIFF"), path.open("rb") as file, tifffile.TiffFile(file) as tiff:
        _check_chain(tiff)
        check_planes(path, tiff)
        series = _choose_series(path, tiff)
        axes = _find_axes(path, tiff, series)
        unused = _check_pages(path, tiff, series)
        color = "S" in axes.names
        check_kind(path, series.keyframe)
        check_size(path, series.shape, color=color, itemsize=np.dtype(series.dtype).itemsize)
        check_extent(path, tiff)
        check_segments(path, series)
        values = _order_axes(path, *_decode(path, series, axes.names))
        stored = to_light(path, values, color, series)
        stored = replace(stored, spacing=read_tiff_spacing(tiff), warnings=axes.warnings + unused)
        return _upright(path, stored, _orientations(series))


@dataclass(frozen=True)
class _Axes:
    names: str
    warnings: tuple[str, ...] = ()


def _check_chain(tiff: tifffile.TiffFile) -> None:
    """Raise `struct.error` if the list of pages breaks off, where tifffile would drop the rest.

    Raise `ValueError` if it comes back to a page, which tifffile would read for ever.
    """
    layout, file = tiff.tiff, tiff.filehandle
    seen: set[int] = set()
    offset = tiff.pages.first.offset
    while offset:
        if offset in seen:
            raise ValueError("the list of pages is a loop")
        seen.add(offset)
        file.seek(offset)
        (tags,) = struct.unpack(layout.tagnoformat, file.read(layout.tagnosize))
        file.seek(offset + layout.tagnosize + tags * layout.tagsize)
        (offset,) = struct.unpack(layout.offsetformat, file.read(layout.offsetsize))


def _choose_series(path: Path, tiff: tifffile.TiffFile) -> Any:
    if not tiff.series:
        raise ReadError(f"'{path}' is a TIFF without an image in it: export it again.")
    # Thumbnails and masks of transparency lie beside the image.
    full = [each for each in tiff.series if not _is_aside(each.keyframe)] or list(tiff.series)
    if len(full) > 1:
        sizes = sorted(
            {f"{each.keyframe.imagelength} × {each.keyframe.imagewidth}" for each in full}
        )
        raise ReadError(
            f"'{path}' holds pages of several sizes or kinds ({', '.join(sizes[:5])} px): save the"
            " ones that belong together as a file of their own."
        )
    return full[0]


def _check_pages(path: Path, tiff: tifffile.TiffFile, series: Any) -> tuple[str, ...]:
    """Refuse planes that are in no file, which tifffile fills with zeros; report unused pages."""
    missing = sum(page is None for page in series.pages)
    if missing:
        raise ReadError(
            f"'{path}' lacks {missing:,} of the {len(series.pages):,} planes that its OME text"
            " describes: put the other files of the set beside it, or export it again."
        )
    if not tiff.is_ome:
        return ()
    used = {(id(page.parent), page.index) for each in tiff.series for page in each.pages if page}
    unused = sum((id(tiff), index) not in used for index in range(len(tiff.pages)))
    if not unused:
        return ()
    return (
        f"'{path.name}' holds {count(unused, 'page')} more than its OME text describes: left out.",
    )


def _is_aside(page: Any) -> bool:
    return bool(page.is_reduced or page.is_mask)


def _find_axes(path: Path, tiff: tifffile.TiffFile, series: Any) -> _Axes:
    """Return the letters of the axes; three channels that are colours are called S, samples."""
    names = str(series.axes)
    extents = dict(zip(names, series.shape, strict=True))
    slices = [axis for axis in names if axis not in "YXS"]
    if slices == ["C"] and extents["C"] == 3 and "S" not in names and _is_composite(tiff):
        return _Axes(names.replace("C", "S"), (_THREE_CHANNELS.format(name=path.name),))
    if len(slices) > 1 or "C" in slices:
        sizes = ", ".join(f"{axis} {length}" for axis, length in extents.items())
        raise ReadError(
            f"'{path}' has the axes {sizes}: save one channel and one time point as slices."
        )
    unnamed = series.keyframe.photometric == tifffile.PHOTOMETRIC.MINISBLACK
    if extents.get("S") == 3 and unnamed:
        return _Axes(names, (_THREE_CHANNELS.format(name=path.name),))
    return _Axes(names)


def _is_composite(tiff: tifffile.TiffFile) -> bool:
    """Whether ImageJ and programs for OME show the channels as red, green and blue by default."""
    if tiff.is_imagej:
        known = tiff.imagej_metadata or {}
        return known.get("mode") == "composite" and "LUTs" not in known
    # An OME channel that has a name or a colour is a stain or a wavelength.
    return bool(tiff.is_ome) and not re.search(r"<Channel\b[^>]* (Name|Color)=", tiff.ome_metadata)


def _decode(path: Path, series: Any, names: str) -> tuple[npt.NDArray[Any], str]:
    """Return the decoded pages and the letters of their axes."""
    if not needs_libtiff(series.keyframe):
        return np.asarray(series.asarray()), names
    pages = [decode_by_libtiff(path, page.aspage()) for page in series.pages]
    slices = "".join(axis for axis in names if axis not in "YXS")
    return (np.stack(pages) if slices else pages[0]), f"{slices}YXS"


def _order_axes(path: Path, values: npt.NDArray[Any], names: str) -> npt.NDArray[Any]:
    """Return ``(slices, rows, columns, samples)``, of which first and last may be missing."""
    wanted = "".join(axis for axis in names if axis not in "YXS") + "YX" + "S" * ("S" in names)
    if sorted(wanted) != sorted(names):
        raise ReadError(f"'{path}' has the axes {names}: an image has rows and columns.")
    return values.transpose([names.index(axis) for axis in wanted])


def _orientations(series: Any) -> list[int]:
    """Return the orientation of each page: that of the first holds if no other states one."""
    pages = (page.aspage() for page in series.pages if page is not None)
    first, *others = (page.tags.valueof(_ORIENTATION) for page in pages)
    if not any(others):
        others = [first] * len(others)
    return [int(orientation or 1) for orientation in (first, *others)]


def _upright(path: Path, stored: StoredPixels, orientations: list[int]) -> StoredPixels:
    first, *others = dict.fromkeys(orientations)
    spacing = stored.spacing
    if swaps_axes(first):
        spacing = replace(spacing, axial=spacing.lateral, lateral=spacing.axial)
    values, alpha = stored.values, stored.alpha
    rows_axis = values.ndim - 2 - stored.color
    if not others:
        values = turn_upright(values, first, rows_axis=rows_axis)
        alpha = alpha if alpha is None else turn_upright(alpha, first, rows_axis=rows_axis)
        return replace(stored, values=values, alpha=alpha, spacing=spacing)
    turned = [turn_upright(*page) for page in zip(values, orientations, strict=False)]
    if (
        rows_axis != 1
        or len(orientations) != len(values)
        or alpha is not None
        or len({page.shape for page in turned}) > 1
    ):
        raise ReadError(
            f"'{path}' holds pages that are turned against each other: save them all upright."
        )
    return replace(stored, values=np.stack(turned), spacing=spacing)
