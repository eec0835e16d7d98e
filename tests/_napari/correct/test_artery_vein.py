"""Arteries and veins by clicks on segments, by mouse and keys in a window."""

import numpy as np
import pytest
from qtpy.QtCore import Qt

import napari_retina_seg as rs
from mouse import CTRL, click, press, push, settle
from napari_retina_seg.io.masks import encode_mask, read_mask
from napari_retina_seg.types.labels import ARTERIES_VEINS

UPPER, CROSS, SPECK = (50, 30), (50, 110), (21, 21)


@pytest.fixture
def mask(shown, dock, vessels, qtbot):
    """Return the mask of arteries and veins that the button adds, once its segments are known."""
    tool = dock.vessels.kinds
    vessels.data[50, 30] = 1  # a pinhole, around which there would be segments
    assert tool.button.text() == "Tell arteries from veins"
    with qtbot.waitSignal(tool.work.done, timeout=60_000):
        push(tool.button)
    return shown.layers["mask · arteries and veins"]


def test_a_click_makes_a_segment_an_artery_and_is_one_step(shown, dock, vessels, mask, qtbot):
    note = dock.vessels.kinds._note
    assert note.visibleRegion().boundingRect().height() == note.height()  # the dock scrolls to it
    assert "does not tell arteries from veins" in dock.vessels._note.text()
    before = vessels.data.copy()
    assert dock.active_mask.scheme == ARTERIES_VEINS
    np.testing.assert_array_equal(mask.data, np.where(before, 3, 0))
    click(dock, mask, *UPPER)
    assert set(np.unique(mask.data[48:53, :60])) == {1}
    assert set(np.unique(mask.data[48:53, 80:])) == {3}
    press(dock, Qt.Key.Key_V)
    click(dock, mask, CROSS[0] - 4, CROSS[1])  # beside it, but near
    assert set(np.unique(mask.data[48:53, 80:])) == {2}
    assert "The segment is now vein" in dock.status.text()
    press(dock, Qt.Key.Key_Z, CTRL)
    assert set(np.unique(mask.data[48:53, 80:])) == {3}
    press(dock, Qt.Key.Key_A)
    click(dock, mask, *SPECK)
    assert set(np.unique(mask.data[20:23, 20:23])) == {1}
    press(dock, Qt.Key.Key_U)
    click(dock, mask, *SPECK)
    assert set(np.unique(mask.data[20:23, 20:23])) == {3}
    click(dock, mask, 85, 70)
    assert "There is no vessel" in dock.status.text()
    np.testing.assert_array_equal(vessels.data, before)
    assert rs.measure(np.full((*before.shape, 3), 150, np.uint8), mask.data,
                      scheme="fundus-arteries-veins").vessels[0].segments[0].kind  # fmt: skip


def test_vessels_painted_since_are_segments_too(dock, mask, qtbot):
    rows, columns = np.mgrid[70:75, 20:60]
    mask.data_setitem((rows.ravel(), columns.ravel()), 3)
    press(dock, Qt.Key.Key_V)
    with qtbot.waitSignal(dock.vessels.kinds.work.done, timeout=60_000):
        click(dock, mask, 72, 40)
    assert (mask.data[70:75, 20:60] == 2).all()


def test_keys_are_the_tool_s_only_while_it_is_in_use(shown, dock, mask):
    tool = dock.vessels.kinds
    press(dock, Qt.Key.Key_Escape)
    assert not tool.button.isChecked()
    assert tool.button.text() == "Artery or vein by clicks"
    before = mask.data.copy()
    press(dock, Qt.Key.Key_V)  # napari's: it hides the layer
    assert not mask.visible
    mask.visible = True
    click(dock, mask, *UPPER)
    np.testing.assert_array_equal(mask.data, before)
    push(tool.button)
    assert tool.button.isChecked()
    press(dock, Qt.Key.Key_2)  # napari's brush
    assert not tool.button.isChecked()
    push(tool.button)
    push(dock.vessels.bridge.button)
    assert not tool.button.isChecked()


def test_the_tool_ends_with_its_mask(shown, dock, vessels, mask):
    tool = dock.vessels.kinds
    shown.layers.selection.active = vessels  # the first mask
    assert not tool.button.isChecked()
    shown.layers.selection.active = mask
    push(tool.button)
    assert tool.button.isChecked()
    shown.layers.selection = {mask, vessels}  # then keys and clicks are napari's
    settle()
    assert not tool.button.isChecked()
    press(dock, Qt.Key.Key_V)
    assert not mask.visible
    mask.visible = True
    shown.layers.selection.active = mask
    push(tool.button)
    mask.editable = False
    assert not tool.button.isChecked()
    mask.editable = True
    push(tool.button)
    shown.layers.remove(mask)
    assert not tool.button.isChecked()


def test_the_mask_keeps_its_classes_in_a_file(tmp_path):
    labels = np.arange(4, dtype=np.uint8).repeat(8).reshape(4, 8)
    path = tmp_path / "eye_mask.png"
    path.write_bytes(encode_mask(labels, ARTERIES_VEINS, ".png"))
    values, scheme = read_mask(path)
    assert scheme == ARTERIES_VEINS
    np.testing.assert_array_equal(values, labels)
