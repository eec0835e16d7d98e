"""Cancellable jobs in a thread, with progress in a dock and in napari's activity dock."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from napari.utils.progress import cancelable_progress
from qtpy.QtCore import QCoreApplication, QObject, Signal

from napari_retina_seg._napari.engine_loading import load_engine
from napari_retina_seg._napari.tasks import Task as Background
from napari_retina_seg.models.registry import ModelFolder
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.image import RetinaImage
from napari_retina_seg.types.progress import Cancelled, CancelToken, Progress
from napari_retina_seg.types.segmentation import Segmentation

log = logging.getLogger(__name__)


class JobStatus(Enum):
    """How a job ended."""

    SUCCEEDED = "ended"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, eq=False)
class JobResult:
    """Result of a job.

    Attributes
    ----------
    end : JobStatus
        Succeeded, cancelled or failed.
    message : str
        For the user; may be empty on success.
    segmentation : Segmentation or None
        The segmentation, of a segmentation job.
    probabilities : bool
        Whether a layer of the probabilities was requested.
    uncertainty : array or None
        float32 of the labels' shape, if requested.
    doubtful : bool
        Whether the result should be checked: it is displayed with a warning.
    """

    end: JobStatus
    message: str = ""
    segmentation: Segmentation | None = None
    probabilities: bool = False
    uncertainty: npt.NDArray[np.float32] | None = None
    doubtful: bool = False


@dataclass(frozen=True)
class Task:
    """Request to segment an image: values only, no layers."""

    image: RetinaImage
    model: ModelFolder
    index: int | None
    probabilities: bool
    uncertainty: bool = False


class Request(Protocol):
    """Any request with an image and a model."""

    @property
    def image(self) -> RetinaImage:
        """The image."""

    @property
    def model(self) -> ModelFolder:
        """The model."""


Steps = Generator[Progress, None, JobResult]


def work(task: Task, token: CancelToken) -> Steps:
    """Segment; every failure becomes a `JobResult`."""
    return (yield from with_engine(_segment(task, token), task))


def with_engine(steps: Steps, task: Request) -> Steps:
    """Load the engine and run steps; every failure becomes a `JobResult`."""
    failed = f"'{task.model.name}' failed on '{task.image.name}'"
    return (yield from as_result(_with_engine(steps, task), failed))


def as_result(steps: Steps, failed: str) -> Steps:
    """Run steps; every failure becomes a `JobResult`.

    Parameters
    ----------
    steps : generator
        The steps of the job.
    failed : str
        Message in front of the name of an unexpected error.
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
        log.exception(failed)
        return JobResult(JobStatus.FAILED, f"{failed}: {type(error).__name__}: {error}.")


def _with_engine(steps: Steps, task: Request) -> Steps:
    try:
        yield Progress(0, 0, f"Loading {task.model.name}, which takes a while the first time")
        load_engine()
        return (yield from steps)
    except MemoryError:
        return JobResult(
            JobStatus.FAILED,
            f"Not enough memory for '{task.image.name}': close other layers, or choose one slice.",
        )


def _segment(task: Task, token: CancelToken) -> Steps:
    from napari_retina_seg.inference.predict import iter_segment

    segmentation = yield from iter_segment(
        task.image,
        task.model,
        index=task.index,
        probabilities=task.probabilities or task.uncertainty,
        token=token,
    )
    return JobResult(
        JobStatus.SUCCEEDED,
        segmentation=segmentation,
        probabilities=task.probabilities,
        uncertainty=segmentation.uncertainty() if task.uncertainty else None,
    )


class _ActivityBar(cancelable_progress):
    """Bar in napari's activity dock that cancels immediately."""

    def cancel(self) -> None:
        super().cancel()
        self.cancel_callback()


class Job(QObject):
    """A running job.

    Parameters
    ----------
    steps : callable
        From the task and a token to a generator of `Progress` that returns a `JobResult`.
    task : Any
        Values only, no layers.
    parent : QObject
        Owner of the job.
    title : str, optional
        Title in napari's activity dock; by default the image and the model of the task.

    Signals
    -------
    progressed : (Progress, str)
        A step, and the time left as text ("" while unknown).
    done : (JobResult)
        Emitted exactly once.
    """

    progressed = Signal(object, str)
    done = Signal(object)

    def __init__(
        self,
        steps: Callable[[Any, CancelToken], Steps],
        task: Any,
        parent: QObject,
        title: str = "",
    ) -> None:
        super().__init__(parent)
        self._token = CancelToken()
        self._is_over = False
        self._steps: deque[Progress] = deque()
        self._ending: JobResult | None = None
        self._started = time.monotonic()
        self._title = title or f"{task.image.name} · {task.model.name}"
        self._bar: _ActivityBar | None = None
        self._work = Background(partial(_walk, steps, task, self._token))
        self._work.stepped.connect(self._on_step)
        self._work.ended.connect(self._on_ended)
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
        self._work.start()

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
        if self._ending is not None:
            self._finish(self._ending)

    def _show_step(self, step: Progress) -> None:
        if self._is_over:
            return
        if step.done == 0:
            self._started = time.monotonic()  # loading time does not predict the rest
        self.progressed.emit(step, time_left(step, time.monotonic() - self._started))
        # These two process events, in which this job may end.
        if step.total > 1 and self._bar.total != step.total:
            self._bar.total = step.total
        if not self._is_over and step.total > 1 and step.done > self._bar.n:
            self._bar.update(step.done - self._bar.n)

    def _on_ended(self, outcome: JobResult | None) -> None:
        self._finish(
            outcome or JobResult(JobStatus.FAILED, "The job stopped without a result: try again.")
        )

    def _finish(self, outcome: JobResult) -> None:
        if self._steps and self._ending is None:
            self._ending = outcome  # deliver the steps first
        if self._is_over or self._steps:
            return
        self._is_over = True
        self._bar.close()
        self.done.emit(outcome)


def _walk(
    steps: Callable[[Any, CancelToken], Steps],
    task: Any,
    token: CancelToken,
    report: Callable[[object], None],
) -> JobResult:
    """Run a generator to its end, reporting each step."""
    walking = steps(task, token)
    while True:
        try:
            report(next(walking))
        except StopIteration as end:
            return end.value


def time_left(step: Progress, elapsed: float) -> str:
    """Estimate the remaining time from the elapsed time."""
    if not 0 < step.done < step.total:
        return ""
    seconds = elapsed / step.done * (step.total - step.done)
    if seconds < 60:
        return f"{max(1, round(seconds))} s left"
    return f"{seconds / 60:.0f} min left"
