"""The Correct dock takes up masks; its classes, tools and keys."""

import numpy as np
from napari.utils.shortcuts import default_shortcuts
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from mouse import CTRL, FREE, LEFT, SHIFT, drag, press, push
from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.masks.edits import locked
from napari_retina_seg._napari.results import MaskInfo, colormap, mask_options
from napari_retina_seg._napari.shortcuts import BLINK, CLASS_KEYS, CORRECT
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS


def tick_lock(dock, value):
    rows = dock.classes._rows
    row = rows.visualItemRect(dock.classes._item(value))
    place = QPoint(rows.columnViewportPosition(3) + 10, row.center().y())
    QTest.mouseClick(rows.viewport(), LEFT, FREE, place)


def offers(dock, name):
    return not dock._sections[name].isHidden()


def test_without_a_mask_it_gives_the_reason_and_offers_one(shown, dock):
    assert not dock.button.isEnabled()
    assert "Select a mask" in dock.status.text()
    assert not dock.new_mask.button.isEnabled()
    press(dock, Qt.Key.Key_D, SHIFT | CTRL)
    assert dock.status.result is JobStatus.FAILED
    shown.add_image(phantom_bscan(rows=96, columns=128).image.pixels, name="scan", scale=(4, 2))
    push(dock.new_mask.button)
    mask = shown.layers["scan · oct-layers"]
    assert dock.active_mask.mask == mask
    assert mask.scale.tolist() == [4, 2]
    assert not mask.data.any()
    assert dock.button.text() == "Paint RNFL"
    theirs = shown.add_labels(np.zeros((96, 128), np.uint8), name="cells")
    assert "classes of 'cells' are unknown" in dock.status.text()
    shown.layers.remove(theirs)
    shown.layers.selection.active = mask
    shown.dims.ndisplay = 3
    assert "3D" in dock.status.text()
    assert not dock.button.isEnabled()


def test_sections_suit_the_scheme(shown, dock, layers):
    assert dock.classes.names[:3] == ["Background", "RNFL", "GCL+IPL"]
    assert [offers(dock, name) for name in ("vessels", "lines")] == [False, True]
    info = MaskInfo("scan", FUNDUS_VESSELS)
    shown.add_labels(np.zeros((100, 140), np.uint8), name="v", **mask_options(info))
    assert [offers(dock, name) for name in ("vessels", "lines")] == [True, False]
    assert dock.classes.names == ["Background", "Vessel"]
    assert "'v'" in dock.about.text()


def test_classes_by_key_and_naparis_keys_still_are_tools(dock, layers):
    press(dock, Qt.Key.Key_4, CTRL)
    assert layers.selected_label == 4
    assert dock.button.text() == "Paint OPL"
    press(dock, Qt.Key.Key_2)
    assert str(layers.mode) == "paint"
    assert layers.selected_label == 4
    assert dock.tools.buttons["paint"].isChecked()
    press(dock, Qt.Key.Key_9, CTRL)
    assert layers.selected_label == 4
    push(dock.tools.buttons["fill"])
    assert str(layers.mode) == "fill"


def test_a_stroke_keeps_locked_classes_and_paints_none_that_the_scheme_lacks(dock, layers):
    before = layers.data.copy()
    tick_lock(dock, 3)
    assert locked(layers) == {3}
    press(dock, Qt.Key.Key_7, CTRL)
    push(dock.button)
    layers.brush_size = 9
    drag(dock, layers, (10, 20), (50, 60), (90, 100))
    assert (layers.data != before).sum() > 200
    assert np.array_equal(layers.data == 3, before == 3)
    press(dock, Qt.Key.Key_Z, CTRL)
    assert np.array_equal(layers.data, before)
    tick_lock(dock, 3)
    assert locked(layers) == frozenset()
    press(dock, Qt.Key.Key_M)
    assert layers.selected_label == 7
    assert "the last class of 'oct-layers' is 7" in dock.status.text()
    assert dock.button.text() == "Paint RPE"


def test_the_number_keys_are_none_of_naparis():
    theirs = {str(key) for keys in default_shortcuts.values() for key in keys}
    assert not theirs & {shortcut.keys for shortcut in (*CLASS_KEYS, BLINK, CORRECT)}


def test_classes_are_hidden_and_shown(dock, layers):
    layers.colormap = colormap(OCT_LAYERS, frozenset({5}))
    assert dock.classes._item(5).checkState(2) == Qt.CheckState.Unchecked
    dock.classes.set_shown(2, False)
    assert layers.colormap.color_dict[2][3] == 0
    press(dock, Qt.Key.Key_2, CTRL)
    push(dock.button)
    assert layers.colormap.color_dict[2][3] == 1
    for take in (
        lambda: press(dock, Qt.Key.Key_3),
        lambda: push(dock.tools.buttons["fill"]),
        lambda: press(dock, Qt.Key.Key_2),
    ):
        dock.classes.set_shown(2, False)
        take()
        assert dock.classes._item(2).checkState(2) == Qt.CheckState.Checked
        assert "GCL+IPL was hidden" in dock.status.text()
    dock.classes.set_shown(2, False)
    drag(dock, layers, (10, 20), (10, 40))
    assert layers.colormap.color_dict[2][3] == 1
    assert "GCL+IPL was hidden" in dock.status.text()
    drag(dock, layers, (12, 20), (12, 40))
    assert not dock.status.text()
    dock.classes.set_shown(2, False)
    press(dock, Qt.Key.Key_1)
    assert layers.colormap.color_dict[2][3] == 0, "the eraser paints background"


def test_sizes_are_remembered(shown, dock, vessels, qtbot):
    dock.regions.object_size.setValue(77)
    vessels.brush_size = 23
    dock.cleanup()
    shown.window.remove_dock_widget(dock.parent())
    _, again = shown.window.add_plugin_dock_widget("napari-retina-seg", "Correct")
    shown.layers.selection.active = shown.layers["eye"]
    vessels.brush_size = 3
    shown.layers.selection.active = vessels
    assert again.regions.object_size.value() == 77
    again.regions._settings.remember_number("correct/specks/oct-layers", 600)
    assert again.regions.object_size.value() == 77, "of vessels, not of layers"
    assert vessels.brush_size == 23
