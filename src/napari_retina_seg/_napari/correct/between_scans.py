"""Interpolate B-scans between those that were corrected by a person."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import napari
import numpy as np
from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QPushButton, QWidget

from napari_retina_seg._napari.correct.mask_lines import MaskLines
from napari_retina_seg._napari.job import JobResult, JobStatus, Steps
from napari_retina_seg._napari.job_dock import JobRow
from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.masks.annotations import (
    all_lines,
    corrected_slices,
    prediction_of,
)
from napari_retina_seg._napari.widgets import stack, text
from napari_retina_seg.editing.interpolation import Between, iter_draw_between
from napari_retina_seg.imaging.surfaces import Heights
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.progress import CancelToken

MARKS = "retina_seg_scans"  # of a mask's metadata
_LISTED = 8  # scans that are named


@dataclass
class ScanMarks:
    """Per volume: scans confirmed by the user, and interpolated scans.

    Attributes
    ----------
    confirmed : set of int
        Slices that the user confirmed without changes.
    interpolated : dict
        Interpolated masks with their lines by slice; a slice that still equals them was not edited.
    """

    confirmed: set[int] = field(default_factory=set)
    interpolated: dict[int, Annotation] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Task:
    name: str
    labels: np.ndarray
    heights: Heights
    human: np.ndarray


@dataclass(frozen=True, eq=False, kw_only=True)
class _Interpolated(JobResult):
    between: Between


def human_scans(mask: Labels) -> np.ndarray:
    """Return which scans of a volume were corrected by a person, ``(slices,)`` bool.

    These are the scans that differ from the prediction (from an empty mask without one) and from
    their interpolation, and those that the user confirmed.
    """
    info, marks = mask.metadata[KEY], marks_of(mask)
    volume = _volume(mask)
    lines = all_lines(info, info.boundaries, volume.shape)
    human = corrected_slices(volume, lines, prediction_of(info, volume.shape))
    for index, own in marks.interpolated.items():
        known = None if lines is None else lines[index]
        human[index] &= corrected_slices(volume[index], known, own)[0]
    human[list(marks.confirmed)] = True
    return human


def marks_of(mask: Labels) -> ScanMarks:
    """Return the scan marks of a mask."""
    return mask.metadata.setdefault(MARKS, ScanMarks())


def _volume(mask: Labels) -> np.ndarray:
    return np.asarray(mask.data).reshape(mask.data.shape[-3:])


def _known_lines(lines: MaskLines) -> Heights:
    known = lines.known()
    return known.reshape(-1, *known.shape[-2:])


def _interpolate(task: _Task, token: CancelToken) -> Steps:
    between = yield from iter_draw_between(task.labels, task.heights, task.human, token)
    return _Interpolated(JobStatus.SUCCEEDED, between=between)


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
        self._working: tuple[MaskLines, _Task] | None = None  # what the job interpolates
        self._label = text()
        self.confirmed = QCheckBox("This scan is correct as it is")
        self.confirmed.setToolTip(
            "Count this scan as corrected without changes: it is never interpolated, and its"
            " neighbours are interpolated from it."
        )
        self.button = QPushButton("Interpolate between corrected scans")
        self.work = JobRow("the interpolation")
        self.setLayout(stack(self._label, self.confirmed, self.button, self.work))
        self.confirmed.clicked.connect(self._on_confirmed)
        self.button.clicked.connect(self.interpolate)
        self.work.started.connect(self.refresh)
        self.work.done.connect(self._on_done)

    @property
    def message(self) -> str:
        """The displayed text."""
        return self._label.text()

    def attach(self, lines: MaskLines | None, index: int) -> None:
        """Attach to a volume at the current slice; None hides all but a running job."""
        self._lines, self._index = lines, index
        self.refresh()

    def refresh(self) -> None:
        """Update the list of corrected scans."""
        lines = self._lines
        self.setVisible(lines is not None or self.work.is_running)
        if lines is None:
            return
        human = human_scans(lines.mask)
        made = np.flatnonzero(human)
        named = ", ".join(str(index) for index in made[:_LISTED])
        more = ", …" if len(made) > _LISTED else ""
        self._label.setText(
            f"Corrected: {len(made)} of {len(human)} scans"
            + (f" ({named}{more})." if named else ".")
        )
        confirmed = self._index in marks_of(lines.mask).confirmed
        self.confirmed.setChecked(confirmed or bool(human[self._index]))
        self.confirmed.setEnabled(confirmed or not human[self._index])
        self._offer(made)

    def interpolate(self) -> None:
        """Interpolate the scans between corrected ones; the button."""
        if self._lines is None or self.work.is_running:
            return
        mask = self._lines.mask
        volume = _volume(mask)
        task = _Task(
            mask.name, volume.astype(np.uint8), _known_lines(self._lines), human_scans(mask)
        )
        self._working = self._lines, task
        self.work.start(partial(_interpolate, task), f"Interpolating scans of '{mask.name}'")

    def _offer(self, made: np.ndarray) -> None:
        reason = ""
        if self.work.is_running:
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

    def _on_confirmed(self, on: bool) -> None:
        if self._lines is None:
            return
        confirmed = marks_of(self._lines.mask).confirmed
        (confirmed.add if on else confirmed.discard)(self._index)
        self.refresh()

    def _on_done(self, outcome: JobResult) -> None:
        working, self._working = self._working, None
        if isinstance(outcome, _Interpolated) and working is not None:
            lines, task = working
            if lines.mask in self._viewer.layers:
                outcome = _put(lines, task, outcome.between)
            else:
                outcome = JobResult(
                    JobStatus.FAILED,
                    f"'{task.name}' was closed meanwhile, so its interpolated scans were"
                    " discarded: open it and interpolate again.",
                )
        self.refresh()
        self.done.emit(outcome)


def _put(lines: MaskLines, task: _Task, between: Between) -> JobResult:
    """Store interpolated scans, except those edited or confirmed meanwhile."""
    mask, leading = lines.mask, (0,) * (lines.mask.ndim - 3)
    before = Annotation(task.labels, task.heights)
    edited = corrected_slices(_volume(mask), _known_lines(lines), before)
    edited[list(marks_of(mask).confirmed)] = True
    scans = {
        int(index): (heights, labels)
        for index, heights, labels in zip(
            between.slices, between.heights, between.labels, strict=True
        )
        if not edited[index]
    }
    try:
        done = lines.put_scans(leading, scans)
    except RetinaSegError as error:
        return JobResult(JobStatus.FAILED, str(error))
    volume = _volume(mask)
    for index in scans:  # where locked classes were kept, the lines give way to them
        drawn = Annotation(volume[index].astype(np.uint8), lines.at((*leading, index)))
        marks_of(mask).interpolated[index] = drawn
    message = f"{len(scans)} scans were interpolated."
    if done.kept:
        message += f" {done.kept} px of locked classes were kept."
    return JobResult(JobStatus.SUCCEEDED, message)
