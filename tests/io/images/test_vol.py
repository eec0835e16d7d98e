"""Heidelberg raw exports: every B-scan, size, line and pattern as the header states it."""

import struct
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from napari_retina_seg.io import is_image_content, read_image
from napari_retina_seg.types.acquisition import CirclePath, LinePath, ScanPattern
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import Laterality, Length, Modality, Origin, RetinaImage
from napari_retina_seg.types.patient import patient_token
from vendor_files import (
    CIRCLE,
    DISTANCE,
    FACE,
    FACE_SCALE,
    LINE,
    NO_DATA,
    PATIENT,
    RADIAL,
    RASTER,
    SCALE_X,
    intensities,
    raster_places,
    vol_bytes,
    vol_header,
    write_vol,
)

BSCANS = intensities()


def microns(length: Length) -> float | None:
    assert (length.um is None) == (length.origin is not Origin.FILE)
    return None if length.um is None else round(length.um, 6)


def sizes(image: RetinaImage) -> tuple[float | None, ...]:
    spacing = image.spacing
    return microns(spacing.slice), microns(spacing.axial), microns(spacing.lateral)


KNOWN = (60.0, 3.9, 11.8)


@pytest.mark.parametrize("version", [100, 101, 102, 103, 104, 105, 110])
def test_every_version_opens_with_every_b_scan_and_size(tmp_path, version):
    path = write_vol(tmp_path / "scan.vol", BSCANS, version=version)
    image = read_image(path)
    assert image.pixels.dtype == np.uint8
    np.testing.assert_array_equal(image.pixels, np.rint(255 * BSCANS**0.25))
    assert sizes(image) == KNOWN
    assert (image.name, image.modality, image.laterality) == (
        "scan",
        Modality.OCT,
        Laterality.RIGHT,
    )
    assert (image.valid, image.warnings) == (None, ())
    found = image.acquisition
    assert found.pattern is ScanPattern.RASTER
    assert found.quality == (() if version == 100 else (20.0, 21.0, 22.0))
    np.testing.assert_array_equal(found.en_face.pixels, FACE)
    assert microns(found.en_face.spacing.lateral) == 12.0


def test_content_decides_not_the_suffix(tmp_path):
    path = write_vol(tmp_path / "scan.dat", BSCANS)
    assert is_image_content(path)
    assert read_image(path).n_slices == 3


def test_intensities_are_shown_as_their_fourth_root(tmp_path):
    values = [0.0, 1 / 256, 1 / 16, 1.0, NO_DATA, np.nan, np.inf, -1.0]
    path = write_vol(tmp_path / "scan.vol", np.array(values, np.float32).reshape(1, 2, 4),
                     pattern=LINE)  # fmt: skip
    image = read_image(path)
    assert image.pixels.tolist() == [[0, 64, 128, 255], [0, 0, 0, 0]]
    assert image.valid.tolist() == [[True] * 4, [False] * 4]


def test_grey_levels_in_place_of_intensities_are_kept_and_said(tmp_path):
    levels = np.arange(2 * 4 * 5, dtype=np.float32).reshape(2, 4, 5)
    image = read_image(write_vol(tmp_path / "scan.vol", levels))
    np.testing.assert_array_equal(image.pixels, levels)
    assert "grey levels" in image.warnings[0]


@pytest.mark.parametrize(("eye", "expected"), [
    (b"OD", "OD"), (b"OS", "OS"), (b"os \0", "OS"), (b"", "unknown"), (b"\xff\xff", "unknown"),
    (b"OU", "unknown"),
])  # fmt: skip
def test_an_eye_is_known_or_unknown(tmp_path, eye, expected):
    assert read_image(write_vol(tmp_path / "a.vol", BSCANS, eye=eye)).laterality == expected


# Patterns and places


def test_b_scans_are_where_the_device_took_them(tmp_path):
    image = read_image(write_vol(tmp_path / "scan.vol", BSCANS))
    paths = image.acquisition.en_face.paths
    places = raster_places(3, 20) / FACE_SCALE - 0.5
    for path, (left, top, right, bottom) in zip(paths, places, strict=True):
        assert isinstance(path, LinePath)
        np.testing.assert_allclose([*path.start, *path.end], [top, left, bottom, right])
    row, column = paths[2].points(20)[7]
    assert image.acquisition.en_face.nearest(row, column, 20)[:2] == (2, 7)


