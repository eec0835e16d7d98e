"""Masks outside any project are not lost: on closing, on removing, by a crash."""

import os
import stat
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from napari.layers import Layer
from qtpy.QtCore import QThread, QTimer
from qtpy.QtWidgets import QApplication, QFileDialog, QMessageBox

from mouse import settle
from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.layers import KEY, image_layers
from napari_retina_seg._napari.mask_files import read_mask_layer
from napari_retina_seg._napari.masks import mask_autosaves, unsaved_masks
from napari_retina_seg._napari.masks.mask_autosaves import (
    autosave_folder,
    list_autosaves,
    read_autosave,
)
from napari_retina_seg._napari.masks.unsaved_masks import UnsavedMasks
from napari_retina_seg.io import read_image
from napari_retina_seg.types.labels import OCT_LAYERS

Buttons = QMessageBox.StandardButton


@pytest.fixture
def scan(tmp_path, bscan):
    import cv2

    path = tmp_path / "scan.png"
    path.write_bytes(cv2.imencode(".png", bscan)[1].tobytes())
    return path


@pytest.fixture
def start(make_napari_viewer, scan, qtbot):
    """Start the program with the Correct dock in a window, with or without the scan."""

    def begin(*, with_scan: bool = True, show: bool = True):
        viewer = make_napari_viewer(show=show)
        _, dock = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Correct")
        if with_scan:
            viewer.add_layer(Layer.create(*image_layers(read_image(scan))[0]))
        settle()
        return viewer, dock

    return begin


@pytest.fixture
def at_work(start):
    """Have an edited mask in a window."""
    viewer, dock = start()
    dock.new_mask.choose(OCT_LAYERS)
    dock.new_mask.make()
    mask = dock.active_mask.mask
    mask.data_setitem((np.array([3, 4]), np.array([5, 5])), 2)
    return viewer, dock, mask


@pytest.fixture
def crashed(monkeypatch):
    """Take programs that wrote autosaves so far for gone."""
    return lambda: monkeypatch.setattr(mask_autosaves, "_is_running", lambda _: False)


def answer(button, asked=None):
    def respond() -> None:
        box = QApplication.activeModalWidget()
        if box is None:
            QTimer.singleShot(10, respond)
            return
        if asked is not None:
            asked.append(box.text())
        box.button(button).click()

    QTimer.singleShot(0, respond)


def files() -> list[Path]:
    return list(autosave_folder().glob("*.npz"))


def autosaved(qtbot, viewer) -> None:
    UnsavedMasks.of(viewer).autosave()
    qtbot.waitUntil(lambda: len(files()) == 1)


def test_an_edit_is_autosaved_soon_in_a_folder_for_the_user_only(at_work, qtbot, monkeypatch):
    viewer, _, mask = at_work
    timer = UnsavedMasks.of(viewer)._timer
    assert timer.isActive()
    timer.start(0)
    qtbot.waitUntil(lambda: len(files()) == 1)
    if os.name == "posix":
        assert stat.S_IMODE(autosave_folder().stat().st_mode) == 0o700
    first = files()
    mask.undo()
    mask.data_setitem((np.array([9]), np.array([9])), 3)
    UnsavedMasks.of(viewer).autosave()
    qtbot.waitUntil(lambda: len(files()) == 1 and files() != first)  # one per mask
    assert not list_autosaves()  # this program is still at work on it


@pytest.mark.parametrize("is_open", [True, False])
def test_after_a_crash_it_is_offered_and_lies_on_its_image(at_work, start, qtbot, crashed, is_open):
    viewer, _, mask = at_work
    autosaved(qtbot, viewer)
    crashed()
    again, dock = start(with_scan=is_open)
    qtbot.waitUntil(dock.recovery.isVisible)
    assert mask.name in dock.recovery.label.text()
    dock.recovery.recover_button.click()
    found = dock.active_mask.mask
    assert np.array_equal(found.data, mask.data)
    assert found.metadata[KEY].scheme == OCT_LAYERS
    assert dock.active_mask.image.name == "scan"  # opened from its file if it was not
    assert len(again.layers) == 2
    assert not dock.recovery.isVisible()
    assert UnsavedMasks.of(again).unsaved == [found]  # it is in no file of the user's yet


def test_an_autosave_that_is_discarded_is_gone(at_work, start, qtbot, crashed):
    viewer, _, _ = at_work
    autosaved(qtbot, viewer)
    crashed()
    _, dock = start()
    qtbot.waitUntil(dock.recovery.isVisible)
    answer(Buttons.Yes)
    dock.recovery.discard_button.click()
    assert not dock.recovery.isVisible()
    assert not files()


def test_the_window_asks_before_it_closes_over_an_unsaved_mask(at_work, qtbot):
    viewer, _, mask = at_work
    window, asked = viewer.window._qt_window, []
    answer(Buttons.Cancel, asked)
    assert not window.close()
    assert window.isVisible()
    assert mask.name in asked[0]
    autosaved(qtbot, viewer)
    answer(Buttons.Discard)
    assert window.close()
    assert not files()
    viewer.close()  # as napari's fixture would, which can't once Qt has deleted the window


def test_it_closes_once_the_mask_was_saved_to_a_file(at_work, qtbot, tmp_path, monkeypatch):
    viewer, _, mask = at_work
    autosaved(qtbot, viewer)
    target = tmp_path / "kept.png"
    monkeypatch.setattr(QFileDialog, "exec", lambda _: True)
    monkeypatch.setattr(QFileDialog, "selectedFiles", lambda _: [str(target)])
    answer(Buttons.Save)
    assert viewer.window._qt_window.close()
    viewer.close()
    assert np.array_equal(read_mask_layer(target, [])[0], mask.data)
    assert not files()


