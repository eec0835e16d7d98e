"""The report of measurements: what is on the page of an eye, as HTML and as PDF."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

import napari_retina_seg as rs
from napari_retina_seg.imaging.phantom import phantom_volume
from napari_retina_seg.measurement.apostel import apostel_tables
from napari_retina_seg.measurement.registration import en_face_affine
from napari_retina_seg.measurement.units import MeasureError
from napari_retina_seg.reports.measurements.maps import make_canvas
from napari_retina_seg.reports.measurements.pictures import pictures
from napari_retina_seg.reports.measurements.report import _Pdf
from napari_retina_seg.types.errors import WriteError

VOLUME = phantom_volume(slices=9, rows=96, columns=128)
LINES = np.stack([VOLUME.heights[:, 0], VOLUME.heights[:, 7] - 1], axis=1).astype(np.float32)
# The scan goes upwards, from column 20 of the en-face image to 104.
PATHS = tuple(rs.LinePath((90 - 10 * k, 19.5), (90 - 10 * k, 103.5)) for k in range(9))


def measure(paths: tuple = PATHS) -> rs.Measurements:
    face = rs.EnFace(np.full((100, 120), 90, np.uint8), paths=paths)
    acquisition = rs.Acquisition(pattern="raster", device="Heidelberg Spectralis", en_face=face,
                                 lines=rs.DeviceLines(("ILM", "BM"), LINES))  # fmt: skip
    image = replace(VOLUME.image, name="eye7", acquisition=acquisition,
                    source="/clinic/Doe_1970/eye7.vol")  # fmt: skip
    mask = rs.Annotation(VOLUME.labels, VOLUME.heights)
    return rs.measure(image, mask, scheme="oct-layers", fovea=(4, 60))


def test_the_page_of_a_volume(tmp_path):
    found = measure()
    path = rs.save_measurement_report(found, tmp_path / "r.html")
    page = path.read_text(encoding="utf-8")
    assert page.count("<img ") == 3
    assert "over the en-face image" in page
    assert "The mask in B-scan 4 of 9" in page
    grid = found.etdrs["ILM–BM"]
    for name in ("central", "inner superior", "total"):
        subfield = grid.find(name)
        numbers = (subfield.mean, subfield.volume_mm3, 100 * subfield.covered)
        cells = "".join(f'<td class="number">{number:.4g}</td>' for number in numbers)
        assert f"<td>{name}</td>{cells}" in page
    assert '<td>outer nasal</td><td class="number"></td>' in page  # the scan does not reach it
    assert "<td>axial pixel size</td><td>20 µm (from file)</td>" in page
    assert "<td>laterality</td><td>OD (from file)</td>" in page
    assert "Mask against the lines of the device" in page
    assert "Not a medical device" in page
    assert "What APOSTEL 2.0 asks" in page
    assert "Doe" not in page


def test_a_pdf_has_a_page_for_each_eye_and_one_for_apostel(tmp_path):
    found = measure()
    unknown = rs.RetinaImage(VOLUME.image.pixels[4], modality="oct", name="scan")
    single = rs.measure(unknown, VOLUME.labels[4], scheme="oct-layers")
    path = rs.save_measurement_report([found, single], str(tmp_path / "r.pdf"))
    content = path.read_bytes()
    assert content.startswith(b"%PDF")
    assert content.count(b"/Type /Page ") == 3
    with pytest.raises(WriteError, match="not a name for a report"):
        rs.save_measurement_report(found, tmp_path / "r.txt")


def test_a_map_lies_where_the_scan_was():
    found = measure()
    canvas = make_canvas(found, 10)
    values = found.thickness.values[10]
    shown = np.isfinite(canvas.values)
    # Scans at rows 10 to 90 reach half a distance further, columns 20 to 103.
    assert np.flatnonzero(shown.any(axis=1))[[0, -1]].tolist() == [5, 95]
    assert np.flatnonzero(shown.any(axis=0))[[0, -1]].tolist() == [20, 103]
    assert canvas.values[90, 50] == pytest.approx(values[0, 46], rel=0.01)
    assert canvas.values[10, 50] == pytest.approx(values[8, 46], rel=0.01)
    x, y = canvas.place(0, 0)
    assert (float(y), float(x)) == pytest.approx((50, 19.5 + 60.5 * 84 / 128))


def test_scans_that_no_affine_map_fits_are_not_laid_on_the_image():
    uneven = (*PATHS[:4], rs.LinePath((46, 19.5), (46, 103.5)), *PATHS[5:])
    found = measure(uneven)
    assert en_face_affine(found.image) is None
    assert make_canvas(found, 10).face is None
    assert make_canvas(found, 10).values.shape == (9, 128)


@pytest.mark.parametrize("pattern", ["radial", "circle", "line"])
def test_scans_that_do_not_lie_side_by_side_have_no_map(pattern):
    scan = measure()
    others = replace(scan.image, acquisition=rs.Acquisition(pattern=pattern))
    found = rs.measure(others, scan.mask, scheme="oct-layers", fovea=(4, 60))
    assert [picture.caption.split()[1] for picture in pictures(scan)] == ["mask", "of", "of"]
    assert [picture.caption.split()[1] for picture in pictures(found)] == ["mask"]
    assert not found.etdrs
    assert f"this is a {pattern} scan" in " ".join(found.notes)
    with pytest.raises(MeasureError, match=f"is a {pattern} scan: rasters are compared"):
        rs.follow_up(replace(found, image=replace(others, laterality="OD")),
                     replace(scan, image=replace(scan.image, laterality="OD")))  # fmt: skip


def test_the_page_of_a_photograph_and_of_lesions(tmp_path):
    pixels = cv2.circle(np.zeros((120, 120, 3), np.uint8), (60, 60), 55, (180, 90, 40), -1)
    mask = cv2.line(np.zeros((120, 120), np.uint8), (20, 60), (100, 60), 1, 5)
    picture = rs.RetinaImage(pixels, color=True, modality="fundus", name="<b>eye</b>")
    vessels = rs.measure(picture, mask, disc=(60, 80, 20))
    fluid = rs.LabelScheme("fluid", (
        rs.LabelClass(0, "Background", "BG", "#000000"),
        rs.LabelClass(1, "Fluid", "IRF", "#ff0000"),
    ))  # fmt: skip
    drawn = np.zeros(VOLUME.labels.shape, np.uint8)
    drawn[6, 40:50, 60:80] = 1
    lesions = rs.measure(VOLUME.image, drawn, scheme=fluid)
    path = rs.save_measurement_report([vessels, lesions], tmp_path / "r.html")
    page = path.read_text(encoding="utf-8")
    assert "<b>" not in page
    assert "zone B" in page
    assert "Such lengths are in px" in page
    assert "slice 6 of 9" in page
    volume = lesions.find_table("lesions").as_rows()[0]["volume [mm³]"]
    assert f"{volume:.4g}" in page


def test_what_does_not_fit_on_a_page_is_on_a_further_one(tmp_path):
    found = measure()
    found = replace(found, tables=(*found.tables, rs.follow_up(found, found).table))
    found = replace(found, notes=("What is doubtful about it is here. " * 9,) * 9)
    path = rs.save_measurement_report(found, tmp_path / "r.pdf")
    assert path.read_bytes().count(b"/Type /Page ") == 3  # the last is that of APOSTEL
    facts = [{"model and its weights": f"{number:0300}"} for number in range(25)]
    assert _Pdf().finish(apostel_tables(facts)).count(b"/Type /Page ") == 2
