"""Run a job from a dock: start, progress, Cancel, result."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QLabel, QLayout, QProgressBar, QPushButton, QWidget

from napari_retina_seg._napari.dock import Dock
from napari_retina_seg._napari.job import Job, JobResult, Steps
from napari_retina_seg._napari.widgets import StatusLine, large, stack
from napari_retina_seg.types.progress import CancelToken, Progress

_BEAT = 500  # ms between two steps of a bar without a known end
_BEATS = 6


class BusyBar(QProgressBar):
    """Progress bar that moves twice a second while the end is not known.

    Qt's own animation repaints the whole window many times a second, and with it napari's canvas,
    which takes a core of a computer without a graphics card from the job.
    """

    def __init__(self) -> None:
        super().__init__()
        self._beat = QTimer(self)
        self._beat.setInterval(_BEAT)
        self._beat.timeout.connect(self._move)

    def show_busy(self) -> None:
        """Show that something is being done, but not how much."""
        self.setTextVisible(False)
        if not self._beat.isActive():
            self.setRange(0, _BEATS)
            self.setValue(0)
            self._beat.start()

    def show_steps(self, done: int, total: int) -> None:
        """Show how many steps are done."""
        self._beat.stop()
        self.setTextVisible(True)
        self.setRange(0, total)
        self.setValue(done)

    def stop(self) -> None:
        """Stop moving: the job is over."""
        self._beat.stop()

    def _move(self) -> None:
        self.setValue((self.value() + 1) % (_BEATS + 1))


class JobRow(QWidget):
    """Runs one job at a time; shows its progress, the time left and Cancel meanwhile.

    Parameters
    ----------
    what : str
        Name of the job, for the tooltip.
    keeps_place : bool
        Whether to reserve its space while hidden, so that short jobs do not shift the layout.

    Signals
    -------
    started : ()
        A job is about to start.
    progressed : (Progress)
        A step.
    message : (str)
        What is being done, for a status line.
    done : (JobResult)
        The job ended.
    """

    started = Signal()
    progressed = Signal(object)
    message = Signal(str)
    done = Signal(object)

    def __init__(self, what: str, keeps_place: bool = False) -> None:
        super().__init__()
        self._job: Job | None = None
        self.progress = BusyBar()
        self.progress.setToolTip(f"Progress of {what}.")
        self.time_left = QLabel()
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop after the current step, without changes.")
        self._parts = (self.progress, self.time_left, self.cancel_button)
        self.setLayout(stack(*self._parts, horizontal=True))
        if keeps_place:
            self.setMinimumHeight(self.sizeHint().height())
        self.cancel_button.clicked.connect(self.cancel)
        self._show_parts(False)

    @property
    def is_running(self) -> bool:
        """Whether a job is running."""
        return self._job is not None

    def start(self, run: Callable[[CancelToken], Steps], title: str) -> None:
        """Start a job; see `Job`."""
        self._job = Job(run, title, self)
        self._job.progressed.connect(self._on_progress)
        self._job.done.connect(self._on_job_done)
        self._show_parts(True)
        self.started.emit()  # before napari processes events in `Job.start`
        if self._job is not None:
            self._job.start()

    def cancel(self) -> None:
        """Request cancellation at the next step; the Cancel button. `done` follows."""
        if self._job is not None:
            self.cancel_button.setEnabled(False)
            self.message.emit("Cancelling: the current step is being finished.")
            self._job.cancel()

    def abandon(self) -> None:
        """Cancel and emit nothing more: the dock is closing."""
        if self._job is not None:
            self._job.abandon()
            self._job = None

    def describe(self, step: Progress, time_left: str) -> str:  # noqa: ARG002 - for subclasses
        """Describe a step for the status line."""
        return f"{step.message}."

    def _show_parts(self, on: bool) -> None:
        if on:
            self.progress.show_busy()
        else:
            self.progress.stop()
        self.time_left.setText("")
        self.cancel_button.setEnabled(on)
        for part in self._parts:
            part.setVisible(on)

    def _on_progress(self, step: Progress, time_left: str) -> None:
        known = step.total > 1 and step.done > 0
        if known:
            self.progress.show_steps(step.done, step.total)
        else:
            self.progress.show_busy()
        self.time_left.setText(time_left)
        if self.cancel_button.isEnabled():
            self.message.emit(self.describe(step, time_left))
        self.progressed.emit(step)

    def _on_job_done(self, result: JobResult) -> None:
        if self._job is not None:
            self._job.deleteLater()
            self._job = None
        self._show_parts(False)
        self.finish(result)

    def finish(self, result: JobResult) -> None:
        """Emit `done`; a subclass may take the result first."""
        self.done.emit(result)


class JobDock(Dock):
    """Dock with a large button that starts a job, and a status line that shows its result.

    Parameters
    ----------
    button : str
        Label of the button.
    work : JobRow
        Runs the jobs.

    Signals
    -------
    finished : (JobResult)
        A job ended, and its result is displayed.
    """

    finished = Signal(object)

    def __init__(self, button: str, work: JobRow) -> None:
        super().__init__()
        self.button = large(QPushButton(button))
        self.work = work
        self.status = StatusLine()
        work.message.connect(self.status.show_message)
        work.started.connect(self.refresh)
        work.done.connect(self._on_done)

    @property
    def is_running(self) -> bool:
        """Whether a job is running."""
        return self.work.is_running

    def refresh(self) -> None:
        """Enable what is possible; give the reason in the tooltips of the rest."""
        raise NotImplementedError

    def take_result(self, result: JobResult) -> JobResult:
        """Show what a job made, if it succeeded; return the result to display."""
        return result

    def show_result(self, result: JobResult) -> None:
        """Display how a job ended in the status line."""
        self.status.show_result(result.status, result.message, doubtful=result.doubtful)

    def lay_out(self, *rows: QWidget | QLayout) -> None:
        """Set the content of the dock, below its button, the progress and the status."""
        super().lay_out(self.button, self.work, self.status, *rows)

    def cleanup(self) -> None:
        """Stop the job: the dock is closing."""
        self.work.abandon()

    def _start(self, run: Callable[[CancelToken], Steps], title: str, message: str) -> None:
        """Start a job, and show a message until its first step."""
        self.status.show_message(message)
        self.work.start(run, title)

    def _on_done(self, result: JobResult) -> None:
        result = self.take_result(result)
        self.refresh()
        self.show_result(result)
        self.finished.emit(result)
