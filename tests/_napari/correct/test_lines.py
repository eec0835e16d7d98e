"""Boundary lines are worked on with the mouse on the canvas, and the mask follows."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

import mouse
from mouse import CTRL, press, settle
from napari_retina_seg._napari.canvas import find_canvas
from napari_retina_seg._napari.correct.boundary_gestures import Mode
from napari_retina_seg._napari.layers import KEY, unwrap_proxy
from napari_retina_seg._napari.masks.edits import lock
from napari_retina_seg._napari.results import MaskInfo, mask_options
from napari_retina_seg.editing.consistency import draw
from napari_retina_seg.types.labels import OCT_LAYERS

INL_OPL, ONL_EZ = 3, 5


def lines(mask):
    return mask.metadata[KEY].boundaries


def steps(mask):
    """Count the steps that can be undone."""
    return len(unwrap_proxy(mask)._undo_history)


def drag(tool, mask, *places):
    """Drag over places, each a column and a height."""
    mouse.drag(tool, mask, *((height - 0.5, column) for column, height in places))


def show(viewer):
    """Show the window: napari's camera hears no mouse without."""
    viewer.window.show()
    settle()
    viewer.reset_view()
    settle()


def test_a_line_that_is_pulled_takes_the_mask_along_in_one_step(scan, tool, qtbot):
    tool.reach.setValue(30)
    tool.buttons[Mode.PULL].click()
    seen = []
    scan.mask.events.labels_update.connect(
        lambda event: seen.append((event.data.copy(), event.offset, scan.mask.data.copy()))
    )
    start = scan.heights[INL_OPL, 100]
    drag(tool, scan.mask, (100, start), (100, start - 3), (100, start - 6), (100, start - 9))
    moved = lines(scan.mask).copy()
    assert moved[INL_OPL, 100] == pytest.approx(start - 9, abs=1.5), "a px of the screen is 0.7 px"
    np.testing.assert_array_equal(scan.mask.data, draw(moved, 256))
    far = np.abs(np.arange(384) - 100) > 32
    assert moved[:, far].tobytes() == scan.heights[:, far].tobytes()
    assert (moved[:INL_OPL, 100] <= moved[INL_OPL, 100]).all(), "the lines above were pushed"
    np.testing.assert_array_equal(moved[INL_OPL + 1 :], scan.heights[INL_OPL + 1 :])
    assert steps(scan.mask) == 1
    live = [each for each in seen if np.array_equal(each[2], scan.labels)]
    assert len(live) >= 3, "the canvas showed the mask on the way, which had not changed yet"
    shown, (top, left), _ = live[-1]
    columns = slice(left, left + shown.shape[1])
    np.testing.assert_array_equal(shown, scan.mask.data[top:, columns])
    press(tool, Qt.Key.Key_Z, CTRL)
    qtbot.waitUntil(lambda: np.array_equal(lines(scan.mask), scan.heights))
    np.testing.assert_array_equal(scan.mask.data, scan.labels)
    scan.mask.redo()
    qtbot.waitUntil(lambda: np.array_equal(lines(scan.mask), moved))


def test_a_drag_that_is_given_up_leaves_canvas_and_mask_as_they_were(scan, tool):
    tool.take(Mode.PULL)
    redrawn = []
    scan.mask.events.set_data.connect(lambda: redrawn.append(scan.mask.data.copy()))
    height = float(scan.heights[INL_OPL, 100])
    assert tool.tool.press((100.0, height), 5.0)
    tool.tool.drag((100.0, height - 20))
    redrawn.clear()
    tool.tool.leave()
    np.testing.assert_array_equal(redrawn[-1], scan.labels)
    np.testing.assert_array_equal(scan.mask.data, scan.labels)
    assert not steps(scan.mask)


