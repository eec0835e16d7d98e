"""Work in a thread, as a dock and the activity dock see it; segmenting is one such work."""

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
from napari_retina_seg.core.errors import RetinaSegError
from napari_retina_seg.core.image import RetinaImage
from napari_retina_seg.core.progress import Cancelled, CancelToken, Progress
from napari_retina_seg.core.segmentation import Segmentation
from napari_retina_seg.models.registry import ModelFolder

log = logging.getLogger(__name__)


class JobStatus(Enum):
    """The three ways in which a job ends."""

    SUCCEEDED = "ended"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, eq=False)
class JobResult:
    """How a job ended, in a sentence, and what it made.

    Attributes
    ----------
    end : End
        Ended, cancelled or failed.
    message : str
        For the person who waits; empty if it ended and nobody has said more.
    segmentation : Segmentation or None
        What it made.
    probabilities : bool
        Whether a layer of the probabilities was asked for.
    uncertainty : array or None
        float32 of the labels' shape, if it was asked for.
    doubtful : bool
        Whether the result is to be checked: it is not shown as a success.
    """

    end: JobStatus
    message: str = ""
    segmentation: Segmentation | None = None
    probabilities: bool = False
    uncertainty: npt.NDArray[np.float32] | None = None
    doubtful: bool = False


@dataclass(frozen=True)
class Task:
    """What a job is to do: values only, no layers."""

    image: RetinaImage
    model: ModelFolder
    index: int | None
    probabilities: bool
    uncertainty: bool = False


class Work(Protocol):
    """What any job is to do: it tells which image and which model it is about."""

    @property
    def image(self) -> RetinaImage:
        """What is worked on."""

    @property
    def model(self) -> ModelFolder:
        """What works."""


Steps = Generator[Progress, None, JobResult]


def work(task: Task, token: CancelToken) -> Steps:
    """Segment, and turn every way in which that can fail into an outcome."""
    return (yield from with_engine(_segment(task, token), task))


def with_engine(steps: Steps, task: Work) -> Steps:
    """Start the engine and walk through work; every way in which that can fail is an outcome."""
    failed = f"'{task.model.name}' failed on '{task.image.name}'"
    return (yield from as_result(_with_engine(steps, task), failed))


def as_result(steps: Steps, failed: str) -> Steps:
    """Walk through work, and turn every way in which it can fail into an outcome.

    Parameters
    ----------
    steps : generator
        The work.
    failed : str
        What to say before the name of an error that nobody foresaw.
    """
    try:
        return (yield from steps)
    except Cancelled as error:
        return JobResult(JobStatus.CANCELLED, str(error))
    except RetinaSegError as error:
        return JobResult(JobStatus.FAILED, str(error))
    except MemoryError:
        return JobResult(
            JobStatus.FAILED, "There is not enough memory: close other layers or programs."
        )
    except Exception as error:
        log.exception(failed)
        return JobResult(JobStatus.FAILED, f"{failed}: {type(error).__name__}: {error}.")


def _with_engine(steps: Steps, task: Work) -> Steps:
    try:
        load_engine()
        return (yield from steps)
    except MemoryError:
        return JobResult(
            JobStatus.FAILED,
            f"There is not enough memory for '{task.image.name}': close other layers, or choose"
            " one slice.",
        )


def _segment(task: Task, token: CancelToken) -> Steps:
    from napari_retina_seg.engine.predict import iter_segment

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
    """A bar in napari's activity dock whose Cancel acts at once."""

    def cancel(self) -> None:
        super().cancel()
        self.cancel_callback()


class Job(QObject):
    """Work that is running.

    Parameters
    ----------
    steps : callable
        Given the task and a token, a generator of `Progress` that returns an `JobResult`.
    task : Any
        Values only, no layers.
    parent : QObject
        Who waits for it.
    title : str, optional
        What napari's activity dock calls it; by default the image and the model of the task.

    Signals
    -------
    progressed : (Progress, str)
        A step, and the time left in words ("" while nothing is known).
    done : Outcome
        Exactly once.
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
        self._over = False
        self._steps: deque[Progress] = deque()
        self._ending: JobResult | None = None
        self._started = time.monotonic()
        self._title = title or f"{task.image.name} · {task.model.name}"
        self._bar: _ActivityBar | None = None
        self._work = Background(partial(_walk, steps, task, self._token))
        self._work.stepped.connect(self._on_step)
        self._work.ended.connect(self._on_ended)
        # The result is no longer needed: the program ends, or the job's owner was deleted.
        QCoreApplication.instance().aboutToQuit.connect(self.cancel)
        self.destroyed.connect(self._token.cancel)

    def start(self) -> None:
        """Begin."""
        # napari lets Qt handle events while it shows the bar: this job may be abandoned in them.
        self._bar = _ActivityBar(desc=self._title, total=0, cancel_callback=self._token.cancel)
        if self._over:
            self._bar.close()
            return
        self._work.start()

    def cancel(self) -> None:
        """Ask the work to stop at its next step; `done` follows."""
        self._token.cancel()

    def abandon(self) -> None:
        """Stop the work and say no more: whoever listened is going away."""
        self._token.cancel()
        self._over = True
        if self._bar is not None:
            self._bar.close()

    def _on_step(self, step: Progress) -> None:
        """Handle steps one after the other: handling one lets Qt bring the next."""
        self._steps.append(step)
        if len(self._steps) > 1:
            return
        while self._steps:
            self._show_step(self._steps[0])
            self._steps.popleft()
        if self._ending is not None:
            self._finish(self._ending)

    def _show_step(self, step: Progress) -> None:
        if self._over:
            return
        if step.done == 0:
            self._started = time.monotonic()  # loading the model tells nothing of the rest
        self.progressed.emit(step, time_left(step, time.monotonic() - self._started))
        # These two let Qt handle events, in which this job may come to its end.
        if step.total > 1 and self._bar.total != step.total:
            self._bar.total = step.total
        if not self._over and step.total > 1 and step.done > self._bar.n:
            self._bar.update(step.done - self._bar.n)

    def _on_ended(self, outcome: JobResult | None) -> None:
        self._finish(
            outcome or JobResult(JobStatus.FAILED, "The work stopped without a result: try again.")
        )

    def _finish(self, outcome: JobResult) -> None:
        if self._steps and self._ending is None:
            self._ending = outcome  # the steps come first
        if self._over or self._steps:
            return
        self._over = True
        self._bar.close()
        self.done.emit(outcome)


def _walk(
    steps: Callable[[Any, CancelToken], Steps],
    task: Any,
    token: CancelToken,
    report: Callable[[object], None],
) -> JobResult:
    """Run a generator to its end and report each step."""
    walking = steps(task, token)
    while True:
        try:
            report(next(walking))
        except StopIteration as end:
            return end.value


def time_left(step: Progress, elapsed: float) -> str:
    """Say how long the rest will take, from how long the steps so far took."""
    if not 0 < step.done < step.total:
        return ""
    seconds = elapsed / step.done * (step.total - step.done)
    if seconds < 60:
        return f"{max(1, round(seconds))} s left"
    return f"{seconds / 60:.0f} min left"
