"""Batch tasks on a project: add images, and run a model over all unreviewed ones."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_retina_seg._napari import settings as remembered
from napari_retina_seg._napari.engine_tasks import load_engine
from napari_retina_seg._napari.job import JobResult, JobStatus, Steps
from napari_retina_seg._napari.job_dock import JobRow
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.widgets import combo_box, stack
from napari_retina_seg.io.images.folders import list_tree
from napari_retina_seg.models.registry import ModelFolder, list_models
from napari_retina_seg.project.filters import Filters
from napari_retina_seg.project.misfits import describe_misfits
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.results import Added
from napari_retina_seg.project.states import State
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.progress import CancelToken, Progress
from napari_retina_seg.types.segmentation import UNLIKE

_IMPORT = "To bring them in, open Plugins › Retina Seg › Export and import, tab Import."
_REMOVED = " (removed: see the filter 'Removed' to restore it)"
_LISTED = 3  # items named per message; the others are counted


@dataclass(frozen=True, eq=False)
class AddImages:
    """Request to add files and folders."""

    project: Project
    paths: tuple[Path, ...]
    copy: bool

    @property
    def title(self) -> str:
        """Title in napari's activity dock."""
        return f"Adding images to '{self.project.folder.name}'"


@dataclass(frozen=True, eq=False)
class PredictImages:
    """Request to run a model over all unreviewed images."""

    project: Project
    model: ModelFolder

    @property
    def title(self) -> str:
        """Title in napari's activity dock."""
        return f"Segmenting unreviewed images with '{self.model.name}'"


def add(task: AddImages, token: CancelToken) -> Steps:
    """Add images; it failed if none of the files is in the project then."""
    found = list_tree(task.paths)
    skipped = " ".join(filter(None, (found.describe_masks(_IMPORT), found.others.message)))
    if not found.images:
        names = ", ".join(f"'{path.name}'" for path in task.paths)
        message = f"No images in {names}: choose another folder. {skipped}"
        return JobResult(JobStatus.FAILED, message.strip())
    from napari_retina_seg.io.images.series import group_series

    series = group_series(found.images)
    files = list(dict.fromkeys(file for image in series for file in image.files))
    added = yield from task.project.iter_add_images(files, copy=task.copy, token=token)
    apart = _few([image.message for image in series if image.message], " ")
    file_warnings = _few(added.warnings, " ")
    other = describe_misfits(task.project.scheme, added.images)
    message = " ".join(filter(None, (_describe_added(added), other, skipped, apart, file_warnings)))
    is_failed = added.problems and not (added.images or added.duplicates)
    end = JobStatus.FAILED if is_failed else JobStatus.SUCCEEDED
    return JobResult(end, message, doubtful=bool(other or added.problems))


def _describe_added(added: Added) -> str:
    parts = [f"{len(added.problems)} failed: {_few(added.problems, ' ')}"] * bool(added.problems)
    parts.append(f"{len(added.images)} added.")
    if added.duplicates:
        known = [
            f"'{path.name}' is '{image.name}'{_REMOVED if image.removal else ''}"
            for path, image in added.duplicates
        ]
        parts.append(f"{len(known)} already in the project: {_few(known, ', ')}.")
    if added.identifiers:
        listed = [f"'{image.name}' ({', '.join(what)})" for image, what in added.identifiers]
        parts.append(
            f"Possible patient identifiers were found: {_few(listed, ', ')}. They stay in this"
            " project: an export leaves them out unless you choose to keep them."
        )
    return " ".join(parts)


def predict(task: PredictImages, token: CancelToken) -> Steps:
    """Run a model over all unreviewed images."""
    yield Progress(0, 0, f"Loading {task.model.name}")  # takes seconds
    load_engine()
    from napari_retina_seg.workflows.predicting import iter_predict_images

    due = tuple(_unreviewed(task.project))
    if not due:
        return JobResult(JobStatus.SUCCEEDED, "No unreviewed images.")
    done = yield from iter_predict_images(task.project, task.model, due, token=token)
    parts = [f"{task.model.name} segmented {len(done.image_ids)} of {count(len(due), 'image')}."]
    parts += done.model_warnings
    if done.skipped:
        parts.append(f"{len(done.skipped)} have its mask already.")
    if done.graded:
        parts.append(f"{len(done.graded)} were skipped: a person has worked on them meanwhile.")
    if done.warned:
        parts.append(
            f"{UNLIKE}: {count(len(done.warned), 'image')}, listed by the filter 'Check these'."
        )
    else:
        parts += done.warnings[:_LISTED]
    if done.unfit:
        parts.append(f"{len(done.unfit)} skipped: {_few(done.unfit, ' ')}")
    if done.problems:
        parts.append(f"{len(done.problems)} failed: {_few(done.problems, ' ')}")
    end = JobStatus.FAILED if done.failed else JobStatus.SUCCEEDED
    return JobResult(end, " ".join(parts), doubtful=bool(done.warned or done.unfit))


