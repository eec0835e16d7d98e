"""DICOM: ophthalmic photography and tomography, and any other DICOM image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from napari_retina_seg.io._decoding import decoding
from napari_retina_seg.io.images.assemble import assemble
from napari_retina_seg.io.images.dicom_attributes import (
    is_segmentation,
    read_device,
    read_laterality,
    read_modality,
    read_patient,
    read_spacing,
    value_of,
)
from napari_retina_seg.io.images.dicom_en_face import with_acquisition
from napari_retina_seg.io.images.dicom_file import read_attributes
from napari_retina_seg.io.images.dicom_pixels import decode_pixels, known_name
from napari_retina_seg.io.images.dicom_slices import arrange_file
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import Modality, RetinaImage

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_NAMED = 8  # segments in a sentence


def read_dicom(path: Path) -> RetinaImage:
    """Read a DICOM file, of one frame or many.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    RetinaImage
        Stored values in which more is brighter; colours are RGB; see `dicom_pixels`. Frames are
        in the order of their positions; see `dicom_slices`. Of the metadata only the device is
        kept: nothing that could identify the person.

    Raises
    ------
    ReadError
        If there are no pixels in it, it is a segmentation, the pixels are compressed in a way
        that can't be decoded, or it is damaged.
    """
    with decoding(path, "DICOM"):
        return _read(path, read_attributes(path))


def read_bare_dicom(path: Path) -> RetinaImage:
    """Read a DICOM file that lacks the mark at its start, as some devices write them.

    Raises
    ------
    ReadError
        As `read_dicom`, and if it is no DICOM at all.
    """
    with decoding(path, "DICOM"):
        return _read(path, _read_bare(path))


def _read_bare(path: Path) -> Dataset:
    no_image = ReadError(
        f"'{path}' is not an image that can be opened: export it as PNG, TIFF, NumPy or DICOM."
    )
    # Forced on other content, pydicom stumbles over the bytes in any way there is.
    try:
        dataset = read_attributes(path, force=True)
        has_pixels = any(keyword in dataset for keyword in _PIXELS)
    except Exception as error:
        raise no_image from error
    if not has_pixels:
        raise no_image
    return dataset


def _read(path: Path, dataset: Dataset) -> RetinaImage:
    image, order = _read_frames(path, dataset)
    if image.modality is not Modality.OCT:
        return image
    return with_acquisition(path, dataset, image, order, _read_referred)


def _read_referred(path: Path) -> RetinaImage:
    """Read an image that another refers to, without what it refers to itself."""
    with decoding(path, "DICOM"):
        return _read_frames(path, read_attributes(path))[0]


def _read_frames(path: Path, dataset: Dataset) -> tuple[RetinaImage, tuple[int, ...]]:
    """Return an image, and for each slice which frame it is."""
    _refuse_masks(path, dataset)
    if not any(keyword in dataset for keyword in _PIXELS):
        content = known_name(dataset.get("SOPClassUID"))
        raise ReadError(
            f"'{path}' is a DICOM file without pixels ({content}): export the image itself."
        )
    decoded = decode_pixels(path, dataset)
    slices = arrange_file(dataset)
    pixels, valid = decoded.pixels, decoded.valid
    if pixels.ndim - decoded.color == 3:
        pixels = _reorder(pixels, slices.order)
        valid = None if valid is None else _reorder(valid, slices.order)
    image = assemble(
        path,
        pixels,
        color=decoded.color,
        modality=read_modality(dataset),
        spacing=read_spacing(dataset, slice_mm=slices.distance),
        laterality=read_laterality(dataset),
        metadata=read_device(dataset),
    )
    image = replace(
        image,
        valid=valid,
        placement=slices.placement,
        warnings=slices.warnings,
        patient=read_patient(dataset),
    )
    return image, slices.order


def _reorder(frames: npt.NDArray[Any], order: tuple[int, ...]) -> npt.NDArray[Any]:
    if len(order) != len(frames):
        raise ValueError(f"{len(frames)} of {len(order)} frames")
    return frames if order == tuple(range(len(order))) else frames[np.array(order)]


def describe_no_image(path: Path) -> str:
    """Describe briefly what a DICOM file holds instead of an image.

    Returns
    -------
    str
        Empty if it holds an image, or can't be read: reading it says why.
    """
    try:
        with decoding(path, "DICOM"):
            header = read_attributes(path, pixels=False, force=True)
            if is_segmentation(header):
                return _describe_mask(header)
            if "Rows" in header and "Columns" in header:
                return ""
            return f"DICOM without pixels, {known_name(value_of(header, 'SOPClassUID'))}"
    except ReadError:
        return ""


def _refuse_masks(path: Path, dataset: Dataset) -> None:
    if is_segmentation(dataset):
        raise ReadError(
            f"'{path}' is {_describe_mask(dataset)}, not an image: choose the image that it was"
            " drawn on, and import the mask into a project."
        )


def _describe_mask(dataset: Dataset) -> str:
    segments = value_of(dataset, "SegmentSequence") or ()
    labels = [str(value_of(segment, "SegmentLabel") or "") for segment in segments]
    named = [label for label in labels if label and label.lower() != "background"]
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    what = f" of {', '.join(named[:_NAMED])}{more}" if named else ""
    return f"a mask{what} (DICOM Segmentation)"
