"""Zeiss, Bioptigen and Optovue: opened where names, headers or texts leave no doubt."""

import numpy as np
import pytest

from napari_retina_seg.io import is_image_content, read_image, read_images
from napari_retina_seg.io.images.vendor import slices
from napari_retina_seg.types.acquisition import ScanPattern
from napari_retina_seg.types.errors import ReadError
from vendor_files import OPTOVUE_TEXT, PATIENT, bioptigen_bytes, write_optovue

VOLUME = np.random.default_rng(0).integers(0, 65536, (3, 16, 20)).astype(np.uint16)
CUBE = "P4711_Optic Disc Cube 200x200_01-02-2001_01-01-01_OS_sn41343_cube_z.img"


@pytest.fixture
def cube(tmp_path):
    path = tmp_path / CUBE
    stored = np.memmap(path, np.uint8, "w+", shape=(200, 1024, 200))
    stored[7, 1023, 199], stored[7, 0, 0] = 50, 60
    return path


def test_a_cube_is_what_its_name_and_size_say(cube):
    image = read_image(cube)
    assert image.pixels.shape == (200, 1024, 200)
    plane = image.plane(7)
    assert (plane[0, 0], plane[1023, 199], plane.sum()) == (50, 60, 110)
    assert (image.laterality, image.acquisition.pattern) == ("OS", ScanPattern.RASTER)
    spacing = image.spacing
    assert (spacing.slice.um, spacing.axial.um, spacing.lateral.um) == (30, 2000 / 1024, 30)
    assert "in its name" in image.warnings[0]
    assert is_image_content(cube)


@pytest.mark.parametrize(("name", "size", "message"), [
    (CUBE, 40_959_999, "a scan of its name has 40,960,000"),
    (CUBE.replace("200x200", "512x128"), 67_108_864, "not that of a cube"),
    (CUBE.replace("_OS_", "_"), 40_960_000, "not that of a cube"),
    ("a_OD_cube_z.img", 40_960_000, "not that of a cube"),
])  # fmt: skip
def test_any_other_raw_file_is_refused(tmp_path, name, size, message):
    path = tmp_path / name
    with path.open("wb") as file:
        file.truncate(size)
    with pytest.raises(ReadError, match=message):
        read_image(path)


def write(tmp_path, content):
    path = tmp_path / "scan.OCT"
    path.write_bytes(content)
    return path


def test_every_b_scan_of_a_bioptigen(tmp_path, monkeypatch):
    path = write(tmp_path, bioptigen_bytes(VOLUME))
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, VOLUME)
    assert image.acquisition.pattern is ScanPattern.RASTER
    spacing = image.spacing
    assert (spacing.slice.um, spacing.axial.um, spacing.lateral.um) == (2000, None, 400)
    assert "axial size" in image.warnings[0]
    assert PATIENT not in f"{image.name} {image.metadata} {image.warnings} {image.acquisition}"
    monkeypatch.setattr(slices, "_AT_ONCE", 100)
    np.testing.assert_array_equal(read_image(path).plane(2), VOLUME[2])


def test_repeated_b_scans_have_no_distance(tmp_path):
    image = read_image(write(tmp_path, bioptigen_bytes(VOLUME, scans=1, repeats=2)))
    assert image.acquisition.pattern is ScanPattern.UNKNOWN
    assert image.spacing.slice.um is None
    line = read_image(write(tmp_path, bioptigen_bytes(VOLUME[:1], kind=0)))
    assert (line.pixels.shape, line.acquisition.pattern) == ((16, 20), ScanPattern.LINE)
    assert line.spacing.lateral.um == 400


BIOPTIGEN = bioptigen_bytes(VOLUME)
BAD = {
    "cut": (BIOPTIGEN[:-200], "number 3 is not there"),
    "more": (bioptigen_bytes(VOLUME, stated=2**32 - 1), "number 4 is not there"),
    "none": (bioptigen_bytes(VOLUME, stated=0), "holds no B-scans"),
    "mixed": (bioptigen_bytes(VOLUME, kind=6), "mixed density"),
    "key": (BIOPTIGEN.replace(b"\x0a\0\0\0FRAMECOUNT", b"\xff\xff\0\0FRAMECOUNT"), "at byte"),
    "huge": (BIOPTIGEN.replace(b"LINELENGTH\4\0\0\0\x10", b"LINELENGTH\4\0\0\0\xff"),
             "number 1 is not there"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_fit_is_refused_in_a_sentence(tmp_path, case):
    content, message = BAD[case]
    with pytest.raises(ReadError, match=message) as caught:
        read_image(write(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_every_scan_of_an_optovue(tmp_path):
    rng = np.random.default_rng(1)
    scans = [rng.random((2, 16, 20), np.float32), rng.random((1, 16, 30), np.float32)]
    path = write_optovue(tmp_path, scans)
    first, second = read_images(path)
    np.testing.assert_array_equal(first.pixels, scans[0])
    np.testing.assert_array_equal(second.pixels, scans[1][0])
    assert [one.name for one in (first, second)] == ["scan-1", "scan-2"]
    assert (first.laterality, first.spacing.lateral.um) == ("OS", None)
    assert PATIENT not in f"{first.name} {first.metadata} {first.warnings} {first.acquisition}"


@pytest.mark.parametrize(("text", "message"), [
    (OPTOVUE_TEXT.replace("20 A", "21 A"), "the scans in its text file take 4,608"),
    (OPTOVUE_TEXT.replace("Window", ""), "take 0"),
    (None, r"copy 'scan\.txt' beside it"),
])  # fmt: skip
def test_an_optovue_without_a_fitting_description_is_refused(tmp_path, text, message):
    path = write_optovue(tmp_path, [np.zeros((2, 16, 20)), np.zeros((1, 16, 30))], text or "")
    if text is None:
        path.with_suffix(".txt").unlink()
    with pytest.raises(ReadError, match=message):
        read_image(path)
