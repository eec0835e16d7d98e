"""Specks, pinholes, growing, shrinking and the lasso, on a slice or on all."""

import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from mouse import CTRL, FREE, LEFT, add_mask, drag, press, push
from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.results import MaskInfo, mask_options
from napari_retina_seg.types.labels import OCT_LAYERS


def test_small_objects_small_holes_dilation_and_erosion(dock, vessels, qtbot, apply):
    dock.regions.object_size.setValue(10)
    qtbot.waitUntil(lambda: "9 px to be removed" in dock.preview._label.text())
    apply()
    assert not vessels.data[20:23, 20:23].any()
    assert dock.status.result is JobStatus.SUCCEEDED
    push(dock.regions.small_holes_button)
    assert not dock.status.text(), "what was done is not said beside another preview"
    apply()
    assert vessels.data[50, 30] == 1
    before = vessels.data.copy()
    push(dock.regions.dilate_button)
    assert vessels.data[47, 30] == 1
    push(dock.regions.erode_button)
    assert np.array_equal(vessels.data[:, :50], before[:, :50])
    assert dock.status.result is JobStatus.SUCCEEDED
    press(dock, Qt.Key.Key_Z, CTRL)
    assert not dock.status.text(), "it is undone"
    push(dock.regions.dilate_button)
    press(dock, Qt.Key.Key_2)
    assert not dock.status.text(), "the next tool is in the hand"
    for _ in range(4):
        press(dock, Qt.Key.Key_Z, CTRL)
    assert vessels.data[20:23, 20:23].all()
    assert not vessels.data[50, 30]
    dock.classes._item(1).setCheckState(3, Qt.CheckState.Checked)
    assert not dock.regions.dilate_button.isEnabled()


def test_a_lasso_deletes_one_class(shown, dock, layers, qtbot):
    before = layers.data.copy()
    press(dock, Qt.Key.Key_5, CTRL)
    push(dock.regions.lasso_button)
    assert "Drag around" in dock.regions._note.text()
    drag(dock, layers, (2, 20), (2, 50), (50, 50), (97, 50), (97, 35), (97, 20), (50, 20), (4, 20))
    qtbot.waitUntil(lambda: not np.array_equal(layers.data, before))
    gone = layers.data != before
    assert (before[gone] == 5).all()
    assert not (layers.data[:, 25:45] == 5).any()
    assert np.array_equal(layers.data[:, 60:], before[:, 60:])
    assert [layer.name for layer in shown.layers] == ["scan", "mask"]
    assert shown.layers.selection.active == layers
    press(dock, Qt.Key.Key_Z, CTRL)
    assert np.array_equal(layers.data, before)
    push(dock.regions.lasso_button)
    push(dock.regions.lasso_button)
    assert [layer.name for layer in shown.layers] == ["scan", "mask"]


def test_of_a_volume_one_slice_is_changed_or_all_and_undoing_shows_where(shown, dock, qtbot, apply):
    labels = np.zeros((4, 40, 50), np.uint8)
    labels[:, 10:20, 10:20] = 2
    shown.add_image(labels * 30, name="stack", scale=(2, 1, 1), units=("um", "um", "um"))
    options = mask_options(MaskInfo("stack", OCT_LAYERS))
    mask = add_mask(shown, labels.copy(), options, scale=(2, 1, 1), units=("um", "um", "um"))
    press(dock, Qt.Key.Key_2, CTRL)
    shown.dims.set_current_step(0, 2)
    push(dock.regions.dilate_button)
    assert (mask.data[2, 9, 10:20] == 2).all()
    assert np.array_equal(mask.data[[0, 1, 3]], labels[[0, 1, 3]])
    shown.dims.set_current_step(0, 0)
    dock.regions.object_size.setValue(500)
    shown.dims.set_current_step(0, 1)
    apply()
    assert not mask.data[1].any()
    assert mask.data[0].any()
    shown.dims.set_current_step(0, 3)
    for step in (1, 2):
        press(dock, Qt.Key.Key_Z, CTRL)
        qtbot.waitUntil(lambda step=step: dock.active_mask.where == (step,))
        assert dock.status.text() == f"Undone on slice {step}."
    assert np.array_equal(mask.data, labels)
    shown.dims.set_current_step(0, 3)
    assert not dock.status.text()
    push(dock.tools.redo)
    assert dock.active_mask.where == (2,)
    press(dock, Qt.Key.Key_Z, CTRL)
    QTest.mouseClick(dock.regions.every_slice, LEFT, FREE, QPoint(8, 8))
    assert "on all 4 slices; the lasso on this slice only" in dock.regions._note.text()
    push(dock.regions.dilate_button)
    assert np.array_equal(mask.data, labels), "what happens on other slices is shown first"
    qtbot.waitUntil(lambda: "160 px to be added" in dock.preview._label.text())
    apply()
    assert (mask.data[:, 9, 10:20] == 2).all()
    press(dock, Qt.Key.Key_Z, CTRL)
    assert np.array_equal(mask.data, labels), "one step"
    push(dock.regions.dilate_button)
    press(dock, Qt.Key.Key_5, CTRL)
    QTest.mouseClick(dock.regions.every_slice, LEFT, FREE, QPoint(8, 8))
    here = dock.active_mask.where[0]
    apply()
    assert dock.status.text() == "✔ Done: GCL+IPL was dilated by 1 px: 40 px changed."
    assert np.count_nonzero(mask.data[here] == 2) == 140
    assert np.array_equal(np.delete(mask.data, here, 0), np.delete(labels, here, 0))
