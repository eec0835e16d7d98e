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
from napari_retina_seg.project.states import FINAL, REOPENS, State
from napari_retina_seg.project.values import ProjectImage
from napari_retina_seg.types.errors import RetinaSegError

DUE = "grading due"
NOT_SHOWN = "The first grading is finished; you can see it once you have finished yours."
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
    done = sum(status.states[state] for state in FINAL)
    parts = [f"{done} of {status.images} done"]
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
    lines = [" · ".join(parts), opened.locked_reason]
    if opened.image.warning:
        lines.append(f"⚠ {opened.image.warning}")
    if opened.other is not None:
        lines.append(
            "The mask is the first grading; blue is only in the mask, red only in the second"
            " grading, violet is of different classes."
        )
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
