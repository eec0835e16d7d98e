"""When lines are there, which keys take their tools, and what is left behind."""

import numpy as np
from qtpy.QtCore import Qt

import mouse
from mouse import SHIFT, press
from napari_retina_seg._napari.canvas import find_canvas
from napari_retina_seg._napari.correct.boundary_gestures import Mode
from napari_retina_seg._napari.results import MaskInfo, mask_options
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS

KEYS = (("D", Mode.PULL), ("A", Mode.DRAW), ("S", Mode.SNAP), ("Q", Mode.SMOOTH))


def test_what_can_not_be_done_is_grey_and_gives_the_reason(viewer, tool, scan):
    assert tool._view.is_shown
    tool.toggle()
    assert not tool._view.is_shown
    tool.take(Mode.DRAW)
    assert tool._view.is_shown, "lines come back with a tool"
    tool.deactivate()
    vessels = viewer.add_labels(
        np.zeros((40, 40), np.uint8), **mask_options(MaskInfo("x", FUNDUS_VESSELS))
    )
    tool.attach(vessels)
    assert not tool.buttons[Mode.PULL].isEnabled()
    assert "'fundus-vessels' are not layers" in tool.hint.text()
    tool.attach(None)
    assert "Select a mask" in tool.hint.text()
    viewer.layers.selection.active = scan.mask
    tool.attach(scan.mask)
    assert tool.buttons[Mode.PULL].isEnabled()
    tool.take(Mode.PULL)
    scan.mask.editable = False
    assert tool.tool.mode is None
    assert not tool.buttons[Mode.PULL].isEnabled()
    scan.mask.editable = True
    viewer.dims.ndisplay = 3
    assert "3D" in tool.hint.text()
    assert not tool._view.is_shown


def test_keys_take_the_tools_and_the_next_mask_puts_them_down(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy(show=True)  # a dock's keys are bound when it is shown
    phantom = phantom_bscan(rows=96, columns=128)
    options = mask_options(MaskInfo("scan", OCT_LAYERS))
    viewer.add_labels(phantom.labels.copy(), name="first", **options)
    _, dock = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Correct")
    tool = dock.lines
    qtbot.waitUntil(lambda: tool._view is not None and tool._view.is_shown)
    viewer.add_labels(phantom.labels.copy(), name="second", **options)
    assert tool._view.is_shown
    for key, mode in KEYS:
        press(dock, getattr(Qt.Key, f"Key_{key}"))
        assert tool.tool.mode is mode
    press(dock, Qt.Key.Key_Down, SHIFT)
    assert tool.line.currentText() == "RNFL-GCL"
    press(dock, Qt.Key.Key_H)
    assert not tool._view.is_shown
    assert tool.tool.mode is None, "nobody moves what can't be seen"
    tool.take(Mode.PULL)
    viewer.layers.clear()
    assert tool.tool.mode is None
    mask = viewer.add_labels(phantom.labels.copy(), name="third", **options)
    assert tool.tool.mode is None, "a drag over the next mask must not change it unasked"
    tool.take(Mode.PULL)
    top = phantom.heights[0, 60]
    mouse.drag(dock, mask, (top - 0.5, 60), (top - 12.5, 60))
    assert mask.data[int(top) - 6, 60] == 1
    dock.tools.buttons["pan_zoom"].click()
    assert tool.tool.mode is None, "Move puts the line down"
    tool.take(Mode.PULL)
    mask.mode = "paint"
    assert tool.tool.mode is None, "the brush was taken"


def test_nothing_is_left_behind(scan, tool, viewer):
    nodes = len(find_canvas(tool).view.scene.children)
    heard = len(scan.mask.mouse_drag_callbacks), len(scan.mask.mouse_move_callbacks)
    tool.take(Mode.PULL)
    tool.cleanup()
    assert len(find_canvas(tool).view.scene.children) == nodes - 5
    assert heard == (len(scan.mask.mouse_drag_callbacks), len(scan.mask.mouse_move_callbacks))
    mouse.drag(tool, scan.mask, (scan.heights[3, 100], 100), (20, 100))
    np.testing.assert_array_equal(scan.mask.data, scan.labels)
