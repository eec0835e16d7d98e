"""The Correct dock, driven by mouse and keys in a window."""

import numpy as np
import pytest
from napari.utils.shortcuts import default_shortcuts
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QScrollArea

from napari_retina_seg._napari.correct.line_view import find_canvas
from napari_retina_seg._napari.job import End
from napari_retina_seg._napari.keys import BLINK, CLASS_KEYS, CORRECT
from napari_retina_seg._napari.masks.edits import locked
from napari_retina_seg._napari.results import MapInfo, MaskInfo, colormap, mask_options
from napari_retina_seg.core.labels import FUNDUS_VESSELS, OCT_LAYERS
from napari_retina_seg.core.phantom import phantom_bscan
from napari_retina_seg.core.segmentation import Provenance

LEFT = Qt.MouseButton.LeftButton
FREE, CTRL = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier
MADE = Provenance("", "tiny-fundus", "0", "0", "CPU", "float32", 0.1)
ROWS, COLUMNS = 100, 140


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy(show=True)


@pytest.fixture
def dock(viewer, qtbot):
    _, widget = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Correct")
    yield widget
    widget.close_down()


@pytest.fixture
def vessels(viewer, dock, qtbot):
    """Return a mask of two vessel stubs, a speck and a pinhole, and its probability."""
    probability = np.full((ROWS, COLUMNS), 0.05, np.float16)
    probability[48:53] = 0.9
    probability[48:53, 60:80] = 0.4
    probability[20:23, 20:23] = 0.9
    labels = (probability > 0.5).astype(np.uint8)
    labels[50, 30] = 0
    photograph = np.full((ROWS, COLUMNS, 3), 150, np.uint8)
    photograph[48:53, :, 1] = 80
    viewer.add_image(photograph, name="eye")
    known = MapInfo("eye", MADE, "probabilities")
    viewer.add_image(probability, name="p", visible=False, metadata={"retina_seg": known})
    return add_mask(viewer, labels, MaskInfo("eye", FUNDUS_VESSELS, MADE, labels.copy()))


@pytest.fixture
def layers(viewer, dock, qtbot):
    """Return the mask of a B-scan."""
    phantom = phantom_bscan(rows=ROWS, columns=COLUMNS)
    viewer.add_image(phantom.image.pixels, name="scan", scale=(3, 2))
    info = MaskInfo("scan", OCT_LAYERS, MADE, phantom.labels.copy(), phantom.heights)
    return add_mask(viewer, phantom.labels.copy(), info, scale=(3, 2))


def add_mask(viewer, labels, info, **grid):
    mask = viewer.add_labels(labels, name="mask", **mask_options(info), **grid)
    viewer.reset_view()
    QTest.qWait(30)
    return mask


def spot(dock, mask, row, column):
    """Return where on the canvas a pixel of a mask is."""
    world = mask.data_to_world((*(0,) * (mask.ndim - 2), row, column))
    x, y = find_canvas(dock).view.scene.transform.map([world[-1], world[-2], 0, 1])[:2]
    return QPoint(round(x), round(y))


def click(dock, mask, row, column):
    drag(dock, mask, (row, column))


def drag(dock, mask, *places):
    canvas, points = find_canvas(dock).native, [spot(dock, mask, *place) for place in places]
    QTest.mouseMove(canvas, points[0])
    QTest.mousePress(canvas, LEFT, FREE, points[0])
    for point in points[1:]:
        QTest.mouseMove(canvas, point)
        QTest.qWait(10)
    QTest.mouseRelease(canvas, LEFT, FREE, points[-1])
    QTest.qWait(30)


def press(dock, key, modifiers=FREE):
    QTest.keyClick(find_canvas(dock).native, key, modifiers)
    QTest.qWait(10)


def shift_ctrl(dock, key):
    press(dock, key, CTRL | Qt.KeyboardModifier.ShiftModifier)


def push(button):
    """Click a button, having scrolled to it."""
    assert button.isEnabled()
    area = button.parent()
    while area is not None and not isinstance(area, QScrollArea):
        area = area.parent()
    if area is not None:
        area.ensureWidgetVisible(button)
    QTest.qWait(10)
    QTest.mouseClick(button, LEFT)
    QTest.qWait(40)


def tick_lock(dock, value):
    rows = dock.classes._rows
    row = rows.visualItemRect(dock.classes._item(value))
    place = QPoint(rows.columnViewportPosition(3) + 10, row.center().y())
    QTest.mouseClick(rows.viewport(), LEFT, FREE, place)


def shown(dock, name):
    return not dock._folds[name].isHidden()


