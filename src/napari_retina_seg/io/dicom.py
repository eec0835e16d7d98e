"""DICOM: ophthalmic photography and tomography, and what else has pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_color_lut, get_decoder, pixel_array
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from napari_retina_seg.core.errors import ReadError
from napari_retina_seg.core.image import RetinaImage
from napari_retina_seg.io.assemble import assemble
from napari_retina_seg.io.dicom_attributes import (
    read_device,
    read_laterality,
    read_modality,
    read_rescale_slope,
    read_spacing,
)
from napari_retina_seg.io.guard import check_size, decoding

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def read_dicom(path: Path) -> RetinaImage:
    """Read a DICOM file, of one frame or many.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    RetinaImage
        Stored values in which more is brighter: MONOCHROME1 is inverted, YBR and palettes are
        converted to RGB. A rescale of the values is left out, since it changes neither contrast
        nor order, unless its slope is negative. Of the metadata only the device is kept: nothing
        that could tell who the person is.

    Raises
    ------
    ReadError
        If there are no pixels in it, they are compressed in a way that can't be decoded, or it
        is damaged.
    """
    with decoding(path, "DICOM"), path.open("rb") as file:
        return _read(path, pydicom.dcmread(file))


def read_bare_dicom(path: Path) -> RetinaImage:
    """Read a DICOM file that lacks the mark at its start, as some devices write them.

    Raises
    ------
    ReadError
        As `read_dicom`, and if it is no DICOM at all.
    """
    with decoding(path, "DICOM"), path.open("rb") as file:
        return _read(path, _read_bare(path, file))


def _read_bare(path: Path, file: BinaryIO) -> Dataset:
    no_image = ReadError(
        f"'{path}' is no image that can be opened: export it as PNG, TIFF, NumPy or DICOM."
    )
    # Forced on other content, pydicom stumbles over the bytes in any way there is.
    try:
        dataset = pydicom.dcmread(file, force=True)
        has_pixels = any(keyword in dataset for keyword in _PIXELS)
    except Exception as error:
        raise no_image from error
    if not has_pixels:
        raise no_image
    return dataset


def _read(path: Path, dataset: Dataset) -> RetinaImage:
    if not any(keyword in dataset for keyword in _PIXELS):
        content = _known_name(dataset.get("SOPClassUID"))
        raise ReadError(
            f"'{path}' is a DICOM file without pixels ({content}): export the image itself."
        )
    _complete_meta(dataset)
    pixels, color = _decode(path, dataset)
    return assemble(
        path,
        pixels,
        color=color,
        modality=read_modality(dataset),
        spacing=read_spacing(dataset, is_volume=pixels.ndim - color == 3),
        laterality=read_laterality(dataset),
        metadata=read_device(dataset),
    )


def _known_name(uid: object) -> str:
    """Name a UID of the standard; an altered header may hold anything in place of it."""
    known = UID(str(uid))
    return known.name if known.type else "something unknown"


def _complete_meta(dataset: Dataset) -> None:
    """State the transfer syntax of a bare dataset: the one in which it was just parsed."""
    implicit, little = dataset.original_encoding
    explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    if getattr(dataset, "file_meta", None) is None:
        dataset.file_meta = FileMetaDataset()
    if "TransferSyntaxUID" not in dataset.file_meta:
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit


def _decode(path: Path, dataset: Dataset) -> tuple[npt.NDArray[Any], bool]:
    """Return the stored values, more is brighter, and whether their last axis holds RGB."""
    _check_syntax(path, dataset)
    samples = int(dataset.get("SamplesPerPixel", 1))
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    check_size(path, (frames, int(dataset.Rows), int(dataset.Columns), samples))
    kind = str(dataset.PhotometricInterpretation)
    pixels = pixel_array(dataset)
    if kind == "PALETTE COLOR":
        return apply_color_lut(pixels, dataset), True
    if samples > 1:
        return pixels, True
    if int(dataset.BitsAllocated) == 1:
        pixels = pixels * np.uint8(255)
    if (kind == "MONOCHROME1") != (read_rescale_slope(dataset) < 0):
        pixels = _invert(pixels, int(dataset.get("BitsStored", 8)))
    return pixels, False


def _check_syntax(path: Path, dataset: Dataset) -> None:
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        if get_decoder(syntax).is_available:
            return
    except NotImplementedError:
        pass
    raise ReadError(
        f"'{path}' is compressed as {_known_name(syntax)}, which can't be decoded here: export it"
        " uncompressed (Explicit VR Little Endian) or as PNG or TIFF."
    )


def _invert(pixels: npt.NDArray[Any], bits: int) -> npt.NDArray[Any]:
    if pixels.dtype.kind != "u":
        return -pixels if pixels.dtype.kind == "f" else ~pixels
    largest = pixels.dtype.type(2**bits - 1)
    return np.asarray(largest - np.minimum(pixels, largest))
