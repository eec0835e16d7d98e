"""Detect file types by their first bytes and suffixes."""

from __future__ import annotations

import re
from pathlib import Path

from napari_retina_seg.types.errors import ReadError

_JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")
_RASTER = (".png", *_JPEG, ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".pbm", ".pnm")
_TIFF = (".tif", ".tiff")
_ARRAYS = (".npy", ".npz")
_DICOM = (".dcm", ".dicom", ".dic", ".ima")

_VENDOR = (".vol", ".e2e", ".fda", ".fds", ".oct")
METAIMAGE = ".mhd"

SUFFIXES: tuple[str, ...] = (*_RASTER, *_TIFF, *_ARRAYS, *_DICOM, *_VENDOR, METAIMAGE)

TIFF = "TIFF"
ARRAY_STARTS = (b"\x93NUMPY", b"PK\x03\x04")
VOL_STARTS = (b"HSF-OCT-", b"ep-v")  # of Heidelberg's raw exports, and of those that eyepy writes
TOPCON = b"FOCT"
E2E_SEVERAL = b"E2EMultipleVolumeFile"
E2E_STARTS = (b"CMDb", E2E_SEVERAL)
MATLAB_STARTS = (b"MATLAB 5.0 MAT-file", b"MATLAB 7.3 MAT-file")
_VENDOR_STARTS = (*VOL_STARTS, *E2E_STARTS, TOPCON, *MATLAB_STARTS)
_BIOPTIGEN, _BIOPTIGEN_AT = b"\x0b\0\0\0FRAMEHEADER", 6
RAW_CUBE = ".img"  # of Zeiss, and of other devices and programs
OPTOVUE = ".oct"
GZIP = b"\x1f\x8b"
# The size of their header, which files of NIfTI begin with.
NIFTI_STARTS = tuple(size.to_bytes(4, order) for size in (348, 540)
                     for order in ("little", "big"))  # fmt: skip
_CUBE = re.compile(r" Cube \d+x\d+_.*\.img", re.IGNORECASE)
_ZARR_FILES = (".zgroup", ".zarray", ".zattrs", "zarr.json")
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_RASTER_STARTS = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    **{f"P{digit}{space}".encode(): "PPM" for digit in range(1, 7) for space in " \t\r\n#"},
}
_RIFF, _WEBP, _WEBP_AT = b"RIFF", b"WEBP", 8
_HEAD = 132  # bytes up to the end of DICOM's mark


def is_dicom_content(path: Path) -> bool:
    """Whether a file's content is DICOM, with or without the mark at its start."""
    try:
        head = read_head(path)
    except ReadError:
        return False
    return has_dicom_mark(head) or is_bare_dicom(head)


def is_read_as_dicom(path: Path) -> bool:
    """Whether `read_image` reads a file as DICOM: by content, or if of no other known type."""
    try:
        return is_for_dicom(path, read_head(path))
    except ReadError:
        return False


def is_tiff_content(path: Path) -> bool:
    """Whether a file is TIFF or BigTIFF."""
    try:
        return read_head(path).startswith(_TIFF_STARTS)
    except ReadError:
        return False


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr: an array or a group of them, in format 2 or 3."""
    try:
        return any((path / name).is_file() for name in _ZARR_FILES)
    except (OSError, ValueError):  # a name that nothing can have
        return False


def is_image_content(path: Path) -> bool:
    """Whether a file begins like an image, whatever its suffix.

    Formats with a mark of only two letters, BMP and PPM, are recognised by their suffix alone.
    """
    try:
        head = read_head(path)
    except ReadError:
        return False
    starts = (*(start for start in _RASTER_STARTS if len(start) > 2 and start[0:1] != b"P"),
              *_TIFF_STARTS, b"\x93NUMPY", *_VENDOR_STARTS)  # fmt: skip
    is_webp = head.startswith(_RIFF) and head[_WEBP_AT:].startswith(_WEBP)
    is_dicom = has_dicom_mark(head) or is_bare_dicom(head)
    is_other = is_heyex_xml(head) or _is_raw(path, head)
    return head.startswith(starts) or is_webp or is_dicom or is_other


def _is_raw(path: Path, head: bytes) -> bool:
    """Whether a file is Bioptigen's, or is called like a cube of Zeiss."""
    return is_bioptigen(head) or _CUBE.search(path.name) is not None


