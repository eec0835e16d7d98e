"""Heidelberg's E2E: every examination, B-scan, line and eye as the parts state them."""

import struct

import numpy as np
import pytest

from e2e_files import AXIAL_MM, GREYS, MARKER, Exam, e2e_bytes, raster, stored
from napari_retina_seg.io import read_image, read_images
from napari_retina_seg.io.formats.identity import find_identity
from napari_retina_seg.io.images.series import group_series, read_files
from napari_retina_seg.io.images.vendor import slices
from napari_retina_seg.types.acquisition import ScanPattern
from napari_retina_seg.types.errors import ReadError
from vendor_files import FACE, PATIENT

VALUES = np.random.default_rng(0).integers(0, 1025, (3, 16, 20)) / 1024  # held exactly
BSCANS = stored(VALUES)
LINES = {
    0: np.full((3, 20), 2.0),
    1: np.array([[12.0], [0.0], [13.0]]) + np.zeros((3, 20)),
    16: np.full((3, 20), MARKER),
}


def write(tmp_path, *exams, **options):
    path = tmp_path / "scan.e2e"
    path.write_bytes(e2e_bytes(exams, **options))
    return path


def test_every_b_scan_line_and_size(tmp_path):
    path = write(tmp_path, Exam(BSCANS, FACE, lines=LINES), per_directory=4)
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, np.rint(255 * VALUES**0.25))
    assert (image.name, image.modality, image.laterality) == ("scan", "oct", "OD")
    spacing = image.spacing
    assert spacing.axial.um == pytest.approx(1000 * AXIAL_MM)
    assert (spacing.lateral.um, spacing.slice.um) == (None, None)
    assert "width of a pixel" in image.warnings[0]
    found = image.acquisition
    assert (found.pattern, found.quality) == (ScanPattern.RASTER, (25, 26, 27))
    np.testing.assert_array_equal(found.en_face.pixels, FACE)
    assert found.lines.names == ("ILM", "BM")
    np.testing.assert_array_equal(found.lines.heights[:, :, 4], [[2, 12], [2, np.nan], [2, 13]])


def test_eyepy_reads_the_same(tmp_path):
    from eyepy.io.he.e2e_reader import HeE2eReader

    # It takes the bits of mantissas in reversed order, which makes no difference to powers of two.
    values = 2.0 ** -(np.arange(1, 961).reshape(3, 16, 20) % 60)
    path = write(tmp_path, Exam(stored(values), FACE, lines=LINES))
    image = read_image(path)
    with HeE2eReader(path) as reader:
        (series,) = reader.series
        other, lines = series.get_bscans(), series.get_layers()
        assert series.enface_modality() == "NIR"
        np.testing.assert_array_equal(series.get_localizer().data, image.acquisition.en_face.pixels)
        assert [series._oct_quality_db(k) for k in range(3)] == list(image.acquisition.quality)
    np.testing.assert_array_equal(image.pixels, np.rint(255 * other**0.25))
    np.testing.assert_array_equal(image.acquisition.lines.heights[:, 0], lines[0])


def test_each_examination_is_an_image(tmp_path):
    left = Exam(stored(VALUES[:1]), eye=b"L", pattern=2, places=raster(1))
    path = write(tmp_path, Exam(BSCANS), left, Exam(face=FACE), prefix=PREFIX)
    volume, circle, face = read_images(path)
    assert [one.name for one in (volume, circle, face)] == ["scan-1", "scan-2", "scan-3"]
    assert [one.laterality for one in (volume, circle, face)] == ["OD", "OS", "OD"]
    assert circle.pixels.shape == (16, 20)
    assert circle.acquisition.pattern is ScanPattern.CIRCLE
    np.testing.assert_array_equal(face.pixels, FACE)
    files = group_series([path])
    assert [one.name for one in files] == ["scan-1", "scan-2", "scan-3"]
    np.testing.assert_array_equal(read_files(files[0]).pixels, volume.pixels)
    with pytest.raises(ReadError, match="holds 3 images"):
        read_image(path)


def test_an_en_face_image_of_an_unknown_type_is_left_out(tmp_path):
    image = read_image(write(tmp_path, Exam(BSCANS, FACE, face_kind=0x02100201)))
    assert image.pixels.shape == BSCANS.shape
    assert image.acquisition.en_face is None
    assert "en-face image is left out" in image.warnings[1]
    with pytest.raises(ReadError, match="in a way that is not known"):
        read_image(write(tmp_path, Exam(face=FACE, face_kind=0x02100201)))


PREFIX = b"E2EMultipleVolumeFile".ljust(64, b"\0")


def test_a_large_volume_is_read_slice_by_slice(tmp_path, monkeypatch):
    monkeypatch.setattr(slices, "_AT_ONCE", 100)
    marked = BSCANS.copy()
    marked[1, 3, 4] = 0xFFFF
    image = read_image(write(tmp_path, Exam(marked)))
    assert not isinstance(image.pixels, np.ndarray)
    np.testing.assert_array_equal(image.plane(2), np.rint(255 * VALUES[2] ** 0.25))
    assert np.argwhere(~image.valid_plane(1)).tolist() == [[3, 4]]


def test_nobody_is_named(tmp_path):
    path = write(tmp_path, Exam(BSCANS, FACE, lines=LINES))
    assert PATIENT.encode() in path.read_bytes()
    image = read_image(path)
    assert PATIENT not in f"{image.name} {image.metadata} {image.warnings} {image.acquisition}"
    path.write_bytes(PREFIX + path.read_bytes())
    assert find_identity(path) == ("data of the patient in a Heidelberg E2E file",)


WHOLE = e2e_bytes([Exam(BSCANS, FACE, lines=LINES)])
BAD = {
    "cut": (WHOLE[:-100], "cut short"),
    "header only": (WHOLE[:60], "cut short or damaged"),
    "directory": (WHOLE.replace(b"MDbDir", b"MDbXXX"), "should have a directory at byte 88"),
    "part": (WHOLE.replace(b"MDbData", b"MDbDada"), "should have a part at byte"),
    "loop": (WHOLE[:132] + struct.pack("<I", 88) + WHOLE[136:], "an end of its directories"),
    "huge directory": (WHOLE[:124] + b"\xff" * 4 + WHOLE[128:], "4,294,967,295 parts"),
    "fewer B-scans": (e2e_bytes([Exam(BSCANS, stated=4)]), "states 4 B-scans and holds 3"),
    "no images": (e2e_bytes([Exam()]), "holds no images"),
    "other pixels": (e2e_bytes([Exam(BSCANS, kind=GREYS)]), "in a way that is not known"),
    "wider": (WHOLE.replace(struct.pack("<2I", 16, 20), struct.pack("<2I", 16, 99)),
              "an image states 16 × 99 px"),
    "line": (e2e_bytes([Exam(BSCANS, lines={0: np.zeros((3, 9))})]).replace(
        struct.pack("<4I", 0, 0, 0, 20), struct.pack("<4I", 0, 0, 0, 21)), "a line of 21 columns"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_fit_is_refused_in_a_sentence(tmp_path, case):
    content, message = BAD[case]
    path = tmp_path / "scan.e2e"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=message) as caught:
        read_image(path)
    assert "\n" not in str(caught.value)
