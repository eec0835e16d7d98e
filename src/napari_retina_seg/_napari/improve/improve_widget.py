"""The Improve dock: a better model from the corrections of a project."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import napari
from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QCheckBox, QLabel, QMessageBox, QPushButton

from napari_retina_seg._napari import settings as remembered
from napari_retina_seg._napari.dock import Dock
from napari_retina_seg._napari.improve.proof_view import Picture, ProofView
from napari_retina_seg._napari.improve.recipe_form import RecipeForm
from napari_retina_seg._napari.improve.runs import (
    ImprovementRuns,
    TrainingPreview,
    find_curves,
    preview_training,
    read_proof,
)
from napari_retina_seg._napari.job import JobStatus, time_left
from napari_retina_seg._napari.job_dock import BusyBar
from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.project_row import ProjectPicker, ProjectRef
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.tasks import SerialTaskQueue
from napari_retina_seg._napari.widgets import CollapsibleSection, StatusLine, large, stack, text
from napari_retina_seg.project.project import Project
from napari_retina_seg.reports.improvement import HTML_FILE
from napari_retina_seg.types.errors import ProjectError, RetinaSegError
from napari_retina_seg.types.progress import CancelToken, Progress
from napari_retina_seg.workflows.improvement_log import Ended, RunStatus, Step
from napari_retina_seg.workflows.promoting import roll_back

_IMPROVE, _GO_ON = "Improve the model", "Go on"
_ABOUT = (
    "Trains the model in use further with the accepted and corrected masks of the project, and"
    " compares both on patients that neither has seen. It runs in a program of its own: go on"
    " working, or close the window."
)
_EACH_IMAGE = ("--each-image-its-own-patient",)
_PROMOTE = "--promote"


class ImproveWidget(Dock):
    """Start, follow and stop the improvement of a project's model, and take the result into use."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._settings = Settings()
        self._io_queue = SerialTaskQueue(self)
        self._where: ProjectRef | None = None
        self._preview: TrainingPreview | None = None
        self._token = CancelToken()  # of the preview
        self._was_running = False
        self._shown_end: Ended | None = None
        self._part: tuple[str, float] = ("", 0.0)  # what is running, and since when
        self.runs = ImprovementRuns(self)
        self._make_widgets()
        self._lay_out()
        self._connect()
        self._on_project()

    # User actions

    def improve(self) -> None:
        """Start, or go on with a run that was stopped; the button."""
        self._start(self._former_options if self._can_go_on else self._chosen_options)

    def promote(self) -> None:
        """Test the finished model once more, and take it into use: that one and no other."""
        status = self.runs.status
        if status.folder is not None and status.started is not None:
            name = f'name="{status.candidate}"'
            out = ("--out", str(status.folder), "--set", name)
            self._start((*status.started.options, *out, _PROMOTE))

    def stop(self) -> None:
        """Stop after the current step."""
        try:
            self.runs.stop()
        except ProjectError as error:
            self._fail(str(error))
            return
        self.stop_button.setEnabled(False)
        self.status.show_message("Stopping after the current step…")

    def ask_to_roll_back(self) -> None:
        """Use the former model again, after a question."""
        answer = QMessageBox.question(
            self,
            "Use the former model again?",
            "The model that was in use before becomes the project's model again. The new one is"
            " kept.",
        )
        where = self.project.where
        if answer == QMessageBox.StandardButton.Yes and where is not None:
            self._io_queue.submit(partial(_roll_back, where), self._on_rolled_back, self._fail)

    def open_report(self) -> None:
        """Open the report in the browser."""
        folder = self.runs.status.folder
        if folder is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder / HTML_FILE)))

    # Layout and signals

    def _make_widgets(self) -> None:
        self.button = large(QPushButton(_IMPROVE))
        self.progress, self.time_left = BusyBar(), QLabel()
        self.stop_button = QPushButton("Stop")
        self.stop_button.setToolTip("Stop after the current step; the next start goes on there.")
        self.status = StatusLine()
        self.project = ProjectPicker(self._settings)
        self.each_image = QCheckBox("Each image is from another patient")
        self.each_image.setToolTip(
            "Of images without a known patient. The test must not contain patients that the model"
            " has learnt from: tick this only if no patient has two images."
        )
        self.notes, self.curves, self.proof = text(), Picture(), ProofView()
        self.recipe, self.harm = RecipeForm(), text()
        self.report_button = QPushButton("Open the report")
        self.report_button.setToolTip("All scores, and the images that got better and worse.")
        self.promote_button = QPushButton("Use the new model")
        self.back_button = QPushButton("Use the former model…")
        self.back_button.setToolTip("Take the last change of the project's model back.")

    def _lay_out(self) -> None:
        details = CollapsibleSection(
            "What there is to learn from", self._settings, remembered.IMPROVE_OPEN, True
        )
        details.addWidget(self.notes)
        settings = CollapsibleSection(
            "Settings of the training", self._settings, remembered.IMPROVE_SETTINGS_OPEN, False
        )
        settings.addWidget(self.recipe)
        running = stack(self.progress, self.time_left, self.stop_button, horizontal=True)
        after = stack(self.promote_button, self.report_button, horizontal=True)
        self.lay_out(
            *(self.button, running, self.status, self.project, self.each_image, details),
            settings,
            *(self.curves, self.proof, self.harm, after, self.back_button),
        )

    def _connect(self) -> None:
        self.button.clicked.connect(self.improve)
        self.stop_button.clicked.connect(self.stop)
        self.promote_button.clicked.connect(self.promote)
        self.report_button.clicked.connect(self.open_report)
        self.back_button.clicked.connect(self.ask_to_roll_back)
        self.project.changed.connect(self._on_project)
        self.each_image.clicked.connect(self._look)
        self.runs.changed.connect(self._on_run)
        self.runs.failed.connect(self._fail)

    def reload(self) -> None:
        """Follow the project that was open last, and what was corrected in it since."""
        if not self.runs.is_running:
            self.project.follow()

    def cleanup(self) -> None:
        """Stop following; the run goes on."""
        self._token.cancel()
        self.runs.stop_following()
        self._io_queue.shutdown()

    # Running

    @property
    def _chosen_options(self) -> tuple[str, ...]:
        return (_EACH_IMAGE if self.each_image.isChecked() else ()) + self.recipe.options

    @property
    def _former_options(self) -> tuple[str, ...]:
        started = self.runs.status.started
        return () if started is None else started.options

    @property
    def _can_go_on(self) -> bool:
        """Whether a run was stopped, and no other settings were chosen since."""
        status = self.runs.status
        was_stopped = status.started is not None and status.ended is None
        is_same = self.recipe.options == () or self._chosen_options == self._former_options
        return was_stopped and not self.runs.is_running and is_same

    def _start(self, options: tuple[str, ...]) -> None:
        where = self.project.where
        if where is None or self.runs.is_running:
            return
        self._token.cancel()
        self._shown_end = None
        self.status.show_message("Starting…")
        try:
            self.runs.start(where.author, options)
        except RetinaSegError as error:
            self._fail(str(error))

    def _look(self) -> None:
        """Look what there is to learn from, unless a run uses it already."""
        where = self.project.where
        self._token.cancel()
        self._preview = None
        if where is not None and not self.runs.is_running:
            self._token = token = CancelToken()
            alone = self.each_image.isChecked()
            look = partial(preview_training, where.folder, where.author, token, each_image=alone)
            show = partial(self._on_preview, token)
            self._io_queue.submit(look, show, self._fail)
        self._refresh()

    # Signal handlers

    def _on_project(self) -> None:
        where = self.project.where
        if where != self._where:
            self._where, self._shown_end, self._was_running = where, None, False
            self.status.show_message("")
            self.proof.show_proof(None)
            self.curves.show_file(None)
            self.runs.follow(None if where is None else where.folder)
            self._on_run(self.runs.status)
        self._look()

    def _on_preview(self, token: CancelToken, found: TrainingPreview) -> None:
        if token.cancelled:
            return
        self._preview = found
        if found.recipe is not None:
            self.recipe.show_recipe(found.recipe)
        self._refresh()

    def _on_run(self, status: RunStatus) -> None:
        running = self.runs.is_running
        if running and status.step is not None:
            self._show_step(status.step)
        folder = status.folder
        self.curves.show_file(None if folder is None else find_curves(folder))
        if not running and status.ended is not None and status.ended != self._shown_end:
            self._show_end(status.ended, folder)
        if self._was_running and not running:
            self._look()
        self._was_running = running
        self._refresh()

    def _show_step(self, step: Step) -> None:
        part = step.message.partition(":")[0]
        if part != self._part[0]:
            self._part = part, time.monotonic()
        known = step.total > 1 and step.done > 0
        if known:
            self.progress.show_steps(step.done, step.total)
        else:
            self.progress.show_busy()
        elapsed = time.monotonic() - self._part[1]
        progress = Progress(step.done, step.total, step.message)
        self.time_left.setText(time_left(progress, elapsed) if elapsed > 1 else "")
        self.status.show_message(f"{step.message}.")

    def _show_end(self, end: Ended, folder: Path | None) -> None:
        self._shown_end = end
        self.proof.show_proof(None if folder is None else read_proof(folder))
        if end.failure:
            self._fail(end.failure)
            return
        verdict = "It was taken into use." if end.promoted else end.verdict
        self.status.show_result(
            JobStatus.SUCCEEDED, f"{end.summary} {verdict}", doubtful=not end.proven
        )
        if end.promoted:
            self.notify_other_docks()

    def _on_rolled_back(self, name: str) -> None:
        self.status.show_result(JobStatus.SUCCEEDED, f"'{name}' is the project's model again.")
        self.notify_other_docks()
        self._look()

    def _fail(self, reason: str) -> None:
        self.status.show_result(JobStatus.FAILED, reason)
        self._refresh()

    def _refresh(self) -> None:
        """Enable what is possible, and say why the rest is not."""
        status, running = self.runs.status, self.runs.is_running
        reason = self.project.disabled_reason or self._missing
        self.button.setText(_GO_ON if self._can_go_on else _IMPROVE)
        self.button.setEnabled(not reason and not running)
        self.button.setToolTip(qt_text(reason) or _ABOUT)
        for choice in (self.project, self.each_image, self.recipe):
            choice.setEnabled(not running)
        for part in (self.progress, self.time_left, self.stop_button):
            part.setVisible(running)
        self.stop_button.setEnabled(status.is_running)
        if not running:
            self.progress.stop()
        lines = status.notes if running else _describe(self._preview, reason)
        self.notes.setText("\n".join(lines) or _ABOUT)
        self._refresh_result(None if running else status.ended)
        if self._can_go_on and self.status.result is None:
            self.status.show_message("A run was stopped: Go on continues it where it was.")

    @property
    def _missing(self) -> str:
        """What there is too little of; empty if nothing."""
        return "Looking at the corrected masks…" if self._preview is None else self._preview.problem

    def _refresh_result(self, end: Ended | None) -> None:
        has_result = end is not None and bool(end.summary)
        for part in (self.promote_button, self.report_button, self.harm):
            part.setVisible(has_result)
        self.harm.setText("" if end is None else end.harm)
        self.proof.setVisible(has_result and self.proof.rowCount() > 0)
        can = end is not None and end.proven and not end.promoted
        self.promote_button.setEnabled(can)
        tip = "Test it once more, and make it the model of this project."
        self.promote_button.setToolTip(tip if can or end is None else qt_text(end.verdict))


def _describe(found: TrainingPreview | None, reason: str) -> tuple[str, ...]:
    if found is None:
        return (reason,) if reason else ()
    model = (f"The model in use is '{found.model}'.",) if found.model else ()
    return (*model, *found.sentences, *((found.problem,) if found.problem else ()))


def _roll_back(where: ProjectRef) -> str:
    with Project(where.folder, author=where.author) as project:
        return roll_back(project).model.name
