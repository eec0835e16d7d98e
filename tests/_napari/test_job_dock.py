"""A dock with a job: start, progress, Cancel, the result, closing."""

import time

import pytest

from napari_retina_seg._napari.job import JobResult, JobStatus
from napari_retina_seg._napari.job_dock import BusyBar, JobDock, JobRow
from napari_retina_seg._napari.tasks import is_idle
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.progress import Progress


class CountingDock(JobDock):
    """Runs steps that a test gives it."""

    def __init__(self, viewer) -> None:
        super().__init__("Count", JobRow("counting"))
        self._viewer = viewer
        self.lay_out()

    def refresh(self) -> None:
        self.button.setEnabled(not self.is_running)

    def count(self, steps) -> None:
        self._start(steps, "Counting", "Counting.")


@pytest.fixture
def dock(viewer, qtbot):
    widget = CountingDock(viewer)
    viewer.window.add_dock_widget(widget, name="Count")
    yield widget
    qtbot.waitUntil(is_idle)


def until_cancelled(token):
    while True:
        token.raise_if_cancelled()
        time.sleep(0.01)
        yield Progress(1, 4, "One of four")


def raising(error):
    def steps(token):
        yield Progress(0, 1, "Trying")
        raise error

    return steps


def succeeding(token):
    yield Progress(0, 1, "Trying")
    return JobResult(JobStatus.SUCCEEDED, "Counted to 1.")


@pytest.mark.parametrize(
    ("steps", "status", "words"),
    [
        (succeeding, JobStatus.SUCCEEDED, "Counted to 1."),
        (raising(RetinaSegError("There is no 2.")), JobStatus.FAILED, "There is no 2."),
        (raising(MemoryError()), JobStatus.FAILED, "Not enough memory"),
        (raising(ValueError("odd")), JobStatus.FAILED, "Counting failed: ValueError: odd."),
    ],
    ids=["success", "failure", "memory", "unexpected"],
)
def test_how_a_job_ended_is_shown(dock, qtbot, steps, status, words, caplog):
    with qtbot.waitSignal(dock.finished) as finished:
        dock.count(steps)
        assert dock.is_running
        assert not dock.button.isEnabled()
    assert finished.args[0].status is dock.status.result is status
    assert words in dock.status.text()
    assert not dock.is_running
    assert dock.button.isEnabled()
    assert dock.work.progress.isHidden()


def test_a_job_can_be_cancelled_which_is_neither_success_nor_failure(dock, qtbot):
    looks = set()
    for steps in (succeeding, raising(RetinaSegError("no"))):
        with qtbot.waitSignal(dock.finished):
            dock.count(steps)
        looks.add(dock.status.styleSheet())
    dock.count(until_cancelled)
    qtbot.waitUntil(lambda: dock.work.progress.value() == 1)
    assert dock.status.text() == "One of four."
    with qtbot.waitSignal(dock.finished):
        dock.work.cancel_button.click()
        assert "Cancelling" in dock.status.text()
        assert not dock.work.cancel_button.isEnabled()
    assert dock.status.result is JobStatus.CANCELLED
    assert len({*looks, dock.status.styleSheet()}) == 3


def test_closing_the_dock_stops_the_job_silently(viewer, dock, qtbot):
    ended = []
    dock.finished.connect(ended.append)
    dock.count(until_cancelled)
    viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(is_idle)
    assert ended == []


def test_the_bar_moves_now_and_then_until_the_end_is_known(qtbot):
    bar = BusyBar()
    qtbot.addWidget(bar)
    bar.show_busy()
    assert bar.maximum() > 0, "Qt would animate it, and repaint the canvas all the time"
    before = bar.value()
    qtbot.waitUntil(lambda: bar.value() != before)
    assert not bar.isTextVisible()
    bar.show_steps(2, 4)
    assert (bar.value(), bar.maximum(), bar.isTextVisible()) == (2, 4, True)
