"""Colours in DICOM: what the codestream says of them counts, not what the header claims."""

from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from napari_retina_seg.io import read_image
from napari_retina_seg.types.errors import ReadError

NEAR = 3  # grey levels, on average


def smooth_colors(rows=70, columns=90):
    noise = np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8)
    picture = cv2.resize(noise, (columns, rows), interpolation=cv2.INTER_CUBIC)
    picture[:, :8] = 0  # the surround
    return picture


COLOR = smooth_colors()


@pytest.fixture
def read(tmp_path):
    def write_and_read(dataset):
        dataset.save_as(tmp_path / "photo.dcm")
        return read_image(tmp_path / "photo.dcm")

    return write_and_read


def difference(image, expected=COLOR):
    assert image.pixels.shape == expected.shape
    return np.abs(image.pixels.astype(int) - expected).mean()


def jpeg(pixels, **options):
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95, **options)
    return file.getvalue()


def without_application_markers(content):
    """Drop APP0 to APP15, as many devices leave them out."""
    out, place = content[:2], 2
    while content[place + 1] != 0xDA:
        length = int.from_bytes(content[place + 2 : place + 4], "big") + 2
        if not 0xE0 <= content[place + 1] <= 0xEF:
            out += content[place : place + length]
        place += length
    return out + content[place:]


def with_adobe_marker(content, transform):
    marker = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([transform])
    plain = without_application_markers(content)
    return plain[:2] + marker + plain[2:]


def with_ids(content, ids):
    """Name the components of a JPEG, in the frame's header and in that of its scan."""
    changed = bytearray(content)
    frame, scan = content.index(b"\xff\xc0"), content.index(b"\xff\xda")
    for k, name in enumerate(ids):
        changed[frame + 10 + 3 * k] = name
        changed[scan + 5 + 2 * k] = name
    return bytes(changed)


YBR = {
    "JFIF": jpeg(COLOR),
    "JFIF, not subsampled": jpeg(COLOR, subsampling=0),
    "no marker": without_application_markers(jpeg(COLOR)),
    "no marker, not subsampled": without_application_markers(jpeg(COLOR, subsampling=0)),
    "no marker, ids from 0": with_ids(without_application_markers(jpeg(COLOR)), (0, 1, 2)),
    "Adobe says YCbCr": with_adobe_marker(jpeg(COLOR), 1),
    "progressive": jpeg(COLOR, progressive=True),
}
RGB = {
    "Adobe says RGB": jpeg(COLOR, keep_rgb=True),
    "components called R, G, B": without_application_markers(jpeg(COLOR, keep_rgb=True)),
    "ids from 1, Adobe says RGB": with_ids(
        with_adobe_marker(jpeg(COLOR, keep_rgb=True), 0), (1, 2, 3)
    ),
}


@pytest.mark.parametrize("said", ["RGB", "YBR_FULL", "YBR_FULL_422"])
@pytest.mark.parametrize("stream", [*YBR, *RGB])
def test_jpeg_is_decoded_as_its_stream_states(make_dicom, read, stream, said):
    dataset = make_dicom(COLOR, PhotometricInterpretation=said)
    dataset.PixelData = encapsulate([{**YBR, **RGB}[stream]])
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    assert difference(read(dataset)) < NEAR


@pytest.mark.parametrize("said", ["RGB", "YBR_FULL"])
def test_the_header_decides_where_a_jpeg_says_nothing_of_its_colors(make_dicom, read, said):
    plain = without_application_markers(jpeg(COLOR, subsampling=0, keep_rgb=said == "RGB"))
    dataset = make_dicom(COLOR, PhotometricInterpretation=said)
    dataset.PixelData = encapsulate([with_ids(plain, (0, 1, 2))])
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    assert difference(read(dataset)) < NEAR


def test_frames_of_jpeg(make_dicom, read):
    pixels = np.stack([COLOR, COLOR[::-1]])
    dataset = make_dicom(pixels, PhotometricInterpretation="YBR_FULL_422")
    frames = [jpeg(np.ascontiguousarray(frame)) for frame in pixels]
    dataset.PixelData = encapsulate([without_application_markers(frame) for frame in frames])
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    assert difference(read(dataset), pixels) < NEAR


