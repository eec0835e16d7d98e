"""`rs.measure`: from an image and its mask to tables, and what is refused."""

import csv
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from openpyxl import load_workbook

import napari_retina_seg as rs
from helpers import write_png
from napari_retina_seg.imaging.device_lines import draw_lines
from napari_retina_seg.imaging.phantom import phantom_bscan, phantom_volume
from napari_retina_seg.imaging.surfaces import to_labels
from napari_retina_seg.io.formats.nifti import write_nifti
from napari_retina_seg.io.formats.record import MaskRecord
from napari_retina_seg.io.tables import save_tables
from napari_retina_seg.measurement.apostel import apostel_facts, apostel_tables
from napari_retina_seg.measurement.tables import Table, join_tables
from napari_retina_seg.types.errors import WriteError
from napari_retina_seg.types.labels import OCT_LAYERS
from napari_retina_seg.types.progress import finish
from napari_retina_seg.workflows.measured import Marks
from napari_retina_seg.workflows.measuring import MeasureOptions, iter_measure

SCAN = phantom_bscan(rows=160, columns=192)
VOLUME = phantom_volume(slices=9, rows=128, columns=192)
UNSCALED = rs.RetinaImage(SCAN.image.pixels, modality=rs.Modality.OCT, name="scan")


def photograph() -> tuple[np.ndarray, np.ndarray]:
    """Return a photograph with a round field, and the mask of two crossing vessels."""
    pixels = cv2.circle(np.zeros((240, 240, 3), np.uint8), (120, 120), 110, (180, 90, 40), -1)
    mask = np.zeros((240, 240), np.uint8)
    cv2.line(mask, (40, 120), (200, 120), 1, 5)
    cv2.line(mask, (120, 40), (120, 200), 1, 5)
    return pixels, mask


def rows_of(found: rs.Measurements, name: str) -> list[dict]:
    return next(table for table in found.tables if table.name == name).as_rows()


def test_a_scan_of_unknown_size_is_measured_in_pixels():
    found = rs.measure(UNSCALED, rs.Annotation(SCAN.labels, SCAN.heights), scheme="oct-layers")
    (table,) = found.tables
    assert "mean [px]" in table.columns
    assert not any("[µm]" in column for column in table.columns if "pixel size" not in column)
    total = next(row for row in table.as_rows() if row["abbreviation"] == "ILM–BM")
    assert total["mean [px]"] == pytest.approx(float((SCAN.heights[7] - SCAN.heights[0]).mean()))
    assert total["DICOM code"] == "DCM:111929"
    assert total["axial pixel size from"] == total["laterality"] == "unknown"


def test_a_stated_size_gives_micrometres_and_is_said():
    spacing = rs.Spacing.from_um(axial=4.0, lateral=12.0, origin=rs.Origin.USER)
    found = rs.measure(UNSCALED, SCAN.labels, scheme="oct-layers", spacing=spacing, laterality="OS")
    row = rows_of(found, "thickness")[0]
    assert row["mean [µm]"] == pytest.approx(4 * float((SCAN.labels == 1).sum(axis=0).mean()))
    assert (row["axial pixel size [µm]"], row["axial pixel size from"]) == (4.0, "user")
    assert (row["laterality"], row["laterality from"]) == ("OS", "user")
    assert row["mask from"] == "given mask"


def test_boundaries_beside_a_mask_are_used_where_they_draw_it(tmp_path):
    heights = SCAN.heights.round(3)
    labels = to_labels(heights, 160)
    labels[:, :48] = np.roll(labels[:, :48], 3, axis=0)  # corrected since
    write_png(tmp_path / "scan_mask.png", labels)
    lines = "\n".join(",".join(map(str, column)) for column in heights.T)
    names = ",".join(surface.name for surface in OCT_LAYERS.surfaces)
    path = tmp_path / "scan_boundaries.csv"
    path.write_text(f"{names}\n{lines}\n")
    found = rs.measure(UNSCALED, tmp_path / "scan_mask.png", scheme="oct-layers")
    row = rows_of(found, "thickness")[0]
    assert row["mask from"] == "given mask; boundaries between pixels in 75% of the columns"
    rnfl = found.thickness.values[0, 0]
    np.testing.assert_allclose(rnfl[48:], (heights[1] - heights[0])[48:], atol=1e-4)
    np.testing.assert_array_equal(rnfl[:48], (labels == 1).sum(axis=0)[:48])
    for wrong, reason in (("ILM,BM\n1,2\n", "has the columns ILM, BM"),
                          (f"{names}\n{lines[:2000]}\n", "is not a table of boundaries"),
                          (f"{names}\n{lines[: lines.index(chr(10))]}\n", "(8, 1)")):  # fmt: skip
        path.write_text(wrong)
        found = rs.measure(UNSCALED, tmp_path / "scan_mask.png", scheme="oct-layers")
        assert rows_of(found, "thickness")[0]["mask from"] == "given mask"
        assert "without the boundaries beside the mask" in found.notes[-1]
        assert reason in found.notes[-1]
        assert str(tmp_path) not in found.notes[-1]