def test_it_stays_open_if_no_file_was_chosen_or_it_can_t_be_written(at_work, tmp_path, monkeypatch):
    viewer, _, _ = at_work
    window = viewer.window._qt_window
    monkeypatch.setattr(QFileDialog, "exec", lambda _: False)
    answer(Buttons.Save)
    assert not window.close()
    warned = []
    monkeypatch.setattr(QMessageBox, "warning", lambda *words: warned.append(words[-1]))
    monkeypatch.setattr(QFileDialog, "exec", lambda _: True)
    monkeypatch.setattr(QFileDialog, "selectedFiles", lambda _: [str(tmp_path / "mask.jpg")])
    answer(Buttons.Save)
    assert not window.close()
    assert "can't hold this mask" in warned[0]


def test_nothing_is_asked_about_masks_that_are_as_they_were_made_or_saved(at_work, tmp_path):
    viewer, _, mask = at_work
    unsaved = UnsavedMasks.of(viewer)
    assert unsaved.unsaved == [mask]
    viewer.layers.selection.active = mask
    path = str(tmp_path / "mask.png")
    assert viewer.layers.save(path, selected=True, plugin="napari-retina-seg") == [path]
    assert not unsaved.unsaved
    mask.data_setitem((np.array([7]), np.array([7])), 4)
    assert unsaved.unsaved == [mask]
    mask.undo()
    assert not unsaved.unsaved
    assert viewer.window._qt_window.close()
    viewer.close()


def test_a_removed_mask_can_be_recovered(at_work):
    viewer, dock, mask = at_work
    data = np.array(mask.data)
    viewer.layers.remove(mask)
    assert dock.recovery.isVisible()
    dock.recovery.recover_button.click()
    assert np.array_equal(dock.active_mask.mask.data, data)


def test_a_script_that_closes_the_viewer_is_not_asked_and_nothing_is_lost(at_work, crashed):
    viewer, _, mask = at_work
    viewer.close()
    crashed()
    assert [each.mask for each in list_autosaves()] == [mask.name]


def test_a_full_disk_is_said(at_work, monkeypatch, qtbot):
    viewer, dock, _ = at_work
    autosave_folder().parent.mkdir(parents=True)
    autosave_folder().touch()  # no folder can be made there
    UnsavedMasks.of(viewer).autosave()
    qtbot.waitUntil(lambda: "Autosave failed" in dock.status.text())
    assert dock.status.result is JobStatus.FAILED


def test_autosaves_are_of_limited_number(at_work, monkeypatch, qtbot, crashed):
    viewer, _, mask = at_work
    autosaved(qtbot, viewer)
    monkeypatch.setattr(mask_autosaves, "_MOST", 2)
    crashed()
    unsaved = UnsavedMasks.of(viewer)
    unsaved._masks[mask].autosaves.clear()  # as of an earlier session
    for value in range(3, 6):
        mask.data_setitem((np.array([1]), np.array([1])), value)
        unsaved.autosave()
        unsaved._io_queue.join()
        unsaved._masks[mask].autosaves.clear()
        assert len(files()) <= 2


def test_a_failed_autosave_is_tried_again_without_another_edit(at_work, qtbot):
    viewer, _, _ = at_work
    unsaved = UnsavedMasks.of(viewer)
    autosave_folder().parent.mkdir(parents=True)
    autosave_folder().touch()
    unsaved.autosave()
    unsaved._timer.stop()
    qtbot.waitUntil(unsaved._timer.isActive)  # it failed
    autosave_folder().unlink()
    unsaved._timer.start(0)
    qtbot.waitUntil(lambda: len(files()) == 1)


def test_the_newest_edit_is_what_stays_however_long_each_write_takes(
    at_work, qtbot, monkeypatch, crashed
):
    viewer, _, mask = at_work
    unsaved, started, may_end = UnsavedMasks.of(viewer), Event(), Event()
    written = unsaved_masks.write_autosave

    def write(*arguments):
        first = not started.is_set()
        started.set()
        if first:
            assert may_end.wait(10)
        written(*arguments)

    monkeypatch.setattr(unsaved_masks, "write_autosave", write)
    unsaved.autosave()
    assert started.wait(10)
    mask.data_setitem((np.array([9]), np.array([9])), 3)
    unsaved.autosave()
    may_end.set()
    unsaved._io_queue.join()
    crashed()
    (kept,) = list_autosaves()
    assert read_autosave(kept).labels[9, 9] == 3


@pytest.mark.parametrize("ends", ["saved", "discarded"])
def test_a_write_under_way_leaves_nothing_once_saved_or_discarded(
    at_work, monkeypatch, tmp_path, ends
):
    viewer, _, mask = at_work
    unsaved, started = UnsavedMasks.of(viewer), Event()
    written = unsaved_masks.write_autosave

    def write(*arguments):
        started.set()
        QThread.msleep(50)  # still at it when the mask is saved or discarded
        written(*arguments)

    monkeypatch.setattr(unsaved_masks, "write_autosave", write)
    unsaved.autosave()
    assert started.wait(10)
    if ends == "saved":
        unsaved.mark_saved(mask)
    else:
        answer(Buttons.Discard)
        assert viewer.window._qt_window.close()
    assert not files()
    viewer.close()
