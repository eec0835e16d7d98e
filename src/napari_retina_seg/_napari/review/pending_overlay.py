"""Words over an image that is still empty because a model has not come to it yet."""

from __future__ import annotations

import napari

_WORDS = "A prediction is coming"


def set_pending_overlay(viewer: napari.Viewer, on: bool) -> None:
    """Show or take away the words; what somebody else wrote there is left alone."""
    overlay = viewer.canvas.overlays.text
    if on and not overlay.visible:
        overlay.text, overlay.visible = _WORDS, True
    elif not on and overlay.text == _WORDS:
        overlay.text, overlay.visible = "", False
