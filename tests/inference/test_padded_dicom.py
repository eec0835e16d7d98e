"""A DICOM scan with padding beside it is segmented as the scan alone is."""

import numpy as np
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.inference.predict import segment
from napari_retina_seg.io import read_image
from napari_retina_seg.models.registry import default_model
from napari_retina_seg.types.image import Modality

COLUMNS = 40  # of padding
SCAN = phantom_bscan(3, 496, 384).image.pixels.astype(np.uint16) * 16  # 12 bit


def write(path, pixels, **attributes):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.5.4"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, int(pixels.dtype.kind == "i")
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(path)
    return read_image(path)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    image = write(tmp_path_factory.mktemp("scan") / "scan.dcm", SCAN)
    return segment(image, default_model(Modality.OCT)).labels


def dice(one, other):
    return [
        2 * ((one == k) & (other == k)).sum() / ((one == k).sum() + (other == k).sum())
        for k in range(1, 8)
    ]


@pytest.mark.parametrize(
    ("value", "dtype", "attributes"),
    [
        (63536, np.uint16, {"PixelPaddingValue": 63536}),
        (-32768, np.int16, {"PixelPaddingValue": -32768}),
        (60001, np.uint16, {"PixelPaddingValue": 60000, "PixelPaddingRangeLimit": 61000}),
    ],
)
@pytest.mark.parametrize("kind", ["MONOCHROME2", "MONOCHROME1"])
def test_padding_changes_nothing_beside_it(tmp_path, expected, value, dtype, attributes, kind):
    pixels = SCAN if kind == "MONOCHROME2" else 4095 - SCAN
    pixels = pixels.astype(dtype)
    pixels[:, :COLUMNS] = value
    image = write(tmp_path / "scan.dcm", pixels, PhotometricInterpretation=kind, **attributes)
    found = segment(image, default_model(Modality.OCT))
    assert min(dice(found.labels[:, COLUMNS:], expected[:, COLUMNS:])) > 0.9
    assert (found.labels[:, :COLUMNS] == 0).all()
    assert found.ignore is not None
    assert found.ignore[:, :COLUMNS].all()
    assert not found.ignore[:, COLUMNS:].any()
