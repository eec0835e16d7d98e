"""The box, the thicker line, the pointer and every tool mean the same line, after any change."""

from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtCore import Qt

import mouse
from mouse import SHIFT, press, settle
from napari_retina_seg._napari.correct.boundary_gestures import Mode
from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.results import MaskInfo, mask_options
from napari_retina_seg.editing.consistency import draw
from napari_retina_seg.imaging.phantom import phantom_volume
from napari_retina_seg.types.labels import OCT_LAYERS

NAMES = [surface.name for surface in OCT_LAYERS.surfaces]
ILM, OPL_ONL, RPE_BM = 0, 4, 7
ROWS, COLUMNS = 128, 160
BY = 4  # px that a line is moved, too little to jump


def lines(mask, index=3):
    known = mask.metadata[KEY].boundaries
    return known[index]


def marked(tool):
    """Return which line is drawn thicker: its colour."""
    return tool._view._marked._colors[0, 0].tolist()


def says_one_line(tool):
    """Return the line of the box, having compared it with all else that shows a line."""
    index = tool.line.currentIndex()
    assert (tool.chosen.index, tool.tool.line, tool.chosen.name) == (index, index, NAMES[index])
    if tool._view is not None and tool._view.is_shown:
        assert marked(tool) == tool._view._colors[index, 0].tolist()
    return index


@pytest.fixture
def work(viewer, tool):
    """Return a volume on the screen at slice 3, with RPE-BM just pulled."""
    phantom = phantom_volume(seed=1, slices=5, rows=ROWS, columns=COLUMNS)
    viewer.add_image(phantom.image.pixels, name="scan")
    mask = add(viewer, tool, phantom)
    viewer.dims.set_point(0, 3)
    tool.take(Mode.PULL)
    use(tool, mask, Mode.PULL, RPE_BM)
    assert says_one_line(tool) == RPE_BM
    return SimpleNamespace(phantom=phantom, mask=mask, viewer=viewer, tool=tool)


def add(viewer, tool, phantom):
    info = MaskInfo("scan", OCT_LAYERS, None, phantom.labels.copy(), phantom.heights.copy())
    mask = mouse.add_mask(viewer, phantom.labels.copy(), mask_options(info))
    tool.attach(mask)
    return mask


def use(tool, mask, mode, line):
    """Move a line down by a few px between columns 40 and 80 with one of the tools."""
    row = lines(mask)[line]
    places = [(row[column] + BY - 0.5, column) for column in range(40, 81, 8)]
    if mode is Mode.PULL:
        mouse.drag(tool, mask, (row[60] - 0.5, 60), (row[60] - 0.5 + BY, 60))
    elif mode is Mode.SNAP:
        mouse.click(tool, mask, *places[0])
        mouse.click(tool, mask, *places[-1])
        press(tool, Qt.Key.Key_Escape)
    elif mode is Mode.SMOOTH:
        mouse.drag(tool, mask, *((row[column] - 0.5, column) for column in range(40, 81, 8)))
    else:
        mouse.drag(tool, mask, *places)


def another_mask(work):
    work.mask = add(work.viewer, work.tool, work.phantom)


def another_image(work):
    """Close the image and its mask, and open others, as Review does."""
    work.viewer.layers.clear()
    work.tool.attach(None)
    work.viewer.add_image(work.phantom.image.pixels, name="next")
    another_mask(work)


def another_slice(work):
    work.viewer.dims.set_point(0, 1)
    work.viewer.dims.set_point(0, 3)


def another_dock(work):
    dock = work.tool.parent()
    dock.hide()
    dock.show()


def another_scheme(work):
    """Work on a mask without lines, then on this one again."""
    work.tool.attach(None)
    work.tool.attach(work.mask)


def three_dimensions(work):
    work.viewer.dims.ndisplay = 3
    work.viewer.dims.ndisplay = 2


