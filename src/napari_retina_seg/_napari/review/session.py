"""Review session of a project: decide on its images, close it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import napari
from napari.utils.notifications import show_error
from qtpy.QtCore import QObject, Signal

from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.masks.edits import change, lock, locked
from napari_retina_seg._napari.review.closing import (
    autosave_and_close,
    collect_errors,
)
from napari_retina_seg._napari.review.navigation import NavigationResult, open_image, release_lease
from napari_retina_seg._napari.review.project_opener import ProjectOpener
from napari_retina_seg._napari.review.unsaved_edit import (
    UnsavedEdit,
    discard_autosave,
    raise_on_conflict,
    save_as,
    save_draft,
    warn_of_open_places,
)
from napari_retina_seg._napari.shortcuts import ACCEPT, FINISH
from napari_retina_seg.project.results import Ranked
from napari_retina_seg.project.states import FINISHES, REOPENS, Action, GradingRound, State
from napari_retina_seg.project.values import Version
from napari_retina_seg.reports.burden import write_burden
from napari_retina_seg.types.text import displayed

BURDEN_FOLDER = Path("reports", "burden")  # in the project


class ReviewSession(ProjectOpener):
    """Review session: records decisions on the images of a project.

    Attributes
    ----------
    opens_next : bool
        Whether a decision opens the next image.
    predicting_in : Path or None
        Folder of the project in which a model is predicting all unreviewed images.

    Signals
    -------
    managed : ()
        Images were assigned, removed, restored or otherwise changed.
    taken : (str)
        The second grading's mask was taken; a message that is true until the mask is changed.
    ranked : ()
        The order by expected gain was worked out.
    burden_written : (Path)
        The report on what corrections cost was written: its page.
    """

    managed = Signal()
    taken = Signal(str)
    ranked = Signal()
    burden_written = Signal(object)

    def __init__(self, viewer: napari.Viewer, parent: QObject) -> None:
        super().__init__(viewer, parent)
        self.opens_next = True
        self.predicting_in: Path | None = None

    @property
    def awaits_prediction(self) -> bool:
        """Whether a prediction of the open image, which has no mask yet, is pending."""
        opened = self.review_layers.opened
        if opened is None or self._current_project.folder != self.predicting_in:
            return False
        return opened.permissions.begins is None and opened.image.state is State.UNREVIEWED

    def autosave_and_close(self) -> str:
        """Autosave unsaved changes and block until they are on disk; the session stays usable.

        Returns
        -------
        str
            Why autosaving failed; empty if nothing would be lost now.
        """
        project = self.project
        if project is None:
            return ""
        problems: list[str] = []
        edit, saving = None, self._saving
        with collect_errors(problems):
            edit = self._copy_edit()

        def task() -> None:
            if edit is None:
                return
            with collect_errors(problems):
                autosave_and_close(project, edit, saving)
            release_lease(project, edit.image.id)

        self.io_queue.submit(task, lambda _: None, show_error)
        self.io_queue.join()
        if saving is None:
            self._saving = edit
            self._adopt_saved()
        project.close()  # whatever follows opens it again
        return " ".join(problems)

    def cleanup(self) -> None:
        """Autosave, stop the I/O thread and disconnect from the viewer."""
        problem = self.autosave_and_close()
        self.timer.stop()
        self.io_queue.shutdown()
        self._mask_watch.end()
        self.review_layers.disconnect_viewer()
        if problem:
            show_error(displayed(problem))

    # Decisions

    def save(self) -> None:
        """Save as work in progress; painting may continue meanwhile."""
        edit, project = self._copy_edit(), self.project
        if self.busy or edit is None or project is None:
            return
        self._wait_for("Saving…", edit)

        def end(version: Version | None) -> None:
            self._adopt_saved()
            if version is None:
                self._report(f"'{edit.image.name}' has no changes to save.")
            else:
                self._report(f"'{edit.image.name}' is saved as version {version.number}.")
                self._reload_image()

        self.io_queue.submit(lambda: save_draft(project, edit), end, self._recover_from_failure)

    def accept(self) -> None:
        """Accept the prediction under this author's name, if nothing was painted."""
        edit, opened = self._edit_for(Action.ACCEPT), self.review_layers.opened
        prediction = None if opened is None else opened.permissions.prediction
        if edit is None or prediction is None:
            return
        if not self.review_layers.is_of_prediction(edit):
            self._decline(
                f"You have changed '{edit.image.name}', so the prediction can't be accepted:"
                f" save your changes with {FINISH.native}, or undo them and press {ACCEPT.native}."
            )
            return
        project = self._current_project

        def accept() -> Version:
            warn_of_open_places(project, edit)
            return project.accept(
                edit.image.id, prediction.number, seconds=edit.seconds, comment=edit.comment
            )

        self._guard.leave(project, edit, ACCEPT.native, partial(self._conclude, edit, accept))

    def finish(self) -> None:
        """Save as corrected, second grading or adjudicated, depending on the user's role."""
        opened = self.review_layers.opened
        if opened is None:
            return
        action = FINISHES[opened.permissions.grading]
        edit = self._edit_for(action)
        if edit is None:
            return
        if self.awaits_prediction and not edit.is_painted:
            self._decline(
                f"'{edit.image.name}' has no mask yet, and its prediction is pending: wait for it,"
                " or paint."
            )
            return
        project = self._current_project
        save = partial(save_as, project, edit, action)
        self._guard.leave(project, edit, FINISH.native, partial(self._conclude, edit, save))

    def refuse(self, reason: str) -> None:
        """Mark the image ungradable; unsaved changes are saved first."""
        edit, project = self._copy_edit(), self.project
        if self.busy or edit is None or project is None:
            return

        def decide() -> Version:
            was_saved = save_draft(project, edit) is not None
            seconds = 0 if was_saved else edit.seconds
            return project.mark_ungradable(edit.image.id, reason, seconds=seconds)

        self._conclude(edit, decide)

    def reopen(self, version: int | None = None) -> None:
        """Reopen the image from a version, by default from its newest one."""
        opened = self.review_layers.opened
        if opened is None or not opened.permissions.actions & REOPENS:
            return
        project, image_id, comment = self._current_project, opened.image.id, self.comment
        edit = self._copy_edit()
        keep = self._keep(edit)

        def task() -> NavigationResult:
            kept = keep()
            new_comment = "" if kept is not None else comment  # only one version carries it
            reopened = project.reopen(image_id, version, comment=new_comment)
            return NavigationResult(reopened, open_image(project, image_id), ())

        def then(result: NavigationResult) -> None:
            self._clear_comment(comment)
            self.saved.emit(result.version)
            self._on_navigated(result)

        self._run("Reopening…", edit, task, then)

    def assign(self, grader: str) -> None:
        """Assign the second grader of the image."""
        image, project, edit = self.review_layers.image, self.project, self._copy_edit()
        if image is None or project is None:
            return
        keep = self._keep(edit)

        def task() -> NavigationResult:
            version = keep()
            project.assign_second_grader(image.id, grader)
            return NavigationResult(version, open_image(project, image.id), ())

        def then(result: NavigationResult) -> None:
            self._on_navigated(result)
            self._report(f"{grader} is the second grader of '{image.name}'.")

        self._run("Assigning…", edit, task, then)

    def take_second(self) -> None:
        """Take the second grading's mask, as one step that can be undone."""
        opened, mask = self.review_layers.opened, self.review_layers.mask
        if self.busy or opened is None or mask is None or opened.other is None:
            return
        kept = locked(mask)
        lock(mask, ())
        try:
            change(mask, opened.other.labels.reshape(mask.data.shape))
        finally:
            lock(mask, kept)
        self.taken.emit("The mask is the second grading's now: change it, or press Adjudicate.")

    def manage(self, status: str, change: Callable[[], str]) -> None:
        """Change images of the project; the open one is saved, and closed if it was removed.

        Parameters
        ----------
        status : str
            Shown meanwhile.
        change : callable
            Runs on the I/O thread and returns a message.
        """
        image, project, edit = self.review_layers.image, self.project, self._copy_edit()
        if project is None:
            return
        keep = self._keep(edit)

        def task() -> tuple[str, bool]:
            keep()
            message = change()
            is_gone = image is not None and project.image(image.id).removal != image.removal
            if image is not None and is_gone:
                release_lease(project, image.id)
            return message, is_gone

        def then(result: tuple[str, bool]) -> None:
            message, is_gone = result
            if is_gone:
                self._close_image()
                self.image_changed.emit()
            else:
                self._reload_image()
            self.managed.emit()
            self._report(message)

        self._run(status, edit, task, then)

    def rank(self) -> None:
        """Work out the order by expected gain on the I/O thread; the open image stays as it is."""
        project = self.project
        if project is None or project.read_only:
            return

        def end(found: Ranked) -> None:
            if self.project is project:
                self.ranked.emit()
                self.reported.emit(None, found.sentence)

        self.io_queue.submit(project.rank_images, end, self._fail)

    def report_burden(self) -> None:
        """Write the report on what corrections cost into the project's folder."""
        project = self.project
        if project is None:
            return

        def write() -> Path:
            folder = project.folder / BURDEN_FOLDER
            return write_burden(project.burden(), "What corrections cost", folder)[0]

        def end(page: Path) -> None:
            self.reported.emit(JobStatus.SUCCEEDED, f"The report is '{page}'.")
            self.burden_written.emit(page)

        self.io_queue.submit(write, end, self._fail)

    # Internals

    def _decline(self, reason: str) -> None:
        """Show why a request was declined; this is not a failure."""
        self.reported.emit(None, reason)

    def _edit_for(self, action: Action) -> UnsavedEdit | None:
        """Return the unsaved edit that a decision is about, if the decision is allowed."""
        opened = self.review_layers.opened
        if self.busy or opened is None or action not in opened.permissions.actions:
            return None
        return self._copy_edit()

    def _conclude(self, edit: UnsavedEdit, decide: Callable[[], Version]) -> None:
        """Record a decision; then open the next image, or reload this one."""
        project, image_id = self._current_project, edit.image.id
        adjudicates = edit.grading is GradingRound.ADJUDICATION
        upcoming = self._neighbours(True, adjudicates=adjudicates) if self.opens_next else None

        def keep() -> Version:
            version = decide()
            discard_autosave(project, edit)
            edit.versions[:] = [version]
            return raise_on_conflict(version)

        def candidates() -> Iterable[int]:
            yield from upcoming or ()
            yield image_id

        self._navigate("Saving…", edit, keep, candidates(), must_be_free=True, upcoming=upcoming)
