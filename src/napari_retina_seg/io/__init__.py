"""Read images and masks from files, and write results."""

from __future__ import annotations

from pathlib import Path

from napari_retina_seg.io._decoding import limited, max_pixels, set_max_pixels
from napari_retina_seg.io.images.content import (
    SUFFIXES,
    is_dicom_content,
    is_image_content,
    is_read_as_dicom,
    is_tiff_content,
    is_zarr,
)
from napari_retina_seg.io.images.files import count_images, read_file, read_numbered, read_stored
from napari_retina_seg.types.image import RetinaImage

__all__ = [
    "SUFFIXES",
    "is_dicom_content",
    "is_image_content",
    "is_read_as_dicom",
    "is_tiff_content",
    "is_zarr",
    "max_pixels",
    "read_image",
    "read_images",
    "read_stored",
    "set_max_pixels",
]


def read_image(path: str | Path, *, max_pixels: int | None = None) -> RetinaImage:
    """Read an image file.

    What a file holds decides how it is read, not how it is called.

    Parameters
    ----------
    path : str or Path
        A PNG, JPEG, BMP, GIF, WebP, PPM, TIFF, ``.npy``, ``.npz`` or DICOM file, one that an OCT
        device wrote (``docs/device_files.md``), an OME-Zarr, or a folder that holds one image: a
        single file, or a DICOM series with a file for each slice.
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
        If there is no such file, it can't be read, it is no image, or it holds several.

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
            from napari_retina_seg.io.images.folders import read_folder

            return read_folder(path)
        return read_file(path)


def read_images(path: str | Path, *, max_pixels: int | None = None) -> tuple[RetinaImage, ...]:
    """Read all images of a file: those of devices may hold several examinations.

    Parameters
    ----------
    path : str or Path
        A file that `read_image` reads.
    max_pixels : int, optional
        How many pixels each of them may hold; by default what `set_max_pixels` set.

    Returns
    -------
    tuple of RetinaImage
        In the order of the file. Where there are several, the name of each ends in its number.

    Raises
    ------
    ReadError
        If there is no such file, one of its images can't be read, or it holds none.

    Examples
    --------
    >>> import napari_retina_seg as rs
    >>> [image.name for image in rs.read_images("scan.png")]
    ['scan']
    """
    path = Path(path)
    with limited(max_pixels):
        count = count_images(path)
        if count == 1:
            return (read_file(path),)
        return tuple(read_numbered(path, number) for number in range(1, count + 1))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir() and not is_zarr(path)
    except (OSError, ValueError):  # a name that nothing can have: reading it says so
        return False
