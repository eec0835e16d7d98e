"""Files to core values and back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from napari_retina_seg.core.errors import ReadError
from napari_retina_seg.core.image import RetinaImage
from napari_retina_seg.io.guard import limited, max_pixels, set_max_pixels
from napari_retina_seg.io.stored import StoredPixels

__all__ = [
    "SUFFIXES",
    "is_dicom_content",
    "is_image_content",
    "is_read_as_dicom",
    "is_tiff_content",
    "max_pixels",
    "read_image",
    "read_stored",
    "set_max_pixels",
]

_JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")
_RASTER = (".png", *_JPEG, ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".pbm", ".pnm")
_TIFF = (".tif", ".tiff")
_ARRAYS = (".npy", ".npz")
_DICOM = (".dcm", ".dicom", ".dic", ".ima")

SUFFIXES: tuple[str, ...] = (*_RASTER, *_TIFF, *_ARRAYS, *_DICOM)

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_RASTER_STARTS = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    **{f"P{digit}{space}".encode(): "PPM" for digit in range(1, 7) for space in " \t\r\n#"},
}
_TIFF_KIND = "TIFF"
_RIFF, _WEBP, _WEBP_AT = b"RIFF", b"WEBP", 8
_ARRAY_STARTS = (b"\x93NUMPY", b"PK\x03\x04")
_HEAD = 132  # bytes up to the end of DICOM's mark

_Reader = Callable[[Path], RetinaImage]
_Decoder = Callable[[Path], StoredPixels]


def read_image(path: str | Path, *, max_pixels: int | None = None) -> RetinaImage:
    """Read an image file.

    What a file holds decides how it is read, not how it is called.

    Parameters
    ----------
    path : str or Path
        A PNG, JPEG, BMP, GIF, WebP, PPM, TIFF, ``.npy``, ``.npz`` or DICOM file, or a folder that
        holds one image: a single file, or a DICOM series with a file for each slice.
    max_pixels : int, optional
        How many pixels it may hold, all slices counted; by default what `set_max_pixels` set.

    Returns
    -------
    RetinaImage
        ``(rows, columns)`` or ``(slices, rows, columns)``, with a last axis of 3 or 4 for
        colours, in the file's own dtype; sizes in µm where the file says them.

    Raises
    ------
    ReadError
        If there is no such file, it can't be read, or it is no image.

    Examples
    --------
    >>> import napari_retina_seg as rs
    >>> scan = rs.read_image("scan.png")
    >>> scan.pixels.shape, scan.modality.value, scan.spacing.axial.um
    ((160, 192), 'oct', None)
    """
    path = Path(path)
    with limited(max_pixels):
        if _is_folder(path):
            from napari_retina_seg.io.folders import read_folder

            return read_folder(path)
        return _find_reader(path, _read_head(path))(path)


def read_stored(path: str | Path) -> StoredPixels:
    """Read what a file stores for each pixel: of a mask the classes, of a palette the indices.

    The decoder is that of `read_image`, so both lie on the same grid.

    Parameters
    ----------
    path : str or Path
        Any file that `read_image` reads.

    Raises
    ------
    ReadError
        As `read_image` does.
    """
    path = Path(path)
    head = _read_head(path)
    decoder = _find_decoder(head)
    if decoder is not None:
        return decoder(path)
    image = _find_reader(path, head)(path)
    return StoredPixels(image.pixels, color=image.color, spacing=image.spacing)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name that nothing can have: reading it says so
        return False


def is_dicom_content(path: Path) -> bool:
    """Whether a file's content is DICOM, with or without the mark at its start."""
    try:
        head = _read_head(path)
    except ReadError:
        return False
    return _has_dicom_mark(head) or _is_bare_dicom(head)


def is_read_as_dicom(path: Path) -> bool:
    """Whether `read_image` reads a file as DICOM: by its content, or for want of any other kind."""
    try:
        return _is_for_dicom(path, _read_head(path))
    except ReadError:
        return False


def is_tiff_content(path: Path) -> bool:
    """Whether a file begins as TIFF does, BigTIFF included."""
    try:
        return _read_head(path).startswith(_TIFF_STARTS)
    except ReadError:
        return False


