"""Compare two versions of a mask in the viewer."""

from __future__ import annotations

from functools import partial

from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.masks.compare import show_difference
from napari_retina_seg._napari.review.session import ReviewSession
from napari_retina_seg.project.values import Version
from napari_retina_seg.types.annotation import Annotation


def compare(session: ReviewSession, newer: Version, older: Version | None) -> None:
    """Show where two versions differ, or a version and the mask on the screen.

    Parameters
    ----------
    session : ReviewSession
        Session with the open image.
    newer : Version
        A version with a mask.
    older : Version or None
        Compared with; None for the mask on the screen.
    """
    project, image_id, on_screen = session.project, newer.image_id, session.review_layers.mask

    def read() -> list[Annotation]:
        versions = [newer] if older is None else [newer, older]
        return [project.annotation(image_id, version.number) for version in versions]

    def show(annotations: list[Annotation]) -> None:
        if session.review_layers.mask is not on_screen:
            return
        session.review_layers.end_comparison()
        mask, name = session.review_layers.mask, _name(newer)
        if older is not None:
            mask = session.review_layers.show_version(older.number, annotations[1])
        show_difference(session.review_layers.viewer, mask, annotations[0].labels, name)
        with_what = "the current mask" if older is None else _name(older)
        session.said.emit(
            JobStatus.SUCCEEDED,
            f"Blue: only in {with_what}; red: only in {name}; violet: different class.",
        )

    session.io_queue.submit(read, show, partial(session.said.emit, JobStatus.FAILED))


def _name(version: Version) -> str:
    return f"version {version.number} by {version.author or version.model}"
