"""Files as devices and programs write them, made here."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless

from e2e_files import Exam, e2e_bytes
from vendor_files import (
    bioptigen_bytes,
    intensities,
    topcon_bytes,
    topcon_line,
    topcon_pictures,
    topcon_sizes,
    vol_bytes,
)

OP_8_BIT = "1.2.840.10008.5.1.4.1.1.77.1.5.1"
OPT = "1.2.840.10008.5.1.4.1.1.77.1.5.4"

MakeDicom = Callable[..., FileDataset]


def _make_dicom(pixels: np.ndarray, sop_class: str = OP_8_BIT, **attributes) -> FileDataset:
    """Put an array into a dataset, with a patient's name, as a device would."""
    color = pixels.shape[-1] == 3
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID("1.2.826.0.1.3680043.8.498.1")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.PatientName = "Doe^Jane"
    dataset.PatientID = "4711"
    dataset.PatientBirthDate = "19700101"
    dataset.StudyDate = "20200101"
    dataset.Manufacturer = "Heidelberg Engineering"
    dataset.ManufacturerModelName = "Spectralis"
    dataset.SeriesDescription = "Volume of Jane Doe"
    dataset.Rows, dataset.Columns = pixels.shape[-3:-1] if color else pixels.shape[-2:]
    dataset.SamplesPerPixel = 3 if color else 1
    dataset.PhotometricInterpretation = "RGB" if color else "MONOCHROME2"
    if color:
        dataset.PlanarConfiguration = 0
    if pixels.ndim - color == 3:
        dataset.NumberOfFrames = len(pixels)
    dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.fixture(scope="session")
def make_dicom() -> MakeDicom:
    """Return a function from pixels and attributes to a dataset."""
    return _make_dicom


def item(**attributes) -> Dataset:
    """Make an item of a sequence."""
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.fixture(scope="session")
def sequence() -> Callable[..., Sequence]:
    """Return a function from attributes to a sequence of one item."""
    return lambda **attributes: Sequence([item(**attributes)])


@pytest.fixture(scope="session")
def valid_files(tmp_path_factory) -> Path:
    """Return a folder with one small file of every kind."""
    folder = tmp_path_factory.mktemp("valid")
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (19, 23), np.uint8)
    color = rng.integers(0, 256, (19, 23, 3), np.uint8)
    deep = rng.integers(0, 65536, (3, 19, 23)).astype(np.uint16)
    files = {
        f"{suffix}-{mode}.{suffix}": _encode(Image.fromarray(pixels), suffix)
        for suffix in ("png", "jpeg", "bmp", "gif", "ppm")
        for mode, pixels in (("grey", grey), ("color", color))
    }
    files["deep.png"] = _encode(Image.fromarray(deep[0]), "png")
    files["frames.gif"] = _encode_frames(rng.integers(0, 256, (3, 19, 23), np.uint8))
    for compression in (None, "lzw", "zlib", "jpeg"):
        pixels = color if compression == "jpeg" else deep
        files[f"{compression}.tif"] = _encode_tiff(pixels, compression)
    files["array.npy"] = _saved(np.save, deep)
    files["arrays.npz"] = _saved(np.savez_compressed, deep)
    files["scan.e2e"] = e2e_bytes([Exam(deep, grey, lines={0: np.full((3, 23), 7.5)})])
    files["scan.oct"] = bioptigen_bytes(deep)
    files["scan.vol"] = vol_bytes(intensities(), lines=np.full((3, 2, 20), 7.5, np.float32))
    files["scan.fda"] = topcon_bytes(
        [
            ("@IMG_JPEG", topcon_pictures((deep >> 8).astype(np.uint8))),
            ("@PARAM_SCAN_04", topcon_sizes(6.0, 4.5, 2.6)),
            ("@CONTOUR_INFO", topcon_line("MULTILAYERS_1", np.full((3, 23), 9))),
        ]
    )
    for name, content in files.items():
        (folder / name).write_bytes(content)
    for name, dataset in _dicoms(grey, color, deep).items():
        dataset.save_as(folder / name)
    return folder


def _encode(picture: Image.Image, suffix: str) -> bytes:
    file = BytesIO()
    picture.save(file, format=suffix)
    return file.getvalue()


def _encode_frames(frames: np.ndarray) -> bytes:
    first, *others = (Image.fromarray(frame) for frame in frames)
    file = BytesIO()
    first.save(file, format="gif", save_all=True, append_images=others)
    return file.getvalue()


def _encode_tiff(pixels: np.ndarray, compression: str | None) -> bytes:
    file = BytesIO()
    photometric = "rgb" if pixels.shape[-1] == 3 else "minisblack"
    tifffile.imwrite(file, pixels, compression=compression, photometric=photometric)
    return file.getvalue()


def _saved(save: Callable[..., None], pixels: np.ndarray) -> bytes:
    file = BytesIO()
    save(file, pixels)
    return file.getvalue()


def _dicoms(grey: np.ndarray, color: np.ndarray, deep: np.ndarray) -> dict[str, FileDataset]:
    measures = Sequence([item(PixelSpacing=[0.004, 0.012], SpacingBetweenSlices=0.12)])
    jpeg = _make_dicom(color, PhotometricInterpretation="YBR_FULL_422")
    jpeg.PixelData = encapsulate([_encode(Image.fromarray(color), "jpeg")])
    jpeg.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    rle = _make_dicom(grey)
    rle.compress(RLELossless, generate_instance_uid=False)
    return {
        "color.dcm": _make_dicom(color, ImageLaterality="R"),
        "volume.dcm": _make_dicom(
            deep,
            OPT,
            SharedFunctionalGroupsSequence=Sequence([item(PixelMeasuresSequence=measures)]),
        ),
        "jpeg.dcm": jpeg,
        "rle.dcm": rle,
    }
