"""Masks as palette PNG and as TIFF: class values with the scheme's colours."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_retina_seg.io._decoding import decoding
from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.io.formats.card import (
    KEY,
    Card,
    make_card,
    parse_card,
    read_sidecar,
    restore,
    write_sidecar,
)
from napari_retina_seg.io.formats.record import MaskRecord
from napari_retina_seg.io.mask_spacing import png_density, tiff_density, tiff_sizes
from napari_retina_seg.io.masks import (
    IGNORED_COLOR,
    own_png_text,
    own_tiff_text,
    read_class_values,
)
from napari_retina_seg.types.annotation import IGNORE
from napari_retina_seg.types.errors import WriteError
from napari_retina_seg.types.image import Spacing
from napari_retina_seg.types.labels import LabelScheme


def write_png(path: Path, record: MaskRecord) -> None:
    """Write a mask as a PNG whose indices are the classes; ``<stem>.json`` holds the card.

    Parameters
    ----------
    path : Path
        Where to; a file of this name is replaced.
    record : MaskRecord
        A single mask.

    Raises
    ------
    WriteError
        If it is a volume, or can't be written.
    """
    if record.is_volume:
        raise WriteError(f"'{path}' can't hold a volume: export '{record.name}' as TIFF.")
    write_sidecar(path, make_card(record))
    write_atomically(path, encode_png(record.raster(), record.scheme, record.spacing))


def encode_png(
    raster: npt.NDArray[np.uint8], scheme: LabelScheme, spacing: Spacing | None = None
) -> bytes:
    """Return ``(rows, columns)`` class values as a palette PNG, which states its pixel size."""
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(raster))
    picture.putpalette(_palette(raster, scheme).tobytes())
    file = BytesIO()
    picture.save(file, format="PNG", **own_png_text(scheme), **png_density(spacing or Spacing()))
    return file.getvalue()


def read_png(
    path: Path, scheme: LabelScheme | None = None, remap: Mapping[int, int] | None = None
) -> MaskRecord:
    """Read a mask: a PNG with a palette, or grey of 1, 8 or 16 bits, or an array of planes.

    Parameters
    ----------
    path : Path
        The file, of which ``<stem>.json`` says the classes.
    scheme : LabelScheme, optional
        The classes if there is no such.
    remap : mapping, optional
        What values stand for in the file of another program, e.g. ``{255: 1}``.

    Raises
    ------
    ReadError
        If it can't be read, or its values are none of the classes.
    """
    return restore(path, read_class_values(path), read_sidecar(path), scheme, remap=remap)


def write_tiff(path: Path, record: MaskRecord) -> None:
    """Write a mask as TIFF, with a page for each slice; its description holds the card as JSON.

    The resolution of rows and columns is that of the spacing, where both are known.

    Parameters
    ----------
    path : Path
        Where to; a file of this name is replaced.
    record : MaskRecord
        The mask.

    Raises
    ------
    WriteError
        If it can't be written.
    """
    import tifffile

    raster = record.raster()
    file = BytesIO()
    tifffile.imwrite(
        file,
        raster,
        photometric="palette",
        colormap=_palette(raster, record.scheme).T.astype(np.uint16) * 257,
        compression="zlib",
        metadata={
            "axes": "ZYX"[-raster.ndim :],
            KEY: make_card(record).text,
            **own_tiff_text(record.scheme),
            **tiff_sizes(record.spacing),
        },
        **tiff_density(record.spacing),
    )
    write_atomically(path, file.getvalue())


def read_tiff(
    path: Path, scheme: LabelScheme | None = None, remap: Mapping[int, int] | None = None
) -> MaskRecord:
    """Read a mask of one or many pages: with a palette, or grey of 1, 8, 16 or 32 bits.

    Parameters
    ----------
    path : Path
        The file.
    scheme : LabelScheme, optional
        The classes if the file does not say them.
    remap : mapping, optional
        What values stand for in the file of another program, e.g. ``{255: 1}``.

    Raises
    ------
    ReadError
        If it can't be read, or its values are none of the classes.
    """
    values = read_class_values(path)
    with decoding(path, "TIFF"):
        card = _read_card(path)
    return restore(path, values, card, scheme, remap=remap)


def _read_card(path: Path) -> Card | None:
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        card = tiff.shaped_metadata[0].get(KEY) if tiff.shaped_metadata else None
    return None if card is None else parse_card(path, str(card))


def _palette(raster: npt.NDArray[np.uint8], scheme: LabelScheme) -> npt.NDArray[np.uint8]:
    # A full palette keeps 8 bits: of fewer colours, many programs read others than the values.
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(scheme)] = scheme.palette
    if len(scheme) <= IGNORE and (raster == IGNORE).any():
        palette[IGNORE] = IGNORED_COLOR
    return palette