@pytest.mark.parametrize(("code", "expected"), [
    (RASTER, "raster"), (4, "raster"), (RADIAL, "radial"), (0, "raster"), (77, "raster"),
    (LINE, "raster"),
])  # fmt: skip
def test_patterns_by_their_code_or_by_the_places(tmp_path, code, expected):
    """A single line has one B-scan: three at equal distances are a raster whatever the code."""
    image = read_image(write_vol(tmp_path / "scan.vol", BSCANS, pattern=code))
    assert image.acquisition.pattern == expected
    assert (image.spacing.slice.um is None) == (expected != "raster")


def star(slices: int, columns: int) -> np.ndarray:
    angles = np.pi * np.arange(slices) / slices
    arm = columns * SCALE_X / 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.concatenate([0.4 - arm, 0.4 + arm], axis=1)


@pytest.mark.parametrize("code", [RADIAL, 0])
def test_a_star_has_no_distance_of_slices(tmp_path, code):
    path = write_vol(tmp_path / "scan.vol", BSCANS, pattern=code, places=star(3, 20))
    image = read_image(path)
    assert image.acquisition.pattern is ScanPattern.RADIAL
    assert sizes(image) == (None, *KNOWN[1:])
    assert [len(each.points(20)) for each in image.acquisition.en_face.paths] == [20] * 3


@pytest.mark.parametrize("code", [CIRCLE, 0])
@pytest.mark.parametrize("eye", [b"OD", b"OS"])
def test_a_circle_is_a_circle(tmp_path, code, eye):
    """Its end is its centre, and its columns lie on the circumference."""
    center, radius = (0.42, 0.40), 20 * SCALE_X / (2 * np.pi)
    place = np.array([[center[0] - radius, center[1], *center]])
    path = write_vol(tmp_path / "scan.vol", BSCANS[:1], pattern=code, places=place, eye=eye)
    image = read_image(path)
    assert image.pixels.shape == (16, 20)
    assert image.acquisition.pattern is ScanPattern.CIRCLE
    assert sizes(image) == (None, *KNOWN[1:])
    (found,) = image.acquisition.en_face.paths
    assert isinstance(found, CirclePath)
    assert found.clockwise == (eye == b"OD")
    np.testing.assert_allclose(found.center, np.array(center)[::-1] / FACE_SCALE - 0.5)


def test_a_circle_of_an_unknown_eye_has_no_known_course(tmp_path):
    place = np.array([[0.42 - 20 * SCALE_X / (2 * np.pi), 0.4, 0.42, 0.4]])
    path = write_vol(tmp_path / "a.vol", BSCANS[:1], pattern=CIRCLE, places=place, eye=b"")
    image = read_image(path)
    assert image.acquisition.pattern is ScanPattern.CIRCLE
    assert image.acquisition.en_face.paths == ()
    assert "which eye" in image.warnings[0]


def test_a_single_line_is_an_image_without_slices(tmp_path):
    for code in (LINE, 0):
        image = read_image(write_vol(tmp_path / "a.vol", BSCANS[:1], pattern=code))
        assert (image.pixels.shape, image.acquisition.pattern) == ((16, 20), ScanPattern.LINE)
        assert sizes(image) == (None, *KNOWN[1:])


# Sizes


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf, -1.0, 1e9])
@pytest.mark.parametrize(("field", "place"), [("scale_z", 1), ("scale_x", 2)])
def test_sizes_that_no_image_has_are_unknown(tmp_path, field, place, bad):
    image = read_image(write_vol(tmp_path / "a.vol", BSCANS, **{field: bad}))
    expected = list(KNOWN)
    expected[place] = None
    assert sizes(image) == tuple(expected)


@pytest.mark.parametrize("stated", [0.0, np.nan, -1.0])
def test_a_distance_that_is_not_stated_follows_from_the_places(tmp_path, stated):
    image = read_image(write_vol(tmp_path / "a.vol", BSCANS, distance=stated))
    assert microns(image.spacing.slice) == pytest.approx(KNOWN[0])


def test_no_distance_without_places(tmp_path):
    nowhere = np.zeros((3, 4))
    path = write_vol(tmp_path / "a.vol", BSCANS, distance=0.0, places=nowhere)
    assert read_image(path).spacing.slice.um is None
    path = write_vol(tmp_path / "b.vol", BSCANS, places=nowhere)
    image = read_image(path)
    assert microns(image.spacing.slice) == KNOWN[0]
    assert image.acquisition.en_face.paths == ()


