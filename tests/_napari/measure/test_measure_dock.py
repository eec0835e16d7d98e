"""The Measure dock: tables and layers of the active mask."""

import csv
from dataclasses import replace

import cv2
import numpy as np
import pytest

from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.layers import KEY, image_fields, image_layers, is_image
from napari_retina_seg._napari.measure.job import image_of
from napari_retina_seg._napari.measure.mark_tool import Target
from napari_retina_seg._napari.measure.marks import Marks, marks_of
from napari_retina_seg._napari.measure.measure_widget import MeasureWidget
from napari_retina_seg._napari.reader import get_reader
from napari_retina_seg._napari.results import MapInfo, MaskInfo
from napari_retina_seg.imaging.phantom import phantom_volume
from napari_retina_seg.imaging.surfaces import to_labels
from napari_retina_seg.types.image import Laterality
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS, LabelScheme
from napari_retina_seg.types.segmentation import Provenance
from vendor_files import intensities, write_vol

VOLUME = phantom_volume(slices=5, rows=96, columns=128)


@pytest.fixture
def dock(viewer):
    """Return the dock in a window, where each layer takes long to be shown."""
    _, widget = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Measure")
    return widget


@pytest.fixture
def alone(windowless, qtbot):
    """Return the dock of a viewer without a window, for what does not depend on one."""
    widget = MeasureWidget(windowless)
    qtbot.addWidget(widget)
    yield widget
    widget.cleanup()


def add_mask(viewer, image, labels, scheme, boundaries=None):
    info = MaskInfo(scheme=scheme, boundaries=boundaries, **image_fields(image))
    mask = viewer.add_labels(labels.copy(), name=f"{image.name} · mask", scale=image.scale,
                             units=image.units, metadata={KEY: info})  # fmt: skip
    viewer.layers.selection.active = mask
    return mask


def click(dock, qtbot):
    assert dock.button.isEnabled(), dock.button.toolTip()
    with qtbot.waitSignal(dock.finished, timeout=60_000) as end:
        dock.button.click()
    return end.args[0]


def shown(dock) -> dict[tuple[str, int], str]:
    table = dock.tables.table
    heads = [table.horizontalHeaderItem(k).text() for k in range(table.columnCount())]
    return {(head, row): table.item(row, k).text() for k, head in enumerate(heads)
            for row in range(table.rowCount())}  # fmt: skip