def may_be_image(path: Path) -> bool:
    """Whether a file has the suffix or the beginning of an image, so that it is worth reading."""
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        head = read_head(path)
    except ReadError:
        return False
    starts = (*ARRAY_STARTS, *_VENDOR_STARTS, *NIFTI_STARTS)
    is_packed = head.startswith(GZIP) and path.suffix.lower() == ".gz"  # NIfTI
    is_other = head.startswith(starts) or is_packed or is_heyex_xml(head) or _is_raw(path, head)
    return find_kind(head) is not None or is_other or is_for_dicom(path, head)


def has_dicom_mark(head: bytes) -> bool:
    """Whether a file begins as DICOM files do."""
    return head.endswith(b"DICM") and len(head) == _HEAD


def is_heyex_xml(head: bytes) -> bool:
    """Whether a file begins as Heidelberg's XML exports do, in any encoding."""
    return b"<HEDX" in head.replace(b"\0", b"")


def is_bioptigen(head: bytes) -> bool:
    """Whether a file begins as Bioptigen's do."""
    return head.startswith(_BIOPTIGEN, _BIOPTIGEN_AT)


def is_heyex_content(path: Path) -> bool:
    """Whether a file is an XML export of a Heidelberg device."""
    try:
        return is_heyex_xml(read_head(path))
    except ReadError:
        return False


def is_bare_dicom(head: bytes) -> bool:
    """Whether the first element is of one of the groups that DICOM files begin with."""
    if len(head) < 8 or head[:2] not in (b"\x02\0", b"\x08\0"):
        return False
    is_explicit = head[4:6].isalpha() and head[4:6].isupper()
    return head[3] == 0 and (is_explicit or head[6:8] == b"\0\0")


def is_for_dicom(path: Path, head: bytes) -> bool:
    """Whether a file is read as DICOM, by its first bytes or if it is no other known type."""
    if has_dicom_mark(head) or is_bare_dicom(head):
        return True
    is_other = (
        find_kind(head) is not None
        or head.startswith((*ARRAY_STARTS, *_VENDOR_STARTS))
        or is_heyex_xml(head)
    )
    return path.suffix.lower() in (*_DICOM, "") and not is_other


def find_kind(head: bytes) -> str | None:
    """Return the image type of a file by its first bytes; None if unknown."""
    if head.startswith(_TIFF_STARTS):
        return TIFF
    if head.startswith(_RIFF) and head[_WEBP_AT:].startswith(_WEBP):
        return "WEBP"
    return next((kind for start, kind in _RASTER_STARTS.items() if head.startswith(start)), None)


def check_readable_name(path: Path) -> None:
    """Raise `ReadError` if a name is in another encoding than the system's: it is no text then."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        shown = str(path).encode(errors="replace").decode()
        raise ReadError(
            f"The name of '{shown}' has letters in an unknown encoding: rename the file."
        ) from error


def read_head(path: Path) -> bytes:
    """Return the first bytes of a file, up to the end of DICOM's mark.

    Raises
    ------
    ReadError
        If it can't be opened or is empty, or its name can't be written down.
    """
    check_readable_name(path)
    try:
        if path.is_dir():
            raise ReadError(f"'{path}' is a folder: choose an image file in it.")
        # Opening a pipe would wait for ever.
        if path.exists() and not path.is_file():
            raise ReadError(f"'{path}' is not a regular file: choose an image file.")
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except FileNotFoundError as error:
        raise ReadError(f"There is no file '{path}': check its name and folder.") from error
    except PermissionError as error:
        raise ReadError(f"'{path}' can't be read: ask for read permission.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ReadError(f"The file '{path}' can't be opened: {reason}.") from error
    if not head:
        raise ReadError(f"'{path}' is empty (zero bytes): copy or export it again.")
    return head
