"""Panel that runs batch tasks on a project; see `batch_tasks`."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QPushButton, QWidget

from napari_retina_seg._napari import settings as remembered
from napari_retina_seg._napari.job import JobResult
from napari_retina_seg._napari.job_dock import JobRow
from napari_retina_seg._napari.review.batch_tasks import (
    AddImages,
    PredictImages,
    WorkersReady,
    add,
    predict,
)
from napari_retina_seg._napari.run_on import RunOn
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.widgets import combo_box, stack
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
        self._steps = 0
        self.bar = _BatchRow("the work")
        self.bar.cancel_button.setToolTip("Stop after the current step; finished images are kept.")
        self.models = combo_box()
        self.models.setToolTip("Models with this project's classes.")
        self.button = QPushButton("Predict unreviewed")
        self.run_on = RunOn(settings)
        row = stack(self.models, self.button, horizontal=True)
        row.setStretch(0, 1)
        self.setLayout(stack(row, self.run_on))
        self.button.clicked.connect(self.predict)
        self.models.activated.connect(self._remember)
        self.run_on.changed.connect(self._refresh)
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
            model = self._models[self.models.currentIndex()]
            task = PredictImages(self._project, model, self.run_on.options)
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
        if isinstance(step, WorkersReady):
            self.bar.offer_dashboard(step.dashboard)
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
        disabled_reason = disabled_reason or self.run_on.disabled_reason
        self.button.setEnabled(not disabled_reason)
        self.button.setToolTip(
            disabled_reason or "Run the model over all unreviewed images in the background."
        )


class _BatchRow(JobRow):
    """Row of a batch, with a button for the page on which Dask shows what the workers do."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.dashboard = QPushButton("Dashboard")
        self.layout().insertWidget(2, self.dashboard)
        self.dashboard.hide()
        self.dashboard.clicked.connect(self._open_dashboard)
        self.done.connect(self.dashboard.hide)

    def offer_dashboard(self, address: str) -> None:
        """Show the button if there is such a page."""
        self.dashboard.setToolTip(address)
        self.dashboard.setVisible(bool(address))

    def _open_dashboard(self) -> None:
        QDesktopServices.openUrl(QUrl(self.dashboard.toolTip()))

    def describe(self, step: Progress, time_left: str) -> str:
        """Describe how many images are done, and the current one."""
        if not step.total:
            return f"{step.message}…"
        rest = f", about {time_left}" if time_left else ""
        return f"{step.done} of {step.total}{rest}: {step.message}."