def test_boundaries_beside_a_nifti_mask_are_used(tmp_path):
    """The mask is on the grid of its image, whatever the order of its voxels."""
    heights = SCAN.heights.round(3)
    record = MaskRecord(to_labels(heights, 160), scheme=OCT_LAYERS, name="scan")
    write_nifti(tmp_path / "scan_mask.nii.gz", record)
    lines = "\n".join(",".join(map(str, column)) for column in heights.T)
    names = ",".join(surface.name for surface in OCT_LAYERS.surfaces)
    (tmp_path / "scan_boundaries.csv").write_text(f"{names}\n{lines}\n")
    found = rs.measure(UNSCALED, tmp_path / "scan_mask.nii.gz")
    assert rows_of(found, "thickness")[0]["mask from"].endswith("in 100% of the columns")
    np.testing.assert_allclose(found.thickness.values[0, 0], heights[1] - heights[0], atol=1e-4)


def test_a_volume_has_an_etdrs_grid_of_every_band():
    found = rs.measure(VOLUME.image, rs.Annotation(VOLUME.labels, VOLUME.heights),
                       scheme="oct-layers", fovea=(4, 96))  # fmt: skip
    assert [table.name for table in found.tables] == ["thickness", "etdrs"]
    rows = rows_of(found, "etdrs")
    assert len(rows) == 11 * 10
    central = next(row for row in rows if row["subfield"] == "central")
    assert central["fovea from"] == "stated by the user"
    assert central["sides from"].startswith("assumed: horizontal scans")
    assert any("the file does not say it" in note for note in found.notes)
    assert central["covered [%]"] == pytest.approx(100, abs=1)
    assert {"inner nasal", "inner first-slice side"} <= {row["subfield"] for row in rows}
    expected = found.etdrs["ILM–BM"].find("central").mean
    heights = VOLUME.heights[4, 7] - VOLUME.heights[4, 0]
    assert expected == pytest.approx(heights[75:117].mean() * 15, rel=0.1)
    assert len(rows_of(found, "thickness")) == 9 * 11


def test_a_circle_scan_has_sectors_but_no_map():
    circle = rs.Acquisition(pattern=rs.ScanPattern.CIRCLE)
    image = rs.RetinaImage(VOLUME.image.pixels, modality="oct", acquisition=circle,
                           spacing=VOLUME.image.spacing)  # fmt: skip
    found = rs.measure(image, VOLUME.labels, scheme="oct-layers", fovea=(4, 60))
    assert [table.name for table in found.tables] == ["thickness", "sectors"]
    assert {row["sector"] for row in rows_of(found, "sectors")} == {"global"}
    assert any("need a raster: this is a circle scan" in note for note in found.notes)


def with_device_lines(shift: float) -> rs.RetinaImage:
    """Return the volume with the device's lines, its BM `shift` px below the mask's."""
    heights = np.stack([VOLUME.heights[:, 0], VOLUME.heights[:, 7] + shift, VOLUME.heights[:, 3]],
                       axis=1).astype(np.float32)  # fmt: skip
    heights[0, :, :100] = np.nan
    lines = rs.DeviceLines(("ILM", "BM", "a line of no known surface"), heights)
    acquisition = rs.Acquisition(pattern="raster", device="Heidelberg Spectralis", lines=lines,
                                 quality=(20.0,) * 8 + (31.5,))  # fmt: skip
    return replace(VOLUME.image, acquisition=acquisition, metadata={"format": "HSF-OCT-103"})


