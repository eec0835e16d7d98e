"""Distinguish clicks on the canvas from drags, which move the image."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

_STILL = 4  # px on the screen that the mouse may move during a click


def is_click(event: Any) -> Generator[None, None, bool]:
    """Wait in a napari mouse callback until the button is released or the mouse has moved.

    Parameters
    ----------
    event : Any
        Event of the button press; napari updates it while the callback waits.

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
