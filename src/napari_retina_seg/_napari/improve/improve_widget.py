"""The Improve dock: a better model from the corrections of a project."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import napari
from qtpy.QtWidgets import QFormLayout, QMessageBox, QPushButton, QWidget

from napari_retina_seg._napari import settings as remembered
from napari_retina_seg._napari.dock import Dock
from napari_retina_seg._napari.improve.proof_view import Picture
from napari_retina_seg._napari.improve.recipe_form import RecipeForm
from napari_retina_seg._napari.improve.result_panel import ResultPanel
from napari_retina_seg._napari.improve.runs import (
    CURVES,
    SNAPSHOT,
    ImageRow,
    ImprovementRuns,
    TrainingPreview,
    describe_preview,
    find_picture,
    model_in_use,
    preview_training,
    read_names,
    roll_back_of,
)
from napari_retina_seg._napari.improve.side_by_side import ProofCase, SideBySide, read_case
from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.job_dock import BusyBar
from napari_retina_seg._napari.patients_form import PatientsForm
from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.project_row import ProjectPicker, ProjectRef
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.tasks import SerialTaskQueue
from napari_retina_seg._napari.widgets import (
    CollapsibleSection,
    StatusLine,
    add_row,
    large,
    stack,
    text,
)
from napari_retina_seg.models.registry import ModelFolder
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.progress import CancelToken
from napari_retina_seg.workflows.improvement_log import Ended, RunStatus, Step
from napari_retina_seg.workflows.improvement_process import estimate_run
from napari_retina_seg.workflows.patients import PatientRule, rule_options

_IMPROVE, _GO_ON = "Improve the model", "Go on"
_ABOUT = (
    "Trains the model in use further with the accepted and corrected masks of the project, and"
    " compares both on patients that neither has seen. It runs in a program of its own: go on"
    " working, or close the window."
)
_BACK = "Take the last change of the project's model back."
_NO_WAY_BACK = "No other model was taken into use in this project yet."
_PROMOTE = "--promote"


class ImproveWidget(Dock):
    """Start, follow and stop the improvement of a project's model, and take the result into use."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._settings = Settings()
        self._io_queue, self._estimates = SerialTaskQueue(self), SerialTaskQueue(self)
        self._where: ProjectRef | None = None
        self._preview: TrainingPreview | None = None
        self._token = CancelToken()  # of the preview
        self._estimate_token = CancelToken()
        self._estimate = ""
        self._asked = ""  # of the run
        self._rule: PatientRule | None = None  # by which the preview found the patients
        self._was_running = False
        self._shown_end: Ended | None = None
        self._layers = SideBySide(napari_viewer)
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

    def pause(self) -> None:
        """Stop after the current step; the next start goes on there."""
        self._ask(self.runs.stop, "Pausing after the current step…")

    def finish_early(self) -> None:
        """Train no longer, and prove the best that there is."""
        self._ask(
            self.runs.finish_early,
            "The training ends after this epoch; then both models are compared…",
        )

    def estimate(self) -> None:
        """Try a few steps in another process, and say how long it takes and how much memory."""
        where = self.project.where
        if where is None or self.runs.is_running:
            return
        self._estimate_token = token = CancelToken()
        self._estimate = "Trying a few steps, to estimate time and memory…"
        options = self._chosen_options
        job = partial(estimate_run, where.folder, where.author, options, token)
        self._estimates.submit(job, partial(self._on_estimate, token), self._on_no_estimate)
        self._refresh()

    def compare_image(self, row: ImageRow) -> None:
        """Show both models' masks of an image beside the corrected one; a double click."""
        where, folder = self.project.where, self.runs.status.folder
        if where is not None and folder is not None:
            read = partial(read_case, where, folder, row)
            self._io_queue.submit(read, self._on_case, self._fail)

    def close_comparison(self) -> None:
        """Show the other layers again."""
        self._layers.clear()
        self._refresh()

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
            self._io_queue.submit(partial(roll_back_of, where), self._on_rolled_back, self._fail)

    def _ask(self, ask: Callable[[], None], message: str) -> None:
        """Ask the run for something."""
        try:
            ask()
        except RetinaSegError as error:
            self._fail(str(error))
            return
        for button in (self.pause_button, self.finish_button):
            button.setEnabled(False)
        self._asked = message
        self.status.show_message(message)

    # Layout and signals

    def _make_widgets(self) -> None:
        self.button = large(QPushButton(_IMPROVE))
        self.progress = BusyBar()
        self.pause_button = QPushButton("Pause")
        self.pause_button.setToolTip("Stop after the current step; Go on continues there.")
        self.finish_button = QPushButton("Stop and keep the best")
        self.finish_button.setToolTip(
            "Train no longer than now, this model and those that follow; then compare both models."
        )
        self.status = StatusLine()
        self.project = ProjectPicker(self._settings)
        self.patients = PatientsForm()
        self.notes, self.curves, self.snapshot = text(), Picture(), Picture()
        self.snapshot.setToolTip(
            "An image that this model does not learn from: its mask before and now. Blue is"
            " missing, red is drawn wrongly."
        )
        self.curves.setToolTip("Loss of the training; scores of the image above.")
        self.recipe, self.result = RecipeForm(), ResultPanel()
        self.estimate_button = QPushButton("Estimate time and memory")
        self.estimate_button.setToolTip("Tries a few steps on this computer; nothing is kept.")
        self.time_needed = text()
        self.back_button = QPushButton("Use the former model…")

    def _lay_out(self) -> None:
        details = CollapsibleSection(
            "What there is to learn from", self._settings, remembered.IMPROVE_OPEN, True
        )
        details.addWidget(self.notes)
        settings = CollapsibleSection(
            "Settings of the training", self._settings, remembered.IMPROVE_SETTINGS_OPEN, False
        )
        settings.addWidget(self.recipe)
        self._asking = QWidget()
        add_row(QFormLayout(self._asking), "Patients", self.patients)
        self._running = QWidget()
        buttons = stack(self.pause_button, self.finish_button, horizontal=True)
        self._running.setLayout(stack(self.progress, buttons))
        self.lay_out(
            *(self.button, self._running, self.status, self.snapshot, self.result, self.curves),
            *(self.project, self._asking, details, self.estimate_button, self.time_needed),
            *(settings, self.back_button),
        )

    def _connect(self) -> None:
        self.button.clicked.connect(self.improve)
        self.pause_button.clicked.connect(self.pause)
        self.finish_button.clicked.connect(self.finish_early)
        self.estimate_button.clicked.connect(self.estimate)
        self.result.promote_wanted.connect(self.promote)
        self.result.clear_wanted.connect(self.close_comparison)
        self.result.images.wanted.connect(self.compare_image)
        self.back_button.clicked.connect(self.ask_to_roll_back)
        self.project.changed.connect(self._on_project)
        self.patients.changed.connect(self._on_patients)
        self.runs.changed.connect(self._on_run)
        self.runs.failed.connect(self._fail)

    def reload(self) -> None:
        """Follow the project that was open last, and what was corrected in it since."""
        if not self.runs.is_running:
            self.project.follow()

    def cleanup(self) -> None:
        """Stop following; the run goes on."""
        for token in (self._token, self._estimate_token):
            token.cancel()
        self.runs.stop_following()
        self._layers.clear()
        self._layers.disconnect()
        for queue in (self._io_queue, self._estimates):
            queue.shutdown()

    # Running

    @property
    def _chosen_options(self) -> tuple[str, ...]:
        rule = None if self.patients.disabled_reason else self.patients.rule
        return (*rule_options(rule), *self.recipe.options)

    @property
    def _former_options(self) -> tuple[str, ...]:
        started = self.runs.status.started
        return () if started is None else started.options

    @property
    def _can_go_on(self) -> bool:
        """Whether a run was stopped, and no other settings were chosen since."""
        status = self.runs.status
        was_stopped = status.started is not None and status.ended is None
        is_same = self._chosen_options in ((), self._former_options)
        return was_stopped and not self.runs.is_running and is_same

    def _start(self, options: tuple[str, ...]) -> None:
        where = self.project.where
        if where is None or self.runs.is_running:
            return
        for token in (self._token, self._estimate_token):
            token.cancel()
        self._shown_end, self._asked = None, ""
        self._layers.clear()
        self.status.show_message("Starting…")
        try:
            self.runs.start(where.author, options)
        except RetinaSegError as error:
            self._fail(str(error))
        self._refresh()

    def _look(self) -> None:
        """Look what there is to learn from, unless a run uses it already."""
        where = self.project.where
        self._token.cancel()
        self._preview = None
        if where is not None and not self.runs.is_running:
            self._token = token = CancelToken()
            self._rule = None if self.patients.disabled_reason else self.patients.rule
            look = partial(preview_training, where, token, self._rule)
            show = partial(self._on_preview, token)
            self._io_queue.submit(look, show, self._fail)
        self._refresh()

    # Signal handlers

    def _on_project(self) -> None:
        where = self.project.where
        if where != self._where:
            self._where, self._shown_end, self._was_running = where, None, False
            self._estimate_token.cancel()
            self._estimate = ""
            self.status.show_message("")
            self.patients.clear()  # what was chosen for another project need not hold here
            self._layers.clear()
            self.result.show_run(None, {})
            self.runs.follow(None if where is None else where.folder)
            self._on_run(self.runs.status)
        self._look()

    def _on_patients(self) -> None:
        """Look again once the patients of all images can be found in another way."""
        reason = self.patients.disabled_reason
        if not reason and self.patients.rule != self._rule:
            self._look()
        self._refresh()

    def _on_preview(self, token: CancelToken, found: TrainingPreview) -> None:
        if token.cancelled:
            return
        self._preview = found
        self.patients.offer(found.unknown)
        if found.recipe is not None:
            self.recipe.show_recipe(found.recipe)
        self._refresh()

    def _on_estimate(self, token: CancelToken, sentence: str) -> None:
        if not token.cancelled:
            self._estimate = sentence
            self._refresh()

    def _on_no_estimate(self, reason: str) -> None:
        if not self._estimate_token.cancelled:
            self._estimate = f"Time and memory can't be estimated: {reason}"
            self._refresh()

    def _on_run(self, status: RunStatus) -> None:
        running = self.runs.is_running
        if running and status.step is not None:
            self._show_step(status.step)
        self._show_pictures(status)
        if not running and status.ended is not None and status.ended != self._shown_end:
            self._show_end(status.ended)
        if self._was_running and not running:
            self._look()
        self._was_running = running
        self._refresh()

    def _show_pictures(self, status: RunStatus) -> None:
        folder = status.folder
        self.curves.show_file(None if folder is None else find_picture(folder, CURVES))
        watched = folder is not None and status.ended is None
        shown = find_picture(folder, SNAPSHOT) if folder is not None and watched else None
        self.snapshot.show_file(shown)

    def _show_step(self, step: Step) -> None:
        if step.total > 1 and step.done > 0:
            self.progress.show_steps(step.done, step.total)
        else:
            self.progress.show_busy()
        self.status.show_message(" ".join(filter(None, (f"{step.message}.", self._asked))))

    def _show_end(self, end: Ended) -> None:
        self._shown_end = end
        where, folder = self.project.where, self.runs.status.folder
        if where is not None:
            read, show = partial(read_names, where), partial(self.result.show_run, folder)
            self._io_queue.submit(read, show, self._fail)
        if end.failure:
            self._fail(end.failure)
            return
        verdict = "It was taken into use." if end.promoted else end.verdict
        self.status.show_result(
            JobStatus.SUCCEEDED, f"{end.summary} {verdict}", doubtful=not end.proven
        )
        if end.promoted and self._was_running and where is not None:
            self._io_queue.submit(partial(model_in_use, where), self._on_model, self._fail)

    def _on_model(self, model: ModelFolder) -> None:
        """Choose the model in use in the other docks."""
        self._settings.remember_model(model.spec.modality, model.name)
        self.notify_other_docks()

    def _on_case(self, case: ProofCase) -> None:
        self._layers.show(case)
        self._refresh()

    def _on_rolled_back(self, model: ModelFolder) -> None:
        self.status.show_result(
            JobStatus.SUCCEEDED, f"'{model.name}' is the project's model again."
        )
        self._on_model(model)
        self._look()

    def _fail(self, reason: str) -> None:
        self.status.show_result(JobStatus.FAILED, reason)
        self._refresh()

    def _refresh(self) -> None:
        """Enable what is possible, and say why the rest is not."""
        status, running = self.runs.status, self.runs.is_running
        # What a run was started with is known, and the other process looks at it again.
        reason = self.project.disabled_reason or ("" if self._can_go_on else self._missing)
        self.button.setText(_GO_ON if self._can_go_on else _IMPROVE)
        self.button.setEnabled(not reason and not running)
        self.button.setToolTip(qt_text(reason) or _ABOUT)
        for choice in (self.project, self.patients, self.recipe):
            choice.setEnabled(not running)
        self._asking.setVisible(self.patients.asks and not running)
        can_go_back = self._preview is not None and self._preview.can_roll_back
        self.back_button.setEnabled(can_go_back and not running)
        self.back_button.setToolTip(_BACK if can_go_back else _NO_WAY_BACK)
        self._running.setVisible(running)
        for button in (self.pause_button, self.finish_button):
            button.setEnabled(status.is_running and not self._asked)
        if not running:
            self.progress.stop()
        lines = status.notes if running else describe_preview(self._preview, reason)
        self.notes.setText("\n".join(lines) or _ABOUT)
        self.estimate_button.setVisible(not running)
        self.estimate_button.setEnabled(self.button.isEnabled())
        self.time_needed.setText("" if running else self._estimate)
        self.time_needed.setVisible(bool(self.time_needed.text()))
        self.result.refresh(None if running else status.ended, compares=self._layers.is_shown)
        if self._can_go_on and self.status.result is None:
            self.status.show_message("A run was stopped: Go on continues it where it was.")

    @property
    def _missing(self) -> str:
        """What there is too little of; empty if nothing."""
        if self._preview is None:
            return "Looking at the corrected masks…"
        return self.patients.disabled_reason or self._preview.problem
