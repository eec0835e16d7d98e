"""What the Review dock says of a project and of the image that is open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.review.activity_timer import as_clock
from napari_retina_seg._napari.review.navigation import Opened
from napari_retina_seg._napari.review.session import ReviewSession
from napari_retina_seg._napari.review.words import NOT_SHOWN, is_due, state_of
from napari_retina_seg.core.errors import RetinaSegError
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import FINAL, Action
from napari_retina_seg.project.values import Filters

_MOST_COUNTED = 100  # images; more are not looked through at every save


@contextmanager
def report_errors(say: Callable[[JobStatus, str], None]) -> Iterator[None]:
    """Say what can't be read of a project, where nobody asked for it: its folder may have gone."""
    try:
        yield
    except RetinaSegError as error:
        say(JobStatus.FAILED, str(error))


def progress_summary(project: Project) -> str:
    """Say how far a project is, and what is left to this person who reads a second time."""
    status = project.status()
    done = sum(status.states[state] for state in FINAL)
    parts = [f"{done} of {status.images} done"]
    due = len(project.queue(Filters(second_read=True), limit=_MOST_COUNTED))
    if due:
        or_more = " or more" if due == _MOST_COUNTED else ""
        parts.append(f"{due}{or_more} left for you to read a second time")
    if status.conflicts:
        parts.append(f"{status.conflicts} in conflict")
    return f"{', '.join(parts)}."


def comment_disabled_reason(opened: Opened | None) -> str:
    """Say why no version could carry a comment; empty if one can."""
    if opened is None:
        return "Open an image first."
    return "" if Action.REOPEN in opened.turn.actions else opened.locked_reason


def describe(session: ReviewSession) -> str:
    """Say which image is open, how far it is, how long it took, and what is to be known of it."""
    opened, watch = session.review_layers.opened, session.watch
    if opened is None:
        return ""
    second = opened.turn.second_grader
    parts = [f"{opened.image.name}: {state_of(opened.image)}"]
    if second is not None:
        parts.append(f"2nd reader: {second}")
    parts.append(as_clock(watch.seconds) + (" (stands still)" if watch.is_idle else ""))
    lines = [" · ".join(parts), opened.locked_reason]
    if opened.image.warning:
        lines.append(f"⚠ {opened.image.warning}")
    if is_due(opened.image):
        lines.append(NOT_SHOWN)
    if session.awaits_prediction:
        lines.append("A prediction is coming: it appears here as soon as the model has drawn it.")
    return "\n".join(line for line in lines if line)
