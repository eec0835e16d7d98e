"""Fovea and disc marked by mouse and keys in a window."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtCore import Qt

from mouse import CTRL, SHIFT, add_mask, click, drag, press, push, settle
from napari_retina_seg._napari.acquisitions import EnFaceInfo
from napari_retina_seg._napari.layers import KEY, image_fields, image_layers
from napari_retina_seg._napari.measure.mark_tool import Target
from napari_retina_seg._napari.measure.marks import Marks, marks_of
from napari_retina_seg._napari.results import MaskInfo, mask_options
from napari_retina_seg.imaging.phantom import phantom_volume
from napari_retina_seg.measurement.units import MeasureError
from napari_retina_seg.types.acquisition import EnFace, LinePath
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS, OCT_LESIONS

VOLUME = phantom_volume(slices=5, rows=64, columns=80)


@pytest.fixture
def dock(make_napari_viewer_proxy):
    """Return the Measure dock, in a window that is shown."""
    viewer = make_napari_viewer_proxy(show=True)
    _, widget = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Measure")
    yield widget
    widget.cleanup()


@pytest.fixture
def photograph(dock):
    """Return a photograph and its mask of one vessel, selected."""
    viewer = dock._viewer
    image = viewer.add_image(np.full((120, 120, 3), 150, np.uint8), name="eye")
    labels = np.zeros((120, 120), np.uint8)
    labels[58:62, 10:110] = 1
    info = MaskInfo(scheme=FUNDUS_VESSELS, **image_fields(image))
    return SimpleNamespace(image=image, mask=add_mask(viewer, labels, mask_options(info)))


@pytest.fixture
def scan(dock):
    """Return a volume with its mask and en-face image, in px."""
    viewer = dock._viewer
    ((pixels, options, _),) = image_layers(VOLUME.image)
    del options["scale"], options["units"]
    image = viewer.add_image(pixels, **options)
    paths = tuple(LinePath((10.0 * k, -0.5), (10.0 * k, 39.5)) for k in range(5))
    face = viewer.add_image(np.zeros((48, 40), np.uint8), name="face", translate=(0, -50))
    face.metadata[KEY] = EnFaceInfo(image.name, EnFace(np.zeros((48, 40)), paths=paths))
    info = MaskInfo(scheme=OCT_LAYERS, boundaries=VOLUME.heights, **image_fields(image))
    mask = add_mask(viewer, VOLUME.labels.copy(), mask_options(info))
    viewer.dims.set_current_step(0, 2)
    settle()
    return SimpleNamespace(image=image, mask=mask, face=face)


def typed(dock, target: Target) -> list[float]:
    return [float(part) for part in dock.marks.fields[target].text().split(",") if part]


def test_a_disc_is_drawn_moved_resized_and_taken_back(dock, photograph):
    viewer, mask = dock._viewer, photograph.mask
    button = dock.marks.buttons[Target.DISC]
    push(button)
    drag(dock, mask, (50, 50), (50, 60), (50, 70))
    assert typed(dock, Target.DISC) == pytest.approx([50, 50, 40], abs=1)
    drag(dock, mask, (52, 50), (62, 60))  # within it
    assert typed(dock, Target.DISC) == pytest.approx([60, 60, 40], abs=1)
    drag(dock, mask, (60, 80), (60, 85), (60, 90))  # on its margin
    assert typed(dock, Target.DISC) == pytest.approx([60, 60, 60], abs=1.5)
    press(dock, Qt.Key.Key_Z, CTRL)
    assert typed(dock, Target.DISC) == pytest.approx([60, 60, 40], abs=1)
    press(dock, Qt.Key.Key_Z, CTRL | SHIFT)
    assert typed(dock, Target.DISC)[2] == pytest.approx(60, abs=1.5)
    (ring,) = viewer.layers["mask · marks"].data
    assert np.ptp(ring, axis=0) == pytest.approx((60, 60), abs=2)
    press(dock, Qt.Key.Key_Escape)
    assert not button.isChecked()
    assert viewer.layers.selection.active == mask
    before = typed(dock, Target.DISC)
    drag(dock, mask, (60, 60), (70, 70))  # moves the image
    assert typed(dock, Target.DISC) == before
    # Another mask of the same image has the same disc; that of another image has none.
    info = MaskInfo(scheme=FUNDUS_VESSELS, **image_fields(photograph.image))
    add_mask(viewer, mask.data.copy(), mask_options(info))
    assert typed(dock, Target.DISC) == pytest.approx(before, rel=1e-5)
    other = viewer.add_image(np.full((120, 120, 3), 90, np.uint8), name="other")
    info = MaskInfo(scheme=FUNDUS_VESSELS, **image_fields(other))
    add_mask(viewer, mask.data.copy(), mask_options(info))
    assert typed(dock, Target.DISC) == []


def test_the_fovea_is_marked_on_b_scan_and_en_face_and_moved(dock, scan, qtbot):
    viewer, mask = dock._viewer, scan.mask
    button = dock.marks.buttons[Target.FOVEA]
    push(button)
    click(dock, mask, 30, 40)
    assert typed(dock, Target.FOVEA) == pytest.approx([2, 40], abs=0.6)
    lines = viewer.layers["mask · marks"]
    assert list(lines.shape_type) == ["line", "ellipse"]  # on the B-scan, and on the en face
    drag(dock, mask, (20, 40), (20, 45), (20, 50))
    assert typed(dock, Target.FOVEA) == pytest.approx([2, 50], abs=0.6)
    drag(dock, mask, (20, 20), (24, 24))  # not on it: moves the image
    assert typed(dock, Target.FOVEA) == pytest.approx([2, 50], abs=0.6)
    viewer.reset_view()
    click(dock, scan.face, 31, 10)
    assert typed(dock, Target.FOVEA) == pytest.approx([3, 20], abs=1)
    assert "line" not in lines.shape_type  # it is of another B-scan than the one on the screen
    viewer.dims.set_current_step(0, 3)
    assert "line" in lines.shape_type
    press(dock, Qt.Key.Key_Z, CTRL)
    assert typed(dock, Target.FOVEA) == pytest.approx([2, 50], abs=0.6)
    push(button)
    assert viewer.layers.selection.active == mask
    with qtbot.waitSignal(dock.finished, timeout=60_000):
        push(dock.button)
    assert dock.found.fovea.column == pytest.approx(50, abs=0.6)
    assert not dock.marks._form.isRowVisible(1)  # a scan has no disc


def test_marks_are_kept_as_they_were_set(dock, photograph, scan, qtbot):
    viewer, exact = dock._viewer, Marks((30.123456789, 40.0), (50.0, 51.123456789, 20.0))
    viewer.layers.selection.active = photograph.mask
    history = marks_of(photograph.image)
    history.set(exact)
    dock.marks.show_mask(photograph.mask, photograph.image, FUNDUS_VESSELS)
    assert dock.marks.read() == exact  # not as rounded for the field
    # A mask of lesions has no disc, and leaves that of the image alone.
    dock.marks.show_mask(photograph.mask, photograph.image, OCT_LESIONS)
    assert dock.marks.read() == replace(exact, disc=None)
    assert history.now == exact
    dock.marks.show_mask(photograph.mask, photograph.image, FUNDUS_VESSELS)
    dock.marks.fields[Target.FOVEA].setText("nan, 3")
    with pytest.raises(MeasureError, match=r"as row, column in px: received 'nan, 3'"):
        dock.marks.read()
    assert "B-scan" not in dock.marks.buttons[Target.FOVEA].toolTip()
    viewer.layers.selection.active = scan.mask
    field = dock.marks.fields[Target.FOVEA]
    field.setText("9, 500")  # beyond the scan, which is on an en-face image
    qtbot.keyPress(field, Qt.Key.Key_Return)
    assert not any("marks" in layer.name for layer in viewer.layers)
    field.setText("3, 20")
    qtbot.keyPress(field, Qt.Key.Key_Return)
    assert list(viewer.layers["mask [1] · marks"].shape_type) == ["ellipse"]


def test_a_place_that_is_typed_is_remembered_and_shown(dock, photograph, qtbot):
    field = dock.marks.fields[Target.FOVEA]
    field.setFocus()
    qtbot.keyClicks(field, "30, 40")
    qtbot.keyPress(field, Qt.Key.Key_Return)
    (ring,) = dock._viewer.layers["mask · marks"].data
    assert ring.mean(axis=0) == pytest.approx((30, 40))
    dock._viewer.layers.remove("mask · marks")
    dock._viewer.dims.point = (5.0, 5.0)  # as napari does while it removes all layers
    assert "mask · marks" not in dock._viewer.layers
    field.setText("31, 40")
    qtbot.keyPress(field, Qt.Key.Key_Return)
    assert "mask · marks" in dock._viewer.layers
    dock._viewer.layers.remove(photograph.mask)
    settle()
    assert field.text() == ""
    assert "mask · marks" not in dock._viewer.layers