def test_without_a_mask_it_says_why_and_offers_one(viewer, dock):
    assert not dock.button.isEnabled()
    assert "Select a mask" in dock.status.text()
    assert not dock.new_mask.button.isEnabled()
    shift_ctrl(dock, Qt.Key.Key_D)
    assert dock.status.end is End.FAILED
    viewer.add_image(phantom_bscan(rows=96, columns=128).image.pixels, name="scan", scale=(4, 2))
    push(dock.new_mask.button)
    mask = viewer.layers["scan · oct-layers"]
    assert dock.follower.mask == mask
    assert mask.scale.tolist() == [4, 2]
    assert not mask.data.any()
    assert dock.button.text() == "Paint RNFL"
    theirs = viewer.add_labels(np.zeros((96, 128), np.uint8), name="cells")
    assert "classes of 'cells' are not known" in dock.status.text()
    viewer.layers.remove(theirs)
    viewer.layers.selection.active = mask
    viewer.dims.ndisplay = 3
    assert "3D" in dock.status.text()
    assert not dock.button.isEnabled()


def test_sections_suit_the_scheme(viewer, dock, layers):
    assert dock.classes.names[:3] == ["Background", "RNFL", "GCL+IPL"]
    assert [shown(dock, name) for name in ("vessels", "lines")] == [False, True]
    info = MaskInfo("scan", FUNDUS_VESSELS)
    viewer.add_labels(np.zeros((ROWS, COLUMNS), np.uint8), name="v", **mask_options(info))
    assert [shown(dock, name) for name in ("vessels", "lines")] == [True, False]
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


def test_a_brush_stroke_keeps_locked_classes(dock, layers):
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


def test_no_class_is_painted_that_the_scheme_lacks(dock, layers):
    press(dock, Qt.Key.Key_M)
    assert layers.selected_label == 7
    assert "end at 7" in dock.status.text()
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


def test_a_threshold_is_previewed_and_is_one_step(viewer, dock, vessels):
    before = vessels.data.copy()
    dock.vessels.level.setValue(0.3)
    QTest.qWait(60)
    assert np.array_equal(vessels.data, before)
    assert dock.preview.isVisible()
    preview = viewer.layers["mask · preview"]
    assert (preview.data[48:53, 60:80] == 1).all()
    push(dock.preview.apply_button)
    assert (vessels.data[48:53] == 1).all()
    assert len(viewer.layers) == 3
    assert "101 px changed" in dock.status.text()
    shift_ctrl(dock, Qt.Key.Key_Z)
    press(dock, Qt.Key.Key_Z, CTRL)
    assert np.array_equal(vessels.data, before)
    shift_ctrl(dock, Qt.Key.Key_Z)
    assert (vessels.data[48:53] == 1).all()


def test_a_preview_is_cancelled_and_survives_painting(viewer, dock, vessels):
    dock.vessels.hysteresis.setChecked(True)
    dock.vessels.level.setValue(0.8)
    dock.vessels.low.setValue(0.35)
    QTest.qWait(60)
    assert (viewer.layers["mask · preview"].data[48:53, 60:80] == 1).all()
    vessels.paint((90, 90), 1)
    push(dock.preview.cancel_button)
    assert vessels.data[90, 90] == 1
    assert not vessels.data[50, 70]
    assert len(viewer.layers) == 3
    push(dock.vessels.show_button)
    viewer.layers.remove(vessels)
    QTest.qWait(40)
    assert [layer.name for layer in viewer.layers] == ["eye", "p"]


def test_the_model_works_out_a_probability_that_is_not_there(viewer, dock, qtbot, photograph):
    viewer.add_image(photograph, name="eye")
    shape = photograph.shape[:2]
    mask = add_mask(viewer, np.zeros(shape, np.uint8), MaskInfo("eye", FUNDUS_VESSELS))
    with qtbot.waitSignal(dock.vessels.probability.done, timeout=60_000):
        push(dock.vessels.show_button)
    QTest.qWait(60)
    assert dock.vessels.probability.find(1).shape == shape
    assert dock.preview.is_open
    dock.vessels.level.setValue(0.01)
    push(dock.preview.apply_button)
    assert mask.data.any()


def test_specks_pinholes_growing_and_shrinking(dock, vessels):
    dock.regions.speck_size.setValue(10)
    QTest.qWait(40)
    push(dock.preview.apply_button)
    assert not vessels.data[20:23, 20:23].any()
    push(dock.regions.pinholes_button)
    push(dock.preview.apply_button)
    assert vessels.data[50, 30] == 1
    before = vessels.data.copy()
    push(dock.regions.grow_button)
    assert vessels.data[47, 30] == 1
    push(dock.regions.shrink_button)
    assert np.array_equal(vessels.data[:, :50], before[:, :50])
    for _ in range(4):
        press(dock, Qt.Key.Key_Z, CTRL)
    assert vessels.data[20:23, 20:23].all()
    assert not vessels.data[50, 30]
    dock.classes.set_locked(1, True)
    assert not dock.regions.grow_button.isEnabled()


def test_a_lasso_deletes_one_class(viewer, dock, layers):
    before = layers.data.copy()
    press(dock, Qt.Key.Key_5, CTRL)
    push(dock.regions.lasso_button)
    assert "Drag around" in dock.regions._note.text()
    drag(dock, layers, (2, 20), (2, 50), (50, 50), (97, 50), (97, 35), (97, 20), (50, 20), (4, 20))
    QTest.qWait(40)
    gone = layers.data != before
    assert (before[gone] == 5).all()
    assert not (layers.data[:, 25:45] == 5).any()
    assert np.array_equal(layers.data[:, 60:], before[:, 60:])
    assert [layer.name for layer in viewer.layers] == ["scan", "mask"]
    assert viewer.layers.selection.active == layers
    press(dock, Qt.Key.Key_Z, CTRL)
    assert np.array_equal(layers.data, before)
    push(dock.regions.lasso_button)
    push(dock.regions.lasso_button)
    assert [layer.name for layer in viewer.layers] == ["scan", "mask"]


