"""Run a model over all unreviewed images; show the progress of batch tasks."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QWidget

from napari_retina_seg._napari import settings as remembered
from napari_retina_seg._napari.job import Job, JobResult
from napari_retina_seg._napari.review.batch_tasks import (
    AddImages,
    BatchTask,
    PredictImages,
    predict,
)
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.widgets import ProgressRow, narrow
from napari_retina_seg.models.registry import ModelFolder, list_models
from napari_retina_seg.project.project import Project
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.progress import Progress


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
        self._job: Job | None = None
        self._steps = 0
        self.bar = ProgressRow("the work")
        self.bar.cancel_button.setToolTip("Stop after the current step; finished images are kept.")
        self.models = narrow(QComboBox())
        self.models.setToolTip("Models with this project's classes.")
        self.button = QPushButton("Predict unreviewed")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.models, 1)
        layout.addWidget(self.button)
        self.button.clicked.connect(self.predict)
        self.models.activated.connect(self._remember)
        self.bar.cancel_button.clicked.connect(self.cancel)
        self.show_project(None)

    @property
    def is_running(self) -> bool:
        """Whether a batch task is running."""
        return self._job is not None

    def show_project(self, project: Project | None) -> None:
        """List the models with the project's label scheme; select the one used last."""
        self._project = project
        try:
            known = () if project is None else list_models()
        except RetinaSegError as error:
            known = ()
            self.message.emit(str(error))
        self._models = [model for model in known if model.spec.scheme == project.scheme]
        self.models.clear()
        self.models.addItems([model.name for model in self._models])
        last = self._settings.choice(remembered.PROJECT_MODEL, "")
        self.models.setCurrentIndex(max(0, self.models.findText(last)))
        self._refresh()

    def predict(self) -> None:
        """Run the chosen model over all unreviewed images; the button."""
        if self.button.isEnabled():
            model = self._models[self.models.currentIndex()]
            self.start(predict, PredictImages(self._project, model))

    def start(self, run: BatchTask, task: AddImages | PredictImages) -> None:
        """Start a batch task."""
        if self._job is not None:
            self.message.emit("Wait until the running task has ended, or cancel it.")
            return
        self._job = Job(run, task, self)
        self._steps = 0
        self._job.progressed.connect(self._on_step)
        self._job.done.connect(self._on_done)
        self.bar.show_work(True)
        self._refresh()
        if isinstance(task, PredictImages):
            self._job.done.connect(lambda _: self.predicting.emit(None))
            self.predicting.emit(task.project.folder)
        self._job.start()

    def cancel(self) -> None:
        """Request cancellation; the Cancel button."""
        if self._job is not None:
            self.bar.cancel_button.setEnabled(False)
            self.message.emit("Cancelling: the current step is being finished.")
            self._job.cancel()

    def cleanup(self) -> None:
        """Stop the running task: the dock is closing."""
        if self._job is not None:
            self._job.abandon()
            self._job = None

    def _on_step(self, step: Progress, time_left: str) -> None:
        self.bar.show_step(step, time_left)
        if self.bar.cancel_button.isEnabled():
            self.message.emit(_describe(step, time_left))
        if step.done > self._steps:
            self._steps = step.done
            self.stepped.emit()

    def _on_done(self, outcome: JobResult) -> None:
        self._job.deleteLater()
        self._job = None
        self.bar.show_work(False)
        self._refresh()
        self.done.emit(outcome)

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
        elif self._job is not None:
            disabled_reason = "Wait until it has ended, or cancel."
        self.button.setEnabled(not disabled_reason)
        self.button.setToolTip(
            disabled_reason or "Run the model over all unreviewed images in the background."
        )


def _describe(step: Progress, time_left: str) -> str:
    if not step.total:
        return f"{step.message}…"
    rest = f", about {time_left}" if time_left else ""
    return f"{step.done} of {step.total}{rest}: {step.message}."
