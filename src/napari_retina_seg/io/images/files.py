"""Read an image file of any format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from napari_retina_seg.io.images.content import (
    ARRAY_STARTS,
    E2E_STARTS,
    GZIP,
    MATLAB_STARTS,
    METAIMAGE,
    NIFTI_STARTS,
    OPTOVUE,
    RAW_CUBE,
    SUFFIXES,
    TOPCON,
    VOL_STARTS,
    find_kind,
    has_dicom_mark,
    is_bioptigen,
    is_for_dicom,
    is_heyex_content,
    is_heyex_xml,
    is_zarr,
    read_head,
)
from napari_retina_seg.io.images.pictures import find_decoder, read_picture
from napari_retina_seg.io.images.stored import StoredPixels
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import RetinaImage

_Reader = Callable[[Path], RetinaImage]


def read_file(path: Path) -> RetinaImage:
    """Read an image file; its content decides the format, not its suffix.

    Raises
    ------
    ReadError
        If there is no such file, it can't be read, or it is no image.
    """
    if is_zarr(path):
        from napari_retina_seg.io.images.zarr_folder import read_zarr

        return read_zarr(path)
    return _find_reader(path, read_head(path))(path)


def count_images(path: Path) -> int:
    """Return how many images a file holds: those of some devices hold several.

    Raises
    ------
    ReadError
        If such a file is damaged or holds none. Of others only reading them says that.
    """
    several = _find_several(path)
    return 1 if several is None else several.count(path)


def read_numbered(path: Path, number: int) -> RetinaImage:
    """Read one of several images of a file, from 1; its name says which one it is.

    Raises
    ------
    ReadError
        As `read_file`.
    """
    several = _find_several(path)
    image = read_file(path) if several is None else several.read(path, number)
    return replace(image, name=f"{image.name}-{number}")


def files_beside(path: Path) -> tuple[Path, ...]:
    """Return the other files that an image consists of, which are beside the one that is opened.

    They are the pictures of an XML export, the raw values of a MetaImage, the description of an
    Optovue file, and the files in the folder of an OME-Zarr.

    Raises
    ------
    ReadError
        If they can't be found.
    """
    if is_zarr(path):
        from napari_retina_seg.io.images.zarr_folder import zarr_files

        return zarr_files(path)
    if is_heyex_content(path):
        from napari_retina_seg.io.images.vendor.heyex_xml import listed_pictures

        return listed_pictures(path)
    if path.suffix.lower() == METAIMAGE:
        from napari_retina_seg.io.images.metaimage import find_raw_file

        return (find_raw_file(path),)
    if path.suffix.lower() == OPTOVUE and _find_several(path) is not None:
        from napari_retina_seg.io.images.vendor.optovue import find_description

        return (find_description(path),)
    return ()


class _Several(NamedTuple):
    """How files are read that may hold several images, which are numbered from 1."""

    count: Callable[[Path], int]
    read: Callable[[Path, int], RetinaImage]

    def read_only(self, path: Path) -> RetinaImage:
        """Read the image of a file that holds one."""
        count = self.count(path)
        if count > 1:
            raise ReadError(
                f"'{path}' holds {count} images, and one is wanted here: export them one by one, or"
                " open the file in napari or with 'segment', where each is an image of its own."
            )
        return self.read(path, 1)


def _find_several(path: Path) -> _Several | None:
    try:
        head = read_head(path)
    except ReadError:
        return None  # reading it says so
    if head.startswith(E2E_STARTS):
        from napari_retina_seg.io.images.vendor.e2e import count_e2e, read_e2e

        return _Several(count_e2e, read_e2e)
    is_other = is_bioptigen(head) or has_dicom_mark(head) or find_kind(head) is not None
    if path.suffix.lower() == OPTOVUE and not is_other:
        from napari_retina_seg.io.images.vendor.optovue import count_optovue, read_optovue

        return _Several(count_optovue, read_optovue)
    return None


def read_stored(path: str | Path) -> StoredPixels:
    """Read the stored values of each pixel: classes of a mask, indices of a palette.

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
    head = read_head(path)
    decoder = find_decoder(head)
    if decoder is not None and not has_dicom_mark(head):  # DICOM may begin as TIFF, to be both
        return decoder(path)
    image = _find_reader(path, head)(path)
    return StoredPixels(image.pixels, color=image.color, spacing=image.spacing)


def _find_reader(path: Path, head: bytes) -> _Reader:
    # The readers bring in large libraries: each is imported when a file asks for it.
    suffix = path.suffix.lower()
    if has_dicom_mark(head):
        from napari_retina_seg.io.images.dicom import read_dicom

        return read_dicom
    if find_decoder(head) is not None:
        return read_picture
    if head.startswith(ARRAY_STARTS):
        from napari_retina_seg.io.images.arrays import read_npy, read_npz

        return read_npz if head.startswith(b"PK") else read_npy
    several = _find_several(path)
    if several is not None:
        return several.read_only
    vendor = _find_vendor_reader(head)
    if vendor is not None:
        return vendor
    if is_for_dicom(path, head):
        from napari_retina_seg.io.images.dicom import read_bare_dicom

        return read_bare_dicom
    volume = _find_volume_reader(path, head)
    if volume is not None:
        return volume
    if suffix in SUFFIXES:
        raise ReadError(
            f"'{path}' is called {suffix}, but its content is not an image: export it again."
        )
    raise ReadError(
        f"'{path}' is not an image that can be opened: export it as PNG, TIFF, NumPy or DICOM."
    )


def _find_vendor_reader(head: bytes) -> _Reader | None:
    """Return the reader of a device's file, or None if it is none."""
    if head.startswith(VOL_STARTS):
        from napari_retina_seg.io.images.vendor.vol import read_vol

        return read_vol
    if is_bioptigen(head):
        from napari_retina_seg.io.images.vendor.bioptigen import read_bioptigen

        return read_bioptigen
    if head.startswith(TOPCON):
        from napari_retina_seg.io.images.vendor.topcon import read_topcon

        return read_topcon
    if is_heyex_xml(head):
        from napari_retina_seg.io.images.vendor.heyex_xml import read_heyex_xml

        return read_heyex_xml
    return None


def _find_volume_reader(path: Path, head: bytes) -> _Reader | None:
    """Return the reader of a volume by its suffix or magic bytes, or None if it is none."""
    suffix = path.suffix.lower()
    if head.startswith((GZIP, *NIFTI_STARTS)):
        from napari_retina_seg.io.formats.nifti import is_nifti, read_nifti_image

        if is_nifti(path):
            return read_nifti_image
    if head.startswith(MATLAB_STARTS):
        from napari_retina_seg.io.images.matlab import read_matlab

        return read_matlab
    if suffix == METAIMAGE:
        from napari_retina_seg.io.images.metaimage import read_metaimage

        return read_metaimage
    if suffix == RAW_CUBE:
        from napari_retina_seg.io.images.vendor.zeiss import read_zeiss

        return read_zeiss
    return None
