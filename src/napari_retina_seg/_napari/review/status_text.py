"""Text about the project and the open image, for the Review dock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import napari

from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.review.activity_timer import as_clock
from napari_retina_seg._napari.review.navigation import OpenImage
from napari_retina_seg._napari.review.session import ReviewSession
from napari_retina_seg.project.filters import Filters
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import FINAL, REOPENS, GradingRound, State
from napari_retina_seg.project.values import ProjectImage, Version
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.text import displayed

DUE = "grading due"
NOT_SHOWN = "The first grading is finished; it is hidden from you until your own is final."
_MOST_COUNTED = 100  # images; counting more at every save takes too long
_TEXT = "Prediction pending"


def is_due(image: ProjectImage) -> bool:
    """Whether this author still has to grade the image as its blinded second grader.

    A blinded grader sees every finished first grading as "corrected", without author.
    """
    return image.state is State.CORRECTED and image.author is None


def state_of(image: ProjectImage) -> str:
    """Return the review state of an image as this author may see it."""
    return DUE if is_due(image) else str(image.state)


@contextmanager
def report_errors(show_message: Callable[[JobStatus, str], None]) -> Iterator[None]:
    """Show project errors of background reads in the status line: its folder may be gone."""
    try:
        yield
    except RetinaSegError as error:
        show_message(JobStatus.FAILED, str(error))


def progress_summary(project: Project) -> str:
    """Summarise progress, and the second gradings that this author still has to do."""
    status = project.status()
    twice = status.states[State.GRADED_TWICE]
    done = sum(status.states[state] for state in FINAL) - twice
    parts = [f"{done} of {status.images} done"]
    if twice:
        parts.append(f"{twice} to be adjudicated")
    due = len(project.queue(Filters(second_grading=True), limit=_MOST_COUNTED))
    if due:
        or_more = " or more" if due == _MOST_COUNTED else ""
        parts.append(f"{due}{or_more} left for your second grading")
    if status.removed:
        parts.append(f"{status.removed} removed")
    if status.conflicts:
        parts.append(f"{status.conflicts} in conflict")
    return f"{', '.join(parts)}."


def comment_disabled_reason(opened: OpenImage | None) -> str:
    """Return why a comment can't be saved; empty if it can."""
    if opened is None:
        return "Open an image first."
    return "" if opened.permissions.actions & REOPENS else opened.locked_reason


def warnings(opened: OpenImage) -> list[str]:
    """Return what is to be said about the open image in amber, each beginning with ⚠.

    That a grader called the image ungradable is said of the gradings that this person may see.
    """
    found = [opened.image.warning] if opened.image.warning else []
    if opened.image.state in (State.GRADED_TWICE, State.UNGRADABLE):
        found += [
            f"{displayed(version.author or '')} called it ungradable:"
            f" {displayed(version.reason).rstrip('.')}."
            for version in _last_of_each_grading(opened)
            if version.state is State.UNGRADABLE
        ]
    return [f"⚠ {each}" for each in found]


def _shows_second(opened: OpenImage) -> bool:
    shown = opened.permissions.shown
    return shown is not None and shown.grading is GradingRound.SECOND


def _last_of_each_grading(opened: OpenImage) -> Iterator[Version]:
    """Iterate over the newest version of each grading of this round, as far as seen."""
    for grading in GradingRound:
        last = [
            version
            for version in opened.versions
            if version.author is not None
            and (version.grading, version.round) == (grading, opened.image.round)
            and not version.conflict
        ]
        yield from last[-1:]


def describe(session: ReviewSession, name: str) -> str:
    """Describe the open image: state, second grader, working time and warnings.

    Parameters
    ----------
    session : ReviewSession
        The session.
    name : str
        Name of the image, as it fits.
    """
    opened, timer = session.review_layers.opened, session.timer
    if opened is None:
        return ""
    second = opened.permissions.second_grader
    parts = [f"{name}: {state_of(opened.image)}"]
    if second is not None:
        parts.append(f"second grader: {second}")
    parts.append(as_clock(timer.seconds) + (" (paused)" if timer.is_idle else ""))
    lines = [" · ".join(parts), opened.locked_reason, *warnings(opened)]
    if opened.other is not None:
        lines.append(
            "The mask began as the first grading; blue is only in that, red only in the second"
            " grading, violet is of different classes."
        )
    elif opened.image.state is State.GRADED_TWICE and _shows_second(opened):
        lines.append("The mask is the second grading.")
    if is_due(opened.image):
        lines.append(NOT_SHOWN)
    if session.awaits_prediction:
        lines.append("Prediction pending: it appears here when the model has finished.")
    return "\n".join(line for line in lines if line)


def set_pending_overlay(viewer: napari.Viewer, on: bool) -> None:
    """Show or hide the overlay; text set by others is left alone."""
    overlay = viewer.canvas.overlays.text
    if on and not overlay.visible:
        overlay.text, overlay.visible = _TEXT, True
    elif not on and overlay.text == _TEXT:
        overlay.text, overlay.visible = "", False