def test_a_distance_that_the_places_contradict_is_unknown(tmp_path):
    image = read_image(write_vol(tmp_path / "a.vol", BSCANS, distance=2 * DISTANCE))
    assert image.spacing.slice.um is None
    assert "120 µm apart, but their positions say 60 µm" in image.warnings[0]
    uneven = raster_places(3, 20)
    uneven[2, [1, 3]] -= 0.03
    image = read_image(write_vol(tmp_path / "b.vol", BSCANS, places=uneven))
    assert image.spacing.slice.um is None
    assert "equally far apart" in image.warnings[0]


def test_places_that_contradict_the_sizes_are_not_shown(tmp_path):
    for name, change in {"wide": (0, 0, 0.3, 0), "outside": (3, 3, 3, 3)}.items():
        path = write_vol(tmp_path / f"{name}.vol", BSCANS, places=raster_places(3, 20) + change)
        image = read_image(path)
        assert image.acquisition.en_face.paths == ()
        assert "contradict" in image.warnings[-1]


def test_without_an_en_face_image(tmp_path):
    image = read_image(write_vol(tmp_path / "a.vol", BSCANS, face=np.zeros((0, 0), np.uint8)))
    assert image.acquisition.en_face is None
    assert sizes(image) == KNOWN


# Lines


def test_lines_have_their_names_and_no_markers(tmp_path):
    lines = np.empty((3, 4, 20), np.float32)
    lines[:, 0], lines[:, 1], lines[:, 2], lines[:, 3] = 2.25, 12.5, NO_DATA, 7.0
    lines[1, 0, :4] = NO_DATA, np.nan, 65535, -3.0
    found = read_image(write_vol(tmp_path / "a.vol", BSCANS, lines=lines)).acquisition.lines
    assert found.names == ("ILM", "BM", "GCL")  # the device did not draw the RNFL's
    assert found.heights.shape == (3, 3, 20)
    assert np.isnan(found.heights[1, 0, :4]).all()
    assert np.isfinite(found.heights).sum() == 3 * 3 * 20 - 4
    assert found.heights[2, 1, 3] == 12.5


@pytest.mark.parametrize("marker", [NO_DATA, 65535.0, np.nan, 0.0])
def test_lines_that_are_nowhere_are_none(tmp_path, marker):
    lines = np.full((3, 3, 20), marker, np.float32)
    image = read_image(write_vol(tmp_path / "a.vol", BSCANS, lines=lines))
    assert image.acquisition.lines is None


def test_all_seventeen_lines(tmp_path):
    lines = np.tile(np.arange(1, 18, dtype=np.float32)[:, None] / 2, (1, 1, 20)).repeat(3, axis=0)
    found = read_image(write_vol(tmp_path / "a.vol", BSCANS, lines=lines)).acquisition.lines
    assert found.names[:3] == ("ILM", "BM", "RNFL")
    assert found.names[-1] == "RPE"
    assert found.heights[0, :, 0].tolist() == [k / 2 for k in range(1, 18)]


# Large files


def test_a_large_volume_is_read_slice_by_slice(tmp_path):
    """200 × 1024 × 1024, 0.8 GB: a file with holes where nothing was written."""
    path = tmp_path / "large.vol"
    shape, size = (200, 1024, 1024), 256 + 4 * 1024
    step = size + 4 * 1024 * 1024
    places = raster_places(200, 1024, 0.03)
    with path.open("wb") as file:
        file.write(vol_header(slices=200, rows=1024, columns=1024, header_size=size, distance=0.03))
        for index in range(200):
            file.seek(2048 + FACE.size + index * step)
            file.write(struct.pack("<12sI4d2If", b"HSF-BS-103", size, *places[index], 0, 256, 1.0))
            file.seek(2048 + FACE.size + index * step + size)
            file.write(np.full(9, (index / 255) ** 4, "<f4").tobytes())
        file.truncate(2048 + FACE.size + 200 * step)
    start = time.process_time()
    image = read_image(path)
    assert time.process_time() - start < 2
    assert image.pixels.shape == shape
    assert not isinstance(image.pixels, np.ndarray)
    for index in (0, 77, 199):
        assert image.plane(index)[0, :10].tolist() == [index] * 9 + [0]
        assert image.valid_plane(index).all()


