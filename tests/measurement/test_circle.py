"""Sectors of circle scans: which column is temporal, by the device's file."""

from pathlib import Path

import numpy as np
import pytest

import napari_retina_seg as rs
from napari_retina_seg.imaging.device_lines import draw_lines
from napari_retina_seg.io import read_image
from vendor_files import CIRCLE, FACE_SCALE, SCALE_Z, write_vol

COLUMNS = 96
SECTORS = ("T", "TS", "NS", "N", "NI", "TI")
# Of a circle that begins temporally and runs over superior: half of T, TS, NS, N, NI, TI, T.
COURSE = np.repeat([0, 1, 2, 3, 4, 5, 0], np.array([45, 45, 45, 90, 45, 45, 45]) * COLUMNS // 360)


def circle_file(path: Path, eye: bytes) -> rs.RetinaImage:
    """Write a circle that begins temporally, whose RNFL is 3 px thick there and more elsewhere."""
    lines = np.zeros((1, 3, COLUMNS))
    lines[0, 0] = 2
    lines[0, 1] = 14  # BM, the second in these files
    lines[0, 2] = 5 + COURSE
    step = 2 * np.pi * 0.2 / COLUMNS  # mm of a column on a circle of radius 0.2 mm
    side = -0.2 if eye == b"OD" else 0.2  # the temporal side of a right eye is at the left
    place = np.array([[0.42 + side, 0.40, 0.42, 0.40]])
    pixels = np.zeros((1, 16, COLUMNS))
    face = np.zeros((70, 70), np.uint8)
    return read_image(write_vol(path, pixels, pattern=CIRCLE, places=place, lines=lines, eye=eye,
                                face=face, scale_x=step, face_scale_x=FACE_SCALE))  # fmt: skip


def sectors(image: rs.RetinaImage, **options: str) -> tuple[dict[str, dict], tuple[str, ...]]:
    """Measure the device's own RNFL."""
    scheme, mask = draw_lines(image.acquisition.lines, image.grid[0])
    found = rs.measure(image, mask, scheme=scheme, **options)
    table = next(table for table in found.tables if table.name == "sectors")
    rows = [row for row in table.as_rows() if row["abbreviation"] == "ILM to RNFL"]
    return {row["sector"]: row for row in rows}, found.notes


@pytest.mark.parametrize("eye", [b"OD", b"OS"])
def test_sectors_follow_the_course_of_the_circle(tmp_path, eye):
    by_name, notes = sectors(circle_file(tmp_path / "a.vol", eye))
    assert tuple(by_name) == ("global", *SECTORS)
    means = [by_name[name]["mean [µm]"] / (1000 * SCALE_Z) for name in SECTORS]
    assert means == pytest.approx([3, 4, 5, 6, 7, 8], abs=1e-4)
    assert by_name["global"]["mean [µm]"] == pytest.approx((3 + COURSE.mean()) * 1000 * SCALE_Z)
    assert by_name["NI"]["sector in words"] == "nasal inferior"
    assert by_name["T"]["diameter of the circle [mm]"] == pytest.approx(0.4)
    assert not any("not named" in note for note in notes)


def test_a_wrongly_registered_eye_can_be_corrected(tmp_path):
    """The device scanned what it was told to be an OD from the left, which in an OS is nasal."""
    by_name, _ = sectors(circle_file(tmp_path / "a.vol", b"OD"), laterality="OS")
    assert by_name["N"]["mean [µm]"] == pytest.approx(3 * 1000 * SCALE_Z)
    assert by_name["NS"]["mean [µm]"] == pytest.approx(4 * 1000 * SCALE_Z)


def test_without_the_eye_no_sector_has_a_name(tmp_path):
    image = circle_file(tmp_path / "a.vol", b"")
    for options in ({}, {"laterality": "OD"}):
        by_name, notes = sectors(image, **options)
        assert tuple(by_name) == ("global",)
        assert any("does not say where the circle begins" in note for note in notes)


def test_the_device_s_own_scan(shared_data):
    image = read_image(Path(shared_data) / "heidelberg_vol/circle_scan.vol")
    by_name, _ = sectors(image)
    lines = dict(zip(image.acquisition.lines.names, image.acquisition.lines.heights, strict=True))
    rnfl = (lines["RNFL"] - lines["ILM"]) * image.spacing.axial.um
    whole = np.isfinite(lines["BM"])  # as where one line is missing nothing is measured
    assert by_name["global"]["mean [µm]"] == pytest.approx(np.nanmean(rnfl[whole]), abs=0.05)
    # This scan begins temporally: its first and last eighth are T, and its middle quarter is N.
    ends = np.where(whole, rnfl, np.nan)[np.r_[0:96, 672:768]]
    assert by_name["T"]["mean [µm]"] == pytest.approx(np.nanmean(ends), abs=0.1)
    assert by_name["global"]["diameter of the circle [mm]"] == pytest.approx(3.6, abs=0.01)
    # Vertical poles are thicker than the horizontal ones, as in a healthy eye.
    thick = min(by_name[name]["mean [µm]"] for name in ("TS", "TI"))
    assert thick > by_name["T"]["mean [µm]"]
