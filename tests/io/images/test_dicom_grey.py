"""Grey values in DICOM: more is brighter, and padding is told apart from what was measured."""

import numpy as np
import pytest
from pydicom.uid import ExplicitVRBigEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from napari_retina_seg.io import read_image
from napari_retina_seg.types.errors import ReadError

OPT = "1.2.840.10008.5.1.4.1.1.77.1.5.4"
RNG = np.random.default_rng(0)
GREY = RNG.integers(1, 256, (70, 90), np.uint8)
DEEP = (RNG.integers(1, 4096, (70, 90))).astype(np.uint16)  # 12 bit
PADDED = np.zeros((70, 90), bool)
PADDED[:, -20:] = True


@pytest.fixture
def read(tmp_path):
    def write_and_read(dataset):
        dataset.save_as(tmp_path / "scan.dcm")
        return read_image(tmp_path / "scan.dcm")

    return write_and_read


def padded(pixels, value):
    return np.where(PADDED, np.asarray(value).astype(pixels.dtype), pixels)


def table(sequence, values, bits, first=0, kind="ModalityLUTSequence"):
    stored = np.asarray(values, np.uint16 if bits > 8 else np.uint8)
    count = len(stored) % 65536
    lut = sequence(ModalityLUTType="US")
    lut[0].add_new("LUTDescriptor", "US" if first >= 0 else "SS", [count, first, bits])
    lut[0].add_new("LUTData", "OW", stored.astype(np.uint16).tobytes())
    return {kind: lut}


@pytest.mark.parametrize("shape", ["INVERSE", "IDENTITY", None])
@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_either_sign_of_white_is_zero_inverts_once(make_dicom, read, kind, shape):
    said = {} if shape is None else {"PresentationLUTShape": shape}
    image = read(make_dicom(GREY, OPT, PhotometricInterpretation=kind, **said))
    inverted = kind == "MONOCHROME1" or shape == "INVERSE"
    np.testing.assert_array_equal(image.pixels, 255 - GREY if inverted else GREY)


