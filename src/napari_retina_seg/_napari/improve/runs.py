"""Follow `project improve`, which runs in another process, and read what it has found."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from qtpy.QtCore import QObject, QTimer, Signal

from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.project.project import Project
from napari_retina_seg.reports.improvement import JSON_FILE
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.progress import finish
from napari_retina_seg.workflows.improvement_log import (
    RunStatus,
    read_status,
    start_run,
    stop_run,
)
from napari_retina_seg.workflows.improving import iter_plan
from napari_retina_seg.workflows.patients import PatientRule
from napari_retina_seg.workflows.promoting import current_model

_BEAT = 1000  # ms between two looks at the log
_CURVES = "curves.png"


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


class ProofTable(BaseModel):
    """The proof, as the report has it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    overall: Row
    classes: tuple[Row, ...] = ()
    boundaries: tuple[Row, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        """All scores, the mean first."""
        return (self.overall, *self.classes, *self.boundaries)


@dataclass(frozen=True)
class Preflight:
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
    """

    model: str
    sentences: tuple[str, ...]
    problem: str = ""
    recipe: Recipe | None = None


def look_ahead(project: Path, author: str, *, each_image: bool) -> Preflight:
    """Look at the corrections of a project; this reads all their images."""
    model = ""
    try:
        with Project(project, author=author) as opened:
            current = current_model(opened)
            model = current.name
            rule = PatientRule(each_image=True) if each_image else None
            plan = finish(iter_plan(opened, current, rule=rule))
    except RetinaSegError as error:
        return Preflight(model, (), str(error))
    sentences = (*plan.corrections.left_out, *plan.sentences)
    return Preflight(model, sentences, recipe=plan.recipe)


def read_proof(folder: Path) -> ProofTable | None:
    """Read the scores of a report, or None if it is not there or is no report."""
    with contextlib.suppress(OSError, ValidationError):
        return ProofTable.model_validate_json((folder / JSON_FILE).read_text(encoding="utf-8"))
    return None


def find_curves(folder: Path) -> Path | None:
    """Return the curves of the training that was written to last, or None."""
    found = [path for path in folder.glob(f"*/{_CURVES}") if path.is_file()]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


class ImprovementRuns(QObject):
    """Starts, stops and follows the runs of a project, also those of an earlier window.

    Signals
    -------
    changed : (RunStatus)
        How the last run stands.
    """

    changed = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._project: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.status = RunStatus()
        self._timer = QTimer(self, interval=_BEAT)
        self._timer.timeout.connect(self.look)

    @property
    def is_starting(self) -> bool:
        """Whether a process of this window has not written anything yet."""
        return self._process is not None and self._process.poll() is None

    def follow(self, project: Path | None) -> None:
        """Follow the runs of a project; None for none."""
        self._project = project
        self.look()

    def start(self, author: str, options: Sequence[str]) -> None:
        """Start a run, or go on with one that was stopped.

        Raises
        ------
        ProjectError
            If no process can be started.
        """
        if self._project is not None:
            self._process = start_run(self._project, author, options)
            self._timer.start()
            self.look()

    def stop(self) -> None:
        """Ask the run to stop after its step."""
        if self._project is not None:
            stop_run(self._project)

    def look(self) -> None:
        """Look how the run stands."""
        is_alive = self.is_starting
        self.status = RunStatus() if self._project is None else read_status(self._project)
        if self.status.is_running or is_alive:
            self._timer.start()
        else:
            self._timer.stop()
        self.changed.emit(self.status)

    def leave(self) -> None:
        """Follow nothing more; the run goes on."""
        self._timer.stop()
