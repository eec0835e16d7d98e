"""Time, autosaves, recovery, and what closing does."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QDialog, QMessageBox

from napari_retina_seg._napari.correct.mask_lines import MaskLines
from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.masks.linked_layers import show_questionable
from napari_retina_seg._napari.review import activity_timer
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import State


@pytest.fixture
def at_work(ann):
    """Return Ann with the first image before her."""
    ann.press(Qt.Key.Key_N)
    return ann


@pytest.fixture
def kept(folder):
    """Return a function that lists unsaved work of Ann, as another program sees it."""

    def look():
        with Project(folder, author="Ann") as project:
            return list(project.recoverable())

    return look


def test_idle_time_is_not_counted(at_work, monkeypatch):
    watch, clock = at_work.session.timer, SimpleNamespace(now=time.monotonic())
    monkeypatch.setattr(activity_timer, "time", SimpleNamespace(monotonic=lambda: clock.now))
    clock.now += watch.idle_after + 5
    watch.tick()
    counted = watch.seconds
    clock.now += 100
    watch.tick()
    assert watch.seconds == counted
    assert watch.is_idle
    for step in range(8):
        at_work.bot.mouseMove(at_work.canvas, QPoint(100 + step, 100))
        at_work.bot.waitUntil(lambda: watch._last_input == clock.now)
        clock.now += 5
    watch.tick()
    assert watch.seconds == pytest.approx(counted + 8 * 5)
    assert not watch.is_idle


def test_time_is_shown_and_saved_with_the_version_it_was_spent_on(at_work, versions):
    at_work.session.timer.seconds = 83
    at_work.session.timer.tick()
    assert "1:23" in at_work.dock.info.text()
    at_work.press(Qt.Key.Key_N)  # it was only looked at
    assert "scan1: unreviewed · 0:" in at_work.dock.info.text()
    at_work.press(Qt.Key.Key_N, Qt.KeyboardModifier.ShiftModifier)
    at_work.press(Qt.Key.Key_G)
    assert versions(1)[-1].seconds == pytest.approx(83, abs=20)


def test_idle_edits_are_autosaved_without_a_version(at_work, kept, versions):
    watch = at_work.session.timer
    watch.rest = 0.1
    painted = at_work.paint()
    at_work.bot.waitUntil(lambda: len(kept()) == 1, timeout=20_000)
    assert len(versions(1)) == 1
    with Project(at_work.session.project.folder, author="Ann") as project:
        assert np.array_equal(project.recover(kept()[0]).labels, painted)


def test_edits_are_autosaved_every_minute_even_without_a_pause(at_work, kept):
    at_work.paint()
    at_work.session.timer.interval = 0
    at_work.session.timer.tick()
    at_work.wait()
    assert len(kept()) == 1


def test_the_lease_is_renewed(at_work, folder):
    with Project(folder, author="Bob") as bob:
        (first,) = bob.status().leases
        at_work.session.timer.interval = 0
        at_work.session.timer.tick()
        at_work.wait()
        (second,) = bob.status().leases
    assert second.expires > first.expires


def test_what_was_undone_is_not_offered_again(at_work, kept):
    at_work.paint()
    at_work.session.autosave()
    at_work.wait()
    assert kept()
    at_work.mask.undo()
    at_work.press(Qt.Key.Key_N)
    assert not kept()


def test_a_failed_autosave_is_reported(at_work, folder):
    at_work.paint()
    away = folder.with_name("away")
    folder.rename(away)
    at_work.session.autosave()
    at_work.wait()
    away.rename(folder)
    assert at_work.dock.status.result is JobStatus.FAILED
    assert "Autosave failed: " in at_work.said


def test_after_a_crash_work_is_offered_and_goes_on(person, folder, versions, kept, scans):
    crashed = Project(folder, author="Ann")  # it holds the lease, and never says a word again
    crashed.check_out(1)
    annotation = crashed.annotation(1, 1)
    annotation.labels[3:9, 3:9] = 5
    crashed.autosave(1, annotation, parent=1, seconds=100)
    person.open(folder, "Ann")
    assert "You have unsaved changes to 'scan0'" in person.dock.recovery.message
    person.click(person.dock.recovery.recover_button)
    assert person.name == "scan0"
    assert np.array_equal(person.mask.data, annotation.labels)
    assert person.session.timer.seconds >= 100
    assert kept()  # not before it is saved
    person.press(Qt.Key.Key_W)  # says what is open
    person.press(Qt.Key.Key_W)
    assert not kept()
    last = versions(1)[-1]
    assert (last.state, last.parent) == (State.CORRECTED, 1)
    assert last.seconds >= 100
    crashed.close()


def test_closing_the_window_autosaves_and_releases_the_image(at_work, kept, folder):
    painted = at_work.paint()
    io_queue = at_work.session.io_queue
    at_work.viewer.close()
    io_queue.shutdown()
    (slot,) = kept()
    with Project(folder, author="Ann") as project:
        assert project.status().leases == ()
        assert np.array_equal(project.recover(slot).labels, painted)
        assert slot.parent == 1


def test_what_the_window_closed_over_is_offered_at_the_next_start(
    at_work, kept, versions, make_napari_viewer, sit
):
    painted, region = at_work.paint(), np.zeros(at_work.mask.data.shape, bool)
    region[5:9, 7:30] = True
    show_questionable(at_work.viewer, at_work.mask, region)
    MaskLines(at_work.mask).edit((), lambda heights: heights + np.float32(0.2))
    lines, painted = MaskLines(at_work.mask).at(()), np.array(at_work.mask.data)
    io_queue = at_work.session.io_queue
    at_work.answer(button=QDialog.accept)  # napari asks whether to close
    at_work.bot.keyClick(at_work.canvas, Qt.Key.Key_W, Qt.KeyboardModifier.ControlModifier)
    assert not at_work.window.isVisible()
    at_work.viewer.close()  # as napari's fixture would, which can't once Qt has deleted the window
    io_queue.shutdown()
    assert len(kept()) == 1
    assert len(versions(1)) == 1
    again = sit(make_napari_viewer(show=True))  # which opens the project that was open
    assert "You have unsaved changes to 'scan0'" in again.dock.recovery.message
    again.click(again.dock.recovery.recover_button)
    assert np.array_equal(again.mask.data, painted)
    assert np.array_equal(MaskLines(again.mask).at(()), lines, equal_nan=True)
    shown = again.viewer.layers["scan0 · mask · questionable"].data > 0
    assert np.array_equal(shown, region)


def test_a_comment_is_not_lost_with_the_window(at_work, versions):
    at_work.dock.comment_edit.setText("a shadow")
    at_work.paint()
    assert not at_work.dock._close_handler.eventFilter(at_work.window, QCloseEvent())
    last = versions(1)[-1]
    assert (last.state, last.comment) == (State.IN_PROGRESS, "a shadow")
    at_work.mask.data_setitem((np.array([1]), np.array([1])), 7)  # the window stayed open
    at_work.press(Qt.Key.Key_W)  # says what is open
    at_work.press(Qt.Key.Key_W)
    last = versions(1)[-1]
    assert (last.state, last.parent, last.conflict) == (State.CORRECTED, 2, False)


def test_work_is_safe_before_the_window_asks_whether_to_close_and_goes_on_if_not(at_work, kept):
    at_work.paint()
    at_work.dock.parent().setFloating(True)
    assert not at_work.dock._close_handler.eventFilter(at_work.window, QCloseEvent())
    assert len(kept()) == 1
    at_work.dock.parent().setFloating(False)
    at_work.press(Qt.Key.Key_W)
    assert not kept()
    assert at_work.name == "scan1"


def test_the_window_asks_before_it_closes_over_work_for_which_there_is_no_memory(
    at_work, kept, monkeypatch, caplog
):
    def fail(*_, **__):
        raise MemoryError

    painted = at_work.paint()
    for place in (
        "project.project.Project.autosave",
        "_napari.review.review_layers.copy_annotation",
    ):
        with monkeypatch.context() as patch:
            patch.setattr(f"napari_retina_seg.{place}", fail)
            at_work.asked = ""
            at_work.answer(button=QMessageBox.StandardButton.No)
            assert not at_work.window.close()
        assert "Not enough memory: close other layers" in at_work.asked
        assert at_work.window.isVisible()
        assert np.array_equal(at_work.mask.data, painted)
    at_work.press(Qt.Key.Key_W)
    assert at_work.name == "scan1"
    assert not kept()
    caplog.clear()  # what it tells holds on to the window


def test_closing_the_dock_autosaves(at_work, kept, sit):
    at_work.paint()
    at_work.viewer.window.remove_dock_widget(at_work.dock)
    assert len(kept()) == 1
    again = sit()
    assert "You have unsaved changes to 'scan0'" in again.dock.recovery.message


def remove_selected(viewer):
    viewer.layers.select_all()
    viewer.layers.remove_selected()


@pytest.mark.parametrize(
    "take_away",
    [
        lambda viewer: viewer.layers.remove("scan0 · mask"),
        lambda viewer: viewer.layers.clear(),
        remove_selected,
    ],
    ids=["mask", "all", "selected"],
)
def test_a_mask_that_is_taken_out_of_the_viewer_is_not_lost(at_work, take_away):
    painted, region = at_work.paint(), np.zeros(at_work.mask.data.shape, bool)
    region[5:9, 7:30] = True
    show_questionable(at_work.viewer, at_work.mask, region)
    take_away(at_work.viewer)
    at_work.wait()
    assert at_work.name is None
    assert not at_work.viewer.layers
    assert "was removed from the viewer" in at_work.said
    button = at_work.dock.recovery.recover_button
    at_work.dock.open_next()
    assert not button.isEnabled()
    at_work.wait()
    assert at_work.dock.recovery.isVisible()
    at_work.click(button)
    assert not at_work.dock.recovery.isVisible()
    assert np.array_equal(at_work.mask.data, painted)
    shown = at_work.viewer.layers["scan0 · mask · questionable"].data > 0
    assert np.array_equal(shown, region)


def test_painting_goes_on_while_it_is_saved(at_work, folder):
    """What is painted while a version is being written belongs to the next one."""
    first = at_work.paint()
    at_work.session.save()
    at_work.mask.data_setitem((np.array([1]), np.array([1])), 7)
    at_work.wait()
    at_work.press(Qt.Key.Key_N)  # says what is open
    at_work.press(Qt.Key.Key_N)
    with Project(folder, author="Ann") as project:
        assert np.array_equal(project.annotation(1, 2).labels, first)
        assert project.annotation(1, 3).labels[1, 1] == 7
        assert not project.image(1).conflict
