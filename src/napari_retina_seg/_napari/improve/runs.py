"""Follow `project improve`, which runs in another process, and read what it has found."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from qtpy.QtCore import QObject, QTimer, Signal

from napari_retina_seg._napari.project_row import ProjectRef
from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.models.registry import ModelFolder
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.view import ProjectView
from napari_retina_seg.reports.improvement import JSON_FILE
from napari_retina_seg.types.confined import confined
from napari_retina_seg.types.errors import OutsideError, RetinaSegError
from napari_retina_seg.types.progress import CancelToken, finish
from napari_retina_seg.workflows.improvement_log import RunStatus, read_status
from napari_retina_seg.workflows.improvement_plan import iter_plan
from napari_retina_seg.workflows.improvement_process import (
    finish_early,
    read_last_error,
    start_run,
    stop_run,
)
from napari_retina_seg.workflows.patients import ImageSource, PatientRule
from napari_retina_seg.workflows.promoting import current_model, open_used, roll_back
from napari_retina_seg.workflows.selection import find_subjects, has_patient, source_of

_POLL_MS = 1000
CURVES, SNAPSHOT = "curves.png", "snapshot.png"
_SIGKILL = 9
_KILLED = (
    "The program was ended from outside, as the system does when memory runs short. Go on continues"
    " it where it was; a smaller batch, in the settings, needs less memory."
)


class Difference(BaseModel):
    """Candidate minus model in use, with its 95 % interval."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    value: float
    low: float | None = None
    high: float | None = None


class Row(BaseModel):
    """A score of the proof, as the report has it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    measure: str
    candidate: float | None = None
    in_use: float | None = Field(None, alias="in use")
    difference: Difference | None = None
    verdict: str


class ImageRow(BaseModel):
    """An image of the proof with the Dice of both models."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    candidate: float
    current: float
    gain: float


