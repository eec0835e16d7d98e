"""Wording of review states in the Review dock."""

from __future__ import annotations

from napari_retina_seg.project.states import State
from napari_retina_seg.project.values import ProjectImage

DUE = "grading due"
NOT_SHOWN = "The first grading is finished; you can see it once you have finished yours."


def is_due(image: ProjectImage) -> bool:
    """Whether this author still has to grade the image as its blinded second grader.

    A blinded grader sees every finished first grading as "corrected", without author.
    """
    return image.state is State.CORRECTED and image.author is None


def state_of(image: ProjectImage) -> str:
    """Return the review state of an image as this author may see it."""
    return DUE if is_due(image) else str(image.state)