def _unreviewed(project: Project) -> Generator[int, None, None]:
    filters, last = Filters(states=frozenset({State.UNREVIEWED})), None
    while page := project.queue(filters, after=last, limit=500):
        yield from (image.id for image in page)
        last = page[-1].id


def _few(items: Sequence[str], between: str) -> str:
    more = len(items) - _LISTED
    return between.join(items[:_LISTED]) + (f"{between}and {more} more" if more > 0 else "")


class BatchPanel(QWidget):
    """Runs one batch task at a time; the dock places the progress bar.

    Signals
    -------
    message : (str)
        Progress in words.
    done : (JobResult)
        A batch task ended.
    stepped : ()
        Another image is done.
    predicting : (Path or None)
        A model starts in the project of this folder; None when it has ended.
    """

    message = Signal(str)
    done = Signal(object)
    stepped = Signal()
    predicting = Signal(object)

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._project: Project | None = None
        self._models: list[ModelFolder] = []
        self._steps = 0
        self.bar = _BatchRow("the work")
        self.bar.cancel_button.setToolTip("Stop after the current step; finished images are kept.")
        self.models = combo_box()
        self.models.setToolTip("Models with this project's classes.")
        self.button = QPushButton("Predict unreviewed")
        row = stack(self.models, self.button, horizontal=True)
        row.setStretch(0, 1)
        self.setLayout(row)
        self.button.clicked.connect(self.predict)
        self.models.activated.connect(self._remember)
        self.bar.started.connect(self._refresh)
        self.bar.message.connect(self.message)
        self.bar.progressed.connect(self._on_step)
        self.bar.done.connect(self._on_done)
        self.show_project(None)

    @property
    def is_running(self) -> bool:
        """Whether a batch task is running."""
        return self.bar.is_running

    def show_project(self, project: Project | None) -> None:
        """List the models with the project's label scheme; select its own, or that used last."""
        self._project = project
        last = self._settings.choice(remembered.PROJECT_MODEL, "")
        try:
            known = () if project is None else list_models()
            uses = () if project is None else project.model_uses()
            last = uses[-1].model.name if uses else last
        except RetinaSegError as error:
            known = ()
            self.message.emit(str(error))
        scheme = None if project is None else project.scheme
        self._models = [model for model in known if model.spec.scheme == scheme]
        self.models.clear()
        self.models.addItems([model.name for model in self._models])
        self.models.setCurrentIndex(max(0, self.models.findText(last)))
        self._refresh()

    def predict(self) -> None:
        """Run the chosen model over all unreviewed images; the button."""
        if self._project is not None and self.button.isEnabled():
            task = PredictImages(self._project, self._models[self.models.currentIndex()])
            self._steps = 0
            self.predicting.emit(task.project.folder)
            self.bar.start(partial(predict, task), task.title)

    def add(self, task: AddImages) -> None:
        """Add images to the project."""
        if self.is_running:
            self.message.emit("Wait until the running task has ended, or cancel it.")
            return
        self._steps = 0
        self.bar.start(partial(add, task), task.title)

    def _on_step(self, step: Progress) -> None:
        if step.done > self._steps:
            self._steps = step.done
            self.stepped.emit()

    def _on_done(self, outcome: JobResult) -> None:
        self._refresh()
        self.done.emit(outcome)
        self.predicting.emit(None)

    def _remember(self) -> None:
        self._settings.remember_choice(remembered.PROJECT_MODEL, self.models.currentText())

    def _refresh(self) -> None:
        disabled_reason = ""
        if self._project is None:
            disabled_reason = "Open or create a project first."
        elif self._project.read_only:
            disabled_reason = "The project can't be written."
        elif not self._models:
            disabled_reason = (
                f"No model segments '{self._project.scheme.name}': add one in the Segment dock."
            )
        elif self.is_running:
            disabled_reason = "Wait until it has ended, or cancel."
        self.button.setEnabled(not disabled_reason)
        self.button.setToolTip(
            disabled_reason or "Run the model over all unreviewed images in the background."
        )


class _BatchRow(JobRow):
    def describe(self, step: Progress, time_left: str) -> str:
        """Describe how many images are done, and the current one."""
        if not step.total:
            return f"{step.message}…"
        rest = f", about {time_left}" if time_left else ""
        return f"{step.done} of {step.total}{rest}: {step.message}."
