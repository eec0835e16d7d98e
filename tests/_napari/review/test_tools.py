"""What a person has in the hand when the next image comes."""

from qtpy.QtCore import Qt

from napari_retina_seg._napari.masks.edits import change, lock, locked


def controls(person):
    """Return napari's own buttons for the mask on the screen."""
    return person.viewer.window._qt_viewer.controls.widgets[person.mask]


def test_tool_brush_and_locks_go_on_and_napari_shows_the_tool(ann):
    ann.open_row(0)
    mask = ann.mask
    mask.mode, mask.brush_size, mask.contour = "erase", 23, 1
    lock(mask, (2,))
    ann.press(Qt.Key.Key_N)
    assert ann.mask is not mask
    assert (ann.mask.mode, ann.mask.brush_size) == ("erase", 23)
    assert controls(ann).erase_button.isChecked()
    assert not controls(ann).panzoom_button.isChecked()
    assert locked(ann.mask) == {2}
    assert ann.mask.contour == 0  # the next mask is filled, whatever was shown over this one


def test_layers_in_impossible_places_are_reported_when_a_person_is_done(ann):
    ann.open_row(0)
    labels = ann.mask.data.copy()
    labels[1:4, 20:31] = 3  # far above the retina
    change(ann.mask, labels)
    ann.press(Qt.Key.Key_W)
    assert "is corrected. In 11 columns of it layers are out of order" in ann.said


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