def test_a_volume_gets_a_table_a_map_and_a_grid(viewer, dock, qtbot, tmp_path):
    assert "Select a mask" in dock.status.text()
    assert not dock.button.isEnabled()
    ((pixels, options, _),) = image_layers(VOLUME.image)
    image = viewer.add_image(pixels, **options)
    mask = add_mask(viewer, image, VOLUME.labels, OCT_LAYERS, VOLUME.heights)
    result = click(dock, qtbot)
    assert result.status is JobStatus.SUCCEEDED, result.message
    assert "in µm" in dock.status.text()
    grid = dock.found.etdrs["ILM–BM"]
    cells = shown(dock)
    assert len({row for _, row in cells}) == 10  # the subfields of the map's band alone
    assert cells["mean [µm]", 0] == f"{grid.find('central').mean:.4g}"
    by_name = {layer.name: layer for layer in viewer.layers}
    thickness = by_name[f"{mask.name} · ILM–BM [µm]"]
    np.testing.assert_array_equal(thickness.data, dock.found.thickness.values[-1])
    step = np.subtract(thickness.data_to_world((1, 1)), thickness.data_to_world((0, 0)))
    assert step == pytest.approx((240, 11.7))
    assert not is_image(thickness)
    assert thickness.colorbar.visible  # which colour is which thickness
    assert dock.eye.currentText() == "OD, by the file"
    found = dock.found.fovea
    hint = dock.marks.fields[Target.FOVEA].placeholderText()
    assert hint == f"found: {found.slice:g}, {found.column:g}"
    assert ("abbreviation", 0) not in cells  # the box above says it
    # The grid's outer circle is 6 mm wide around the fovea.
    circle = by_name[f"{mask.name} · ETDRS grid"].data[2]
    assert np.ptp(circle, axis=0) == pytest.approx((6000, 6000))
    dock.band.setCurrentIndex(0)
    dock.band.activated.emit(0)
    names = [layer.name for layer in viewer.layers if "[µm]" in layer.name or "grid" in layer.name]
    assert names == [f"{mask.name} · RNFL [µm]", f"{mask.name} · ETDRS grid"]  # the grid above
    assert viewer.layers.selection.active == mask
    dock.save(tmp_path / "t.csv")
    with (tmp_path / "t_etdrs.csv").open(encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    assert (row["laterality"], row["mask from"]) == ("OD", "drawn or corrected by hand")
    dock.save(tmp_path / "t.doc")
    assert "is no table" in dock.status.text()
    for name, message in (("r.html", "'r.html'"), ("r.txt", "not a name for a report")):
        with qtbot.waitSignal(dock.finished, timeout=60_000):
            dock.save_report(tmp_path / name)
        assert message in dock.status.text()
    assert "ETDRS grid of ILM–BM" in (tmp_path / "r.html").read_text(encoding="utf-8")
    assert dock.found.etdrs["ILM–BM"] is grid


VISIT = phantom_volume(slices=3, rows=96, columns=64)  # as small as a comparison can be
TWO_LAYERS = LabelScheme("two layers", OCT_LAYERS.classes[:3], OCT_LAYERS.surfaces[:3])


def add_visit(viewer, name: str, heights: np.ndarray, eye: Laterality, sigma: float):
    """Add a volume with the mask and probabilities of a model; return the mask."""
    labels = np.stack([to_labels(plane, 96) for plane in heights])
    picture = replace(VISIT.image, name=name, laterality=eye)
    ((pixels, options, _),) = image_layers(picture)
    image = viewer.add_image(pixels, **options)
    made = Provenance("", "tiny", "0", name, "CPU", "float32", 0.1)
    rows = np.arange(96)[:, np.newaxis]
    below = [1 / (1 + np.exp(-(rows - plane[:, np.newaxis]) / sigma)) for plane in heights]
    shares = np.stack([np.stack([1 - one[0] + one[-1], *(one[:-1] - one[1:])]) for one in below])
    link = {"image": name, "image_layer": image_fields(image)["image_layer"]}
    known = MapInfo(provenance=made, kind="probabilities", **link)
    viewer.add_image(np.moveaxis(shares, 1, 0), metadata={KEY: known}, visible=False)
    info = MaskInfo(scheme=TWO_LAYERS, boundaries=heights, provenance=made,
                    prediction=labels.copy(), **image_fields(image))  # fmt: skip
    mask = viewer.add_labels(labels, name=f"{name} · mask", scale=image.scale, units=image.units,
                             metadata={KEY: info})  # fmt: skip
    viewer.layers.selection.active = mask
    return mask


def test_a_mask_is_compared_with_an_earlier_one(windowless, alone, qtbot):
    viewer, dock = windowless, alone
    heights = VISIT.heights[:, :3]
    add_visit(viewer, "before", heights, Laterality.UNKNOWN, 0.5)
    thicker = heights + 2 * (np.arange(3) > 1)[:, np.newaxis].astype(np.float32)
    mask = add_visit(viewer, "now", thicker, Laterality.RIGHT, 0.5)
    dock.marks.fields[Target.FOVEA].setText("1, 32")
    assert dock.compare.chosen is None
    dock.compare.box.setCurrentIndex(1)
    result = click(dock, qtbot)
    assert result.status is JobStatus.SUCCEEDED
    assert "Not compared: It is not known which eye 'before' shows: state it" in result.message
    dock.eye.setCurrentIndex(1)  # OD
    marks_of(viewer.layers["before"]).set(Marks(fovea=(1.0, 32.0)))
    result = click(dock, qtbot)
    assert "'now · mask' is measured and compared with 'before · mask', in µm" in result.message
    assert "Not compared" not in result.message
    assert dock.compare.chosen == (viewer.layers["before · mask"], "follow-up")
    assert dock.tables.box.currentText() == "Change since the earlier visit"
    dock.band.setCurrentIndex(1)  # GCL+IPL
    dock.band.activated.emit(1)
    change = viewer.layers["now · mask · GCL+IPL change [µm]"]
    axial = VISIT.image.spacing.axial.um
    np.testing.assert_allclose(change.data, 2 * axial, rtol=1e-3)
    error = viewer.layers["now · mask · GCL+IPL error of the change [µm]"]
    # Of a logistic distribution half of the quantiles' distance is 1.67 times its scale: four
    # boundaries take part.
    assert np.nanmedian(error.data) == pytest.approx(2 * 1.67 * 0.5 * axial, rel=0.15)
    assert error.extent.world[0][0] > change.extent.world[1][0]  # it lies below
    cells = shown(dock)
    assert len({row for _, row in cells}) == 11
    about = dock.tables.about.text()
    assert "'now' (OD; mask: model), compared with 'before' (OD; mask: model)." in about
    hidden = {layer.name for layer in viewer.layers if not layer.visible}
    assert {"before", "before · mask"} <= hidden  # they lie where this scan does
    assert not {"now", "now · mask"} & hidden
    assert float(cells["difference [µm]", 0]) == pytest.approx(2 * axial, rel=1e-3)
    assert viewer.layers.selection.active == mask
    dock.compare.kind.setCurrentIndex(1)  # the fellow eye
    click(dock, qtbot)
    assert dock.tables.box.currentText() == "Right minus left"
    viewer.layers.selection.active = viewer.layers["before · mask"]
    assert "The tables are of 'now · mask'" in dock.subject.text()


def test_what_is_stated_of_an_image_holds_for_no_other(windowless, alone):
    viewer, dock = windowless, alone
    masks = []
    for name in ("one", "two"):
        image = viewer.add_image(np.zeros((40, 40)), name=name)
        masks.append(add_mask(viewer, image, np.ones((40, 40), np.uint8), OCT_LAYERS))
        dock.eye.setCurrentIndex(1 if name == "one" else 0)  # OD
    device = add_mask(viewer, image, np.ones((40, 40), np.uint8), OCT_LAYERS)
    assert [dock.compare.box.itemText(k) for k in range(dock.compare.box.count())] == [
        "Nothing",
        "one · mask",  # nothing of the scan itself, which is no other visit
    ]
    assert dock.eye.currentText() == "Not known from the file"
    viewer.layers.selection.active = masks[0]
    assert dock.eye.currentText() == "OD, right"
    viewer.layers.remove("one")
    assert image_of(viewer, masks[0]) is None  # that of another scan is none of its own
    device.metadata[KEY] = MaskInfo("", OCT_LAYERS)  # of no image that is known
    assert image_of(viewer, device).name == "two"


def test_the_table_of_single_scans_shows_all_layers(windowless, alone, qtbot):
    viewer, dock = windowless, alone
    for name in ("before", "now"):
        picture = replace(VOLUME.image, name=name, pixels=VOLUME.image.pixels[2])
        ((pixels, options, _),) = image_layers(picture)
        image = viewer.add_image(pixels, **options)
        add_mask(viewer, image, VOLUME.labels[2], OCT_LAYERS, VOLUME.heights[2])
        marks_of(image).set(Marks(fovea=(0.0, 64.0)))
    dock.marks.fields[Target.FOVEA].setText("0, 64")
    dock.tables.show_band("RNFL")  # of a volume that was measured before
    dock.compare.box.setCurrentIndex(1)
    result = click(dock, qtbot)
    assert dock.tables.box.currentText() == "Change since the earlier visit", result.message
    assert len({row for _, row in shown(dock)}) == len(dock.found.thickness.bands)


def test_map_and_grid_lie_on_the_en_face_image(viewer, dock, qtbot, tmp_path):
    path = str(write_vol(tmp_path / "scan.vol", intensities()))
    for data, options, kind in get_reader(path)(path):
        getattr(viewer, f"add_{kind}")(data, **options)
    image, face = viewer.layers["scan"], viewer.layers["scan · en face (OD)"]
    labels = np.zeros((3, 16, 20), np.uint8)
    labels[:, 4:11] = np.arange(1, 8)[:, np.newaxis]
    add_mask(viewer, image, labels, OCT_LAYERS)
    dock.marks.fields[Target.FOVEA].setText("1, 7")
    result = click(dock, qtbot)
    assert result.status is JobStatus.SUCCEEDED, result.message
    thickness = viewer.layers["scan · mask · ILM–BM [µm]"]
    grid = viewer.layers["scan · mask · ETDRS grid"]
    paths = face.metadata[KEY].face.paths
    for index, column in ((0, 0), (2, 19), (1, 7)):
        expected = face.data_to_world(paths[index].points(20)[column])
        assert thickness.data_to_world((index, column)) == pytest.approx(expected, abs=0.1)
    middle = grid.data_to_world(grid.data[0].mean(axis=0))
    assert middle == pytest.approx(thickness.data_to_world((1, 7)))
    corners = np.array([grid.data_to_world(corner) for corner in grid.data[2]])
    # The scan is 60 µm from slice to slice, the en-face image 12 µm from row to row.
    assert np.ptp(corners, axis=0) == pytest.approx((6000, 6000), rel=0.01)
    viewer.layers.remove(face)
    dock.band.activated.emit(0)
    below = viewer.layers["scan · mask · ILM–BM [µm]"]
    assert below.data_to_world((0, 0))[0] > image.data_to_world((0, 15, 0))[1]


def test_vessel_segments_are_linked_with_their_rows(viewer, dock, qtbot):
    pixels = cv2.circle(np.zeros((120, 120, 3), np.uint8), (60, 60), 55, (180, 90, 40), -1)
    labels = np.zeros((120, 120), np.uint8)
    cv2.line(labels, (20, 60), (100, 60), 1, 5)
    cv2.line(labels, (60, 20), (60, 100), 1, 5)
    image = viewer.add_image(pixels, rgb=True, name="eye")
    mask = add_mask(viewer, image, labels, FUNDUS_VESSELS)
    dock.marks.fields[Target.DISC].setText("60")
    dock.measure()
    assert "The disc is given as row, column, diameter" in dock.status.text()
    dock.marks.fields[Target.DISC].clear()
    result = click(dock, qtbot)
    assert "in px" in result.message
    layer = viewer.layers[f"{mask.name} · segments"]
    np.testing.assert_array_equal(layer.data > 0, labels > 0)
    layer.selected_label = 3
    assert dock.tables.box.currentText() == "Vessel segments"
    assert shown(dock)["segment", dock.tables.table.currentRow()] == "3"
    dock.tables.table.selectRow(0)
    assert layer.selected_label == 1
    empty = add_mask(viewer, image, np.zeros_like(labels), FUNDUS_VESSELS)
    assert dock.active_mask.mask == empty
    result = click(dock, qtbot)
    assert (result.status, "The mask is empty" in result.message) == (JobStatus.FAILED, True)
