"""Read pictures: TIFF, PNG, JPEG and other raster files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from napari_retina_seg.io.images.assemble import assemble_stored
from napari_retina_seg.io.images.content import TIFF, find_kind, read_head
from napari_retina_seg.io.images.stored import StoredPixels
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import RetinaImage

_Decoder = Callable[[Path], StoredPixels]


def read_picture(path: Path) -> RetinaImage:
    """Read a picture; its content decides the format, not its suffix.

    Raises
    ------
    ReadError
        If there is no such file, it can't be read, or it is no picture.
    """
    decoder = find_decoder(read_head(path))
    if decoder is None:
        raise ReadError(f"'{path}' is not a picture: export it again as TIFF, PNG or JPEG.")
    return assemble_stored(path, decoder(path))


def find_decoder(head: bytes) -> _Decoder | None:
    """Return what decodes a file that begins with these bytes; None if it is no picture."""
    kind = find_kind(head)
    if kind is None:
        return None
    # The decoders bring in large libraries: each is imported when a file asks for it.
    if kind == TIFF:
        from napari_retina_seg.io.images.tiff import decode_tiff

        return decode_tiff
    from napari_retina_seg.io.images.raster import decode_raster

    return partial(decode_raster, kind=kind)