def test_a_missing_frame_of_jpeg_is_refused(make_dicom, read):
    dataset = make_dicom(np.stack([COLOR, COLOR]), PhotometricInterpretation="YBR_FULL_422")
    dataset.PixelData = encapsulate([jpeg(COLOR)])
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    with pytest.raises(ReadError, match="damaged or cut short"):
        read(dataset)


def ybr(pixels):
    return np.asarray(Image.fromarray(pixels).convert("YCbCr"))


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("kind", ["RGB", "YBR_FULL"])
def test_colors_by_pixel_and_by_plane(make_dicom, read, kind, planar):
    stored = COLOR if kind == "RGB" else ybr(COLOR)
    dataset = make_dicom(stored, PhotometricInterpretation=kind, PlanarConfiguration=planar)
    if planar:
        dataset.PixelData = np.ascontiguousarray(stored.transpose(2, 0, 1)).tobytes()
    assert difference(read(dataset)) < NEAR


def test_chrominance_of_every_other_pixel(make_dicom, read):
    stored = ybr(COLOR)
    pairs = np.concatenate(
        [stored[:, ::2, :1], stored[:, 1::2, :1], stored[:, ::2, 1:]], axis=2
    )  # Y Y Cb Cr, PS3.3 C.7.6.3.1.2
    dataset = make_dicom(COLOR, PhotometricInterpretation="YBR_FULL_422")
    dataset.PixelData = pairs.tobytes()
    assert difference(read(dataset)) < NEAR


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
@pytest.mark.parametrize("kind", ["RGB", "YBR_FULL"])
def test_lossless_colors(make_dicom, read, syntax, kind):
    stored = COLOR if kind == "RGB" else np.ascontiguousarray(ybr(COLOR))
    dataset = make_dicom(stored, PhotometricInterpretation=kind)
    dataset.compress(syntax, generate_instance_uid=False)
    assert difference(read(dataset)) < NEAR


@pytest.mark.parametrize("said", ["RGB", "YBR_FULL", "YBR_ICT", "YBR_RCT"])
@pytest.mark.parametrize("lossless", [True, False])
def test_jpeg_2000_is_decoded_as_its_stream_states(make_dicom, read, said, lossless):
    file = BytesIO()
    Image.fromarray(COLOR).save(
        file, "JPEG2000", no_jp2=True, irreversible=not lossless, mct=1,
        quality_mode="rates", quality_layers=[1 if lossless else 4],
    )  # fmt: skip
    dataset = make_dicom(COLOR, PhotometricInterpretation=said)
    dataset.PixelData = encapsulate([file.getvalue()])
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless if lossless else JPEG2000
    assert difference(read(dataset)) < NEAR


@pytest.mark.parametrize("kind", ["RGB", "YBR_FULL"])
def test_jpeg_2000_without_a_transformation(make_dicom, read, kind):
    stored = COLOR if kind == "RGB" else ybr(COLOR)
    file = BytesIO()
    Image.fromarray(stored, "RGB").save(file, "JPEG2000", no_jp2=True, mct=0)
    dataset = make_dicom(COLOR, PhotometricInterpretation=kind)
    dataset.PixelData = encapsulate([file.getvalue()])
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    assert difference(read(dataset)) < NEAR


@pytest.mark.parametrize("with_alpha", [False, True])
def test_a_palette_with_transparency(make_dicom, read, with_alpha):
    indices = np.random.default_rng(0).integers(0, 256, (70, 90), np.uint8)
    colors = np.random.default_rng(1).integers(0, 256, (256, 4), np.uint8)
    names = ["Red", "Green", "Blue", *(["Alpha"] if with_alpha else [])]
    tables = {}
    for k, name in enumerate(names):
        tables[f"{name}PaletteColorLookupTableData"] = colors[:, k].tobytes()
        if name != "Alpha":
            tables[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 8]
    image = read(make_dicom(indices, PhotometricInterpretation="PALETTE COLOR", **tables))
    np.testing.assert_array_equal(image.pixels, colors[indices][..., : len(names)])


@pytest.mark.parametrize("kind", ["YBR_PARTIAL_422", "HSV", "XYZ"])
def test_colors_that_cant_be_converted_are_refused(make_dicom, read, kind):
    with pytest.raises(ReadError, match=f"holds colours as {kind}"):
        read(make_dicom(COLOR, PhotometricInterpretation=kind))
