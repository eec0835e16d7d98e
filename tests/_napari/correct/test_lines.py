"""Boundary lines are worked on with the mouse on the canvas, and the mask follows."""

from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_retina_seg._napari.correct.line_gestures import Mode
from napari_retina_seg._napari.correct.line_view import find_canvas
from napari_retina_seg._napari.correct.lines import LinesTool
from napari_retina_seg._napari.job import End, Job
from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.masks.edits import lock, plain
from napari_retina_seg._napari.results import MaskInfo, mask_options
from napari_retina_seg.core.labels import FUNDUS_VESSELS, OCT_LAYERS
from napari_retina_seg.core.lines import draw
from napari_retina_seg.core.phantom import phantom_bscan, phantom_volume

LEFT, FREE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
UM = {"scale": (3.87, 11.7), "units": ("um", "um"), "translate": (50, -70)}
INL_OPL, ONL_EZ = 3, 5


@pytest.fixture
def tool(viewer, qtbot):
    """Return the section in a dock of its own."""
    widget = LinesTool(viewer)
    viewer.window.add_dock_widget(widget, name="Lines")
    yield widget
    widget.close_down()


@pytest.fixture
def scan(viewer, tool, qtbot):
    """Return a B-scan that a model has segmented, in µm, the mask and its lines in the dock."""
    phantom = phantom_bscan(seed=1, rows=256, columns=384)
    return work_on(viewer, tool, qtbot, phantom, **UM)


@pytest.fixture
def stack(viewer, tool, qtbot):
    """Return a volume, the same way."""
    return work_on(viewer, tool, qtbot, phantom_volume(seed=1, slices=7, rows=128, columns=160))


def work_on(viewer, tool, qtbot, phantom, **grid):
    viewer.add_image(phantom.image.pixels, name="scan", **grid)
    info = MaskInfo("scan", OCT_LAYERS, None, phantom.labels.copy(), phantom.heights)
    mask = viewer.add_labels(phantom.labels.copy(), name="mask", **mask_options(info), **grid)
    viewer.reset_view()
    tool.take_up(mask)
    qtbot.wait(50)
    return SimpleNamespace(mask=mask, heights=phantom.heights, labels=phantom.labels, tool=tool)


def lines(mask):
    return mask.metadata[KEY].boundaries


def steps(mask):
    """Count the steps that can be undone."""
    return len(plain(mask)._undo_history)


def spot(work, column, height):
    """Return where on the canvas a place of the mask is."""
    mask = work.mask
    world = mask.data_to_world((*(0,) * (mask.ndim - 2), height - 0.5, column))
    canvas = find_canvas(work.tool)
    x, y = canvas.view.scene.transform.map([world[-1], world[-2], 0, 1])[:2]
    return QPoint(round(x), round(y))


def canvas_of(work):
    return find_canvas(work.tool).native


def drag(work, *places):
    """Press the left button at the first place, move over the others, and release."""
    native, points = canvas_of(work), [spot(work, *place) for place in places]
    QTest.mouseMove(native, points[0])
    QTest.mousePress(native, LEFT, FREE, points[0])
    for point in points[1:]:
        QTest.mouseMove(native, point)
        QTest.qWait(30)  # vispy leaves out moves that come faster
    QTest.mouseRelease(native, LEFT, FREE, points[-1])
    QTest.qWait(60)


def show(viewer, qtbot):
    """Show the window: napari's camera hears no mouse without."""
    viewer.window.show()
    qtbot.wait(300)
    viewer.reset_view()
    qtbot.wait(50)


def click(work, column, height):
    point = spot(work, column, height)
    QTest.mouseMove(canvas_of(work), point)
    QTest.mouseClick(canvas_of(work), LEFT, FREE, point)
    QTest.qWait(60)