def is_image_content(path: Path) -> bool:
    """Whether a file begins as an image does, whatever it is called.

    Formats with a mark of only two letters, BMP and PPM, are recognised by their suffix alone.
    """
    try:
        head = _read_head(path)
    except ReadError:
        return False
    starts = (*(start for start in _RASTER_STARTS if len(start) > 2 and start[0:1] != b"P"),
              *_TIFF_STARTS, b"\x93NUMPY")  # fmt: skip
    is_webp = head.startswith(_RIFF) and head[_WEBP_AT:].startswith(_WEBP)
    return head.startswith(starts) or is_webp or _has_dicom_mark(head) or _is_bare_dicom(head)


def _has_dicom_mark(head: bytes) -> bool:
    return head.endswith(b"DICM") and len(head) == _HEAD


def _is_bare_dicom(head: bytes) -> bool:
    """Whether the first element is of one of the groups that DICOM files begin with."""
    if len(head) < 8 or head[:2] not in (b"\x02\0", b"\x08\0"):
        return False
    is_explicit = head[4:6].isalpha() and head[4:6].isupper()
    return head[3] == 0 and (is_explicit or head[6:8] == b"\0\0")


def _is_for_dicom(path: Path, head: bytes) -> bool:
    if _has_dicom_mark(head) or _is_bare_dicom(head):
        return True
    is_other = _find_kind(head) is not None or head.startswith(_ARRAY_STARTS)
    return path.suffix.lower() in (*_DICOM, "") and not is_other


def _read_picture(decoder: _Decoder, path: Path) -> RetinaImage:
    from napari_retina_seg.io.assemble import assemble_stored

    return assemble_stored(path, decoder(path))


def _read_head(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise ReadError(f"'{path}' is a folder: choose an image file in it.")
        # Opening a pipe would wait for ever.
        if path.exists() and not path.is_file():
            raise ReadError(f"'{path}' is no ordinary file: choose an image file.")
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except FileNotFoundError as error:
        raise ReadError(f"There is no file '{path}': check its name and folder.") from error
    except PermissionError as error:
        raise ReadError(f"'{path}' may not be read: ask for permission or copy it.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ReadError(f"The file '{path}' can't be opened: {reason}.") from error
    if not head:
        raise ReadError(f"'{path}' is empty (zero bytes): copy or export it again.")
    return head


def _find_reader(path: Path, head: bytes) -> _Reader:
    # The readers bring in large libraries: each is imported when a file asks for it.
    suffix = path.suffix.lower()
    if _has_dicom_mark(head):
        from napari_retina_seg.io.dicom import read_dicom

        return read_dicom
    decoder = _find_decoder(head)
    if decoder is not None:
        return partial(_read_picture, decoder)
    if head.startswith(_ARRAY_STARTS):
        from napari_retina_seg.io.arrays import read_npy, read_npz

        return read_npz if head.startswith(b"PK") else read_npy
    if _is_for_dicom(path, head):
        from napari_retina_seg.io.dicom import read_bare_dicom

        return read_bare_dicom
    if suffix in SUFFIXES:
        raise ReadError(
            f"'{path}' is called {suffix}, but what it holds is no image: export it again."
        )
    raise ReadError(
        f"'{path}' is no image that can be opened: export it as PNG, TIFF, NumPy or DICOM."
    )


def _find_decoder(head: bytes) -> _Decoder | None:
    """Return what decodes a picture; None for arrays and DICOM, which are read in one go."""
    kind = _find_kind(head)
    if kind is None:
        return None
    if kind == _TIFF_KIND:
        from napari_retina_seg.io.tiff import decode_tiff

        return decode_tiff
    from napari_retina_seg.io.raster import decode_raster

    return partial(decode_raster, kind=kind)


def _find_kind(head: bytes) -> str | None:
    """Return what kind of picture a file is by its first bytes; None if it is none."""
    if head.startswith(_TIFF_STARTS):
        return _TIFF_KIND
    if head.startswith(_RIFF) and head[_WEBP_AT:].startswith(_WEBP):
        return "WEBP"
    return next((kind for start, kind in _RASTER_STARTS.items() if head.startswith(start)), None)
