"""Two versions of a mask, compared in the window."""

from __future__ import annotations

from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.masks.compare import show_difference
from napari_retina_seg._napari.review.session import ReviewSession
from napari_retina_seg.project.drawing import Drawing
from napari_retina_seg.project.values import Version


def compare(session: ReviewSession, newer: Version, older: Version | None) -> None:
    """Show where two versions differ, or one and what is on the screen.

    Parameters
    ----------
    session : ReviewSession
        Whose image is open.
    newer : Version
        With a mask.
    older : Version or None
        What it is compared with; None for what is on the screen.
    """
    project, image_id, on_screen = session.project, newer.image_id, session.review_layers.mask

    def read() -> list[Drawing]:
        versions = [newer] if older is None else [newer, older]
        return [project.drawing(image_id, version.number) for version in versions]

    def show(drawings: list[Drawing]) -> None:
        if session.review_layers.mask is not on_screen:
            return
        session.review_layers.end_comparison()
        mask, name = session.review_layers.mask, _name(newer)
        if older is not None:
            mask = session.review_layers.show_version(older.number, drawings[1])
        show_difference(session.review_layers.viewer, mask, drawings[0].labels, name)
        with_what = "what is on the screen" if older is None else _name(older)
        session.said.emit(
            JobStatus.SUCCEEDED,
            f"Blue: {with_what} has it and {name} lacks it; red: only {name} has it; violet:"
            " another class.",
        )

    session.io_queue.submit(read, show, lambda why: session.said.emit(JobStatus.FAILED, why))


def _name(version: Version) -> str:
    return f"version {version.number} by {version.author or version.model}"