def test_a_line_that_is_pulled_takes_the_mask_along_in_one_step(scan, tool):
    tool.reach.setValue(30)
    tool.buttons[Mode.PULL].click()
    start = scan.heights[INL_OPL, 100]
    drag(scan, (100, start), (100, start - 3), (100, start - 6), (100, start - 9))
    moved = lines(scan.mask)
    assert moved[INL_OPL, 100] == pytest.approx(start - 9, abs=1.5), "a px of the screen is 0.7 px"
    np.testing.assert_array_equal(scan.mask.data, draw(moved, 256))
    far = np.abs(np.arange(384) - 100) > 32
    assert moved[:, far].tobytes() == scan.heights[:, far].tobytes()
    assert (moved[:INL_OPL, 100] <= moved[INL_OPL, 100]).all(), "the lines above were pushed"
    np.testing.assert_array_equal(moved[INL_OPL + 1 :], scan.heights[INL_OPL + 1 :])
    assert steps(scan.mask) == 1


def test_undo_and_redo_move_the_lines_back_and_forth(scan, tool, qtbot):
    tool.take(Mode.PULL)
    start = scan.heights[INL_OPL, 100]
    drag(scan, (100, start), (100, start + 10))
    moved = lines(scan.mask).copy()
    QTest.keyClick(canvas_of(scan), Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: np.array_equal(lines(scan.mask), scan.heights))
    np.testing.assert_array_equal(scan.mask.data, scan.labels)
    scan.mask.redo()
    qtbot.waitUntil(lambda: np.array_equal(lines(scan.mask), moved))


def test_the_line_under_the_mouse_is_marked_and_named(scan, tool, viewer, qtbot):
    show(viewer, qtbot)
    tool.take(Mode.PULL)
    QTest.mouseMove(canvas_of(scan), spot(scan, 60, scan.heights[ONL_EZ, 60]))
    QTest.qWait(50)
    assert tool._view.named == "ONL-EZ"
    assert tool.line.currentText() == "ONL-EZ"
    QTest.mouseMove(canvas_of(scan), spot(scan, 60, 20))
    QTest.qWait(50)
    assert tool._view.named == ""


def test_beside_the_lines_and_with_space_a_drag_moves_the_image(scan, tool, viewer, qtbot):
    show(viewer, qtbot)
    tool.take(Mode.PULL)
    before = viewer.scene.camera.center
    drag(scan, (100, 20), (100, 40), (100, 60))
    after = viewer.scene.camera.center
    assert after[1] < before[1]
    tool.take(Mode.DRAW)
    QTest.keyPress(canvas_of(scan), Qt.Key.Key_Space)
    drag(scan, (100, 100), (100, 80), (100, 60))
    QTest.keyRelease(canvas_of(scan), Qt.Key.Key_Space)
    assert viewer.scene.camera.center[1] > after[1]
    np.testing.assert_array_equal(scan.mask.data, scan.labels)
    viewer.scene.camera.zoom *= 2


def test_a_stretch_that_is_drawn_anew_follows_the_hand(scan, tool, viewer):
    tool.buttons[Mode.DRAW].click()
    tool.step(ONL_EZ - tool.hand.line)
    center = viewer.scene.camera.center
    drag(scan, (50, 150), (70, 160), (110, 140))
    moved = lines(scan.mask)
    expected = np.interp(np.arange(52, 109), (50, 70, 110), (150, 160, 140))
    np.testing.assert_allclose(moved[ONL_EZ, 52:109], expected, atol=2)
    assert (np.diff(moved, axis=0) >= 0).all()
    np.testing.assert_array_equal(moved[:, 120:], scan.heights[:, 120:])
    np.testing.assert_array_equal(scan.mask.data, draw(moved, 256))
    assert viewer.scene.camera.center == center


