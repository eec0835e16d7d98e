"""How the Review dock puts what it tells."""

from __future__ import annotations

from napari_retina_seg.project.states import State
from napari_retina_seg.project.values import ProjectImage

_DUE = "2nd read due"
NOT_SHOWN = "The first reader is done; you see what was drawn once your own reading is done."


def is_due(image: ProjectImage) -> bool:
    """Whether this person is to read an image a second time, and the first reader is done.

    A blinded reader is told of all that a first reader has come to as corrected, by nobody.
    """
    return image.state is State.CORRECTED and image.author is None


def state_of(image: ProjectImage) -> str:
    """Say how far the work on an image is, as this person may know it."""
    return _DUE if is_due(image) else str(image.state)
