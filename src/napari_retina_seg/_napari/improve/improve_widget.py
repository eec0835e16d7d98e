"""The Improve dock: a better model from the corrections of a project."""

from __future__ import annotations

from functools import partial

import napari
from qtpy.QtWidgets import QMessageBox, QPushButton

from napari_retina_seg._napari.dock import Dock
from napari_retina_seg._napari.improve.preparation import ABOUT, Preparation
from napari_retina_seg._napari.improve.proof_view import Picture
from napari_retina_seg._napari.improve.result_panel import ResultPanel
from napari_retina_seg._napari.improve.run_panel import RunPanel
from napari_retina_seg._napari.improve.runs import (
    CURVES,
    SNAPSHOT,
    ImageRow,
    ImprovementRuns,
    find_picture,
    model_in_use,
    read_names,
    roll_back_of,
)
from napari_retina_seg._napari.improve.side_by_side import ProofCase, SideBySide, read_case
from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.project_row import ProjectPicker, ProjectRef
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.tasks import SerialTaskQueue
from napari_retina_seg._napari.widgets import StatusLine, large
from napari_retina_seg.models.registry import ModelFolder
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.workflows.improvement_log import Ended, RunStatus

_IMPROVE, _GO_ON = "Improve the model", "Go on"
_BACK = "Take the last change of the project's model back."
_NO_WAY_BACK = "No other model was taken into use in this project yet."
_PROMOTE = "--promote"
_ONCE_MORE = "Nothing is trained: the new model is tested once more, and then taken into use."


