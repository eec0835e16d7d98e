"""Two versions of a mask, compared in the window."""

from __future__ import annotations

from napari_retina_seg._napari.job import End
from napari_retina_seg._napari.masks.compare import show_difference
from napari_retina_seg._napari.review.reviewer import Reviewer
from napari_retina_seg.project.drawing import Drawing
from napari_retina_seg.project.values import Version


def compare(reviewer: Reviewer, newer: Version, older: Version | None) -> None:
    """Show where two versions differ, or one and what is on the screen.

    Parameters
    ----------
    reviewer : Reviewer
        Whose image is open.
    newer : Version
        With a mask.
    older : Version or None
        What it is compared with; None for what is on the screen.
    """
    project, image_id, on_desk = reviewer.project, newer.image_id, reviewer.desk.mask

    def read() -> list[Drawing]:
        versions = [newer] if older is None else [newer, older]
        return [project.drawing(image_id, version.number) for version in versions]

    def show(drawings: list[Drawing]) -> None:
        if reviewer.desk.mask is not on_desk:
            return
        reviewer.desk.end_comparison()
        mask, name = reviewer.desk.mask, _name(newer)
        if older is not None:
            mask = reviewer.desk.show_version(older.number, drawings[1])
        show_difference(reviewer.desk.viewer, mask, drawings[0].labels, name)
        with_what = "what is on the screen" if older is None else _name(older)
        reviewer.said.emit(
            End.ENDED,
            f"Blue: {with_what} has it and {name} lacks it; red: only {name} has it; violet:"
            " another class.",
        )

    reviewer.clerk.ask(read, show, lambda why: reviewer.said.emit(End.FAILED, why))


def _name(version: Version) -> str:
    return f"version {version.number} by {version.author or version.model}"