def test_signed_values_are_inverted(make_dicom, read):
    pixels = DEEP.astype(np.int16) - 2048
    image = read(make_dicom(pixels, OPT, PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_array_equal(image.pixels, ~pixels)


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_a_negative_slope_inverts_what_the_kind_says(make_dicom, read, kind):
    image = read(
        make_dicom(
            DEEP, OPT, PhotometricInterpretation=kind, BitsStored=12, HighBit=11,
            RescaleSlope=-0.5, RescaleIntercept=4095,
        )
    )  # fmt: skip
    np.testing.assert_array_equal(image.pixels, DEEP if kind == "MONOCHROME1" else 4095 - DEEP)


@pytest.mark.parametrize("group", ["Shared", "PerFrame"])
def test_a_negative_slope_of_frames_inverts(make_dicom, read, sequence, group):
    frames = np.stack([DEEP, DEEP // 2])
    said = sequence(PixelValueTransformationSequence=sequence(RescaleSlope=-1, RescaleIntercept=0))
    groups = {f"{group}FunctionalGroupsSequence": [*said] * (1 if group == "Shared" else 2)}
    image = read(make_dicom(frames, OPT, BitsStored=12, HighBit=11, **groups))
    np.testing.assert_array_equal(image.pixels, 4095 - frames)


def test_frames_of_which_some_are_inverted_are_refused(make_dicom, read, sequence):
    groups = [
        sequence(PixelValueTransformationSequence=sequence(RescaleSlope=slope))[0]
        for slope in (1, -1)
    ]
    dataset = make_dicom(np.stack([GREY, GREY]), OPT, PerFrameFunctionalGroupsSequence=groups)
    with pytest.raises(ReadError, match="in which more is brighter and others in which it is"):
        read(dataset)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("lowest", [1, 4])
def test_values_in_the_upper_bits_are_those_of_the_lower(make_dicom, read, lowest, signed, order):
    pixels = DEEP.astype(np.int16) - 2048 if signed else DEEP
    noise = RNG.integers(0, 2**lowest, pixels.shape).astype(pixels.dtype)  # an overlay's bits
    dataset = make_dicom((pixels << lowest) | noise, OPT, BitsStored=12, HighBit=11 + lowest)
    if order == ">":
        dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        dataset.PixelData = ((pixels << lowest) | noise).byteswap().tobytes()
        dataset.set_original_encoding(False, False)
    np.testing.assert_array_equal(read(dataset).pixels, pixels)


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_a_table_for_the_values_is_applied(make_dicom, read, sequence, bits, kind):
    values = RNG.permutation(256) * (2**bits - 1) // 255
    said = table(sequence, values, bits)
    image = read(make_dicom(GREY, OPT, PhotometricInterpretation=kind, **said))
    expected = values[GREY]
    np.testing.assert_array_equal(
        image.pixels, 2**bits - 1 - expected if kind == "MONOCHROME1" else expected
    )


@pytest.mark.parametrize("first", [-50, 65536 - 50])  # also if written as unsigned
def test_a_table_begins_where_it_says(make_dicom, read, sequence, first):
    """What lies before or after a table has its first or last value (PS3.3 C.11.1.1.1)."""
    pixels = GREY.astype(np.int16) - 100
    values = np.arange(100, 0, -1)
    image = read(make_dicom(pixels, OPT, **table(sequence, values, 16, first=first)))
    np.testing.assert_array_equal(image.pixels, values[np.clip(pixels + 50, 0, 99)])


def test_a_table_of_65536_entries(make_dicom, read, sequence):
    image = read(make_dicom(DEEP, OPT, **table(sequence, np.arange(65535, -1, -1), 16)))
    np.testing.assert_array_equal(image.pixels, 65535 - DEEP)


def test_a_table_for_display_that_falls_inverts(make_dicom, read, sequence):
    said = table(sequence, np.arange(255, -1, -1), 8, kind="VOILUTSequence")
    np.testing.assert_array_equal(read(make_dicom(GREY, OPT, **said)).pixels, 255 - GREY)


def test_an_overlay_in_unused_bits_is_masked(make_dicom, read):
    overlay = (RNG.random(DEEP.shape) < 0.1).astype(np.uint16) << 12
    image = read(make_dicom(DEEP | overlay, OPT, BitsStored=12, HighBit=11))
    np.testing.assert_array_equal(image.pixels, DEEP)
    assert image.valid is None


@pytest.mark.parametrize(
    ("pixels", "value", "said"),
    [
        (DEEP, 63536, 63536),
        (DEEP, 65535, 65535),
        (DEEP.astype(np.int16), -32768, -32768),
        (DEEP.astype(np.int16), -2000, -2000),
        (DEEP.astype(np.int16) - 1024, -2000, 63536),  # written as unsigned
        (GREY, 0, 0),
    ],
)
@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_no_data(make_dicom, read, pixels, value, said, kind):
    dataset = make_dicom(padded(pixels, value), OPT, PhotometricInterpretation=kind)
    dataset.add_new("PixelPaddingValue", "US" if said >= 0 else "SS", said)
    image = read(dataset)
    np.testing.assert_array_equal(image.valid, ~PADDED)


def test_padding_beyond_the_stored_bits(make_dicom, read):
    dataset = make_dicom(padded(DEEP, 63536), OPT, BitsStored=12, HighBit=11)
    dataset.PixelPaddingValue = 63536
    np.testing.assert_array_equal(read(dataset).valid, ~PADDED)


@pytest.mark.parametrize(("value", "limit"), [(60000, 61000), (61000, 60000)])
def test_a_range_of_padding(make_dicom, read, value, limit):
    pixels = padded(DEEP, 60500)
    dataset = make_dicom(pixels, OPT, PixelPaddingValue=value, PixelPaddingRangeLimit=limit)
    np.testing.assert_array_equal(read(dataset).valid, ~PADDED)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_padding_in_compressed_pixels(make_dicom, read, syntax):
    dataset = make_dicom(padded(DEEP, 63536), OPT, PixelPaddingValue=63536)
    dataset.compress(syntax, generate_instance_uid=False)
    np.testing.assert_array_equal(read(dataset).valid, ~PADDED)


def test_padding_of_float_pixels(make_dicom, read):
    pixels = padded(DEEP.astype(np.float32), -9999)
    dataset = make_dicom(pixels, OPT, FloatPixelPaddingValue=-9999.0)
    dataset.FloatPixelData = dataset.PixelData
    del dataset.PixelData, dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit
    np.testing.assert_array_equal(read(dataset).valid, ~PADDED)


def test_padding_of_one_slice(make_dicom, read):
    pixels = np.stack([DEEP, padded(DEEP, 63536), DEEP])
    image = read(make_dicom(pixels, OPT, PixelPaddingValue=63536))
    assert image.valid.shape == pixels.shape
    np.testing.assert_array_equal(image.valid[1], ~PADDED)
    assert image.valid[[0, 2]].all()


def test_padding_before_a_table_is_applied(make_dicom, read, sequence):
    said = table(sequence, np.arange(65535, -1, -1), 16)
    image = read(make_dicom(padded(DEEP, 63536), OPT, PixelPaddingValue=63536, **said))
    np.testing.assert_array_equal(image.valid, ~PADDED)


def test_dark_specks_of_noise_are_no_padding(make_dicom, read):
    """A value that was also measured is padding only where it fills a band or a wedge."""
    noise = np.where(RNG.random(GREY.shape) < 0.2, 0, GREY).astype(np.uint8)
    dataset = make_dicom(padded(noise, 0), OPT, PixelPaddingValue=0)
    valid = read(dataset).valid
    assert not valid[PADDED].any()
    assert valid[:, :60].all()


def test_no_padding_where_none_was_needed(make_dicom, read):
    assert read(make_dicom(DEEP, OPT, PixelPaddingValue=63536)).valid is None