class ImproveWidget(Dock):
    """Start, follow and stop the improvement of a project's model, and take the result into use."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._settings = Settings()
        self._io_queue = SerialTaskQueue(self)
        self._where: ProjectRef | None = None
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
        self._start(self._former_options if self._can_go_on else self.preparation.options)

    def promote(self) -> None:
        """Test the finished model once more, and take it into use: that one and no other."""
        status = self.runs.status
        if status.folder is not None and status.started is not None:
            name = f'name="{status.candidate}"'
            out = ("--out", str(status.folder), "--set", name)
            self._start((*status.started.options, *out, _PROMOTE), _ONCE_MORE)

    def estimate(self) -> None:
        """Try a few steps in another process, and say how long it takes and how much memory."""
        where = self.project.where
        if where is not None and not self.runs.is_running:
            self.preparation.ahead.ask_for_estimate(where, self.preparation.options)
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

    # Layout and signals

    def _make_widgets(self) -> None:
        self.button = large(QPushButton(_IMPROVE))
        self.running = RunPanel(self.runs)
        self.status = StatusLine()
        self.project = ProjectPicker(self._settings)
        self.preparation = Preparation(self._settings, self._io_queue)
        self.curves, self.snapshot = Picture(), Picture()
        self.snapshot.setToolTip(
            "An image that this model does not learn from: its mask before and now. Blue is"
            " missing, red is drawn wrongly."
        )
        self.curves.setToolTip("Loss of the training; scores of the image above.")
        self.result = ResultPanel()
        self.back_button = QPushButton("Use the former model…")

    def _lay_out(self) -> None:
        self.lay_out(
            *(self.button, self.running, self.status, self.snapshot, self.result, self.curves),
            *(self.project, self.preparation, self.back_button),
        )

    def _connect(self) -> None:
        self.button.clicked.connect(self.improve)
        self.running.asked.connect(self.status.show_message)
        self.running.failed.connect(self._fail)
        self.preparation.estimate_wanted.connect(self.estimate)
        self.result.promote_wanted.connect(self.promote)
        self.result.clear_wanted.connect(self.close_comparison)
        self.result.images.wanted.connect(self.compare_image)
        self.back_button.clicked.connect(self.ask_to_roll_back)
        self.project.changed.connect(self._on_project)
        self.preparation.changed.connect(self._refresh)
        self.preparation.failed.connect(self._fail)
        self.runs.changed.connect(self._on_run)
        self.runs.failed.connect(self._fail)

    def reload(self) -> None:
        """Follow the project that was open last, and what was corrected in it since."""
        if not self.runs.is_running:
            self.project.follow()
            self._look()

    def cleanup(self) -> None:
        """Stop following; the run goes on."""
        self.preparation.ahead.close()
        self.runs.stop_following()
        self._layers.clear()
        self._layers.disconnect()
        self._io_queue.shutdown()

    # Running

    @property
    def _former_options(self) -> tuple[str, ...]:
        started = self.runs.status.started
        return () if started is None else started.options

    @property
    def _can_go_on(self) -> bool:
        """Whether a run was stopped, and no other settings were chosen since."""
        status = self.runs.status
        was_stopped = status.started is not None and status.ended is None
        is_same = self.preparation.options in ((), self._former_options)
        return was_stopped and not self.runs.is_running and is_same

    def _start(self, options: tuple[str, ...], note: str = "") -> None:
        where = self.project.where
        if where is None or self.runs.is_running:
            return
        self.preparation.ahead.forget()
        self.preparation.ahead.forget_estimate()
        self.running.begin(note)
        self.show_row(self.button)
        self._shown_end = None
        self._layers.clear()
        self.status.show_message(f"Starting… {note}".strip())
        try:
            self.runs.start(where.author, options)
        except RetinaSegError as error:
            self._fail(str(error))
        self._refresh()

    def _look(self) -> None:
        """Look what there is to learn from, unless a run uses it already."""
        if self.runs.is_running:
            self.preparation.ahead.forget()
        else:
            self.preparation.look(self.project.where)
        self._refresh()

    # Signal handlers

    def _on_project(self) -> None:
        where = self.project.where
        if where != self._where:
            self._where, self._shown_end, self._was_running = where, None, False
            self.status.show_message("")
            self._layers.clear()
            self.result.show_run(None, {})
            self.runs.follow(None if where is None else where.folder)
            self._on_run(self.runs.status)
        self._look()

    def _on_run(self, status: RunStatus) -> None:
        running = self.runs.is_running
        if status.is_running and status.step is not None:  # not of the run before
            self.status.show_message(self.running.show_step(status.step))
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
        said = f"{end.summary} {verdict}"
        self.status.show_result(JobStatus.SUCCEEDED, said, doubtful=not end.proven)
        if end.promoted and self._was_running and where is not None:
            show = partial(self._on_model, said)
            self._io_queue.submit(partial(model_in_use, where), show, self._fail)

    def _on_model(self, said: str, model: ModelFolder) -> None:
        """Choose the model in use in the other docks."""
        self._settings.remember_model(model.spec.modality, model.name)
        self.notify_other_docks()
        chosen = f"Segment and Review have chosen '{model.name}'."
        self.status.show_result(JobStatus.SUCCEEDED, f"{said} {chosen}")

    def _on_case(self, case: ProofCase) -> None:
        self._layers.show(case)
        self._refresh()

    def _on_rolled_back(self, model: ModelFolder) -> None:
        self._on_model(f"'{model.name}' is the project's model again.", model)
        self._look()

    def _fail(self, reason: str) -> None:
        self.status.show_result(JobStatus.FAILED, reason)
        self._refresh()

    def _refresh(self) -> None:
        """Enable what is possible, and say why the rest is not."""
        status, running = self.runs.status, self.runs.is_running
        # What a run was started with is known, and the other process looks at it again.
        missing = self.preparation.missing
        reason = self.project.disabled_reason or ("" if self._can_go_on else missing)
        self.button.setText(_GO_ON if self._can_go_on else _IMPROVE)
        self.button.setEnabled(not reason and not running)
        self.button.setToolTip(qt_text(reason) or ABOUT)
        self.project.setEnabled(not running)
        self.preparation.refresh(reason, running=running, said=status.notes)
        can_go_back = self.preparation.can_roll_back
        self.back_button.setEnabled(can_go_back and not running)
        self.back_button.setToolTip(_BACK if can_go_back else self._no_way_back)
        self.running.refresh()
        self.result.refresh(None if running else status.ended, compares=self._layers.is_shown)
        if self._can_go_on and self.status.result is None:
            self.status.show_message("A run was stopped: Go on continues it where it was.")

    @property
    def _no_way_back(self) -> str:
        """Why there is no former model to go back to, as far as that is known."""
        if self.runs.is_running:
            return "Wait for the end of the run, or pause it."
        if self.preparation.ahead.preview is None:
            return self.project.disabled_reason or self.preparation.missing
        return _NO_WAY_BACK
