import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    MPEG4HP41,
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from napari_retina_seg.io import read_image, read_stored
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import Laterality, Modality, Origin, Spacing
from napari_retina_seg.types.patient import patient_token

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (70, 90), np.uint8)
COLOR = RNG.integers(0, 256, (70, 90, 3), np.uint8)
DEEP = RNG.integers(0, 65536, (5, 70, 90)).astype(np.uint16)
OPT = "1.2.840.10008.5.1.4.1.1.77.1.5.4"
OP_16_BIT = "1.2.840.10008.5.1.4.1.1.77.1.5.2"
PDF = "1.2.840.10008.5.1.4.1.1.104.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@pytest.fixture
def read(tmp_path):
    def write_and_read(dataset, **options):
        dataset.save_as(tmp_path / "scan.dcm", **options)
        return read_image(tmp_path / "scan.dcm")

    return write_and_read


def test_a_color_photograph(make_dicom, read):
    image = read(make_dicom(COLOR, ImageLaterality="R"))
    assert (image.modality, image.laterality) == (Modality.FUNDUS, Laterality.RIGHT)
    assert (image.color, image.name) == (True, "scan")
    np.testing.assert_array_equal(image.pixels, COLOR)


def test_a_deep_photograph(make_dicom, read):
    image = read(make_dicom(DEEP[0], OP_16_BIT))
    assert image.modality is Modality.FUNDUS
    np.testing.assert_array_equal(image.pixels, DEEP[0])


def test_a_volume_with_functional_groups(make_dicom, read, sequence):
    measures = sequence(PixelSpacing=[0.00387, 0.0118], SpacingBetweenSlices=0.122)
    anatomy = sequence(FrameLaterality="L")
    shared = sequence(PixelMeasuresSequence=measures, FrameAnatomySequence=anatomy)
    image = read(make_dicom(DEEP, OPT, SharedFunctionalGroupsSequence=shared))
    assert (image.modality, image.laterality) == (Modality.OCT, Laterality.LEFT)
    assert image.is_volume
    np.testing.assert_array_equal(image.pixels, DEEP)
    spacing = image.spacing
    sizes = (spacing.slice.um, spacing.axial.um, spacing.lateral.um)
    assert sizes == pytest.approx((122, 3.87, 11.8))
    assert spacing.lateral.origin is Origin.FILE


@pytest.mark.parametrize(
    ("steps", "expected"), [((0.1, 0.1, 0.1, 0.1), 100), ((0.1, 3, 1, 1), None)]
)
def test_slice_distance_from_even_positions(make_dicom, read, sequence, steps, expected):
    places = np.cumsum([0, *steps])
    frames = [
        sequence(PlanePositionSequence=sequence(ImagePositionPatient=[0.0, float(y), 0.0]))[0]
        for y in places
    ]
    image = read(make_dicom(DEEP, OPT, PerFrameFunctionalGroupsSequence=Sequence(frames)))
    assert image.spacing.slice.um == pytest.approx(expected)


def test_pixel_spacing_at_the_top_level(make_dicom, read):
    spacing = read(make_dicom(GREY, PixelSpacing=[0.006, 0.007])).spacing
    assert (spacing.axial.um, spacing.lateral.um) == pytest.approx((6, 7))
    assert spacing.slice.um is None


@pytest.mark.parametrize("absurd", [[0, 0], [1, 1], [-0.01, -0.01], [1e-9, 1e-9]])
def test_absurd_spacing_is_unknown(make_dicom, read, absurd):
    assert read(make_dicom(GREY, PixelSpacing=absurd)).spacing == Spacing()


@pytest.mark.parametrize("text", [b"abcd", b"0.1 ", b"nan\\nan", b"\\ ", b""])
def test_malformed_spacing_is_unknown(make_dicom, tmp_path, text):
    dataset = make_dicom(GREY, PixelSpacing=[0.111111, 0.111111])
    dataset.save_as(tmp_path / "scan.dcm")
    content = (tmp_path / "scan.dcm").read_bytes()
    valid = b"0.111111\\0.111111 "
    assert valid in content
    (tmp_path / "scan.dcm").write_bytes(content.replace(valid, text.ljust(len(valid))))
    assert read_image(tmp_path / "scan.dcm").spacing == Spacing()