def test_of_a_drag_the_canvas_is_sent_what_moves_and_once_for_each_move(scan, tool, viewer):
    show(viewer)
    tool.reach.setValue(30)
    tool.take(Mode.PULL)
    height = float(scan.heights[INL_OPL, 100])
    tool.tool.press((100.0, height), 5.0)
    sent, redrawn = [], []
    scan.mask.events.labels_update.connect(lambda event: sent.append(event.data.shape))
    scan.mask.events.set_data.connect(redrawn.append)
    for step in range(1, 21):
        tool.tool.drag((100.0, height - step))
    assert len(sent) == 20
    assert max(columns for _, columns in sent) <= 2 * 30 + 1, "of 384"
    assert not redrawn, "never the whole mask"


def test_what_is_under_the_mouse_is_named_and_space_moves_the_image(scan, tool, viewer):
    show(viewer)
    tool.take(Mode.PULL)
    mouse.move(tool, scan.mask, scan.heights[ONL_EZ, 60] - 0.5, 60)
    assert tool._view.named == "Pull ONL-EZ"
    assert tool.line.currentText() == tool.chosen.name == "ONL-EZ"
    mouse.move(tool, scan.mask, 20, 60)
    assert tool._view.named == ""
    before = viewer.scene.camera.center
    tool.take(Mode.DRAW)
    QTest.keyPress(find_canvas(tool).native, Qt.Key.Key_Space)
    drag(tool, scan.mask, (100, 100), (100, 80), (100, 60))
    QTest.keyRelease(find_canvas(tool).native, Qt.Key.Key_Space)
    assert viewer.scene.camera.center[1] > before[1]
    np.testing.assert_array_equal(scan.mask.data, scan.labels)


def test_a_stretch_is_drawn_anew_and_another_becomes_smoother(scan, tool, viewer):
    tool.buttons[Mode.DRAW].click()
    tool.step(ONL_EZ - tool.tool.line)
    center = viewer.scene.camera.center
    drag(tool, scan.mask, (50, 150), (70, 160), (110, 140))
    moved = lines(scan.mask)
    expected = np.interp(np.arange(52, 109), (50, 70, 110), (150, 160, 140))
    np.testing.assert_allclose(moved[ONL_EZ, 52:109], expected, atol=2)
    assert (np.diff(moved, axis=0) >= 0).all()
    np.testing.assert_array_equal(moved[:, 120:], scan.heights[:, 120:])
    np.testing.assert_array_equal(scan.mask.data, draw(moved, 256))
    assert viewer.scene.camera.center == center
    rough = scan.heights.copy()
    rough[0] -= np.random.default_rng(0).uniform(0, 6, 384).astype(np.float32)
    tool._lines.edit((), lambda _: rough)
    tool.refresh()
    tool.buttons[Mode.SMOOTH].click()
    drag(tool, scan.mask, (150, rough[0, 150]), (200, rough[0, 200]), (250, rough[0, 250]))
    smooth = lines(scan.mask)[0]
    jitter, left = (np.abs(np.diff(each))[160:240].mean() for each in (rough[0], smooth))
    assert left < 0.3 * jitter
    np.testing.assert_array_equal(smooth[260:], rough[0, 260:])


def test_a_stretch_between_two_clicks_runs_along_the_edge(scan, tool):
    truth = scan.heights[ONL_EZ]
    wrong = scan.heights.copy()
    wrong[ONL_EZ, 80:160] -= 9
    tool._lines.edit((), lambda _: wrong)
    tool.refresh()
    tool.buttons[Mode.SNAP].click()
    tool.step(ONL_EZ - tool.tool.line)
    for column in (70, 170):
        drag(tool, scan.mask, (column, truth[column]))
    assert np.abs(lines(scan.mask)[ONL_EZ] - truth)[70:171].mean() < 1.2
    assert steps(scan.mask) == 2
    mouse.move(tool, scan.mask, 40, 200)  # the next stretch is begun
    press(tool, Qt.Key.Key_Escape)
    assert tool.tool.mode is Mode.SNAP
    press(tool, Qt.Key.Key_Escape)
    assert tool.tool.mode is None
    assert not tool.buttons[Mode.SNAP].isChecked()
    assert steps(scan.mask) == 2


