"""The Agreement dock: agreement between the two graders of a project."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import napari
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_retina_seg._napari.agreement.case_layers import CaseLayers
from napari_retina_seg._napari.agreement.comparing import (
    Case,
    Compared,
    compare,
    read_case,
)
from napari_retina_seg._napari.agreement.findings import Findings
from napari_retina_seg._napari.agreement.open_in_review import OpenInReview
from napari_retina_seg._napari.dock import Dock, show_dock
from napari_retina_seg._napari.job import Job, JobResult, JobStatus
from napari_retina_seg._napari.last_folder import LastFolder
from napari_retina_seg._napari.project_row import ProjectRef, ProjectRow
from napari_retina_seg._napari.review.widget import ReviewWidget
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.shortcuts import REVIEW_WIDGET
from napari_retina_seg._napari.status import StatusLine
from napari_retina_seg._napari.task_queue import SerialTaskQueue
from napari_retina_seg._napari.widgets import ProgressRow, large
from napari_retina_seg.project.store import same_person
from napari_retina_seg.reports.agreement import FILES, write_agreement
from napari_retina_seg.types.progress import Progress

_BEFORE = (
    "Compares the gradings of two people on the same images. Assign second graders in the Review"
    " dock."
)
_NONE = "Select an image in the list."
_SECOND = "You are its second grader: the first grader or someone else adjudicates it."
_ADJUDICATE = "Open the selected image in the Review dock to make its final version."


class AgreementWidget(Dock):
    """Compare the first and second gradings of a project.

    Signals
    -------
    finished : (JobResult)
        A comparison ended, and its result is displayed.
    opened : ()
        The gradings of an image are in the viewer.
    """

    finished = Signal(object)
    opened = Signal()

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._job: Job | None = None
        self._asked: ProjectRef | None = None
        self._io_queue = SerialTaskQueue(self)
        self._layers = CaseLayers(napari_viewer)
        self.button = large(QPushButton("Compare the gradings"))
        self.work = ProgressRow("the comparison")
        self.status = StatusLine()
        self.project = ProjectRow(Settings())
        self.findings = Findings()
        self.report_button = QPushButton("Save report…")
        self.adjudicate_button = QPushButton("Adjudicate")
        self._lay_out()
        self._connect()
        self.refresh()

    # User actions

    def compare(self) -> None:
        """Compare all gradings of the project; the button."""
        where = self.project.where
        if self._job is not None or where is None:
            self.refresh()
            return
        self._asked = where
        self._job = Job(compare, where, self, f"{where.folder.name} · agreement")
        self._job.progressed.connect(self._on_progress)
        self._job.done.connect(self._on_done)
        self.work.show_work(True)
        self.status.say(f"Comparing the gradings of '{where.folder.name}'.")
        self.refresh()
        self._job.start()

    def cancel(self) -> None:
        """Request cancellation; the Cancel button."""
        if self._job is not None:
            self.work.cancel_button.setEnabled(False)
            self._job.cancel()

    def open_case(self, number: int) -> None:
        """Show an image with both gradings; a double click in the list."""
        self._io_queue.submit(partial(read_case, self._asked, number), self._on_case, self._fail)

    def save_report(self, folder: Path) -> None:
        """Write the report as a page, a table and JSON to a folder."""
        agreement = self.findings.agreement
        self._io_queue.submit(
            partial(write_agreement, agreement, folder), self._on_saved, self._fail
        )

    @property
    def is_running(self) -> bool:
        """Whether a comparison is running."""
        return self._job is not None

    def refresh(self) -> None:
        """Enable what is possible; give the reason in the tooltips of the rest."""
        reason = self.project.disabled_reason
        self.project.setEnabled(self._job is None)
        self.button.setEnabled(not reason and self._job is None)
        self.button.setToolTip(reason or "Compare the first and the second grading of each image.")
        self.report_button.setVisible(self.findings.agreement is not None)
        self.adjudicate_button.setVisible(self.findings.agreement is not None)
        disabled_reason = self._adjudicate_disabled_reason()
        self.adjudicate_button.setEnabled(not disabled_reason)
        self.adjudicate_button.setToolTip(disabled_reason or _ADJUDICATE)
        if self._job is None and (reason or self.status.end is None):
            self.status.say(reason or ("" if self.findings.agreement else _BEFORE))

    # Layout and signals

    def _adjudicate_disabled_reason(self) -> str:
        chosen = self.findings.chosen
        if chosen is None or self._asked is None:
            return _NONE
        return _SECOND if same_person(chosen.second, self._asked.author) else ""

    def _lay_out(self) -> None:
        self.report_button.setToolTip(
            "Write a page with all tables and plots, a CSV table of the images, and all figures as"
            " JSON to a folder."
        )
        buttons = QHBoxLayout()
        buttons.addWidget(self.adjudicate_button)
        buttons.addWidget(self.report_button)
        inner = QWidget()
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(6, 4, 6, 4)
        for widget in (self.button, self.work, self.status, self.project):
            layout.addWidget(widget)
        layout.addLayout(buttons)
        layout.addWidget(self.findings)
        layout.addStretch(1)
        self.scroll(inner)

    def _connect(self) -> None:
        self.button.clicked.connect(self.compare)
        self.work.cancel_button.clicked.connect(self.cancel)
        self.project.changed.connect(self._on_project)
        self.report_button.clicked.connect(self._ask_where)
        self.adjudicate_button.clicked.connect(self._adjudicate)
        self.findings.wanted.connect(self.open_case)
        self.findings.selected.connect(self.refresh)

    def reload(self) -> None:
        """Follow the project that was open last, unless another one was chosen here."""
        if self._job is None:
            self.project.follow()

    def _ask_where(self) -> None:
        last = LastFolder("report")
        chosen = QFileDialog.getExistingDirectory(
            self, "Choose a folder for the report", last.begin(str(self._asked.folder.parent))
        )
        if not chosen:
            return
        folder = Path(chosen)
        last.remember(folder)
        there = [name for name in FILES if (folder / name).exists()]
        if there and not self._may_replace(there):
            return
        self.save_report(folder)

    def _may_replace(self, names: list[str]) -> bool:
        answer = QMessageBox.question(
            self,
            "Replace the report?",
            f"These files already exist: {', '.join(names)}. Replace them?",
        )
        return answer == QMessageBox.StandardButton.Yes

    # Signal handlers

    def _on_project(self) -> None:
        if self.project.where != self._asked:
            self._asked = None
            self.findings.show_agreement(None)
            self.status.say("")  # it was about another project
        self.refresh()

    def _on_progress(self, step: Progress, time_left: str) -> None:
        self.work.show_step(step, time_left)

    def _on_done(self, outcome: JobResult) -> None:
        self._job.deleteLater()
        self._job = None
        self.work.show_work(False)
        if isinstance(outcome, Compared):
            self.findings.show_agreement(outcome.agreement)
        self.refresh()
        if isinstance(outcome, Compared) and outcome.agreement is None:
            self.status.say(outcome.message)  # not a failure
        else:
            self.status.show_result(outcome.end, outcome.message)
        self.finished.emit(outcome)

    def _on_case(self, case: Case) -> None:
        self._layers.show(case)
        pair = case.pair
        violet = "; violet: different classes" if len(case.scheme) > 2 else ""
        self.status.show_result(
            JobStatus.SUCCEEDED,
            f"'{pair.image.name}': blue is only in {pair.first.author}'s mask (first), red only in"
            f" {pair.second.author}'s (second){violet}.",
        )
        self.opened.emit()

    def _on_saved(self, files: tuple[Path, ...]) -> None:
        names = ", ".join(file.name for file in files)
        self.status.show_result(
            JobStatus.SUCCEEDED, f"The report was saved to '{files[0].parent}': {names}."
        )

    def _fail(self, message: str) -> None:
        self.status.show_result(JobStatus.FAILED, message)

    def _adjudicate(self) -> None:
        """Open the selected image in the Review dock."""
        self._layers.clear()
        review = show_dock(self._viewer, ReviewWidget, REVIEW_WIDGET)
        OpenInReview(review.session, self._asked, self.findings.chosen.number).begin()

    def cleanup(self) -> None:
        """Stop all work and restore the viewer: the dock is closing."""
        if self._job is not None:
            self._job.abandon()
            self._job = None
        self._io_queue.shutdown()
        self._layers.clear()