class ProofTable(BaseModel):
    """The proof, as the report has it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    overall: Row
    classes: tuple[Row, ...] = ()
    boundaries: tuple[Row, ...] = ()
    images: tuple[ImageRow, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        """All scores, the mean first."""
        return (self.overall, *self.classes, *self.boundaries)


@dataclass(frozen=True)
class TrainingPreview:
    """What there is to learn from, before anything is trained.

    Attributes
    ----------
    model : str
        The model in use.
    sentences : tuple of str
        What there is.
    problem : str
        Why nothing can be trained; empty if it can.
    recipe : Recipe or None
        How it would be trained.
    unknown : tuple of ImageSource
        Corrected images whose patient is not known.
    can_roll_back : bool
        Whether a model was taken into use.
    """

    model: str
    sentences: tuple[str, ...]
    problem: str = ""
    recipe: Recipe | None = None
    unknown: tuple[ImageSource, ...] = ()
    can_roll_back: bool = False


def preview_training(
    where: ProjectRef, token: CancelToken, rule: PatientRule | None
) -> TrainingPreview:
    """Look at the corrections of a project; this reads all their images."""
    found = TrainingPreview("", ())
    try:
        with Project(where.folder, author=where.author) as opened:
            found = replace(found, can_roll_back=bool(opened.model_uses()))
            masks = find_subjects(opened).masks
            unknown = tuple(source_of(image) for image, _ in masks if not has_patient(image))
            found = replace(found, unknown=unknown)
            current = current_model(opened)
            found = replace(found, model=current.name)
            plan = finish(iter_plan(opened, current, rule=rule, token=token))
    except RetinaSegError as error:
        return replace(found, problem=str(error))
    sentences = (*plan.corrections.left_out, *plan.sentences)
    return replace(found, sentences=sentences, recipe=plan.recipe)


def read_proof(folder: Path) -> ProofTable | None:
    """Read the scores of a report, or None if it is not there or is no report."""
    with contextlib.suppress(OSError, ValueError, OutsideError):
        path = confined(folder, JSON_FILE)
        return ProofTable.model_validate_json(path.read_text(encoding="utf-8"))
    return None


def find_picture(folder: Path, name: str) -> Path | None:
    """Return a picture of the training that was written to last, or None."""
    found = [path for path in folder.glob(f"*/{name}") if path.is_file()]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def read_names(where: ProjectRef) -> dict[int, str]:
    """Return what the images of a project are called, by their numbers."""
    with ProjectView(where.folder, author=where.author) as project:
        return {image.id: image.name for image in project.images()}


def describe_preview(found: TrainingPreview | None, reason: str) -> tuple[str, ...]:
    """Say what a project has to learn from, or why nothing can be learnt."""
    if found is None:
        return (reason,) if reason else ()
    model = (f"The model in use is '{found.model}'.",) if found.model else ()
    return (*model, *found.sentences, *((reason,) if reason else ()))


def roll_back_of(where: ProjectRef) -> ModelFolder:
    """Take the model before into use again, and return it."""
    with Project(where.folder, author=where.author) as project:
        return open_used(project, roll_back(project).model)


def model_in_use(where: ProjectRef) -> ModelFolder:
    """Return the model that a project uses."""
    with ProjectView(where.folder, author=where.author) as project:
        return current_model(project)


class ImprovementRuns(QObject):
    """Starts, stops and follows the runs of a project, also those of an earlier window.

    Signals
    -------
    changed : (RunStatus)
        How the last run stands, if that has changed.
    failed : (str)
        Why a process ended before it could write how it stands.
    """

    changed = Signal(object)
    failed = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._project: Path | None = None
        self._processes: dict[Path, subprocess.Popen[bytes]] = {}
        self.status = RunStatus()
        self._timer = QTimer(self, interval=_POLL_MS)
        self._timer.timeout.connect(self.poll)

    @property
    def is_running(self) -> bool:
        """Whether the project's model is being improved, by whatever process."""
        return self.status.is_running or self._process is not None

    @property
    def _process(self) -> subprocess.Popen[bytes] | None:
        return None if self._project is None else self._processes.get(self._project)

    def follow(self, project: Path | None) -> None:
        """Follow the runs of a project; None for none."""
        self._project = project
        self.poll()

    def start(self, author: str, options: Sequence[str]) -> None:
        """Start a run, or go on with one that was stopped.

        Raises
        ------
        ProjectError
            If no process can be started.
        """
        if self._project is not None:
            self._processes[self._project] = start_run(self._project, author, options)
            self.poll()

    def stop(self) -> None:
        """Ask the run to stop after its step.

        Raises
        ------
        ProjectError
            If it runs on another computer.
        """
        if self._project is not None:
            stop_run(self._project)

    def finish_early(self) -> None:
        """Ask the run to train no longer, and to prove the best that it has.

        Raises
        ------
        ProjectError
            If nothing can be written.
        """
        if self._project is not None:
            finish_early(self._project)

    def poll(self) -> None:
        """Read how the run stands."""
        before, was_running = self.status, self.is_running
        self.status = RunStatus() if self._project is None else read_status(self._project)
        reason = self._reap()
        if self.is_running:
            self._timer.start()
        else:
            self._timer.stop()
        if (self.status, self.is_running) != (before, was_running):
            self.changed.emit(self.status)
        if reason:
            self.failed.emit(reason)

    def stop_following(self) -> None:
        """Follow nothing more; the run goes on."""
        self._timer.stop()

    def _reap(self) -> str:
        """Forget a process that has ended; return why, if its log does not say."""
        process, project = self._process, self._project
        if process is None or project is None or process.poll() is None:
            return ""
        del self._processes[project]
        self.status = read_status(project)
        started = self.status.started
        if process.returncode == -_SIGKILL and self.status.ended is None:
            return _KILLED
        if process.returncode == 0 or (started is not None and started.pid == process.pid):
            return ""
        last = read_last_error(project)
        return last or f"The program ended with exit code {process.returncode}."
