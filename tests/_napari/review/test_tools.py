"""What a person has in the hand when the next image comes."""

import numpy as np
from qtpy.QtCore import Qt

from napari_retina_seg._napari.masks.edits import change, lock, locked
from napari_retina_seg._napari.masks.linked_layers import show_questionable
from napari_retina_seg._napari.widgets import AMBER


def controls(person):
    """Return napari's own buttons for the mask on the screen."""
    return person.viewer.window._qt_viewer.controls.widgets[person.mask]


def test_brush_and_locks_go_on_and_the_tool_is_put_down(ann):
    ann.open_row(0)
    mask = ann.mask
    mask.mode, mask.brush_size, mask.contour = "erase", 23, 1
    lock(mask, (2,))
    ann.press(Qt.Key.Key_N)
    assert ann.mask is not mask
    assert (ann.mask.mode, ann.mask.brush_size) == ("pan_zoom", 23), "the eraser was put down"
    assert controls(ann).panzoom_button.isChecked()
    assert not controls(ann).erase_button.isChecked()
    assert locked(ann.mask) == {2}
    assert ann.mask.contour == 1, "outlines are remembered"


def test_layers_in_impossible_places_are_reported_before_the_image_is_left(ann, states, versions):
    ann.open_row(0)
    name, places = ann.name, ann.dock.places
    ann.bot.waitUntil(lambda: "No open places" in places.text.text())
    labels = ann.mask.data.copy()
    labels[1:4, 20:31] = 3  # far above the retina
    change(ann.mask, labels)
    ann.bot.waitUntil(lambda: len(places.places) == 1)
    assert places.text.text() == "⚠ 1 open place"
    for key in (Qt.Key.Key_W, Qt.Key.Key_N):
        ann.press(key)
        assert ann.name == name, "nothing was saved, and the image stays"
    assert "Not saved yet: 1 open place" in ann.said
    ann.press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not ann.mask.data[1:4, 20:31].any(), "what was refused can still be undone"
    ann.press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier)
    assert np.array_equal(ann.mask.data, labels)
    ann.bot.waitUntil(lambda: len(places.places) == 1)
    assert "corrected" not in states()
    before = ann.viewer.scene.camera.zoom
    ann.press(Qt.Key.Key_P, Qt.KeyboardModifier.ShiftModifier)
    assert "Layers are out of order or in pieces in columns 20 to 30." in ann.said
    center, zoom = ann.viewer.scene.camera.center, ann.viewer.scene.camera.zoom
    assert zoom >= before
    expected = ann.mask.data_to_world((1, 25))
    assert np.abs(np.subtract(center[-2:], expected)).max() < 1.5
    ann.press(Qt.Key.Key_W)
    assert "Not saved yet: 1 open place" in ann.said, "the warning was for another edit"
    ann.press(Qt.Key.Key_W)
    assert "is corrected. Layers are out of order or in pieces in columns 20" in ann.said
    assert AMBER in ann.dock.status.styleSheet(), "it is never green"
    assert "corrected" in states()


def test_keys_work_after_an_image_was_opened_from_the_list_and_buttons_stay(ann):
    ann.window.activateWindow()
    ann.bot.waitUntil(ann.window.isActiveWindow)
    height = ann.dock.decisions.geometry().top()
    ann.dock.queue.table.setFocus()
    ann.open_row(0)
    assert ann.canvas.hasFocus()
    ann.press(Qt.Key.Key_G)
    assert ann.said.endswith("is accepted.")
    assert abs(ann.dock.decisions.geometry().top() - height) <= 2  # px


def test_a_prediction_with_open_places_is_accepted_at_the_second_request(
    ann, draw_as_model, scans, states
):
    labels = scans[3][1].copy()
    labels[:, 40:44] = 0
    draw_as_model(4, labels)
    ann.open_row(3)
    ann.press(Qt.Key.Key_G)
    assert "Not saved yet: 1 open place" in ann.said
    assert "accepted" not in states()
    ann.press(Qt.Key.Key_G)
    assert "'scan3' is accepted." in ann.said
    assert "No layer is drawn in columns 40 to 43." in ann.said
    assert AMBER in ann.dock.status.styleSheet()
    assert "accepted" in states()


def test_another_person_begins_with_nothing_in_the_hand(ann, folder):
    ann.open_row(0)
    ann.mask.mode = "paint"
    ann.open(folder, "Bob")
    ann.open_row(0)
    assert ann.mask.mode == "pan_zoom"


def test_a_warning_counts_for_the_edit_it_was_given_for_and_is_cleared_with_it(ann, versions):
    def stroke():
        labels = ann.mask.data.copy()
        labels[1:4, 20:31] = 3  # far above the retina
        change(ann.mask, labels)

    ann.open_row(0)
    for key in (Qt.Key.Key_N, Qt.Key.Key_W):
        stroke()
        for _ in range(2):  # not even after the same stroke again
            ann.press(key)
            assert "Not saved yet: 1 open place" in ann.said
            ann.mask.refresh()
            assert ann.said, "drawing it anew is no change"
            ann.mask.undo()
            assert ann.said == "", "it is out of date"
            stroke()
        ann.mask.undo()
    stroke()
    ann.press(Qt.Key.Key_N)
    marks = show_questionable(ann.viewer, ann.mask, None)
    assert ann.said, "nothing is marked yet"
    change(marks, np.ones_like(marks.data))
    assert ann.said == ""
    change(marks, np.zeros_like(marks.data))
    ann.press(Qt.Key.Key_N)
    assert "Not saved yet" in ann.said
    assert len(versions(1)) == 1
    ann.press(Qt.Key.Key_N)
    assert ann.name == "scan1"
    assert "Layers are out of order" in ann.said
    ann.mask.data_setitem((np.array([60]), np.array([20])), 6)
    assert "scan0" in ann.said, "it is about the image that was left"
    assert len(versions(1)) == 2
