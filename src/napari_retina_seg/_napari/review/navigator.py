"""Open one image after another, saving the previous one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import napari
import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject, Signal

from napari_retina_seg._napari.review.image_tasks import ImageTasks, Keep
from napari_retina_seg._napari.review.navigation import (
    NavigationResult,
    Neighbours,
    OpenImage,
    open_image,
    read_uncertainty,
    release_lease,
    save_and_open_next,
)
from napari_retina_seg._napari.review.unsaved_edit import UnsavedEdit
from napari_retina_seg._napari.shortcuts import NEXT, PREVIOUS
from napari_retina_seg.project.filters import Filters, Order
from napari_retina_seg.project.states import State
from napari_retina_seg.project.values import Autosave, Permissions, Version

_ALL_DONE = "Nothing left to do in this list."
_WRAPPED = "End of the list: continuing with unfinished images above."


class ImageNavigator(ImageTasks):
    """Goes from image to image in a queue.

    Attributes
    ----------
    filters, order : Filters, Order
        Of the queue.

    Signals
    -------
    autosave_resolved : (Autosave)
        An autosave was recovered or discarded.
    """

    autosave_resolved = Signal(object)

    def __init__(self, viewer: napari.Viewer, parent: QObject) -> None:
        super().__init__(viewer, parent)
        self.filters, self.order = Filters(), Order.ADDED
        self._shows_uncertainty = False

    def open_image(self, image_id: int) -> None:
        """Save, and open an image; read-only if someone else is editing it."""
        if self.project is None:
            return
        edit = self._copy_edit()

        def leave() -> None:
            self._navigate("Opening…", edit, self._keep(edit), [image_id], must_be_free=False)

        self._guard.leave(self.project, _painted(edit), "", leave)

    def step(self, forward: bool) -> None:
        """Save, and open the next image of the queue, or the previous one."""
        if self.project is None:
            return
        edit = self._copy_edit()

        def leave() -> None:
            status = "Opening…" if edit is None else "Saving…"
            upcoming = self._neighbours(forward)
            self._navigate(
                status, edit, self._keep(edit), upcoming, must_be_free=True, upcoming=upcoming
            )

        key = NEXT if forward else PREVIOUS
        self._guard.leave(self.project, _painted(edit), key.native, leave)

    def check_for_prediction(self) -> None:
        """Reopen an image without a mask if a prediction of it has been saved since."""
        opened = self.review_layers.opened
        if opened is None or opened.permissions.begins is not None:
            return

        def show(permissions: Permissions) -> None:
            if self.review_layers.opened is not opened or permissions.begins is None:
                return
            edit = self._copy_edit()
            if edit is None or not (edit.is_painted or edit.comment):
                self.open_image(opened.image.id)

        find = partial(self._current_project.permissions, opened.image.id)
        self.io_queue.submit(find, show, self._fail)

    def recover(self, slot: Autosave) -> None:
        """Open an autosave."""
        edit, project, leaving = self._copy_edit(), self._current_project, self._leaving()
        keep = self._keep(edit)

        def task() -> NavigationResult:
            version = keep()
            opened = open_image(project, slot.image_id, recover=slot)
            if leaving is not None and leaving != slot.image_id:
                release_lease(project, leaving)
            return NavigationResult(version, opened, ())

        def then(result: NavigationResult) -> None:
            self._on_navigated(result)
            self.autosave_resolved.emit(slot)

        self._run("Recovering…", edit, task, then)

    def discard(self, slot: Autosave) -> None:
        """Discard an autosave."""
        discard = partial(self._current_project.discard, slot)
        self.io_queue.submit(discard, lambda _: self.autosave_resolved.emit(slot), self._fail)

    def _neighbours(self, forward: bool, *, adjudicates: bool = False) -> Neighbours:
        return Neighbours(
            self._current_project,
            self.filters,
            self.order,
            self._leaving(),
            forward=forward,
            adjudicates=adjudicates,
        )

    def _navigate(
        self,
        status: str,
        edit: UnsavedEdit | None,
        keep: Keep,
        candidates: Iterable[int],
        *,
        must_be_free: bool,
        upcoming: Neighbours | None = None,
    ) -> None:
        project, leaving = self._current_project, self._leaving()

        def task() -> NavigationResult:
            result = save_and_open_next(
                project, keep, candidates, leaving, must_be_free=must_be_free
            )
            return replace(result, has_wrapped=upcoming is not None and upcoming.has_wrapped)

        self._run(status, edit, task, self._on_navigated)

    def _on_navigated(self, result: NavigationResult) -> None:
        left = self.review_layers.image
        if result.opened is None:
            self._keep_image(result)
            return
        self._show_image(result.opened)
        is_same = left is not None and left.id == result.opened.image.id
        skipped = f"Skipped: {' '.join(result.skipped)}" if result.skipped else ""
        if result.has_wrapped:
            skipped = f"{skipped} {_ALL_DONE if is_same else _WRAPPED}".strip()
        if result.version is not None and left is not None:
            self._report(self._describe_saved(left.name, result.version, skipped), is_here=is_same)
        elif skipped or not is_same:
            self.reported.emit(None, skipped)  # replaces the message about the previous image

    def _show_image(self, opened: OpenImage) -> None:
        self._guard.forget()
        self._pause_timing()
        seconds, self.comment = self._unsaved.pop(opened.image.id, (0.0, ""))
        if opened.recovered is not None:
            seconds, self.comment = opened.recovered.seconds, opened.recovered.comment
        self.review_layers.show(opened, self._current_project.scheme)
        self.timer.start(seconds)
        self.image_changed.emit()
        self.show_uncertainty(self._shows_uncertainty)

    def show_uncertainty(self, on: bool) -> None:
        """Show or hide the uncertainty of the prediction, of this image and the next ones.

        It is read when it is first shown: a hidden layer would delay each image.
        """
        self._shows_uncertainty = on
        self.review_layers.set_uncertainty_visible(on)
        opened, mask = self.review_layers.opened, self.review_layers.mask
        if not on or opened is None or self.review_layers.has_uncertainty:
            return

        def show(values: npt.NDArray[np.float32] | None) -> None:
            layers = self.review_layers
            is_wanted = self._shows_uncertainty and not layers.has_uncertainty
            if values is not None and is_wanted and layers.mask is mask:
                layers.add_uncertainty(values)

        task = partial(read_uncertainty, self._current_project, opened.image.id, opened.permissions)
        self.io_queue.submit(task, show, self._fail)

    def _keep_image(self, result: NavigationResult) -> None:
        """Keep the same image open: there is no other."""
        image = self.review_layers.image
        if result.version is not None and image is not None:
            self._report(self._describe_saved(image.name, result.version))
            self._reload_image()
        elif result.skipped:
            self._fail(" ".join(result.skipped))
        else:
            self.reported.emit(None, _ALL_DONE)

    def _describe_saved(self, name: str, version: Version, *more: str) -> str:
        saved = f"'{name}' is {version.state}."
        if version.state is State.GRADED_TWICE:
            saved = f"Your second grading of '{name}' is finished."
        return " ".join(part for part in (saved, *more) if part)


def _painted(edit: UnsavedEdit | None) -> UnsavedEdit | None:
    """Return an edit that has changes."""
    return edit if edit is not None and edit.is_painted else None
