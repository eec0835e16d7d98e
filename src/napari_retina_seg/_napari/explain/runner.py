"""Run one explanation at a time in a thread and show its map in the viewer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from napari.layers import Image
from qtpy.QtCore import Signal

from napari_retina_seg._napari.explain.job import ExplainTask, SaveTask, explain, save
from napari_retina_seg._napari.explain.saliency_layers import SaliencyLayers, SaliencyMaps
from napari_retina_seg._napari.explain.words import METHOD_NAMES
from napari_retina_seg._napari.job import JobResult, JobStatus, Steps
from napari_retina_seg._napari.job_dock import JobRow
from napari_retina_seg._napari.results import ImagePart
from napari_retina_seg.imaging.explanation import Explanation
from napari_retina_seg.saliency.explainer import Explained
from napari_retina_seg.types.image import RetinaImage
from napari_retina_seg.types.progress import CancelToken, Progress
from napari_retina_seg.types.text import displayed

log = logging.getLogger(__name__)

_WITHOUT = (
    "The probabilities are the network's, before layers are put in order. For the second ones the"
    " place (of a point, a disc around it) was filled in smoothly from its surroundings and went"
    " through the network once more (occlusion sensitivity, Zeiler and Fergus 2014)."
)
_REDRAW = 0.2  # s; between two updates of a growing volume


class Explainer(JobRow):
    """Explains one request at a time; that of a single plane is preempted by a newer one.

    When `done` is emitted, the layer of the map (if any) is in the viewer.

    Signals
    -------
    preempted : ()
        A job that was stopped for a newer request has ended.
    """

    preempted = Signal()

    def __init__(self, maps: SaliencyLayers) -> None:
        super().__init__("the explanation", keeps_place=True)
        self._maps = maps
        self._request: tuple[ImagePart, RetinaImage] | None = None  # what maps are made of
        self._saliency: SaliencyMaps | None = None
        self._growing: Image | None = None  # the layer of a volume in progress
        self._drawn = 0.0
        self._is_preemptible = False
        self._next: Callable[[], None] | None = None  # run once the job has stopped
        self._failure: JobResult | None = None  # why maps can't be displayed
        self.progressed.connect(self._on_step)

    @property
    def is_busy(self) -> bool:
        """Whether a job is running that can't be preempted."""
        return self.is_running and not self._is_preemptible

    def explain(self, task: ExplainTask, target: ImagePart) -> None:
        """Start explaining; `target` determines the grid of the maps."""
        self._request = target, task.image
        self._is_preemptible = not (task.image.is_volume and target.whole)
        self._begin(partial(explain, task), task.title)

    def save(self, task: SaveTask) -> None:
        """Start explaining and saving to files."""
        self._request, self._is_preemptible = None, False
        self._begin(partial(save, task), task.title)

    @property
    def found_nothing(self) -> bool:
        """Whether the last job found no evidence."""
        return self._saliency is not None and self._saliency.is_empty

    @property
    def details(self) -> str:
        """How the last map was made, in technical terms; empty without one."""
        if self._saliency is None:
            return ""
        first = self._saliency.first
        return first.caption if first.answer is None else f"{first.caption} {_WITHOUT}"

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
        """Request cancellation at the next step, also of the newer request."""
        self._next = None
        super().cancel()

    def cancel_for(self, layer: object) -> None:
        """Stop the job if the removed layer is its growing one."""
        if self._job is not None and self._growing is not None and layer is self._growing:
            self._next = None
            self._job.cancel()

    def abandon(self) -> None:
        """Stop the job, emit nothing more and remove its incomplete layer."""
        if self.is_running:
            self._maps.remove(self._growing)
        super().abandon()

    def _begin(self, run: Callable[[CancelToken], Steps], title: str) -> None:
        self._saliency = self._growing = self._failure = None
        self.start(run, title)

    def _on_step(self, step: Progress) -> None:
        if isinstance(step, Explained) and self._failure is None:
            try:
                self._take(step.explanation)
            except Exception as error:
                log.exception("showing intermediate maps failed")
                self._failure = _not_shown(error)
                if self._job is not None:
                    self._job.cancel()

    def _take(self, explanation: Explanation) -> None:
        if self._request is None:
            return
        saliency = self._saliency or SaliencyMaps(explanation, *self._request)
        self._saliency = saliency
        saliency.put(explanation, self._maps.color_settings.shared)
        if not saliency.is_volume:
            return
        if self._growing is not None and time.monotonic() - self._drawn > _REDRAW:
            self._growing.refresh()
            self._drawn = time.monotonic()
        elif self._growing is None and not saliency.is_empty:
            self._growing = self._maps.add(saliency)

    def finish(self, outcome: JobResult) -> None:
        """Start the newer request, if there is one; otherwise show the map."""
        if self._next is not None:
            then, self._next = self._next, None
            self.preempted.emit()
            then()
            return
        outcome = self._failure or outcome
        if outcome.status is not JobStatus.SUCCEEDED:
            self._maps.remove(self._growing)
        elif self._saliency is not None:
            outcome = self._show(self._saliency, outcome)
        super().finish(outcome)

    def _show(self, saliency: SaliencyMaps, outcome: JobResult) -> JobResult:
        """Show the map in the viewer, or return why there is none."""
        for layer in (saliency.target.layer, self._growing):
            if layer is not None and not self._maps.has(layer):
                self._maps.remove(self._growing)
                return JobResult(
                    JobStatus.CANCELLED, f"Cancelled: '{layer.name}' was removed meanwhile."
                )
        sentences = [describe_map(saliency), saliency.message, outcome.message]
        try:
            if saliency.is_empty:
                self._maps.drop(saliency.target.layer)
                sentences[0] = " ".join(filter(None, ["No map to show.", saliency.answer]))
            elif saliency.is_volume:
                self._maps.drop(saliency.target.layer)
                if self._growing is not None:
                    self._growing.refresh()
            else:
                self._maps.show(saliency)
            if not saliency.is_empty and self._maps.hide_others(saliency):
                sentences.append("The earlier map is hidden.")
        except Exception as error:
            log.exception("showing the map '%s' failed", displayed(saliency.name))
            self._maps.remove(self._growing)
            return _not_shown(error)
        return replace(outcome, message=" ".join(filter(None, sentences)))


def describe_map(saliency: SaliencyMaps) -> str:
    """Answer a point or region; of a whole class say what the map shows."""
    if saliency.answer:
        return saliency.answer
    what = saliency.what[0].upper() + saliency.what[1:]
    method = METHOD_NAMES[saliency.first.method]
    return f"{what}, {saliency.first.target.description}: “{method}”."


def _not_shown(error: Exception) -> JobResult:
    reason = str(error).rstrip(".") or type(error).__name__
    message = f"The map could not be shown: {reason}. Close other layers."
    return JobResult(JobStatus.FAILED, message)