@pytest.mark.parametrize("known", [True, False])
def test_two_clicks_bridge_a_gap(viewer, dock, vessels, known):
    if not known:
        viewer.layers.remove("p")
    before = vessels.data.copy()
    push(dock.vessels.bridge.button)
    click(dock, vessels, 50, 57)
    assert np.array_equal(vessels.data, before)
    click(dock, vessels, 50, 82)
    assert (vessels.data[49:52, 60:80] == 1).all()
    assert not vessels.data[45, 60:80].any()
    press(dock, Qt.Key.Key_Z, CTRL)
    assert np.array_equal(vessels.data, before)
    press(dock, Qt.Key.Key_2)
    assert not dock.vessels.bridge.button.isChecked()
    click(dock, vessels, 80, 80)
    assert vessels.data[80, 80] == 1


def test_one_tool_listens_to_the_mouse(viewer, dock, layers, vessels):
    bridge, lasso = dock.vessels.bridge, dock.regions.lasso
    push(bridge.button)
    push(dock.regions.lasso_button)
    assert lasso.is_on
    assert not bridge.button.isChecked()
    push(bridge.button)
    assert not lasso.is_on
    assert viewer.layers.selection.active == vessels
    viewer.layers.selection.active = layers
    assert not bridge.button.isChecked()
    push(dock.regions.lasso_button)
    press(dock, Qt.Key.Key_1, CTRL)
    push(dock.tools.buttons["paint"])
    assert viewer.layers.selection.active == layers
    assert not lasso.is_on
    assert str(layers.mode) == "paint"


def test_a_region_is_marked_as_questionable(viewer, dock, layers):
    before = layers.data.copy()
    dock._folds["questionable"].expand()
    QTest.qWait(30)
    push(dock.questionable.brush_button)
    assert dock.follower.mask == layers
    drag(dock, layers, (30, 30), (30, 60))
    marks = viewer.layers["mask · questionable"]
    assert marks.data[30, 30:60].all()
    assert np.array_equal(layers.data, before)
    push(dock.questionable.back_button)
    assert viewer.layers.selection.active == layers
    assert "px are marked" in dock.questionable._note.text()


def test_the_difference_to_the_prediction_blinks(viewer, dock, vessels):
    dock._folds["compare"].expand()
    QTest.qWait(30)
    vessels.data_setitem((np.arange(5), np.arange(5)), 1)
    vessels.data_setitem((np.full(5, 50), np.arange(5)), 0)
    push(dock.compare.button)
    shown = viewer.layers["mask · difference to the prediction"]
    assert (shown.data[np.arange(5), np.arange(5)] == 1).all()
    assert (shown.data[50, :5] == 2).all()
    press(dock, Qt.Key.Key_K)
    assert not shown.visible
    press(dock, Qt.Key.Key_K)
    assert shown.visible
    vessels.undo()
    QTest.qWait(500)
    assert not shown.data[50, :5].any()
    push(dock.compare.button)
    assert "mask · difference to the prediction" not in viewer.layers


def test_sizes_are_remembered(viewer, dock, vessels, qtbot):
    dock.regions.speck_size.setValue(77)
    vessels.brush_size = 23
    dock.close_down()
    viewer.window.remove_dock_widget(dock.parent())
    _, again = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Correct")
    viewer.layers.selection.active = viewer.layers["eye"]
    vessels.brush_size = 3
    viewer.layers.selection.active = vessels
    assert again.regions.speck_size.value() == 77
    assert vessels.brush_size == 23


def test_each_slice_of_a_volume_is_changed_alone(viewer, dock):
    labels = np.zeros((4, 40, 50), np.uint8)
    labels[:, 10:20, 10:20] = 2
    viewer.add_image(labels * 30, name="stack")
    mask = add_mask(viewer, labels.copy(), MaskInfo("stack", OCT_LAYERS))
    press(dock, Qt.Key.Key_2, CTRL)
    viewer.dims.set_current_step(0, 2)
    push(dock.regions.grow_button)
    assert (mask.data[2, 9, 10:20] == 2).all()
    assert np.array_equal(mask.data[[0, 1, 3]], labels[[0, 1, 3]])
    viewer.dims.set_current_step(0, 0)
    dock.regions.speck_size.setValue(500)
    QTest.qWait(40)
    viewer.dims.set_current_step(0, 1)
    push(dock.preview.apply_button)
    assert not mask.data[1].any()
    assert mask.data[0].any()
    viewer.dims.set_current_step(0, 3)
    press(dock, Qt.Key.Key_Z, CTRL)
    press(dock, Qt.Key.Key_Z, CTRL)
    assert np.array_equal(mask.data, labels)
