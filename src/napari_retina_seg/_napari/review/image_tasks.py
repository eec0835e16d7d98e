"""The open image of a project, and the one task at a time that saves and closes it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import napari
from qtpy.QtCore import QObject, QTimer, Signal

from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.masks.mask_watch import MaskWatch
from napari_retina_seg._napari.review.activity_timer import ActivityTimer
from napari_retina_seg._napari.review.navigation import (
    LEASE,
    OpenImage,
    release_lease,
    reload_image,
)
from napari_retina_seg._napari.review.place_guard import PlaceGuard
from napari_retina_seg._napari.review.review_layers import ReviewLayers
from napari_retina_seg._napari.review.unsaved_edit import UnsavedEdit, autosave, save_draft
from napari_retina_seg._napari.tasks import SerialTaskQueue
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.values import Autosave, Version

T = TypeVar("T")

_AWAY_MS = 5_000  # until a server that is away is asked again
_STILL_AWAY = "The server can't be reached at present."

Keep = Callable[[], Version | None]


class ImageTasks(QObject):
    """One project, one open image, and at most one running task that closes it.

    Attributes
    ----------
    project : Project or None
        The open project.
    comment : str
        For the next version of the open image.
    busy : str
        Description of the running task; empty if there is none.

    Signals
    -------
    image_changed : ()
        Another image was opened, its state changed, or it was closed.
    busy_changed : (str)
        Description of the running task; empty if there is none.
    saved : (Version)
        A version was written to disk.
    found : (tuple of Autosave)
        Autosaves of this author were found.
    reported : (JobStatus or None, str)
        A message for the status line.
    warned : (str, bool)
        A message about open places: nothing was done yet, or it was done with them. Whether it is
        about the mask on the screen.
    """

    image_changed = Signal()
    busy_changed = Signal(str)
    saved = Signal(object)
    found = Signal(object)
    reported = Signal(object, str)
    warned = Signal(str, bool)

    def __init__(self, viewer: napari.Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self.project: Project | None = None
        self.comment, self.busy = "", ""
        self.io_queue, self.review_layers, self.timer = (
            SerialTaskQueue(self),
            ReviewLayers(viewer, self),
            ActivityTimer(self),
        )
        self._saving: UnsavedEdit | None = None
        self._is_autosaving = False
        self._warnings: list[str] = []  # about the mask that was saved last
        self._guard = PlaceGuard(self._run, self._warn_of_places)
        self._mask_watch = MaskWatch(viewer, self)
        self._mask_watch.changed.connect(self._guard.forget)
        # Seconds and comments of images that are in no version yet.
        self._unsaved: dict[int, tuple[float, str]] = {}
        self._removal_timer = QTimer(self, singleShot=True, interval=0)
        self._removal_timer.timeout.connect(self._on_removal_done)
        self.review_layers.mask_removed.connect(self._on_mask_removed)
        self._away_timer = QTimer(self, interval=_AWAY_MS)
        self._away_timer.timeout.connect(self.autosave)
        self.timer.idle.connect(self.autosave)
        self.timer.interval_elapsed.connect(self._on_interval)

    def autosave(self) -> None:
        """Autosave unsaved changes on the I/O thread."""
        # Without a server one may take longer than the interval between them.
        if self.busy or self._is_autosaving:
            return
        edit = self._copy_edit()
        if edit is None:
            return
        self._is_autosaving = True
        self.io_queue.submit(
            partial(autosave, self._current_project, edit),
            self._on_autosaved,
            self._on_autosave_failed,
        )

    def _on_autosave_failed(self, reason: str) -> None:
        self._is_autosaving = False
        self._fail(f"Autosave failed: {reason}")

    def _on_autosaved(self, away: str | None) -> None:
        """Show that the server is away, or back; meanwhile try again every few seconds."""
        self._is_autosaving = False
        if away:
            self._away_timer.start()
            self.reported.emit(JobStatus.FAILED, away)
        elif self._away_timer.isActive():
            self._away_timer.stop()
            if away is not None:
                back = "The server is back: your unsaved changes are in the project."
                self.reported.emit(JobStatus.SUCCEEDED, back)

    @property
    def _current_project(self) -> Project:
        """The open project, for requests that are possible only with one."""
        if self.project is None:
            raise RuntimeError("No project is open.")
        return self.project

    def _copy_edit(self) -> UnsavedEdit | None:
        """Copy the unsaved edit of the open image, if it may be saved."""
        if self.review_layers.mask is None or not self.review_layers.is_paintable:
            return None
        self.timer.count()
        return self.review_layers.copy_edit(self.timer.seconds, self.comment)

    def _keep(self, edit: UnsavedEdit | None) -> Keep:
        if edit is None:
            return lambda: None
        return partial(save_draft, self._current_project, edit)

    def _leaving(self) -> int | None:
        return None if self.review_layers.image is None else self.review_layers.image.id

    def _run(
        self,
        status: str,
        edit: UnsavedEdit | None,
        task: Callable[[], T],
        then: Callable[[T], None],
    ) -> None:
        """Run a task that closes the current image; the mask is read-only meanwhile."""
        if self.busy:
            return
        self.review_layers.set_read_only(True)
        self._wait_for(status, edit)

        def end(answer: T) -> None:
            self.review_layers.set_read_only(False)
            self._adopt_saved()
            then(answer)

        def failed(reason: str) -> None:
            self.review_layers.set_read_only(False)
            self._recover_from_failure(reason)

        self.io_queue.submit(task, end, failed)

    def _wait_for(self, status: str, edit: UnsavedEdit | None) -> None:
        self.busy, self._saving = status, edit
        self.busy_changed.emit(status)

    def _adopt_saved(self) -> None:
        """Clear the busy state and adopt the saved version, even if the task then failed."""
        edit = self._saving
        self._wait_for("", None)
        self._warnings = [] if edit is None else edit.warnings
        if edit is None or not edit.versions:
            return
        version = edit.versions[-1]
        if self.review_layers.mask is not None:
            self.review_layers.set_baseline(edit, version)
        self.timer.seconds = max(0.0, self.timer.seconds - edit.seconds)
        self._clear_comment(edit.comment)
        self.saved.emit(version)

    def _recover_from_failure(self, reason: str) -> None:
        """Recover from a failed task, which may have saved before it failed."""
        edit = self._saving
        self._adopt_saved()
        self._fail(reason)
        if edit is not None and edit.versions:
            self._reload_image()

    def _clear_comment(self, comment: str) -> None:
        """Clear a comment that was saved, unless another one was typed meanwhile."""
        if self.comment == comment:
            self.comment = ""

    def _reload_image(self) -> None:
        """Fetch the current state of the open image."""
        opened = self.review_layers.opened
        if opened is None:
            return

        def show(reloaded: OpenImage) -> None:
            if self.review_layers.opened is opened:
                self.review_layers.opened = reloaded
                self.image_changed.emit()

        self.io_queue.submit(partial(reload_image, self._current_project, opened), show, self._fail)

    def _warn_of_places(self, sentence: str) -> None:
        """Warn before the mask is saved; the warning counts until the mask is changed."""
        self._mask_watch.begin(self.review_layers.mask)
        away = f" {_STILL_AWAY}" if self._away_timer.isActive() else ""
        self.warned.emit(sentence + away, True)

    def _report(self, message: str, *, is_here: bool = True) -> None:
        """Report a success: in green only if nothing in the saved mask is open."""
        if self._warnings:
            self.warned.emit(" ".join((message, *self._warnings)), is_here)
        else:
            self.reported.emit(JobStatus.SUCCEEDED, message)

    def _close_image(self) -> None:
        self._guard.forget()
        self._pause_timing()
        self.review_layers.remove()

    def _pause_timing(self) -> None:
        """Stop timing; keep elapsed time and comment for when the image is reopened."""
        self.timer.stop()
        if self.review_layers.image is not None:
            self._unsaved[self.review_layers.image.id] = self.timer.seconds, self.comment
        self.comment = ""

    def _on_interval(self) -> None:
        self.autosave()
        image = self.review_layers.image
        if image is not None and self.review_layers.is_paintable and not self.busy:
            renew = partial(self._current_project.check_out, image.id, LEASE)
            self.io_queue.submit(renew, lambda _: None, self._fail)

    def _on_mask_removed(self) -> None:
        """Autosave a mask that is being removed from the viewer."""
        self.autosave()
        self._removal_timer.start()  # the viewer may still be removing further layers

    def _on_removal_done(self) -> None:
        """Close an image whose mask was removed."""
        project, image = self._current_project, self.review_layers.image
        if image is None or not self.review_layers.is_mask_removed:
            return
        was_paintable = self.review_layers.is_paintable
        self._close_image()
        self.image_changed.emit()
        if not was_paintable:
            return

        def find_autosaves() -> tuple[Autosave, ...]:
            release_lease(project, image.id)
            return project.recoverable()

        self.io_queue.submit(find_autosaves, self.found.emit, self._fail)
        self._fail(
            f"The mask of '{image.name}' was removed from the viewer: open the image again; your"
            " unsaved changes can be recovered."
        )

    def _fail(self, reason: str) -> None:
        self.reported.emit(JobStatus.FAILED, reason)
