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
)
from napari_retina_seg.io.images.files import read_file, read_stored
from napari_retina_seg.types.image import RetinaImage

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
            from napari_retina_seg.io.images.folders import read_folder

            return read_folder(path)
        return read_file(path)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name that nothing can have: reading it says so
        return False
