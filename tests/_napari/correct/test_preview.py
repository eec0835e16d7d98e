"""What is shown is what is applied, and no window waits for it."""

import threading

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt

from mouse import CTRL, add_mask, press, push, settle
from napari_retina_seg._napari.results import MaskInfo, mask_options
from napari_retina_seg.types.labels import OCT_LAYERS

SLICES = 3


class Recolor:
    """A plan: another class for class 1; it notes where it runs, and waits if it is told to."""

    def __init__(self, value=2, error=None):
        self.value, self.error = value, error
        self.threads = []
        self.go = threading.Event()
        self.go.set()

    def __call__(self, labels):
        self.threads.append(threading.current_thread())
        self.go.wait(10)
        if self.error is not None:
            raise self.error
        return np.where(labels == 1, self.value, labels).astype(labels.dtype)


@pytest.fixture
def volume(shown):
    """Return a volume, a square on each slice."""
    labels = np.zeros((SLICES, 40, 50), np.uint8)
    labels[:, 10:20, 10:20] = 1
    shown.add_image(labels * 30, name="stack")
    return add_mask(shown, labels, mask_options(MaskInfo("stack", OCT_LAYERS)))


def test_all_slices_are_worked_out_once_and_never_in_the_thread_of_the_window(
    shown, dock, volume, qtbot, apply
):
    before, button = volume.data.copy(), dock.preview.apply_button
    plan = Recolor()
    plan.go.clear()
    dock.preview.show_plan("Done", plan, every_slice=True)
    qtbot.waitUntil(lambda: bool(plan.threads))
    assert not button.isEnabled(), "there is nothing yet that could be seen"
    assert "Computing" in button.toolTip()
    plan.go.set()
    qtbot.waitUntil(button.isEnabled)
    for index in (1, 2, 0, 1):
        shown.dims.set_current_step(0, index)
        settle()
        assert button.isEnabled()
    assert len(plan.threads) == SLICES, "the slider asks for nothing anew"
    volume.paint((1, 30, 30), 1)
    assert not button.isEnabled(), "what is painted meanwhile counts"
    qtbot.waitUntil(button.isEnabled)
    press(dock, Qt.Key.Key_Z, CTRL)
    qtbot.waitUntil(lambda: len(plan.threads) == 3 * SLICES)
    apply()
    assert np.array_equal(volume.data, before * 2)
    assert threading.main_thread() not in plan.threads
    volume.visible = False
    hidden = Recolor(3)
    dock.preview.show_plan("Done", hidden, every_slice=True)
    qtbot.waitUntil(button.isEnabled)
    hidden.go.clear()
    press(dock, Qt.Key.Key_Z, CTRL)
    assert not button.isEnabled(), "undone out of sight: not what was shown"
    hidden.go.set()
    qtbot.waitUntil(button.isEnabled)
    apply()
    assert np.array_equal(volume.data, before * 3)


def test_what_fails_can_not_be_applied_and_says_nothing_of_what_follows_it(
    shown, dock, volume, qtbot, apply
):
    words = dock.preview._label.text
    dock.preview.show_plan("Done", Recolor())
    qtbot.waitUntil(lambda: "mask · preview" in shown.layers)
    dock.preview.show_plan("Done", Recolor(error=MemoryError()))
    qtbot.waitUntil(lambda: "preview failed" in words())
    assert not dock.preview.apply_button.isEnabled()
    assert "mask · preview" not in shown.layers
    push(dock.preview.cancel_button)
    failing, good = Recolor(error=MemoryError()), Recolor()
    failing.go.clear()
    good.go.clear()
    dock.preview.show_plan("Done", failing)
    qtbot.waitUntil(lambda: bool(failing.threads))
    dock.preview.show_plan("Done", good)
    settle()  # it waits for the first one
    failing.go.set()
    qtbot.waitUntil(lambda: bool(good.threads))
    settle()
    assert "Computing" in words()
    good.go.set()
    apply()
    assert (volume.data[dock.active_mask.where][10:20, 10:20] == 2).all()


@pytest.mark.parametrize("leave", ["next", "accept"])
def test_a_preview_that_goes_with_its_mask_is_reported(shown, dock, volume, leave):
    told = []
    notification_manager.notification_ready.connect(told.append)
    dock.preview.show_plan("Done", Recolor())
    if leave == "next":
        shown.layers.remove(volume)
    else:
        volume.editable = False
    assert not dock.preview.is_open
    assert [each.message for each in told] == ["The preview of 'mask' was not applied."]
    notification_manager.notification_ready.disconnect(told.append)