def test_a_stretch_between_two_clicks_runs_along_the_edge(scan, tool, qtbot):
    truth = scan.heights[ONL_EZ]
    wrong = scan.heights.copy()
    wrong[ONL_EZ, 80:160] -= 9
    tool._lines.edit((), lambda _: wrong)
    tool.refresh()
    tool.buttons[Mode.SNAP].click()
    tool.step(ONL_EZ - tool.hand.line)
    click(scan, 70, truth[70])
    click(scan, 170, truth[170])
    assert np.abs(lines(scan.mask)[ONL_EZ] - truth)[70:171].mean() < 1.2
    assert steps(scan.mask) == 2
    QTest.mouseMove(canvas_of(scan), spot(scan, 200, 40))  # the next stretch is begun
    QTest.keyClick(canvas_of(scan), Qt.Key.Key_Escape)
    assert tool.hand.mode is Mode.SNAP
    QTest.keyClick(canvas_of(scan), Qt.Key.Key_Escape)
    assert tool.hand.mode is None
    assert not tool.buttons[Mode.SNAP].isChecked()
    assert steps(scan.mask) == 2


def test_a_stretch_becomes_smoother(scan, tool):
    rough = scan.heights.copy()
    rough[0] -= np.random.default_rng(0).uniform(0, 6, 384).astype(np.float32)
    tool._lines.edit((), lambda _: rough)
    tool.refresh()
    tool.buttons[Mode.SMOOTH].click()
    drag(scan, (100, rough[0, 100]), (150, rough[0, 150]), (200, rough[0, 200]))
    smooth = lines(scan.mask)
    assert (
        np.abs(np.diff(smooth[0, 110:190])).mean() < 0.3 * np.abs(np.diff(rough[0]))[110:190].mean()
    )
    np.testing.assert_array_equal(smooth[:, 210:], rough[:, 210:])


def test_lines_follow_the_brush(scan, tool, qtbot):
    mask = scan.mask
    tool.take(Mode.PULL)
    mask.brush_size, mask.selected_label, mask.mode = 12, 1, "paint"
    assert tool.hand.mode is None, "the brush was taken: the tool is put down"
    top = scan.heights[0, 100]
    drag(scan, (100, top - 5), (105, top - 5))
    qtbot.waitUntil(lambda: not np.array_equal(lines(mask), scan.heights))
    assert lines(mask)[0, 102] < top - 5
    layered = (mask.data == draw(lines(mask), 256)).all(axis=0)
    assert layered[100:106].all()
    assert (~layered).sum() < 12, "beside a round brush there are gaps"
    np.testing.assert_array_equal(lines(mask)[:, :80], scan.heights[:, :80])
    tool.take(Mode.PULL)
    assert mask.mode == "pan_zoom"


def test_of_a_volume_the_slice_on_the_screen_is_changed(stack, tool, viewer):
    viewer.dims.set_point(0, 4)
    tool.take(Mode.DRAW)
    drag(stack, (30, 20), (90, 20))
    changed = (stack.mask.data != stack.labels).any(axis=(1, 2))
    np.testing.assert_array_equal(np.flatnonzero(changed), [4])
    np.testing.assert_array_equal(stack.mask.data[4], draw(lines(stack.mask)[4], 128))
    viewer.dims.set_point(0, 1)
    stack.mask.undo()
    np.testing.assert_array_equal(stack.mask.data, stack.labels)
    viewer.dims.set_point(0, 4)
    np.testing.assert_array_equal(lines(stack.mask), stack.heights)


def test_an_empty_slice_is_drawn_line_by_line(viewer, tool, qtbot):
    info = MaskInfo("scan", OCT_LAYERS)
    mask = viewer.add_labels(np.zeros((100, 120), np.uint8), **mask_options(info))
    work = SimpleNamespace(mask=mask, tool=tool)
    tool.take_up(mask)
    qtbot.wait(50)
    tool.take(Mode.DRAW)
    for line in range(8):
        tool.hand.choose(line)
        drag(work, (20, 20 + 8 * line), (80, 20 + 8 * line))
    for line in range(7):
        assert mask.data[24 + 8 * line, 50] == line + 1
    assert not mask.data[:, 90:].any()


def test_of_a_hidden_mask_lines_can_be_moved(scan, tool):
    scan.mask.visible = False
    tool.take(Mode.PULL)
    drag(scan, (100, scan.heights[3, 100]), (100, scan.heights[3, 100] + 9))
    np.testing.assert_array_equal(scan.mask.data, draw(lines(scan.mask), 256))
    assert (scan.mask.data != scan.labels).any()


