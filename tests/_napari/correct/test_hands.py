"""With the real mouse and keys: what a hand holds, lets go of, and sees of the tissue."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

import mouse
from mouse import CTRL, SHIFT, press
from napari_retina_seg._napari.canvas import find_canvas
from napari_retina_seg._napari.correct.boundary_gestures import Mode
from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.masks.edits import change
from napari_retina_seg._napari.results import MaskInfo, mask_options
from napari_retina_seg.types.labels import OCT_LAYERS

ILM = 0


def in_hand(dock):
    """Return what is in the hand."""
    lines, lassos = dock.lines, (dock.regions.lasso, dock.questionable.lasso)
    if lines.is_on:
        return lines.tool.mode
    if any(lasso.is_on for lasso in lassos):
        return "lasso"
    mode = str(dock.active_mask.labels.mode)
    return None if mode == "pan_zoom" else mode


TAKES = {
    "pull": (lambda dock: dock.lines.take(Mode.PULL), Mode.PULL),
    "snap": (lambda dock: dock.lines.take(Mode.SNAP), Mode.SNAP),
    "brush": (lambda dock: mouse.push(dock.button), "paint"),
    "fill": (lambda dock: mouse.push(dock.tools.buttons["fill"]), "fill"),
    "lasso": (lambda dock: mouse.push(dock.regions.lasso_button), "lasso"),
}


def test_every_tool_is_put_down_when_the_dock_is_left_and_on_esc(shown, dock, layers, qtbot):
    before = np.array(layers.data)
    for take, expected in TAKES.values():
        shown.layers.selection.active = layers
        take(dock)
        assert in_hand(dock) == expected
        dock.parent().hide()
        assert in_hand(dock) is None
        dock.parent().show()
        mouse.settle()
        mouse.drag(dock, layers, (20, 40), (24, 60))
        np.testing.assert_array_equal(layers.data, before)
        shown.layers.selection.active = layers
        take(dock)
        press(dock, Qt.Key.Key_Escape)
        qtbot.waitUntil(lambda: in_hand(dock) is None)
    other = shown.add_labels(before.copy(), **mask_options(MaskInfo("x", OCT_LAYERS)))
    shown.layers.selection.active = layers
    dock.lines.take(Mode.DRAW)
    shown.layers.selection.active = other
    assert in_hand(dock) is None


def test_keys_work_when_a_tool_was_chosen_without_a_click_on_the_image(dock, layers):
    dock.window().activateWindow()
    canvas = find_canvas(dock).native
    dock.lines.reach.setFocus()
    mouse.push(dock.lines.buttons[Mode.DRAW])
    assert canvas.hasFocus()
    QTest.keyClick(dock.window().focusWidget(), Qt.Key.Key_S)
    assert dock.lines.tool.mode is Mode.SNAP
    dock.lines.line.activated.emit(3)
    assert canvas.hasFocus()


def test_masks_are_light_at_once_and_their_look_is_remembered(shown, dock, layers):
    assert (layers.opacity, layers.contour) == (0.4, 0)
    dock.look.outlines.click()
    dock.look.opacity.setValue(70)
    assert (layers.opacity, layers.contour) == (0.7, 1)
    layers.opacity = 0.25  # napari's own control
    assert dock.look.opacity.value() == 25
    options = mask_options(MaskInfo("x", OCT_LAYERS))
    other = shown.add_labels(np.array(layers.data), **options)
    assert (other.opacity, other.contour) == (0.25, 1)


@pytest.mark.parametrize("key", ["Shift+H", "hidden by napari"])
def test_lines_alone_are_seen_and_follow_undo_and_redo(dock, layers, key, qtbot):
    tool = dock.lines
    if key == "Shift+H":
        press(dock, Qt.Key.Key_H, SHIFT)
    else:
        layers.visible = False
    assert not layers.visible
    assert tool._view.is_shown
    start = layers.metadata[KEY].boundaries.copy()
    tool.take(Mode.PULL)
    mouse.drag(dock, layers, (start[ILM, 70] - 0.5, 70), (start[ILM, 70] - 6.5, 70))
    moved = layers.metadata[KEY].boundaries.copy()
    labels = np.array(layers.data)
    assert moved[ILM, 70] < start[ILM, 70] - 4
    press(dock, Qt.Key.Key_Z, CTRL)
    qtbot.waitUntil(lambda: np.array_equal(tool.tool._heights, start))
    press(dock, Qt.Key.Key_Z, CTRL | SHIFT)
    qtbot.waitUntil(lambda: np.array_equal(tool.tool._heights, moved))
    np.testing.assert_array_equal(layers.data, labels)
    press(dock, Qt.Key.Key_H, SHIFT)
    assert layers.visible


def test_open_places_are_shown_in_amber_and_the_next_one_is_gone_to(shown, dock, layers, qtbot):
    bar = dock.places
    qtbot.waitUntil(lambda: "No open places" in bar.text.text())
    assert not bar.button.isEnabled()
    top = bar.geometry().top(), dock.lines.buttons[Mode.PULL].mapTo(dock, dock.rect().topLeft())
    labels = np.array(layers.data)
    labels[:, 100:104] = 0
    labels[3:6, 20:24] = 2
    change(layers, labels)
    qtbot.waitUntil(lambda: bar.text.text() == "⚠ 2 open places")
    assert top == (
        bar.geometry().top(),
        dock.lines.buttons[Mode.PULL].mapTo(dock, dock.rect().topLeft()),
    ), "nothing jumps when a message comes"
    for column in (21.5, 101.5, 21.5):
        mouse.push(bar.button)
        center = shown.scene.camera.center
        assert abs(center[2] - layers.data_to_world((0, column))[1]) < 1
    press(dock, Qt.Key.Key_Z, CTRL)
    qtbot.waitUntil(lambda: "No open places" in bar.text.text())


def test_no_mask_is_called_free_of_open_places_before_it_was_checked(shown, dock, layers, qtbot):
    bar = dock.places
    qtbot.waitUntil(lambda: "No open places" in bar.text.text())
    seen: list[str] = []
    bar.watch.changed.connect(lambda: seen.append(bar.text.text()))
    broken = np.array(layers.data)
    broken[:, 100:104] = 0
    change(layers, broken)
    assert bar.text.text() == "Checking…"  # the same mask, changed
    qtbot.waitUntil(lambda: bar.text.text() == "⚠ 1 open place")
    shown.layers.remove(layers)
    mask = shown.add_labels(broken, **mask_options(MaskInfo("scan", OCT_LAYERS)))
    shown.layers.selection.active = mask
    assert bar.text.text() == "Checking…"  # another mask
    qtbot.waitUntil(lambda: bar.text.text() == "⚠ 1 open place")
    assert not [text for text in seen if "No open places" in text]


def test_lines_are_drawn_over_the_next_mask_at_once(shown, dock, layers, qtbot):
    """Layers that are added together are placed in the scene only after all of them."""
    with shown.layers.batched_update():
        shown.layers.remove(layers)
        options = mask_options(MaskInfo("scan", OCT_LAYERS))
        mask = shown.add_labels(np.array(layers.data), **options)
    shown.layers.selection.active = mask
    view = dock.lines._view
    qtbot.waitUntil(lambda: view.is_shown and view._nodes[0].parent is not None)
    dock.lines.take(Mode.SNAP)
    mouse.move(dock, mask, 4, 40)
    assert view.named == "Snap ILM"
    press(dock, Qt.Key.Key_Escape)
    assert view.named == ""
