"""What stands beside a mask: questionable regions, and the difference to another one."""

from dataclasses import replace

import numpy as np
from qtpy.QtCore import Qt

from mouse import CTRL, drag, press, push, settle
from napari_retina_seg._napari.correct.boundary_gestures import Mode
from napari_retina_seg._napari.masks.compare import Comparison, show_difference
from napari_retina_seg._napari.masks.edits import change


def test_a_region_is_marked_as_questionable(shown, dock, layers, qtbot):
    before = layers.data.copy()
    dock._sections["questionable"].expand()
    settle()
    push(dock.questionable.brush_button)
    assert dock.active_mask.mask == layers
    assert dock.questionable.brush_button.isChecked()
    assert not any(button.isChecked() for button in dock.tools.buttons.values())
    drag(dock, layers, (30, 30), (30, 60))
    marks = shown.layers["mask · questionable"]
    assert marks.data[30, 30:60].all()
    assert np.array_equal(layers.data, before)
    push(dock.questionable.back_button)
    assert shown.layers.selection.active == layers
    assert "px are marked" in dock.questionable._note.text()
    push(dock.questionable.outline_button)
    assert "Drag around the region" in dock.questionable._note.text()
    drag(dock, layers, (60, 60), (60, 75), (60, 90))
    qtbot.waitUntil(lambda: "That was no outline" in dock.questionable._note.text())
    assert not marks.data[60].any()
    drag(dock, layers, (60, 60), (60, 90), (90, 90), (90, 60))  # fast: nothing but corners
    qtbot.waitUntil(lambda: marks.data[75, 75] == 1)
    assert marks.data[62:88, 62:88].all()
    assert np.array_equal(layers.data, before)
    press(dock, Qt.Key.Key_Z, CTRL)
    assert not marks.data[62:88, 62:88].any()
    assert marks.data[30, 30:60].all()
    push(dock.questionable.outline_button)
    press(dock, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not dock.questionable.outline_button.isChecked())
    assert [layer.name for layer in shown.layers] == ["scan", "mask", "mask · questionable"]


def test_a_line_tool_and_a_brush_for_marks_are_never_both_on(shown, dock, layers, qtbot):
    pull = dock.lines.buttons[Mode.PULL]
    dock._sections["questionable"].expand()
    push(pull)
    push(dock.questionable.brush_button)
    qtbot.waitUntil(lambda: not pull.isChecked())
    push(pull)
    assert shown.layers.selection.active == layers, "where the tool gets the mouse"
    assert not dock.questionable.brush_button.isChecked()
    shown.add_image(layers.data, name="another layer gets the mouse")
    qtbot.waitUntil(lambda: not pull.isChecked())


def test_a_difference_stays_the_one_to_the_mask_it_was_shown_for(shown, dock, layers, qtbot):
    info = layers.metadata["retina_seg"]
    layers.metadata["retina_seg"] = replace(info, prediction=np.zeros_like(layers.data))
    second = Comparison.with_labels("the second grader's", layers.data.copy())
    difference = show_difference(shown, layers, second)
    assert not difference.data.any()
    change(layers, np.where(layers.data == 3, 0, layers.data))
    qtbot.waitUntil(lambda: bool(difference.data.any()))
    assert difference.name.endswith("difference to the second grader's")
    assert np.array_equal(difference.data != 0, second.read() == 3)


def test_the_difference_to_the_prediction_blinks(shown, dock, vessels, qtbot):
    dock._sections["compare"].expand()
    settle()
    vessels.data_setitem((np.arange(5), np.arange(5)), 1)
    vessels.data_setitem((np.full(5, 50), np.arange(5)), 0)
    push(dock.compare.button)
    compared = shown.layers["mask · difference to the prediction"]
    assert (compared.data[np.arange(5), np.arange(5)] == 1).all()
    assert (compared.data[50, :5] == 2).all()
    press(dock, Qt.Key.Key_K)
    assert not compared.visible
    press(dock, Qt.Key.Key_K)
    assert compared.visible
    push(dock.button)
    assert dock.tools.buttons["paint"].isChecked()
    shown.layers.selection.active = compared
    assert not dock.tools.buttons["paint"].isChecked(), "the mask's brush is not in the hand"
    shown.layers.selection.active = vessels
    assert dock.tools.buttons["paint"].isChecked()
    vessels.undo()
    qtbot.waitUntil(lambda: not compared.data[50, :5].any())
    push(dock.compare.button)
    assert "mask · difference to the prediction" not in shown.layers
