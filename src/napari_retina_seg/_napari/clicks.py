"""Telling a click on the canvas from a drag, which moves the image."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

_STILL = 4  # px on the screen that a hand may move while it clicks


def is_click(event: Any) -> Generator[None, None, bool]:
    """Wait, in a mouse callback of napari's, until the button goes up or the mouse has moved away.

    Parameters
    ----------
    event : Any
        Of the button that went down; napari changes it while the callback waits.

    Returns
    -------
    bool
        Whether it was a click.
    """
    x, y = event.pos
    yield
    while event.type == "mouse_move":
        if max(abs(event.pos[0] - x), abs(event.pos[1] - y)) > _STILL:
            return False
        yield
    return True
