"""Topcon's files: every B-scan, size, line and eye as the chunks state them."""

import numpy as np
import pytest

from napari_retina_seg.io import read_image
from napari_retina_seg.types.acquisition import ScanPattern
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import Modality
from vendor_files import (
    PATIENT,
    topcon_bytes,
    topcon_face,
    topcon_line,
    topcon_pictures,
    topcon_raw,
    topcon_sizes,
)

VOLUME = np.random.default_rng(0).integers(0, 65536, (3, 16, 20)).astype(np.uint16)
GREY = (VOLUME >> 8).astype(np.uint8)
SIZES = ("@PARAM_SCAN_04", topcon_sizes(6.0, 4.5, 2.6))
RIGHT = ("@CAPTURE_INFO_02", b"\0" + bytes(20))


def write(tmp_path, *chunks, kind=b"FDA"):
    path = tmp_path / f"scan.{kind.decode().lower()}"
    path.write_bytes(topcon_bytes(list(chunks), kind))
    return path


@pytest.mark.parametrize(("name", "content", "expected", "kind"), [
    ("@IMG_SCAN_03", topcon_raw(VOLUME), VOLUME, b"FDS"),
    ("@IMG_MOT_COMP_03", topcon_raw(VOLUME), VOLUME, b"FDA"),
    ("@IMG_JPEG", topcon_pictures(GREY), GREY, b"FDA"),
])  # fmt: skip
def test_every_b_scan_and_size(tmp_path, name, content, expected, kind):
    image = read_image(write(tmp_path, RIGHT, (name, content), SIZES, kind=kind))
    np.testing.assert_array_equal(image.pixels, expected)
    assert image.pixels.dtype == expected.dtype
    assert (image.name, image.modality, image.laterality) == ("scan", Modality.OCT, "OD")
    assert image.acquisition.pattern is ScanPattern.RASTER
    spacing = image.spacing
    assert (spacing.slice.um, spacing.axial.um, spacing.lateral.um) == (1500, 2.6, 300)
    assert PATIENT not in f"{image.name} {image.metadata} {image.warnings}"


def test_a_star_has_no_distance_of_slices(tmp_path):
    image = read_image(write(tmp_path, ("@IMG_SCAN_03", topcon_raw(VOLUME, mode=3)), SIZES))
    assert image.acquisition.pattern is ScanPattern.RADIAL
    assert image.spacing.slice.um is None
    other = read_image(write(tmp_path, ("@IMG_SCAN_03", topcon_raw(VOLUME, mode=4)), SIZES))
    assert other.acquisition.pattern is ScanPattern.UNKNOWN
    assert other.spacing.slice.um is None


def test_what_is_not_stated_is_unknown(tmp_path):
    image = read_image(write(tmp_path, ("@IMG_SCAN_03", topcon_raw(VOLUME[:1]))))
    assert image.pixels.shape == (16, 20)
    assert image.laterality == "unknown"
    assert (image.spacing.axial.um, image.spacing.lateral.um) == (None, None)
    zero = ("@PARAM_SCAN_04", topcon_sizes(0.0, float("nan"), -1.0))
    image = read_image(write(tmp_path, ("@IMG_SCAN_03", topcon_raw(VOLUME)), zero))
    assert {each.um for each in vars(image.spacing).values()} == {None}


def test_the_left_eye(tmp_path):
    path = write(
        tmp_path, ("@CAPTURE_INFO", b"\1" + bytes(12)), ("@IMG_JPEG", topcon_pictures(GREY))
    )
    assert read_image(path).laterality == "OS"


def test_lines_and_fundus_photograph(tmp_path):
    heights = np.full((3, 20), 10.0)
    heights[0], heights[1, 4] = 12, 65535
    photograph = np.random.default_rng(1).integers(0, 256, (12, 14, 3)).astype(np.uint8)
    image = read_image(write(
        tmp_path, ("@IMG_JPEG", topcon_pictures(GREY)), ("@IMG_FUNDUS", topcon_face(photograph)),
        ("@CONTOUR_INFO", topcon_line("MULTILAYERS_1", heights)),
        ("@CONTOUR_INFO", topcon_line("MULTILAYERS_7", heights - heights + 3)),
        ("@CONTOUR_INFO", topcon_line("MULTILAYERS_9", heights - heights + 65535)),
    ))  # fmt: skip
    found = image.acquisition
    assert found.lines.names == ("ILM", "BM")
    assert found.lines.heights[:, 0, 0].tolist() == [4, 6, 6]
    assert np.argwhere(np.isnan(found.lines.heights)).tolist() == [[1, 0, 4]]
    assert (found.lines.heights[:, 1] == 13).all()
    np.testing.assert_array_equal(found.en_face.pixels, photograph)


RAW = topcon_raw(VOLUME)


def raw(content: bytes) -> bytes:
    return topcon_bytes([("@IMG_SCAN_03", content)])


BAD = {
    "cut": (raw(RAW)[:-200], "cut short"),
    "no B-scans": (topcon_bytes([SIZES]), "no B-scans of a kind"),
    "more slices": (raw(RAW[:13] + b"\4" + RAW[14:]), "more than it"),
    "no slices": (raw(RAW[:13] + b"\0" + RAW[14:]), "holds no B-scans"),
    "huge": (raw(RAW[:13] + b"\xff" * 4 + RAW[17:]), "the limit"),
    "bits": (raw(topcon_raw(VOLUME, bits=8)), "8 bits a pixel"),
    "pictures cut": (topcon_bytes([("@IMG_JPEG", topcon_pictures(GREY)[:-50])]),
                     "states 3 B-scans and holds 2"),
    "other size": (topcon_bytes([("@IMG_JPEG", topcon_pictures(GREY)[:9] + b"\x15"
                                  + topcon_pictures(GREY)[10:])]), "as its header states"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_fit_is_refused_in_a_sentence(tmp_path, case):
    content, message = BAD[case]
    path = tmp_path / "scan.fda"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=message) as caught:
        read_image(path)
    assert "\n" not in str(caught.value)
