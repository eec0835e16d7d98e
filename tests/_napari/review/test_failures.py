"""A disk that is full, a folder that vanishes or can't be written: a sentence each, nothing lost.

Each trouble is gone through in one window, one deed after the other, as people try them.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMessageBox

from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import State

SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def at_work(ann):
    """Return Ann with the first image before her."""
    ann.press(Qt.Key.Key_N)
    return ann


@contextmanager
def away(folder) -> Iterator[None]:
    """Take a project away as a network folder goes, and bring it back."""
    elsewhere = folder.with_name("away")
    folder.rename(elsewhere)
    yield
    elsewhere.rename(folder)


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file become larger than a few bytes."""
    import resource  # which not every system has

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def add(person, path):
    person.dock.add((path,))
    person.wait()


def predict(person):
    person.dock.batches.predict()
    person.bot.waitUntil(lambda: not person.dock.batches.is_running, timeout=60_000)
    person.wait()


def refuse(person):
    person.answer("blurred")
    person.press(Qt.Key.Key_U)


def autosave(person):
    person.session.autosave()
    person.wait()


# What people try with something painted and a comment typed.
DEEDS = {
    "save": lambda person: person.press(Qt.Key.Key_S, SHIFT),
    "correct": lambda person: person.press(Qt.Key.Key_W),
    "ungradable": refuse,
    "next": lambda person: person.press(Qt.Key.Key_N),
    "another image": lambda person: person.open_row(2),
    "keep aside": autosave,
    "predict": predict,
}


def try_all(person, painted, told, more):
    """Do one thing after the other; each time see what is told, and that all is still there."""
    for name, deed in {**DEEDS, **more}.items():
        person.dock.status.show_message("")
        deed(person)
        assert person.dock.status.result is JobStatus.FAILED, name
        assert told in person.said, name
        assert "\n" not in person.said, name
        assert "Error" not in person.said, name
        assert person.name == "scan0", name
        assert np.array_equal(person.mask.data, painted), name
        assert (person.mask.editable, person.mask.mode) == (True, "paint"), name
        assert person.dock.comment_edit.text() == "a shadow", name


def finish(person, painted, folder):
    """Save after all, and see that it is what was painted."""
    person.press(Qt.Key.Key_W)
    assert person.name == "scan1"
    with Project(folder, author="Zoe") as project:
        last = project.history(1)[-1]
        assert (last.state, last.comment) == (State.CORRECTED, "a shadow")
        assert np.array_equal(project.annotation(1, last.number).labels, painted)
        assert not project.image(1).conflict
        assert len(project.history(1)) == 2
        assert not project.recoverable()


def test_a_folder_that_vanishes_costs_nothing_and_comes_back(at_work, folder, tmp_path):
    with away(folder):
        at_work.press(Qt.Key.Key_G)
        assert "vanished" in at_work.said
        assert at_work.name == "scan0"
    painted = at_work.paint()
    at_work.dock.comment_edit.setText("a shadow")
    np.save(tmp_path / "more.npy", painted)
    with away(folder):
        more = {"add": lambda person: add(person, tmp_path / "more.npy")}
        try_all(at_work, painted, "vanished", more)
        at_work.answer(button=QMessageBox.StandardButton.No)
        assert not at_work.window.close()  # it asks before something is lost
        assert np.array_equal(at_work.mask.data, painted)
        assert at_work.window.isVisible()
    # A share that is mounted again is another folder of the same name: it must be opened anew.
    shutil.copytree(folder, tmp_path / "copy")
    folder.rename(tmp_path / "gone")
    (tmp_path / "copy").rename(folder)
    at_work.press(Qt.Key.Key_W)
    assert "open it again" in at_work.said
    at_work.open(folder, "Ann")
    with Project(folder, author="Zoe") as project:
        last = project.history(1)[-1]
        assert (last.state, last.comment) == (State.IN_PROGRESS, "a shadow")
        assert np.array_equal(project.annotation(1, last.number).labels, painted)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX limits")
def test_a_full_disk_costs_nothing(at_work, folder, tmp_path):
    with full_disk():
        at_work.press(Qt.Key.Key_G)
    assert at_work.dock.status.result is JobStatus.FAILED
    assert "nothing was saved" in at_work.said
    assert at_work.name == "scan0"
    painted = at_work.paint()
    at_work.dock.comment_edit.setText("a shadow")
    with full_disk():
        try_all(at_work, painted, "nothing was saved", {})
    finish(at_work, painted, folder)


def test_a_project_that_can_t_be_written_is_looked_at(person, folder, monkeypatch, tmp_path):
    can = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and can(path, mode))
    person.open(folder, "Ann")
    person.open_row(0)
    assert "can't be written, so it is read-only" in person.dock.info.text()
    assert not person.mask.editable
    dock, decisions = person.dock, person.dock.decisions
    for button in (
        decisions.accept,
        decisions.finish,
        decisions.refuse,
        decisions.save,
        decisions.reopen,
    ):
        assert not button.isEnabled()
        assert "can't be written" in button.toolTip()
    for button in (dock.bar.add_button, dock.batches.button):
        assert not button.isEnabled()
        assert "can't be written" in button.toolTip()
    person.press(Qt.Key.Key_G)
    assert person.dock.status.result is None
    assert "can't be written" in person.said
    add(person, tmp_path / "scans")  # dropped
    assert person.dock.status.result is JobStatus.FAILED
    assert "is read-only" in person.said
    person.press(Qt.Key.Key_N)
    assert person.name == "scan1"