def test_locked_classes_stay(scan, tool):
    lock(scan.mask, {3})
    tool.take(Mode.PULL)
    start = scan.heights[INL_OPL, 100]
    drag(scan, (100, start), (100, start - 12))
    assert ((scan.labels == 3) <= (scan.mask.data == 3)).all()
    assert "locked" in tool.status.text()


def test_what_can_not_be_done_is_grey_and_says_why(viewer, tool, scan):
    vessels = viewer.add_labels(
        np.zeros((40, 40), np.uint8), **mask_options(MaskInfo("x", FUNDUS_VESSELS))
    )
    tool.take_up(vessels)
    assert not tool.buttons[Mode.PULL].isEnabled()
    assert "'fundus-vessels' are no layers" in tool.hint.text()
    tool.take_up(None)
    assert "Select a mask" in tool.hint.text()
    viewer.layers.selection.active = scan.mask
    tool.take_up(scan.mask)
    assert tool.buttons[Mode.PULL].isEnabled()
    tool.take(Mode.PULL)
    scan.mask.editable = False
    assert tool.hand.mode is None
    assert not tool.buttons[Mode.PULL].isEnabled()
    scan.mask.editable = True
    viewer.dims.ndisplay = 3
    assert "3D" in tool.hint.text()
    assert not tool._view.is_shown


def test_lines_can_be_hidden_and_come_back_with_a_tool(scan, tool):
    assert tool._view.is_shown
    tool.toggle()
    assert not tool._view.is_shown
    tool.take(Mode.DRAW)
    assert tool._view.is_shown


