"""What a person does with a project: open it, decide on its images, and leave it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import napari
from napari.utils.notifications import show_error
from qtpy.QtCore import QObject, Signal

from napari_retina_seg._napari.review.navigation import (
    FINAL_OF,
    NavigationResult,
    Work,
    autosave,
    forget,
    open_image,
    raise_on_conflict,
    release_lease,
    save_as,
    save_draft,
)
from napari_retina_seg._napari.review.navigator import ImageNavigator
from napari_retina_seg._napari.shortcuts import ACCEPT, FINISH
from napari_retina_seg.core.errors import ProjectError, RetinaSegError
from napari_retina_seg.core.labels import LabelScheme
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action, State
from napari_retina_seg.project.values import Autosave, Version

log = logging.getLogger(__name__)


class ReviewSession(ImageNavigator):
    """A person at work in a project.

    Attributes
    ----------
    opens_next : bool
        Whether a decision opens the next image.
    predicting_in : Path or None
        Folder of the project in which a model is running over all that nobody has worked on.

    Signals
    -------
    project_changed : ()
        Another project.
    """

    project_changed = Signal()

    def __init__(self, viewer: napari.Viewer, parent: QObject) -> None:
        super().__init__(viewer, parent)
        self.opens_next = True
        self.predicting_in: Path | None = None

    @property
    def awaits_prediction(self) -> bool:
        """Whether a model is going to draw on the open image, on which there is nothing yet."""
        opened = self.review_layers.opened
        if opened is None or self.project.folder != self.predicting_in:
            return False
        return opened.turn.begins is None and opened.image.state is State.UNREVIEWED

    # Projects

    def create(self, folder: Path, scheme: LabelScheme, author: str) -> None:
        """Make a project and open it."""
        self._exchange(partial(Project.create, folder, scheme=scheme, author=author))

    def open(self, folder: Path, author: str) -> None:
        """Open a project in the place of the one that is open."""
        self._exchange(partial(Project, folder, author=author))

    def autosave_and_close(self) -> str:
        """Keep what is not saved, and wait for the disk; work can go on.

        Returns
        -------
        str
            Why it could not be kept; empty if nothing would be lost now.
        """
        project = self.project
        if project is None:
            return ""
        work, saving, troubles = None, self._saving, []
        with collect_errors(troubles):
            work = self._work()

        def task() -> None:
            if work is None:
                return
            with collect_errors(troubles):
                autosave_and_close(project, work, saving)
            release_lease(project, work.image.id)

        self.io_queue.submit(task, lambda _: None, show_error)
        self.io_queue.join()
        if saving is None:
            self._saving = work
            self._note()
        project.close()  # whatever follows opens it again
        return " ".join(troubles)

    def cleanup(self) -> None:
        """Park, and let go of the viewer."""
        why = self.autosave_and_close()
        self.watch.stop()
        self.io_queue.shutdown()
        self.review_layers.disconnect_viewer()
        if why:
            show_error(why)

    # Decisions

    def save(self) -> None:
        """Save as work in progress; painting goes on meanwhile."""
        work, project = self._work(), self.project
        if self.busy or work is None:
            return
        self._wait_for("Saving…", work)

        def end(version: Version | None) -> None:
            self._note()
            if version is None:
                self._tell(f"'{work.image.name}' is as it was saved.")
            else:
                self._tell(f"'{work.image.name}' is saved as version {version.number}.")
                self._reload_image()

        self.io_queue.submit(lambda: save_draft(project, work), end, self._note_failure)

    def accept(self) -> None:
        """Make the prediction this person's word, if nothing was painted."""
        work = self._work_for(Action.ACCEPT)
        if work is None:
            return
        if not self.review_layers.is_of_prediction(work):
            self._refuse(
                f"You have changed '{work.image.name}', so it is not accepted as the model drew it:"
                f" keep your changes with {FINISH.native}, or undo them and press {ACCEPT.native}."
            )
            return
        accept = partial(
            self.project.accept,
            work.image.id,
            self.review_layers.opened.turn.prediction.number,
            seconds=work.seconds,
            comment=work.comment,
        )
        self._conclude(work, accept)

    def finish(self) -> None:
        """Save as corrected, as second read, or as adjudicated: whose turn it is decides."""
        opened = self.review_layers.opened
        if opened is None:
            return
        action = FINAL_OF[opened.turn.reading]
        work = self._work_for(action)
        if work is None:
            return
        if self.awaits_prediction and not work.is_painted:
            self._refuse(
                f"Nothing is drawn on '{work.image.name}' yet, and a prediction is coming: wait for"
                " it, or paint."
            )
            return
        self._conclude(work, partial(save_as, self.project, work, action))

    def refuse(self, reason: str) -> None:
        """Call the image ungradable; what was painted is saved before."""
        work, project = self._work(), self.project
        if self.busy or work is None:
            return

        def decide() -> Version:
            told = save_draft(project, work) is not None
            seconds = 0 if told else work.seconds
            return project.mark_ungradable(work.image.id, reason, seconds=seconds)

        self._conclude(work, decide)

    def reopen(self, version: int | None = None) -> None:
        """Go on from a version, by default from what the image has come to."""
        opened = self.review_layers.opened
        if opened is None or Action.REOPEN not in opened.turn.actions:
            return
        project, image_id, comment = self.project, opened.image.id, self.comment
        work = self._work()
        keep = self._keep(work)

        def task() -> NavigationResult:
            kept = keep()
            said = "" if kept is not None else comment  # one version carries it
            made = project.reopen(image_id, version, comment=said)
            return NavigationResult(made, open_image(project, image_id), ())

        def then(page: NavigationResult) -> None:
            self._spend(comment)
            self.saved.emit(page.version)
            self._on_page(page)

        self._run("Reopening…", work, task, then)

    def assign(self, reader: str) -> None:
        """Choose who reads the image a second time."""
        image, project, work = self.review_layers.image, self.project, self._work()
        if image is None:
            return
        keep = self._keep(work)

        def task() -> NavigationResult:
            version = keep()
            project.assign_second_grader(image.id, reader)
            return NavigationResult(version, open_image(project, image.id), ())

        def then(page: NavigationResult) -> None:
            self._on_page(page)
            self._tell(f"{reader} reads '{image.name}' as the second one.")

        self._run("Assigning…", work, task, then)

    # How it is done

    def _refuse(self, why: str) -> None:
        """Say why something is not done; nothing has failed."""
        self.said.emit(None, why)

    def _exchange(self, make: Callable[[], Project]) -> None:
        old, work = self.project, self._work()

        def task() -> tuple[Project, tuple[Autosave, ...]]:
            if work is None:
                new = make()
            else:
                new = save_and_open(old, work, make)
                release_lease(old, work.image.id)
            if old is not None:
                old.close()
            return new, new.recoverable()

        self._run("Opening the project…", work, task, self._on_project)

    def _on_project(self, answer: tuple[Project, tuple[Autosave, ...]]) -> None:
        self._put_away()
        self.project, slots = answer
        self._unsaved.clear()
        self.project_changed.emit()
        self.image_changed.emit()
        self.said.emit(None, "")
        self.found.emit(slots)

    def _work_for(self, action: Action) -> Work | None:
        """Return the work that a decision is about, if it can be made."""
        opened = self.review_layers.opened
        if self.busy or opened is None or action not in opened.turn.actions:
            return None
        return self._work()

    def _conclude(self, work: Work, decide: Callable[[], Version]) -> None:
        """Decide; then open the next image, or see what this one has become."""
        project, image_id = self.project, work.image.id
        coming = self._neighbours(True) if self.opens_next else ()

        def keep() -> Version:
            version = decide()
            forget(project, work)
            work.versions[:] = [version]
            return raise_on_conflict(version)

        def candidates() -> Iterable[int]:
            yield from coming
            yield image_id

        self._turn("Saving…", work, keep, candidates(), must_be_free=True)