def test_thickness_is_compared_with_the_lines_of_the_device():
    mask = rs.Annotation(VOLUME.labels, VOLUME.heights)
    found = rs.measure(with_device_lines(2), mask, scheme="oct-layers")
    (row,) = rows_of(found, "device")
    assert (row["abbreviation"], row["B-scans"]) == ("ILM–BM", 9)
    assert row["columns"] == 9 * 192 - 100
    axial = VOLUME.image.spacing.axial.um
    assert row["mask − device [µm]"] == pytest.approx(-2 * axial, abs=0.01)
    assert row["SD [µm]"] == pytest.approx(0, abs=0.01)
    lines = with_device_lines(0)
    scheme, drawn = draw_lines(lines.acquisition.lines, 128)
    assert not rs.measure(lines, drawn, scheme=scheme).device  # it would be its own reference


def test_a_sheet_states_what_apostel_asks_for_and_is_known(tmp_path):
    mask = rs.Annotation(VOLUME.labels, VOLUME.heights)
    found = rs.measure(with_device_lines(0), mask, scheme="oct-layers", laterality="OS")
    unknown = rs.measure(UNSCALED, SCAN.labels, scheme="oct-layers")
    sheet = apostel_tables([apostel_facts(found), apostel_facts(unknown)])
    save_tables(tmp_path / "t.xlsx", [*found.tables, *sheet])
    rows = load_workbook(tmp_path / "t.xlsx")["apostel"].values
    assert next(rows) == ("point", "APOSTEL 2.0", "item", "value")
    by_item = {item: (point, value) for point, _, item, value in rows}
    assert {point for point, _ in by_item.values()} == set(range(1, 10))
    assert by_item["device and file format"] == (2, "Heidelberg Spectralis, HSF-OCT-103")
    assert by_item["B-scans × columns × rows"] == (4, "9 × 192 × 128 | 1 × 192 × 160")
    assert by_item["eyes"] == (1, "OS (from user)")
    assert by_item["quality value of the device"] == (6, "20.0 to 31.5")
    assert by_item["criteria of quality, scans excluded and why"] == (6, None)
    pixels, vessels = photograph()
    picture = rs.RetinaImage(pixels, color=True, modality="fundus")
    assert not apostel_tables([apostel_facts(rs.measure(picture, vessels))])


def test_what_speaks_against_a_mask_is_kept():
    found = rs.measure(UNSCALED, SCAN.labels, scheme="oct-layers")
    assert not found.warnings
    made = rs.Provenance("", "oct-layers", "ab", "1", "CPU", "float32", 1.0)
    drawn = rs.Segmentation(SCAN.labels, scheme=OCT_LAYERS, provenance=made,
                            checks=(rs.Check("uncertainty", "the model is unsure"),))  # fmt: skip
    found = rs.measure(UNSCALED, drawn)
    assert any("the model is unsure" in warning for warning in found.warnings)
    assert any("no person has corrected it" in warning for warning in found.warnings)
    assert found.provenance["model"] == "oct-layers"


def test_a_photograph_gives_vessels_segments_and_branchings():
    pixels, mask = photograph()
    found = rs.measure(rs.RetinaImage(pixels, color=True, modality="fundus"), mask * 255,
                       disc=(120, 160, 30))  # fmt: skip
    assert [table.name for table in found.tables] == ["vessels", "segments", "branchings"]
    field, zone_a, *_ = rows_of(found, "vessels")
    assert (field["segments"], field["crossings"], zone_a["region"]) == (4, 1, "zone A")
    # The field of view counts, not the whole picture.
    assert field["area density [%]"] == pytest.approx(100 * mask.sum() / (np.pi * 110**2), rel=0.05)
    assert rows_of(found, "segments")[0]["calibre [px]"] == pytest.approx(
        7, abs=0.5
    )  # as OpenCV draws a line of 5
    assert not any("CRAE" in column for column in found.tables[0].columns)


def test_a_disc_is_that_of_one_photograph():
    pixels, mask = photograph()
    stack = rs.RetinaImage(np.stack([pixels, pixels]), color=True, modality="fundus", name="both")
    masks = np.stack([mask, mask])
    with pytest.raises(
        rs.RetinaSegError, match="'both' holds 2 photographs, and a fovea or a disc"
    ):
        rs.measure(stack, masks, scheme="fundus-vessels", disc=(120, 160, 30))
    options = MeasureOptions(photographs={1: Marks((120, 50), (120, 160, 30))})
    found = finish(iter_measure(stack, masks, options, scheme="fundus-vessels"), None)
    zones = {(row["slice"], row["region"]): row for row in rows_of(found, "vessels")}
    assert (0, "zone A") not in zones
    assert zones[1, "zone A"]["fovea column [px]"] == 50
    assert not rows_of(found, "vessels")[0].get("fovea from")


