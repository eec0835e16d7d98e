"""Text about the project and the open image, for the Review dock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.review.activity_timer import as_clock
from napari_retina_seg._napari.review.navigation import OpenImage
from napari_retina_seg._napari.review.session import ReviewSession
from napari_retina_seg._napari.review.words import NOT_SHOWN, is_due, state_of
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import FINAL, Action
from napari_retina_seg.project.values import Filters
from napari_retina_seg.types.errors import RetinaSegError

_MOST_COUNTED = 100  # images; counting more at every save takes too long


@contextmanager
def report_errors(say: Callable[[JobStatus, str], None]) -> Iterator[None]:
    """Show project errors of background reads in the status line: its folder may be gone."""
    try:
        yield
    except RetinaSegError as error:
        say(JobStatus.FAILED, str(error))


def progress_summary(project: Project) -> str:
    """Summarise progress, and the second gradings that this author still has to do."""
    status = project.status()
    done = sum(status.states[state] for state in FINAL)
    parts = [f"{done} of {status.images} done"]
    due = len(project.queue(Filters(second_read=True), limit=_MOST_COUNTED))
    if due:
        or_more = " or more" if due == _MOST_COUNTED else ""
        parts.append(f"{due}{or_more} left for your second grading")
    if status.conflicts:
        parts.append(f"{status.conflicts} in conflict")
    return f"{', '.join(parts)}."


def comment_disabled_reason(opened: OpenImage | None) -> str:
    """Return why a comment can't be saved; empty if it can."""
    if opened is None:
        return "Open an image first."
    return "" if Action.REOPEN in opened.permissions.actions else opened.locked_reason


def describe(session: ReviewSession) -> str:
    """Describe the open image: state, second grader, working time and warnings."""
    opened, watch = session.review_layers.opened, session.watch
    if opened is None:
        return ""
    second = opened.permissions.second_grader
    parts = [f"{opened.image.name}: {state_of(opened.image)}"]
    if second is not None:
        parts.append(f"2nd grader: {second}")
    parts.append(as_clock(watch.seconds) + (" (paused)" if watch.is_idle else ""))
    lines = [" · ".join(parts), opened.locked_reason]
    if opened.image.warning:
        lines.append(f"⚠ {opened.image.warning}")
    if opened.other is not None:
        lines.append("Blue is only in the first grading, red only in the second one.")
    if is_due(opened.image):
        lines.append(NOT_SHOWN)
    if session.awaits_prediction:
        lines.append("Prediction pending: it appears here when the model has finished.")
    return "\n".join(line for line in lines if line)