def test_lines_follow_the_brush_where_it_passed(scan, tool, qtbot):
    mask = scan.mask
    tool.take(Mode.PULL)
    mask.brush_size, mask.selected_label, mask.mode = 12, 1, "paint"
    assert tool.tool.mode is None, "the brush was taken: the tool is put down"
    top = scan.heights[0, 100]
    drag(tool, mask, (100, top - 5), (105, top - 5))
    qtbot.waitUntil(lambda: not np.array_equal(lines(mask), scan.heights))
    assert lines(mask)[0, 102] < top - 5
    layered = (mask.data == draw(lines(mask), 256)).all(axis=0)
    assert layered[100:106].all()
    assert (~layered).sum() < 12, "beside a round brush there are gaps"
    beside = np.flatnonzero((mask.data == scan.labels).all(axis=0))
    assert lines(mask)[:, beside].tobytes() == scan.heights[:, beside].tobytes()
    assert lines(mask)[2:].tobytes() == scan.heights[2:].tobytes(), "lines below stay smooth"
    tool.take(Mode.PULL)
    assert mask.mode == "pan_zoom"


def test_of_a_volume_the_slice_on_the_screen_is_changed(stack, tool, viewer):
    viewer.dims.set_point(0, 4)
    tool.take(Mode.DRAW)
    row = stack.heights[4, 0, 30] - 3
    drag(tool, stack.mask, (30, row), (90, row + 1))
    changed = (stack.mask.data != stack.labels).any(axis=(1, 2))
    np.testing.assert_array_equal(np.flatnonzero(changed), [4])
    np.testing.assert_array_equal(stack.mask.data[4], draw(lines(stack.mask)[4], 128))
    viewer.dims.set_point(0, 1)
    stack.mask.undo()
    np.testing.assert_array_equal(stack.mask.data, stack.labels)
    viewer.dims.set_point(0, 4)
    np.testing.assert_array_equal(lines(stack.mask), stack.heights)


def test_an_empty_slice_is_drawn_line_by_line(viewer, tool):
    options = mask_options(MaskInfo("scan", OCT_LAYERS))
    mask = mouse.add_mask(viewer, np.zeros((100, 120), np.uint8), options)
    tool.attach(mask)
    tool.take(Mode.DRAW)
    for line in range(8):
        tool.tool.choose(line)
        drag(tool, mask, (20, 20 + 8 * line), (80, 20 + 8 * line))
    for line in range(7):
        assert mask.data[24 + 8 * line, 50] == line + 1
    assert not mask.data[:, 90:].any()


def test_hidden_masks_can_be_corrected_and_locked_classes_stay(scan, tool):
    scan.mask.visible = False
    tool.take(Mode.PULL)
    start = scan.heights[INL_OPL, 100]
    drag(tool, scan.mask, (100, start), (100, start + 9))
    np.testing.assert_array_equal(scan.mask.data, draw(lines(scan.mask), 256))
    assert (scan.mask.data != scan.labels).any()
    scan.mask.visible = True
    before = scan.mask.data.copy()
    lock(scan.mask, {3})
    start = lines(scan.mask)[INL_OPL, 200]
    drag(tool, scan.mask, (200, start), (200, start - 12))
    assert ((before == 3) <= (scan.mask.data == 3)).all()
    assert "locked" in tool.status.text()


def test_a_tool_is_put_down_when_another_mask_is_worked_on(scan, tool, viewer):
    tool.buttons[Mode.PULL].click()
    assert tool.tool.mode is Mode.PULL
    labels = np.array(scan.mask.data)
    info = scan.mask.metadata[KEY]
    other = mouse.add_mask(
        viewer, labels, mask_options(MaskInfo("other", OCT_LAYERS, None, labels))
    )
    tool.attach(other)
    assert info is not other.metadata[KEY]
    assert tool.tool.mode is None
    assert not tool.buttons[Mode.PULL].isChecked()