def test_lesions_have_area_and_in_volumes_a_volume():
    fluid = rs.LabelScheme("fluid", (
        rs.LabelClass(0, "Background", "BG", "#000000"),
        rs.LabelClass(1, "Intraretinal fluid", "IRF", "#ff0000"),
    ))  # fmt: skip
    labels = np.zeros(VOLUME.labels.shape, np.uint8)
    labels[2:4, 40:50, 60:80] = 1
    (row,) = rows_of(rs.measure(VOLUME.image, labels, scheme=fluid), "lesions")
    area = 400 * (1920 / 128) * 11.7 / 1e6
    assert row["area [mm²]"] == pytest.approx(area)
    assert row["volume [mm³]"] == pytest.approx(area * 0.24)
    unscaled = rs.RetinaImage(VOLUME.image.pixels, modality="oct")
    (row,) = rows_of(rs.measure(unscaled, labels, scheme=fluid), "lesions")
    assert row["area [px²]"] == 400
    assert "volume [mm³]" not in row


@pytest.mark.parametrize(
    ("mask", "options", "message"),
    [
        (np.zeros((160, 192), np.uint8), {"scheme": "oct-layers"}, "The mask is empty"),
        (SCAN.labels[:80], {"scheme": "oct-layers"}, r"mask is 80 × 192 px, but the image is 160"),
        (VOLUME.labels, {"scheme": "oct-layers"}, r"mask is 9 × 128 × 192 px"),
        (SCAN.labels, {}, "what the values of the mask mean"),
        (SCAN.labels + 40, {"scheme": "oct-layers"}, "holds the value 40"),
        (SCAN.labels, {"scheme": "oct-layers", "fovea": (0, 500)}, "column 500, but"),
        (SCAN.labels, {"scheme": "oct-layers", "laterality": "left"}, "no laterality 'left'"),
        (SCAN.labels / 2, {"scheme": "oct-layers"}, "holds whole numbers"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_one_sentence(mask, options, message):
    with pytest.raises(rs.RetinaSegError, match=message):
        rs.measure(UNSCALED, mask, **options)


def test_measuring_can_be_cancelled():
    token = rs.CancelToken()
    token.cancel()
    with pytest.raises(rs.Cancelled):
        rs.measure(UNSCALED, SCAN.labels, scheme="oct-layers", cancel=token)


TABLES = [
    Table.from_rows(
        "thickness", [{"image": "=a", "mean [µm]": 1.5}, {"image": "b", "mean [px]": 2.0}]
    ),
    Table.from_rows("etdrs", [{"image": "b", "covered [%]": float("nan")}]),
]  # fmt: skip


def test_tables_of_several_images_are_joined_with_all_columns():
    (joined,) = join_tables([TABLES[0], Table.from_rows("thickness", [{"image": "c"}])])
    assert joined.columns == ("image", "mean [µm]", "mean [px]")
    assert joined.rows == (("=a", 1.5, None), ("b", None, 2.0), ("c", None, None))


def test_tables_are_written_by_their_suffix(tmp_path):
    one, two = save_tables(tmp_path / "t.csv", TABLES)
    assert (one.name, two.name) == ("t.csv", "t_etdrs.csv")
    with one.open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["image", "mean [µm]", "mean [px]"], ["'=a", "1.5", ""], ["b", "", "2"],
        ]  # fmt: skip
    (path,) = save_tables(tmp_path / "t.json", TABLES)
    read = json.loads(path.read_text(encoding="utf-8"))
    assert read["tables"]["etdrs"]["rows"] == [["b", None]]
    (path,) = save_tables(tmp_path / "t.xlsx", TABLES)
    book = load_workbook(path)
    assert book.sheetnames == ["thickness", "etdrs"]
    assert [cell.value for cell in book["thickness"][2]] == ["'=a", 1.5, None]
    with pytest.raises(WriteError, match=r"is no table: name a file that ends in \.csv"):
        save_tables(tmp_path / "t.txt", TABLES)
