"""DICOM files that ask for more memory than their image explains."""

import functools
import tracemalloc
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from napari_retina_seg.io import read_image
from napari_retina_seg.io.formats.dicom_header import read_header
from napari_retina_seg.io.formats.identity import find_identity
from napari_retina_seg.io.images.dicom import describe_no_image
from napari_retina_seg.types.errors import ReadError

MEGABYTE = 2**20
GREY = np.random.default_rng(0).integers(0, 256, (70, 90), np.uint8)
COLOR = np.repeat(GREY[..., np.newaxis], 3, axis=2)


@pytest.fixture
def peak():
    """Return a function that reads a file, and returns its error and the memory it took."""

    def measure(path, read=read_image):
        tracemalloc.start()
        try:
            read(path)
        except ReadError as error:
            return str(error), tracemalloc.get_traced_memory()[1]
        else:
            return "", tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    return measure


def deflated(dataset, path, trailing):
    """Write a deflated file, with zeros behind its attributes that pack a thousandfold."""
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    content = path.read_bytes()
    start = content.index(b"DICM") + 4
    start += 12 + int.from_bytes(content[start + 8 : start + 12], "little")
    body = zlib.decompress(content[start:], -zlib.MAX_WBITS)
    packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(body) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(MEGABYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    packed += block * (trailing // MEGABYTE)
    path.write_bytes(content[:start] + packed + packer.flush())
    return path


@pytest.mark.parametrize("read", [read_image, describe_no_image, read_header, find_identity])
def test_a_deflated_file_unpacks_to_what_its_header_explains(make_dicom, tmp_path, peak, read):
    path = deflated(make_dicom(GREY), tmp_path / "bomb.dcm", 200 * MEGABYTE)
    assert path.stat().st_size < MEGABYTE
    words, taken = peak(path, read)
    assert taken < 80 * MEGABYTE
    if read is read_image:
        assert "would unpack to more than the image that its header describes" in words


def test_a_deflated_file_of_many_pixels_is_refused_by_its_header(make_dicom, tmp_path, peak):
    dataset = make_dicom(GREY, Rows=60_000, Columns=60_000)
    path = deflated(dataset, tmp_path / "bomb.dcm", 100 * MEGABYTE)
    words, taken = peak(path)
    assert "too short for what its header claims" in words
    assert taken < 80 * MEGABYTE


def test_a_sound_deflated_file_is_read(make_dicom, tmp_path):
    pixels = (np.arange(30 * 700 * 900) // 999 % 251).astype(np.uint8).reshape(30, 700, 900)
    dataset = make_dicom(pixels)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(tmp_path / "scan.dcm")
    np.testing.assert_array_equal(read_image(tmp_path / "scan.dcm").pixels, pixels)


@functools.cache  # JPEG 2000 takes seconds
def encode(size, form, color):
    picture = Image.new("RGB" if color else "L", size)
    file = BytesIO()
    picture.save(file, form, **({"no_jp2": True} if form == "JPEG2000" else {}))
    return file.getvalue()


@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize(
    ("form", "syntax"),
    [("JPEG", JPEGBaseline8Bit), ("JPEG2000", JPEG2000), ("JPEG2000", JPEG2000Lossless)],
)
@pytest.mark.parametrize("second_only", [False, True])
def test_a_codestream_larger_than_declared_is_not_decoded(
    make_dicom, tmp_path, peak, form, syntax, color, second_only
):
    pixels = COLOR if color else GREY
    dataset = make_dicom(np.stack([pixels, pixels]) if second_only else pixels)
    sound, bomb = (encode(size, form, color) for size in ((90, 70), (6_000, 4_000)))
    dataset.PixelData = encapsulate([sound, bomb] if second_only else [bomb])
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(tmp_path / "bomb.dcm")
    words, taken = peak(tmp_path / "bomb.dcm")
    samples = 3 if color else 1
    assert f"4000 × 6000 × {samples} values where its header says 70 × 90 × {samples}" in words
    assert taken < 16 * MEGABYTE  # two thirds of one channel


def test_a_codestream_of_other_channels_is_refused(make_dicom, tmp_path, peak):
    dataset = make_dicom(GREY)
    dataset.PixelData = encapsulate([encode((90, 70), "JPEG", color=True)])
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.save_as(tmp_path / "scan.dcm")
    assert "70 × 90 × 3 values where its header says 70 × 90 × 1" in peak(tmp_path / "scan.dcm")[0]


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_an_absurd_number_of_frames_is_refused(make_dicom, tmp_path, peak, syntax):
    dataset = make_dicom(GREY)
    if syntax is not None:
        dataset.compress(syntax, generate_instance_uid=False)
    dataset.NumberOfFrames = 2_000_000_000
    dataset.save_as(tmp_path / "scan.dcm")
    words, taken = peak(tmp_path / "scan.dcm")
    assert "too short for what its header claims" in words
    assert taken < 40 * MEGABYTE


@pytest.mark.parametrize("count", [0, -3])
def test_a_number_of_frames_that_is_none(make_dicom, tmp_path, count):
    dataset = make_dicom(GREY)
    dataset.NumberOfFrames = count
    dataset.save_as(tmp_path / "scan.dcm")
    if count:
        with pytest.raises(ReadError):
            read_image(tmp_path / "scan.dcm")
    else:
        np.testing.assert_array_equal(read_image(tmp_path / "scan.dcm").pixels, GREY)


def test_the_limit_can_be_raised(make_dicom, tmp_path):
    make_dicom(GREY).save_as(tmp_path / "scan.dcm")
    with pytest.raises(ReadError, match="more than the limit of 6,000 pixels allows"):
        read_image(tmp_path / "scan.dcm", max_pixels=6_000)
    assert read_image(tmp_path / "scan.dcm", max_pixels=6_300).grid == (70, 90)


def test_memory_stays_within_four_times_the_image(make_dicom, tmp_path, peak):
    pixels = np.random.default_rng(0).integers(0, 4096, (60, 400, 500)).astype(np.uint16)
    for name, said in (("whole", {}), ("stored", {"BitsStored": 12, "HighBit": 11}),
                       ("padded", {"PixelPaddingValue": 63536, "BitsStored": 12, "HighBit": 11}),
                       ("inverted", {"PhotometricInterpretation": "MONOCHROME1"})):  # fmt: skip
        make_dicom(pixels, **said).save_as(tmp_path / f"{name}.dcm")
        words, taken = peak(tmp_path / f"{name}.dcm")
        assert words == ""
        assert taken <= 4 * pixels.nbytes + 8 * MEGABYTE, name
