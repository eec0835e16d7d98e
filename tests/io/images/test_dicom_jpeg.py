"""All transfer syntaxes with JPEG, without the library under the GPL that pydicom would take."""

import imagecodecs
import numpy as np
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1

from napari_retina_seg.io import read_image
from napari_retina_seg.types.errors import ReadError

ROWS, COLUMNS = 24, 32
RAMP = np.add.outer(np.arange(ROWS), np.arange(COLUMNS))


@pytest.fixture
def read(tmp_path):
    def write_and_read(dataset):
        dataset.save_as(tmp_path / "scan.dcm")
        return read_image(tmp_path / "scan.dcm")

    return write_and_read


def stored(bits: int, *, color: bool = False) -> np.ndarray:
    """Return pixels that use all bits."""
    pixels = (RAMP * ((2**bits - 1) // RAMP.max())).astype(np.uint8 if bits <= 8 else np.uint16)
    return np.stack([pixels, pixels[::-1], pixels[:, ::-1]], axis=-1) if color else pixels


def compressed(dataset, frames, syntax, bits):
    dataset.PixelData = encapsulate(frames)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.BitsStored, dataset.HighBit = bits, bits - 1
    return dataset


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("syntax", [JPEGLossless, JPEGLosslessSV1])
def test_lossless_grey_is_exact(make_dicom, read, syntax, bits):
    pixels = stored(bits)
    predictor = 1 if syntax == JPEGLosslessSV1 else 4
    frame = imagecodecs.jpeg8_encode(pixels, lossless=True, bitspersample=bits, predictor=predictor)
    dataset = compressed(make_dicom(pixels), [frame], syntax, bits)
    found = read(dataset).pixels
    assert found.dtype == pixels.dtype
    np.testing.assert_array_equal(found, pixels)


def test_lossless_colors_are_exact(make_dicom, read):
    pixels = stored(8, color=True)
    frame = imagecodecs.jpeg8_encode(pixels, lossless=True, colorspace="RGB", outcolorspace="RGB")
    dataset = compressed(make_dicom(pixels), [frame], JPEGLosslessSV1, 8)
    np.testing.assert_array_equal(read(dataset).pixels, pixels)


def test_a_volume_of_lossless_frames(make_dicom, read):
    pixels = np.stack([stored(12), stored(12)[::-1]])
    frames = [imagecodecs.jpeg8_encode(each, lossless=True, bitspersample=12) for each in pixels]
    dataset = compressed(make_dicom(pixels), frames, JPEGLosslessSV1, 12)
    np.testing.assert_array_equal(read(dataset).pixels, pixels)


def test_8_bits_in_a_container_of_16(make_dicom, read):
    pixels = stored(8)
    frame = imagecodecs.jpeg8_encode(pixels, lossless=True)
    dataset = compressed(make_dicom(pixels.astype(np.uint16)), [frame], JPEGLosslessSV1, 8)
    np.testing.assert_array_equal(read(dataset).pixels, pixels)


@pytest.mark.parametrize(("syntax", "bits"), [(JPEGBaseline8Bit, 8), (JPEGExtended12Bit, 12)])
def test_lossy_grey_is_near(make_dicom, read, syntax, bits):
    pixels = stored(bits)
    frame = imagecodecs.jpeg8_encode(pixels, level=95, bitspersample=bits)
    found = read(compressed(make_dicom(pixels), [frame], syntax, bits)).pixels
    np.testing.assert_allclose(found.astype(int), pixels, atol=2 ** (bits - 8) * 4)


def test_a_scan_of_12_bits_from_another_program():
    path = get_testdata_file("JPGExtended.dcm", download=False)
    found = read_image(path).pixels
    assert (found.shape, found.dtype) == ((1024, 256), np.uint16)
    assert found.mean() == pytest.approx(
        14.383, abs=0.05
    )  # as libjpeg of the JPEG group decodes it


@pytest.mark.parametrize("syntax", [JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1])
def test_a_damaged_frame_is_refused(make_dicom, read, syntax):
    pixels = stored(12)
    frame = imagecodecs.jpeg8_encode(pixels, lossless=True, bitspersample=12)
    dataset = compressed(make_dicom(pixels), [frame[: len(frame) * 2 // 3]], syntax, 12)
    with pytest.raises(ReadError, match="damaged"):
        read(dataset)


def test_pydicoms_own_decoders_stay_as_they_are(make_dicom, read):
    from pydicom.pixels import get_decoder

    pixels = stored(8)
    frame = imagecodecs.jpeg8_encode(pixels, lossless=True)
    read(compressed(make_dicom(pixels), [frame], JPEGLosslessSV1, 8))
    assert "imagecodecs" not in get_decoder(JPEGLosslessSV1).available_plugins