@pytest.mark.parametrize(
    ("said", "expected"),
    [("R", Laterality.RIGHT), ("L", Laterality.LEFT), ("B", Laterality.UNKNOWN)],
)
@pytest.mark.parametrize("keyword", ["ImageLaterality", "Laterality"])
def test_laterality(make_dicom, read, keyword, said, expected):
    assert read(make_dicom(GREY, **{keyword: said})).laterality is expected


@pytest.mark.parametrize(("name", "expected"), [("OP", Modality.FUNDUS), ("OPT", Modality.OCT)])
def test_modality_of_a_secondary_capture(make_dicom, read, name, expected):
    assert read(make_dicom(GREY, SECONDARY_CAPTURE, Modality=name)).modality is expected


def test_nothing_of_the_person_is_kept(make_dicom, read):
    image = read(make_dicom(COLOR, PatientID="0815"))
    assert image.patient == patient_token("0815")
    assert image.metadata == {"manufacturer": "Heidelberg Engineering", "model": "Spectralis"}
    assert "Doe" not in repr(image.metadata) + image.name


def test_monochrome1_is_inverted(make_dicom, read):
    image = read(make_dicom(GREY, PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_array_equal(image.pixels, 255 - GREY)


def test_monochrome1_is_inverted_within_the_stored_bits(make_dicom, read):
    pixels = DEEP[0] >> 4
    image = read(
        make_dicom(pixels, PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11)
    )
    np.testing.assert_array_equal(image.pixels, 4095 - pixels)


def test_a_rescale_is_left_out_unless_it_inverts(make_dicom, read):
    kept = read(make_dicom(GREY, RescaleSlope=2.5, RescaleIntercept=-1000))
    np.testing.assert_array_equal(kept.pixels, GREY)
    inverted = read(make_dicom(GREY, RescaleSlope=-1, RescaleIntercept=255))
    np.testing.assert_array_equal(inverted.pixels, 255 - GREY)


def test_signed_values(make_dicom, read):
    pixels = DEEP[0].astype(np.int16)
    np.testing.assert_array_equal(read(make_dicom(pixels)).pixels, pixels)


def test_color_by_plane(make_dicom, read):
    dataset = make_dicom(COLOR, PlanarConfiguration=1)
    dataset.PixelData = np.ascontiguousarray(COLOR.transpose(2, 0, 1)).tobytes()
    np.testing.assert_array_equal(read(dataset).pixels, COLOR)


def test_frames_in_color(make_dicom, read):
    pixels = RNG.integers(0, 256, (3, 70, 90, 3), np.uint8)
    image = read(make_dicom(pixels))
    assert (image.color, image.n_slices) == (True, 3)
    np.testing.assert_array_equal(image.pixels, pixels)


def test_luminance_and_chrominance_become_rgb(make_dicom, read):
    ybr = np.asarray(Image.fromarray(COLOR).convert("YCbCr"))
    image = read(make_dicom(ybr, PhotometricInterpretation="YBR_FULL"))
    assert np.abs(image.pixels.astype(int) - COLOR).max() <= 3


def test_grey_stored_as_color_is_grey(make_dicom, read):
    image = read(make_dicom(np.repeat(GREY[..., np.newaxis], 3, axis=2)))
    assert not image.color
    np.testing.assert_array_equal(image.pixels, GREY)


def test_a_palette_becomes_colors(make_dicom, read):
    colors = RNG.integers(0, 256, (256, 3), np.uint8)
    tables = {}
    for k, name in enumerate(("Red", "Green", "Blue")):
        tables[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 8]
        tables[f"{name}PaletteColorLookupTableData"] = colors[:, k].tobytes()
    image = read(make_dicom(GREY, PhotometricInterpretation="PALETTE COLOR", **tables))
    np.testing.assert_array_equal(image.pixels, colors[GREY])


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_uncompressed_syntaxes(make_dicom, read, syntax):
    dataset = make_dicom(GREY)
    dataset.file_meta.TransferSyntaxUID = syntax
    np.testing.assert_array_equal(read(dataset).pixels, GREY)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize("pixels", [GREY, COLOR, DEEP], ids=["grey", "color", "deep"])
def test_lossless_compression(make_dicom, read, syntax, pixels):
    dataset = make_dicom(pixels)
    dataset.compress(syntax, generate_instance_uid=False)
    np.testing.assert_array_equal(read(dataset).pixels, pixels)


def test_jpeg_compression(make_dicom, read, tmp_path):
    Image.fromarray(COLOR).save(tmp_path / "frame.jpg", quality=95, subsampling=0)
    dataset = make_dicom(COLOR, PhotometricInterpretation="YBR_FULL")
    dataset.PixelData = encapsulate([(tmp_path / "frame.jpg").read_bytes()])
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    expected = np.asarray(Image.open(tmp_path / "frame.jpg")).astype(int)
    assert np.abs(read(dataset).pixels - expected).max() <= 3


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("name", ["scan.dcm", "IM0001"])
def test_a_bare_file_without_mark_and_meta_information(make_dicom, tmp_path, implicit, name):
    dataset = make_dicom(GREY, ImageLaterality="L")
    dataset.file_meta = FileMetaDataset()
    dataset.preamble = None
    dataset.save_as(tmp_path / name, implicit_vr=implicit, little_endian=True)
    assert (tmp_path / name).read_bytes()[128:132] != b"DICM"
    image = read_image(tmp_path / name)
    assert image.laterality is Laterality.LEFT
    np.testing.assert_array_equal(image.pixels, GREY)


def test_a_file_that_begins_as_tiff_is_one_image_whatever_is_asked_of_it(make_dicom, tmp_path):
    dataset = make_dicom(GREY)
    dataset.preamble = b"II*\0".ljust(128, b"\0")
    dataset.save_as(tmp_path / "both.dcm")
    np.testing.assert_array_equal(read_image(tmp_path / "both.dcm").pixels, GREY)
    np.testing.assert_array_equal(read_stored(tmp_path / "both.dcm").values, GREY)


def test_a_report_without_pixels_is_refused(make_dicom, read):
    dataset = make_dicom(GREY, PDF)
    del dataset.PixelData
    with pytest.raises(ReadError, match=r"without pixels \(Encapsulated PDF Storage\)"):
        read(dataset)


@pytest.mark.parametrize(
    ("syntax", "name"), [(MPEG4HP41, "MPEG-4"), ("1.2.3.4.5", "something unknown")]
)
def test_a_compression_that_cant_be_decoded_is_named(make_dicom, read, syntax, name):
    dataset = make_dicom(COLOR)
    dataset.PixelData = encapsulate([b"\0" * 100])
    dataset.file_meta.TransferSyntaxUID = syntax
    with pytest.raises(ReadError, match=f"compressed as {name}.*export it uncompressed"):
        read(dataset, **({} if name == "MPEG-4" else {"implicit_vr": False}))


def test_a_damaged_frame_is_refused(make_dicom, read):
    dataset = make_dicom(COLOR)
    dataset.PixelData = encapsulate([b"\xff\xd8\xff\xe0 this is no JPEG"])
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    with pytest.raises(ReadError, match="damaged"):
        read(dataset)


def test_missing_frames_are_refused(make_dicom, read):
    dataset = make_dicom(DEEP)
    dataset.PixelData = DEEP[:3].tobytes()
    with pytest.raises(ReadError, match="damaged or cut short"):
        read(dataset)


def test_a_header_that_claims_too_much_is_refused(make_dicom, read):
    dataset = make_dicom(GREY, Rows=60_000, Columns=60_000)
    with pytest.raises(ReadError, match="too short for what its header claims"):
        read(dataset)