def test_the_correct_dock_shows_the_lines_and_its_keys_take_the_tools(viewer, qtbot):
    phantom = phantom_bscan(rows=96, columns=128)
    options = mask_options(MaskInfo("scan", OCT_LAYERS))
    viewer.add_labels(phantom.labels.copy(), name="first", **options)
    _, dock = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Correct")
    lines_of = dock.lines
    qtbot.waitUntil(lambda: lines_of._view is not None and lines_of._view.is_shown)
    viewer.add_labels(phantom.labels.copy(), name="second", **options)
    assert lines_of._view.is_shown
    native = find_canvas(dock).native
    for key, mode in (("D", Mode.PULL), ("A", Mode.DRAW), ("S", Mode.SNAP), ("Q", Mode.SMOOTH)):
        QTest.keyClick(native, getattr(Qt.Key, f"Key_{key}"))
        assert lines_of.hand.mode is mode
    QTest.keyClick(native, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    assert lines_of.line.currentText() == "RNFL-GCL"
    QTest.keyClick(native, Qt.Key.Key_H)
    assert not lines_of._view.is_shown
    assert lines_of.hand.mode is None, "nobody moves what can't be seen"


def test_the_tool_waits_for_the_next_mask(viewer, qtbot):
    phantom = phantom_bscan(rows=96, columns=128)
    options = mask_options(MaskInfo("scan", OCT_LAYERS))
    viewer.add_labels(phantom.labels.copy(), name="first", **options)
    _, dock = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Correct")
    qtbot.waitUntil(lambda: dock.lines.hand.has_lines)
    dock.lines.take(Mode.PULL)
    viewer.layers.clear()
    assert dock.lines.hand.mode is None
    mask = viewer.add_labels(phantom.labels.copy(), name="second", **options)
    assert dock.lines.hand.mode is Mode.PULL
    work = SimpleNamespace(mask=mask, tool=dock.lines)
    drag(work, (60, phantom.heights[0, 60]), (60, phantom.heights[0, 60] - 12))
    assert mask.data[int(phantom.heights[0, 60]) - 6, 60] == 1
    mask.mode = "paint"
    viewer.layers.clear()
    viewer.add_labels(phantom.labels.copy(), name="third", **options)
    assert dock.lines.hand.mode is None, "the brush had been taken"


def test_nothing_is_left_behind(scan, tool, viewer):
    nodes = len(find_canvas(tool).view.scene.children)
    heard = len(scan.mask.mouse_drag_callbacks), len(scan.mask.mouse_move_callbacks)
    tool.take(Mode.PULL)
    tool.close_down()
    assert len(find_canvas(tool).view.scene.children) == nodes - 5
    assert heard == (len(scan.mask.mouse_drag_callbacks), len(scan.mask.mouse_move_callbacks))
    drag(scan, (100, scan.heights[3, 100]), (100, 20))
    np.testing.assert_array_equal(scan.mask.data, scan.labels)


def test_dragging_keeps_up_with_the_hand(viewer, tool, qtbot):
    import time

    work = work_on(viewer, tool, qtbot, phantom_bscan())
    tool.take(Mode.PULL)
    tool.hand.press((300.0, float(work.heights[3, 300])), 5.0)
    times = []
    for step in range(20):
        start = time.perf_counter()
        tool.hand.drag((300.0, 200.0 + step))
        times.append(time.perf_counter() - start)
    tool.hand.leave()
    assert np.median(times) < 1 / 30


def test_scans_between_corrected_ones_are_interpolated_in_one_step(stack, tool, viewer, qtbot):
    mask, between = stack.mask, tool.between
    assert not between.button.isEnabled()
    assert "Correct two scans" in between.button.toolTip()
    for index in (1, 5):
        viewer.dims.set_point(0, index)
        tool.take(Mode.DRAW) if tool.hand.mode is None else None
        drag(stack, (30, 20), (90, 20))
    assert between.words == "Corrected: 2 of 7 scans (1, 5)."
    viewer.dims.set_point(0, 3)
    between.right.click()
    assert between.words == "Corrected: 3 of 7 scans (1, 3, 5)."
    before = mask.data.copy()
    there = steps(mask)
    with qtbot.waitSignal(between.done, timeout=20_000) as end:
        between.button.click()
    assert end.args[0].end is End.ENDED, end.args[0].sentence
    assert end.args[0].sentence == "2 scans were interpolated."
    changed = np.flatnonzero((mask.data != before).any(axis=(1, 2)))
    np.testing.assert_array_equal(changed, [2, 4])
    halfway = (lines(mask)[1] + lines(mask)[3]) / 2
    np.testing.assert_allclose(lines(mask)[2], halfway, atol=1e-4)
    np.testing.assert_array_equal(mask.data[2], draw(lines(mask)[2], 128))
    assert between.words == "Corrected: 3 of 7 scans (1, 3, 5).", "what was drawn is nobody's"
    assert steps(mask) == there + 1
    mask.undo()
    np.testing.assert_array_equal(mask.data, before)


def test_a_scan_that_a_person_paints_is_never_touched(stack, tool, viewer, qtbot):
    mask, between = stack.mask, tool.between
    for index in (0, 6):
        viewer.dims.set_point(0, index)
        between.right.click()
    with qtbot.waitSignal(between.done, timeout=20_000):
        between.button.click()
    viewer.dims.set_point(0, 2)
    mask.paint((2, 10, 10), 7)
    with qtbot.waitSignal(between.done, timeout=20_000) as end:
        between.interpolate()
        mask.paint((4, 10, 10), 7)  # while the others are being drawn
    assert end.args[0].sentence == "3 scans were interpolated."
    assert mask.data[2, 10, 10] == mask.data[4, 10, 10] == 7


def test_scans_of_a_mask_that_was_closed_meanwhile_are_dropped(stack, tool, viewer, qtbot):
    mask, between = stack.mask, tool.between
    for index in (0, 6):
        viewer.dims.set_point(0, index)
        between.right.click()
    with qtbot.waitSignal(between.done, timeout=20_000) as end:
        between.interpolate()
        viewer.layers.remove("mask")
    assert (end.args[0].end, tool.status.end) == (End.FAILED, End.FAILED)
    assert "'mask' was closed meanwhile" in tool.status.text()
    np.testing.assert_array_equal(mask.data, stack.labels)
    qtbot.waitUntil(lambda: not between.findChildren(Job))
