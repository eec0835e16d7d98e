"""Scans between corrected ones are interpolated, and what a person made is never touched."""

import numpy as np

import mouse
from napari_retina_seg._napari.correct.boundary_gestures import Mode
from napari_retina_seg._napari.correct.mask_lines import MaskLines
from napari_retina_seg._napari.job import Job, JobStatus
from napari_retina_seg._napari.layers import KEY, unwrap_proxy
from napari_retina_seg.editing.consistency import draw


def test_scans_between_corrected_ones_are_interpolated_in_one_step(stack, tool, viewer, qtbot):
    mask, between = stack.mask, tool.between
    assert not between.button.isEnabled()
    assert "Correct two scans" in between.button.toolTip()
    tool.take(Mode.DRAW)
    for index in (1, 5):
        viewer.dims.set_point(0, index)
        row = stack.heights[index, 0, 30] - 4
        mouse.drag(tool, mask, (row, 30), (row, 60))
    assert between.message == "Corrected: 2 of 7 scans (1, 5)."
    viewer.dims.set_point(0, 3)
    between.confirmed.click()
    assert between.message == "Corrected: 3 of 7 scans (1, 3, 5)."
    before = mask.data.copy()
    there = len(unwrap_proxy(mask)._undo_history)
    with qtbot.waitSignal(between.done, timeout=20_000) as end:
        between.button.click()
    assert end.args[0].status is JobStatus.SUCCEEDED, end.args[0].message
    assert end.args[0].message == "2 scans were interpolated."
    changed = np.flatnonzero((mask.data != before).any(axis=(1, 2)))
    np.testing.assert_array_equal(changed, [2, 4])
    lines = mask.metadata[KEY].boundaries
    np.testing.assert_allclose(lines[2], (lines[1] + lines[3]) / 2, atol=1e-4)
    np.testing.assert_array_equal(mask.data[2], draw(lines[2], 128))
    assert between.message == "Corrected: 3 of 7 scans (1, 3, 5).", "what was drawn is nobody's"
    assert len(unwrap_proxy(mask)._undo_history) == there + 1
    mask.undo()
    np.testing.assert_array_equal(mask.data, before)


def interpolate_all(between, viewer, qtbot):
    """Tick the first and the last scan, and interpolate those between."""
    for index in (0, 6):
        viewer.dims.set_point(0, index)
        between.confirmed.click()
    with qtbot.waitSignal(between.done, timeout=20_000):
        between.button.click()


def test_a_painted_scan_is_never_touched_and_a_closed_mask_is_left(stack, tool, viewer, qtbot):
    mask, between = stack.mask, tool.between
    interpolate_all(between, viewer, qtbot)
    viewer.dims.set_point(0, 2)
    mask.paint((2, 10, 10), 7)
    with qtbot.waitSignal(between.done, timeout=20_000) as end:
        between.interpolate()
        mask.paint((4, 10, 10), 7)  # while the others are being drawn
    assert end.args[0].message == "3 scans were interpolated."
    assert mask.data[2, 10, 10] == mask.data[4, 10, 10] == 7
    before = mask.data.copy()
    with qtbot.waitSignal(between.done, timeout=20_000) as end:
        between.interpolate()
        viewer.layers.remove("mask")
    assert (end.args[0].status, tool.status.result) == (JobStatus.FAILED, JobStatus.FAILED)
    assert "'mask' was closed meanwhile" in tool.status.text()
    np.testing.assert_array_equal(mask.data, before)
    qtbot.waitUntil(lambda: not between.findChildren(Job))


def lower_slightly(mask, index):
    """Move the lines of a scan where no pixel shows it."""

    def way(heights):
        return heights + np.where(np.abs(heights - np.rint(heights)) < 0.2, np.float32(0.2), 0)

    before = mask.data.copy()
    MaskLines(mask).edit((index,), way)
    np.testing.assert_array_equal(mask.data, before)
    return mask.metadata[KEY].boundaries[index].copy()


def test_a_line_moved_by_less_than_a_pixel_is_not_interpolated_again(stack, tool, viewer, qtbot):
    mask, between = stack.mask, tool.between
    interpolate_all(between, viewer, qtbot)
    moved = {2: lower_slightly(mask, 2)}
    between.refresh()
    assert between.message == "Corrected: 3 of 7 scans (0, 2, 6)."
    with qtbot.waitSignal(between.done, timeout=20_000) as end:
        between.interpolate()
        moved[4] = lower_slightly(mask, 4)  # while the others are being drawn
        viewer.dims.set_point(0, 5)
        between.confirmed.click()
        moved[5] = mask.metadata[KEY].boundaries[5].copy()
    assert end.args[0].message == "2 scans were interpolated."
    for index, lines in moved.items():
        np.testing.assert_array_equal(mask.metadata[KEY].boundaries[index], lines)
