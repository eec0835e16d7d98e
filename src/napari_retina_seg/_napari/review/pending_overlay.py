"""Text overlay on an image whose prediction is pending."""

from __future__ import annotations

import napari

_TEXT = "Prediction pending"


def set_pending_overlay(viewer: napari.Viewer, on: bool) -> None:
    """Show or hide the overlay; text set by others is left alone."""
    overlay = viewer.canvas.overlays.text
    if on and not overlay.visible:
        overlay.text, overlay.visible = _TEXT, True
    elif not on and overlay.text == _TEXT:
        overlay.text, overlay.visible = "", False
