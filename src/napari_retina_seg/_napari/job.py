"""Cancellable jobs in a thread, with progress in napari's activity dock."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum
from functools import partial

from napari.utils.progress import cancelable_progress
from qtpy.QtCore import QCoreApplication, QObject, Signal

from napari_retina_seg._napari.tasks import Task
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.progress import Cancelled, CancelToken, Progress, finish
from napari_retina_seg.types.text import displayed

log = logging.getLogger(__name__)


class JobStatus(Enum):
    """How a job ended."""

    SUCCEEDED = "succeeded"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, eq=False)
class JobResult:
    """Result of a job.

    Attributes
    ----------
    status : JobStatus
        Succeeded, cancelled or failed.
    message : str
        For the user; may be empty on success.
    doubtful : bool
        Whether the result should be checked: it is displayed with a warning.
    """

    status: JobStatus
    message: str = ""
    doubtful: bool = False


Steps = Generator[Progress, None, JobResult]


def as_result(steps: Steps, title: str) -> Steps:
    """Run steps; every error becomes a `JobResult`.

    Parameters
    ----------
    steps : generator
        The steps of the job.
    title : str
        What the job does, for unexpected errors: "Segmenting 'scan'".
    """
    try:
        return (yield from steps)
    except Cancelled as error:
        return JobResult(JobStatus.CANCELLED, str(error))
    except RetinaSegError as error:
        return JobResult(JobStatus.FAILED, str(error))
    except MemoryError:
        return JobResult(JobStatus.FAILED, "Not enough memory: close other layers or programs.")
    except Exception as error:
        log.exception("%s failed", displayed(title))
        return JobResult(JobStatus.FAILED, f"{title} failed: {type(error).__name__}: {error}.")


class _ActivityBar(cancelable_progress):
    """Bar in napari's activity dock that cancels immediately."""

    def cancel(self) -> None:
        super().cancel()
        self.cancel_callback()


class Job(QObject):
    """A running job.

    Parameters
    ----------
    run : callable
        From a token to a generator of `Progress` that returns a `JobResult`. It runs in a thread
        and must not access layers or widgets; every error it raises becomes a `JobResult`.
    title : str
        What the job does, for napari's activity dock: "Segmenting 'scan'".
    parent : QObject
        Owner of the job.

    Signals
    -------
    progressed : (Progress, str)
        A step, and the time left as text ("" while unknown).
    done : (JobResult)
        Emitted exactly once.
    """

    progressed = Signal(object, str)
    done = Signal(object)

    def __init__(self, run: Callable[[CancelToken], Steps], title: str, parent: QObject) -> None:
        super().__init__(parent)
        self._token = CancelToken()
        self._is_over = False
        self._steps: deque[Progress] = deque()
        self._result: JobResult | None = None
        self._started = time.monotonic()
        self._title = title
        self._bar: _ActivityBar | None = None
        self._task = Task(partial(_run, run, title, self._token))
        self._task.stepped.connect(self._on_step)
        self._task.ended.connect(self._on_ended)
        # Cancel when the program ends or the job's owner is deleted.
        QCoreApplication.instance().aboutToQuit.connect(self.cancel)
        self.destroyed.connect(self._token.cancel)

    def start(self) -> None:
        """Start the job."""
        # napari processes events while it shows the bar: this job may be abandoned meanwhile.
        self._bar = _ActivityBar(desc=self._title, total=0, cancel_callback=self._token.cancel)
        if self._is_over:
            self._bar.close()
            return
        self._task.start()

    def cancel(self) -> None:
        """Request cancellation at the next step; `done` follows."""
        self._token.cancel()

    def abandon(self) -> None:
        """Cancel and emit nothing more: the listeners are being deleted."""
        self._token.cancel()
        self._is_over = True
        if self._bar is not None:
            self._bar.close()

    def _on_step(self, step: Progress) -> None:
        """Handle steps in order: handling one may deliver the next."""
        self._steps.append(step)
        if len(self._steps) > 1:
            return
        while self._steps:
            self._show_step(self._steps[0])
            self._steps.popleft()
        if self._result is not None:
            self._finish(self._result)

    def _show_step(self, step: Progress) -> None:
        if self._is_over or self._bar is None:
            return
        if step.done == 0:
            self._started = time.monotonic()  # loading time does not predict the rest
        self.progressed.emit(step, time_left(step, time.monotonic() - self._started))
        # These two process events, in which this job may end.
        if step.total > 1 and self._bar.total != step.total:
            self._bar.total = step.total
        if not self._is_over and step.total > 1 and step.done > self._bar.n:
            self._bar.update(step.done - self._bar.n)

    def _on_ended(self, result: JobResult | None) -> None:
        self._finish(
            result or JobResult(JobStatus.FAILED, "The job stopped without a result: try again.")
        )

    def _finish(self, result: JobResult) -> None:
        if self._steps and self._result is None:
            self._result = result  # deliver the steps first
        if self._is_over or self._steps:
            return
        self._is_over = True
        if self._bar is not None:
            self._bar.close()
        self.done.emit(result)


def _run(
    run: Callable[[CancelToken], Steps],
    title: str,
    token: CancelToken,
    report: Callable[[object], None],
) -> JobResult:
    """Run a job to its end, reporting each step."""
    return finish(as_result(run(token), title), report)


def time_left(step: Progress, elapsed: float) -> str:
    """Estimate the remaining time from the elapsed time."""
    if not 0 < step.done < step.total:
        return ""
    seconds = elapsed / step.done * (step.total - step.done)
    if seconds < 60:
        return f"{max(1, round(seconds))} s left"
    return f"{seconds / 60:.0f} min left"