@contextmanager
def collect_errors(troubles: list[str]) -> Iterator[None]:
    """Note why work can't be kept, whatever the reason: nobody is to close over lost work.

    Parameters
    ----------
    troubles : list of str
        Where a sentence is added.
    """
    try:
        yield
    except RetinaSegError as error:
        troubles.append(str(error))
    except MemoryError:
        log.exception("work could not be kept")
        troubles.append("There is not enough memory: close other layers or programs.")
    except Exception as error:
        log.exception("work could not be kept")
        troubles.append(f"{type(error).__name__}: {error}.")


def autosave_and_close(project: Project, work: Work, saving: Work | None) -> None:
    """Keep work that is left without a word; raises `ProjectError` if that fails.

    Parameters
    ----------
    project : Project
        Whose it is.
    work : Work
        What is on the desk.
    saving : Work or None
        What was being saved just before.
    """
    if saving is not None and saving.versions:
        autosave(project, work.after(saving))
    elif saving is None and work.comment:  # only a version carries that
        save_draft(project, work)
    else:
        autosave(project, work)


def save_and_open(old: Project, work: Work, make: Callable[[], Project]) -> Project:
    """Save work, then open a project; raises `ProjectError` if either fails.

    A folder that was away may come back as another one, as that of a share that is mounted again:
    then nothing can be saved in it before it is opened once more, and the work goes there.
    """
    try:
        save_draft(old, work)
    except ProjectError:
        if work.versions:  # it was saved, in conflict
            raise
        new = make()
        try:
            if not _is_back(old, new, work):
                raise
            save_draft(new, work)
        except BaseException:
            new.close()
            raise
        return new
    return make()


def _is_back(old: Project, new: Project, work: Work) -> bool:
    """Whether a project is the one that was open, with the same person at the same image."""
    return (new.folder, new.author) == (old.folder, old.author) and new.image(
        work.image.id
    ).sha256 == work.image.sha256