# What can't be read


def cut(content: bytes, to: int) -> bytes:
    return content[:to]


WHOLE = vol_bytes(BSCANS)
BAD = {
    "header only": (WHOLE[:2048], "should hold 3 B-scans of 16 × 20 px"),
    "part of the header": (WHOLE[:1000], "should hold its header"),
    "last B-scan cut": (WHOLE[:-4], "cut short"),
    "no B-scans": (vol_header(slices=0), "holds no B-scans"),
    "no rows": (vol_header(rows=0) + WHOLE[2048:], "holds no B-scans"),
    "huge": (vol_header(slices=2**32 - 1, rows=2**32 - 1) + WHOLE[2048:], "cut short"),
    "huge face": (vol_header(face_rows=2**31) + WHOLE[2048:], "cut short"),
    "one more B-scan": (vol_header(slices=4) + WHOLE[2048:], "cut short"),
    "more rows": (vol_header(rows=17) + WHOLE[2048:], "cut short|at the place of B-scan 2"),
    "fewer columns": (vol_header(columns=19) + WHOLE[2048:], "at the place of B-scan 2"),
    "other face": (vol_header(face_rows=63) + WHOLE[2048:], "at the place of B-scan 1|cut short"),
    "lines without end": (
        WHOLE[: 2048 + FACE.size + 48] + b"\xff\xff\0\0" + WHOLE[2048 + FACE.size + 52 :],
        "B-scan 1 states 65,535 layer lines",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_fit_is_refused_in_a_sentence(tmp_path, case):
    content, message = BAD[case]
    path = tmp_path / "scan.vol"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=message) as caught:
        read_image(path)
    assert str(caught.value).startswith(f"'{path}'")
    assert "\n" not in str(caught.value)


def test_another_file_called_vol(tmp_path):
    path = tmp_path / "scan.vol"
    path.write_bytes(b"VOLUME of something else" * 100)
    with pytest.raises(ReadError, match=r"called \.vol, but its content is not an image"):
        read_image(path)


def test_a_limit_of_pixels_holds(tmp_path):
    path = write_vol(tmp_path / "scan.vol", BSCANS)
    with pytest.raises(ReadError, match="more than the limit"):
        read_image(path, max_pixels=900)


def test_a_header_size_that_only_the_b_scans_state_rightly(tmp_path):
    """Early versions of eyepy wrote a size of their own into the file's header."""
    image = read_image(write_vol(tmp_path / "scan.vol", BSCANS, header_size=61440))
    np.testing.assert_array_equal(image.pixels, np.rint(255 * BSCANS**0.25))


def test_nothing_of_the_patient_is_kept(tmp_path):
    image = read_image(write_vol(tmp_path / "scan.vol", BSCANS))
    assert PATIENT.encode() in (tmp_path / "scan.vol").read_bytes()
    for text in (image.name, str(image.metadata), str(image.warnings), image.acquisition.device):
        assert PATIENT not in text
        assert "4711" not in text
    assert image.patient == patient_token(PATIENT)  # whether it is the same one, not who
    assert read_image(write_vol(tmp_path / "old.vol", BSCANS, version=100)).patient == ""


# The devices' own files, against values read with nothing but struct

HEADER = struct.Struct("<12sIIIdddIIdd")


@pytest.mark.parametrize("name", ["line_scan", "circle_scan", "tiny_volume"])
def test_files_of_devices(shared_data, name):
    path = Path(shared_data) / f"heidelberg_vol/{name}.vol"
    content = path.read_bytes()
    _, columns, slices, rows, lateral, _, axial, width, height, _, _ = HEADER.unpack_from(content)
    image = read_image(path)
    assert (image.n_slices, *image.grid) == (slices, rows, columns)
    assert image.spacing.axial.um == pytest.approx(1000 * axial)
    assert image.spacing.lateral.um == pytest.approx(1000 * lateral)
    assert image.laterality is Laterality.RIGHT
    face = np.frombuffer(content, np.uint8, width * height, 2048).reshape(height, width)
    np.testing.assert_array_equal(image.acquisition.en_face.pixels, face)
    first = 2048 + width * height
    (size,) = struct.unpack_from("<I", content, first + 12)
    for index in range(slices):
        start = first + index * (size + 4 * rows * columns)
        raw = np.frombuffer(content, "<f4", rows * columns, start + size).reshape(rows, columns)
        shown = raw if name == "tiny_volume" else 255 * raw.astype(float) ** 0.25
        np.testing.assert_allclose(image.plane(index), shown, atol=0.51)
        assert image.acquisition.quality[index] == struct.unpack_from("<f", content, start + 56)[0]


def test_another_reader_finds_the_same(shared_data):
    """eyepy reads the headers of all three; a circular scan it refuses only as a volume."""
    from eyepy.io.he.vol_reader import vol_format

    for path in sorted((Path(shared_data) / "heidelberg_vol").iterdir()):
        header = path.read_bytes()
        if header.startswith(b"ep-v"):
            continue  # the size of its headers contradicts itself, which eyepy does not notice
        other, image = vol_format.parse(header), read_image(path)
        assert image.n_slices == other.n_bscans
        assert image.grid == (other.size_y, other.size_x)
        found = image.acquisition
        assert found.pattern.value == {1: "line", 2: "circle"}[other.scan_pattern]
        np.testing.assert_array_equal(found.en_face.pixels, other.localizer)
        (scan,) = other.bscans
        assert found.quality == (scan.quality,)
        rows = {"ILM": 0, "BM": 1, "RNFL": 2}
        for name, heights in zip(found.lines.names, found.lines.heights, strict=True):
            stored = scan.layer_segmentations[rows[name]]
            np.testing.assert_array_equal(heights, np.where(stored > 1e30, np.nan, stored))
        assert np.abs(image.pixels - 255 * scan.data.astype(float) ** 0.25).max() <= 0.51


def test_patterns_of_devices(shared_data):
    folder = Path(shared_data) / "heidelberg_vol"
    line = read_image(folder / "line_scan.vol")
    assert (line.acquisition.pattern, line.spacing.slice.um) == (ScanPattern.LINE, None)
    assert line.acquisition.lines.names == ("ILM", "BM")
    assert np.isfinite(line.acquisition.lines.heights).sum(axis=1).tolist() == [759, 633]
    circle = read_image(folder / "circle_scan.vol")
    assert (circle.acquisition.pattern, circle.spacing.slice.um) == (ScanPattern.CIRCLE, None)
    assert circle.acquisition.lines.names == ("ILM", "BM", "RNFL")
    tiny = read_image(folder / "tiny_volume.vol")
    assert tiny.acquisition.pattern is ScanPattern.RASTER
    assert tiny.spacing.slice.um == pytest.approx(31.4444, abs=1e-3)


def test_a_circular_scan_runs_as_its_vessels_do(shared_data):
    """Bright vessel walls and their shadows lie where the path crosses vessels in the face."""
    from scipy.ndimage import gaussian_filter1d, map_coordinates

    image = read_image(Path(shared_data) / "heidelberg_vol/circle_scan.vol")
    face = image.acquisition.en_face
    (path,) = face.paths
    profile = image.pixels[300:450].mean(axis=0)
    seen = map_coordinates(face.pixels.astype(float), path.points(768).T, order=1)
    flat = [one - gaussian_filter1d(one, 40, mode="wrap") for one in (profile, seen)]
    assert np.corrcoef(flat)[0, 1] > 0.4
    assert abs(np.corrcoef(flat[0], flat[1][::-1])[0, 1]) < 0.2


def test_altered_files_of_devices_take_little_memory(shared_data, tmp_path):
    """Cut and bit-flipped copies are read or refused, in at most four times the file's size."""
    rng = np.random.default_rng(0)
    path = tmp_path / "scan.vol"
    for whole in sorted((Path(shared_data) / "heidelberg_vol").iterdir()):
        content = whole.read_bytes()
        starts = [0, 2048 + struct.unpack_from("<I", content, 48)[0] ** 2]  # of the headers
        for _ in range(12):
            altered = bytearray(content)
            at = int(rng.choice(starts)) + int(rng.integers(0, 110))
            altered[at] ^= 1 << int(rng.integers(8))
            path.write_bytes(altered[: int(rng.choice([len(content), rng.integers(len(content))]))])
            tracemalloc.start()
            try:
                assert read_image(path).pixels.size
            except ReadError as error:
                assert "\n" not in str(error)  # noqa: PT017 - either of the two is right
            finally:
                most = tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()
            assert most < 4 * len(content) + 2**20