CHANGES = (
    *(another_image, another_mask, another_slice, another_dock),
    *(another_scheme, three_dimensions),
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_the_line_in_the_box_is_moved_and_no_other_after(work, change):
    change(work)
    tool, mask = work.tool, work.mask
    work.viewer.dims.set_point(0, 3)
    assert says_one_line(tool) == RPE_BM, "it is still the line that was worked on"
    for mode in Mode:
        if tool.tool.mode is not mode:
            tool.take(mode)
        before = lines(mask).copy()
        use(tool, mask, mode, RPE_BM)
        after = lines(mask)
        moved = np.flatnonzero((before != after).any(axis=1))
        np.testing.assert_array_equal(moved, [RPE_BM], f"{mode} with RPE-BM in the box")
        np.testing.assert_array_equal(mask.data[3], draw(after, ROWS))
        assert says_one_line(tool) == RPE_BM
        mask.undo()
        tool.refresh()


def test_a_click_near_another_line_takes_that_one_and_shows_it(work):
    tool, mask = work.tool, work.mask
    work.viewer.window.show()
    settle()
    before = np.array(mask.data)
    for mode, line in ((Mode.DRAW, ILM), (Mode.SNAP, RPE_BM)):
        tool.take(mode)
        other = tool.chosen.name
        height = lines(mask)[line, 100] + (1 if line else -1)
        mouse.move(tool, mask, height - 0.5, 100)
        assert tool._view.named == f"{mode.value} {other} · click to take {NAMES[line]}"
        assert tool.chosen.name == other, "looking at a line does not choose it"
        mouse.click(tool, mask, height - 0.5, 100)
        assert says_one_line(tool) == line
        assert tool.status.text() == f"{NAMES[line]} is chosen now."
        np.testing.assert_array_equal(mask.data, before)


def test_keys_and_box_choose_the_line_that_is_shown(work):
    tool = work.tool
    tool.step(-1)
    assert says_one_line(tool) == RPE_BM - 1
    tool.line.setCurrentIndex(OPL_ONL)
    tool.line.activated.emit(OPL_ONL)
    assert says_one_line(tool) == OPL_ONL
    tool.step(-10)
    assert says_one_line(tool) == OPL_ONL


def test_a_click_is_no_stroke(work):
    tool, mask = work.tool, work.mask
    before = np.array(mask.data)
    on_the_line = lines(mask)[RPE_BM, 50] - 0.5
    for mode in (Mode.PULL, Mode.DRAW, Mode.SMOOTH):
        if tool.tool.mode is not mode:
            tool.take(mode)
        for row in (on_the_line, 6):
            mouse.click(tool, mask, row, 50)
            np.testing.assert_array_equal(mask.data, before)
            if mode is not Mode.PULL or row == 6:
                assert tool.status.text().startswith("⚠")
        mouse.drag(tool, mask, (6, 50), (9, 51), (6, 52))
        np.testing.assert_array_equal(mask.data, before)
        assert tool.status.text().startswith("⚠")


def test_a_stroke_that_makes_a_line_jump_is_refused_unless_shift_is_held(work):
    tool, mask = work.tool, work.mask
    tool.take(Mode.DRAW)
    tool.chosen.choose(ILM)
    before = np.array(mask.data)
    places = [(8, column) for column in range(40, 90, 8)]
    mouse.drag(tool, mask, *places)
    np.testing.assert_array_equal(mask.data, before)
    assert "ILM would jump by" in tool.status.text()
    assert "hold Shift" in tool.status.text()
    mouse.drag(tool, mask, *places, modifiers=SHIFT)
    assert (mask.data[3, 12, 48:80] == 1).all(), "the jump was wanted"


def test_snap_far_from_the_chosen_line_is_refused_and_layers_stay(work):
    """Two clicks once took the deepest line to the innermost, and seven layers with it."""
    tool, mask = work.tool, work.mask
    tool.take(Mode.SNAP)
    before = np.array(mask.data)
    near = np.ptp(lines(mask)[:, 30])
    height = lines(mask)[ILM, 30] - 0.6 * near  # no line is near enough to be taken
    mouse.click(tool, mask, height, 30)
    mouse.click(tool, mask, height, 120)
    np.testing.assert_array_equal(mask.data, before)
    assert says_one_line(tool) == RPE_BM
    assert "RPE-BM would jump" in tool.status.text()


def test_snap_refuses_a_segment_that_leads_to_another_line_unless_shift_is_held(work):
    tool, mask = work.tool, work.mask
    tool.take(Mode.SNAP)
    inl_opl, opl_onl = NAMES.index("INL-OPL"), OPL_ONL
    tool.chosen.choose(inl_opl)

    def click(line, column, by=0, **more):
        height = lines(mask)[line, column] + by
        tool.tool.click((column, float(height)), 2, **more)

    start = lines(mask).copy()
    click(inl_opl, 20)
    click(inl_opl, 60)
    before = lines(mask).copy()
    click(RPE_BM, 90)
    np.testing.assert_array_equal(lines(mask), before)
    assert "INL-OPL would leave its course by" in tool.status.text()
    assert "To move RPE-BM instead, press Esc first." in tool.status.text()
    assert says_one_line(tool) == inl_opl
    click(opl_onl, 90, 3)  # near the next line, whose course it would take
    click(opl_onl, 120, 3)
    assert "OPL would vanish in" in tool.status.text()
    np.testing.assert_array_equal(lines(mask)[RPE_BM], start[RPE_BM])
    tool.tool.leave()
    click(inl_opl, 90)
    far = float(np.ptp(start[:, 100]))
    click(inl_opl, 100, -far, forced=True)
    np.testing.assert_allclose(lines(mask)[inl_opl, 100], start[inl_opl, 100] - far, atol=1)
    after = lines(mask).copy()
    click(inl_opl, 130, -far, forced=True)
    assert (lines(mask) != after).any()


@pytest.mark.parametrize(("zoom", "pixels", "hit"), [(2, 8, True), (12, 8, True), (12, 14, False)])
def test_a_line_is_caught_within_10_px_of_the_screen_at_any_zoom(work, zoom, pixels, hit):
    tool, mask, viewer = work.tool, work.mask, work.viewer
    viewer.window.show()
    settle()
    viewer.scene.camera.center = (0, float(lines(mask)[RPE_BM, 60]), 60)
    viewer.scene.camera.zoom = zoom
    before, center = np.array(mask.data), viewer.scene.camera.center
    off = pixels / viewer.scene.camera.zoom
    row = lines(mask)[RPE_BM, 60] + off - 0.5
    mouse.drag(tool, mask, (row, 60), (row + 4, 60), (row + 6, 60))
    assert (mask.data != before).any() == hit
    assert viewer.scene.camera.center == center, "the image stays where it is"
    assert ("No line is within 10 px" in tool.status.text()) == (not hit)
