"""Run one explanation at a time in a thread and show its map in the viewer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from napari.layers import Image
from qtpy.QtCore import QObject, Signal

from napari_retina_seg._napari.explain.job import ExplainTask, SaveTask, save, work
from napari_retina_seg._napari.explain.saliency_layers import SaliencyLayers, SaliencyMaps
from napari_retina_seg._napari.job import Job, JobResult, JobStatus, Steps
from napari_retina_seg._napari.results import Target
from napari_retina_seg.imaging.explanation import Explanation
from napari_retina_seg.saliency.explainer import Explained
from napari_retina_seg.types.image import RetinaImage
from napari_retina_seg.types.progress import CancelToken, Progress

log = logging.getLogger(__name__)

_REDRAW = 0.2  # s; between two updates of a growing volume


class Explainer(QObject):
    """Runs one job at a time; a job of a single plane is preempted by a newer request.

    Signals
    -------
    progressed : (Progress, str)
        A step, and the time left as text.
    done : (JobResult)
        A job ended, and its layer (if any) is in the viewer.
    preempted : ()
        A job that was stopped for a newer request has ended.
    """

    progressed = Signal(object, str)
    done = Signal(object)
    preempted = Signal()

    def __init__(self, maps: SaliencyLayers, parent: QObject) -> None:
        super().__init__(parent)
        self._maps = maps
        self._job: Job | None = None
        self._target: Target | None = None
        self._image: RetinaImage | None = None
        self._evidence: SaliencyMaps | None = None
        self._growing: Image | None = None  # the layer of a volume in progress
        self._drawn = 0.0
        self._is_preemptible = False
        self._next: Callable[[], None] | None = None  # run once the job has stopped
        self._failure: JobResult | None = None  # why maps can't be displayed

    @property
    def is_running(self) -> bool:
        """Whether a job is running."""
        return self._job is not None

    @property
    def is_busy(self) -> bool:
        """Whether a job is running that can't be preempted."""
        return self.is_running and not self._is_preemptible

    def explain(self, task: ExplainTask, target: Target) -> None:
        """Start explaining; `target` determines the grid of the maps."""
        self._target, self._image = target, task.image
        self._is_preemptible = not (task.image.is_volume and target.whole)
        self._start(work, task)

    def save(self, task: SaveTask) -> None:
        """Start explaining and saving to files."""
        self._target, self._is_preemptible = None, False
        self._start(save, task)

    @property
    def is_empty_handed(self) -> bool:
        """Whether the last job found no evidence."""
        return self._evidence is not None and self._evidence.is_empty

    @property
    def is_yielding(self) -> bool:
        """Whether the job is being stopped for a newer request."""
        return self._next is not None

    def run_or_preempt(self, then: Callable[[], None]) -> None:
        """Run a callback now, or once the current job has stopped and `preempted` was emitted."""
        if self._job is None:
            then()
        else:
            self._next = then
            self._job.cancel()

    def cancel(self) -> None:
        """Request cancellation at the next step; `done` follows."""
        self._next = None
        self._job.cancel()

    def cancel_for(self, layer: object) -> None:
        """Stop the job if the removed layer is its growing one."""
        if self.is_running and self._growing is not None and layer is self._growing:
            self.cancel()

    def abandon(self) -> None:
        """Stop the job, emit nothing more and remove its incomplete layer."""
        if self._job is not None:
            self._job.abandon()
            self._maps.remove(self._growing)

    def _start(self, steps: Callable[[Any, CancelToken], Steps], task: ExplainTask) -> None:
        self._evidence = self._growing = self._failure = None
        self._job = Job(steps, task, self)
        self._job.progressed.connect(self._on_step)
        self._job.done.connect(self._on_done)
        self._job.start()

    def _on_step(self, step: Progress, time_left: str) -> None:
        if isinstance(step, Explained) and self._failure is None:
            try:
                self._take(step.explanation)
            except Exception as error:
                log.exception("showing intermediate maps failed")
                self._failure = _not_shown(error)
                self._job.cancel()
        self.progressed.emit(step, time_left)

    def _take(self, explanation: Explanation) -> None:
        if self._evidence is None:
            self._evidence = SaliencyMaps(explanation, self._target, self._image)
        self._evidence.put(explanation, self._maps.look.shared)
        if not self._evidence.is_volume:
            return
        if self._growing is not None and time.monotonic() - self._drawn > _REDRAW:
            self._growing.refresh()
            self._drawn = time.monotonic()
        elif self._growing is None and not self._evidence.is_empty:
            self._growing = self._maps.add(self._evidence)

    def _on_done(self, outcome: JobResult) -> None:
        self._job.deleteLater()
        self._job = None
        if self._next is not None:
            then, self._next = self._next, None
            self.preempted.emit()
            then()
            return
        outcome = self._failure or outcome
        if outcome.end is not JobStatus.SUCCEEDED:
            self._maps.remove(self._growing)
        elif self._evidence is not None:
            outcome = self._shown(outcome)
        self.done.emit(outcome)

    def _shown(self, outcome: JobResult) -> JobResult:
        """Show the map in the viewer, or return why there is none."""
        evidence = self._evidence
        for layer in (evidence.target.layer, self._growing):
            if layer is not None and not self._maps.has(layer):
                self._maps.remove(self._growing)
                return JobResult(
                    JobStatus.CANCELLED, f"Cancelled: '{layer.name}' was removed meanwhile."
                )
        what = evidence.what[0].upper() + evidence.what[1:]
        words = [f"{what}. {evidence.first.caption}", evidence.message, outcome.message]
        try:
            if evidence.is_empty:
                self._maps.drop(evidence.target.layer)
                words[0] = "No map to show."
            elif evidence.is_volume:
                self._maps.drop(evidence.target.layer)
                self._growing.refresh()
            else:
                self._maps.show(evidence)
            if not evidence.is_empty and self._maps.hide_others(evidence):
                words.append("The earlier map is hidden.")
        except Exception as error:
            log.exception("showing the map '%s' failed", evidence.name)
            self._maps.remove(self._growing)
            return _not_shown(error)
        return replace(outcome, message=" ".join(filter(None, words)))


def _not_shown(error: Exception) -> JobResult:
    reason = str(error).rstrip(".") or type(error).__name__
    message = f"The map could not be shown: {reason}. Close other layers."
    return JobResult(JobStatus.FAILED, message)
