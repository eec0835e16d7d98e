"""Say what is open in a mask before its image is left."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from napari_retina_seg._napari.review.unsaved_edit import UnsavedEdit, open_places
from napari_retina_seg._napari.shortcuts import NEXT_PLACE
from napari_retina_seg.editing.open_places import OpenPlace
from napari_retina_seg.project.project import Project
from napari_retina_seg.types.counts import count

Places = tuple[OpenPlace, ...]


class PlaceGuard:
    """Lets an image be left at once if nothing is open in its mask, else at the second request.

    A warning counts for the mask that it was given for: after any change call `forget`.

    Parameters
    ----------
    run : callable
        Runs a task on the I/O thread, and then a function with its result.
    warn : callable
        Shows a warning.
    """

    def __init__(
        self,
        run: Callable[[str, None, Callable[[], Places], Callable[[Places], None]], Any],
        warn: Callable[[str], Any],
    ) -> None:
        self._run, self._warn = run, warn
        self._warned: set[tuple[int, str, Places]] = set()  # images, keys and open places

    def forget(self) -> None:
        """Warn again: the mask was changed, or another image is open."""
        self._warned.clear()

    def leave(
        self, project: Project, edit: UnsavedEdit | None, key: str, proceed: Callable[[], None]
    ) -> None:
        """Proceed, unless there are open places without a warning so far: warn, and stay.

        Parameters
        ----------
        project : Project
            Of the image.
        edit : UnsavedEdit or None
            What would be saved; None if nothing needs to be looked at.
        key : str
            What to press to proceed all the same; empty if that is no key.
        proceed : callable
            Saves the edit and leaves the image.
        """
        if edit is None or not project.scheme.surfaces:
            proceed()
            return

        def then(places: Places) -> None:
            warned = edit.image.id, key, places
            if not places or warned in self._warned:
                proceed()
                return
            self._warned.add(warned)
            it, again = "it" if len(places) == 1 else "them", f"press {key}" if key else "do that"
            self._warn(
                f"Not saved yet: {count(len(places), 'open place')}. Look at {it}"
                f" ({NEXT_PLACE.native}), or {again} again."
            )

        self._run("Checking…", None, partial(open_places, project, edit), then)
