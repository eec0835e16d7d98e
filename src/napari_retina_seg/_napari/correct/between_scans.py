"""Interpolate B-scans between those that were corrected by a person."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QPushButton, QVBoxLayout, QWidget

from napari_retina_seg._napari.correct.mask_lines import MaskLines
from napari_retina_seg._napari.job import Job, JobResult, JobStatus, Steps, as_result
from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.widgets import ProgressRow, text
from napari_retina_seg.editing.interpolation import Between, iter_draw_between
from napari_retina_seg.imaging.surfaces import Heights
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.progress import CancelToken, Progress

if TYPE_CHECKING:
    import napari

MARKS = "retina_seg_scans"  # of a mask's metadata
_LISTED = 8  # scans that are named


@dataclass
class ScanMarks:
    """Per volume: scans confirmed by the user, and interpolated scans.

    Attributes
    ----------
    right : set of int
        Slices that the user confirmed without changes.
    drawn : dict
        Interpolated masks by slice; a slice that still equals its mask was not edited.
    """

    right: set[int] = field(default_factory=set)
    drawn: dict[int, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Task:
    name: str
    labels: np.ndarray
    heights: Heights
    human: np.ndarray


@dataclass(frozen=True, eq=False)
class _Drawn(JobResult):
    between: Between | None = None


def human_scans(mask: Labels) -> np.ndarray:
    """Return which scans of a volume were corrected by a person, ``(slices,)`` bool.

    These are the scans that differ from the prediction (from an empty mask without one) and from
    their interpolation, and those that the user confirmed.
    """
    info, marks = mask.metadata[KEY], marks_of(mask)
    volume = _volume(mask)
    drawn = info.prediction
    human = np.zeros(len(volume), bool)
    for index, labels in enumerate(volume):
        before = 0
        if drawn is not None and drawn.ndim == volume.ndim:
            before = drawn[index]
        elif drawn is not None and index == info.index:
            before = drawn
        own = marks.drawn.get(index)
        untouched = own is not None and np.array_equal(own, labels)
        human[index] = index in marks.right or (bool((labels != before).any()) and not untouched)
    return human


def marks_of(mask: Labels) -> ScanMarks:
    """Return the scan marks of a mask."""
    return mask.metadata.setdefault(MARKS, ScanMarks())


def _volume(mask: Labels) -> np.ndarray:
    return np.asarray(mask.data).reshape(mask.data.shape[-3:])


def _steps(task: _Task, token: CancelToken) -> Steps:
    return (yield from as_result(_draw(task, token), f"Interpolating '{task.name}' failed"))


def _draw(task: _Task, token: CancelToken) -> Generator[Progress, None, JobResult]:
    between = yield from iter_draw_between(task.labels, task.heights, task.human, token)
    return _Drawn(JobStatus.SUCCEEDED, between=between)


class BetweenScans(QWidget):
    """Lists corrected scans and interpolates those between them.

    Signals
    -------
    done : (JobResult)
        A job ended, and its result is in the mask.
    """

    done = Signal(object)

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._lines: MaskLines | None = None
        self._index = 0
        self._job: Job | None = None
        self._task: _Task | None = None
        self._working: MaskLines | None = None  # lines that the job interpolates
        self._words = text()
        self.right = QCheckBox("This scan is correct as it is")
        self.right.setToolTip(
            "Count this scan as corrected without changes: it is never interpolated, and its"
            " neighbours are interpolated from it."
        )
        self.button = QPushButton("Interpolate between corrected scans")
        self.work = ProgressRow("the interpolation")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self._words, self.right, self.button, self.work):
            layout.addWidget(widget)
        self.right.clicked.connect(self._on_right)
        self.button.clicked.connect(self.interpolate)
        self.work.cancel_button.clicked.connect(self.cancel)

    @property
    def words(self) -> str:
        """The displayed text."""
        return self._words.text()

    @property
    def is_running(self) -> bool:
        """Whether a job is running."""
        return self._job is not None

    def attach(self, lines: MaskLines | None, index: int) -> None:
        """Attach to a volume at the current slice; None hides all but a running job."""
        self._lines, self._index = lines, index
        self.refresh()

    def refresh(self) -> None:
        """Update the list of corrected scans."""
        lines = self._lines
        self.setVisible(lines is not None or self.is_running)
        if lines is None:
            return
        human = human_scans(lines.mask)
        made = np.flatnonzero(human)
        named = ", ".join(str(index) for index in made[:_LISTED])
        more = ", …" if len(made) > _LISTED else ""
        self._words.setText(
            f"Corrected: {len(made)} of {len(human)} scans"
            + (f" ({named}{more})." if named else ".")
        )
        right = self._index in marks_of(lines.mask).right
        self.right.setChecked(right or bool(human[self._index]))
        self.right.setEnabled(right or not human[self._index])
        self._offer(made)

    def interpolate(self) -> None:
        """Interpolate the scans between corrected ones; the button."""
        if self._lines is None or self.is_running:
            return
        mask = self._lines.mask
        volume = _volume(mask)
        heights = self._lines.known()
        self._working = self._lines
        self._task = _Task(
            mask.name,
            volume.copy(),
            heights.reshape(len(volume), *heights.shape[-2:]),
            human_scans(mask),
        )
        self._job = Job(_steps, self._task, self, f"{mask.name} · between scans")
        self._job.progressed.connect(self.work.show_step)
        self._job.done.connect(self._on_done)
        self.work.show_work(True)
        self.refresh()
        self._job.start()

    def cancel(self) -> None:
        """Request cancellation; the Cancel button."""
        if self._job is not None:
            self.work.cancel_button.setEnabled(False)
            self._job.cancel()

    def abandon(self) -> None:
        """Stop the job; emit nothing more: the dock is closing."""
        if self._job is not None:
            self._job.abandon()
            self._job = None

    def _offer(self, made: np.ndarray) -> None:
        reason = ""
        if self.is_running:
            reason = "Interpolation is running."
        elif len(made) < 2 or np.ptp(made) < len(made):
            reason = (
                "Correct two scans with others between them first, or tick those that are correct"
                " as they are."
            )
        self.button.setEnabled(not reason)
        self.button.setToolTip(
            reason
            or "Interpolate every scan between two corrected ones, boundary by boundary, as one"
            " undo step. Corrected scans are not changed."
        )

    def _on_right(self, on: bool) -> None:
        right = marks_of(self._lines.mask).right
        (right.add if on else right.discard)(self._index)
        self.refresh()

    def _on_done(self, outcome: JobResult) -> None:
        lines, task = self._working, self._task
        self._job.deleteLater()
        self._job = self._working = self._task = None
        self.work.show_work(False)
        if isinstance(outcome, _Drawn) and lines.mask not in self._viewer.layers:
            outcome = JobResult(
                JobStatus.FAILED,
                f"'{task.name}' was closed meanwhile, so its interpolated scans were discarded:"
                " open it and interpolate again.",
            )
        elif isinstance(outcome, _Drawn):
            outcome = _put(lines, task, outcome.between)
        self.refresh()
        self.done.emit(outcome)


def _put(lines: MaskLines, task: _Task, between: Between) -> JobResult:
    """Store interpolated scans, except those painted meanwhile."""
    mask, leading = lines.mask, (0,) * (lines.mask.ndim - 3)
    volume = _volume(mask)
    scans = {
        int(index): (heights, labels)
        for index, heights, labels in zip(
            between.slices, between.heights, between.labels, strict=True
        )
        if np.array_equal(volume[index], task.labels[index])
    }
    try:
        done = lines.put_scans(leading, scans)
    except RetinaSegError as error:
        return JobResult(JobStatus.FAILED, str(error))
    volume = _volume(mask)
    marks_of(mask).drawn.update({index: volume[index].copy() for index in scans})
    words = f"{len(scans)} scans were interpolated."
    if done.kept:
        words += f" {done.kept} px of locked classes were kept."
    return JobResult(JobStatus.SUCCEEDED, words)
