"""The Agreement dock: agreement between the two graders of a project."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import napari
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QFileDialog, QMessageBox, QPushButton

from napari_retina_seg._napari import settings as remembered
from napari_retina_seg._napari.agreement.cases import (
    CaseLayers,
    Compared,
    GradedCase,
    compare,
    read_case,
    write_report,
)
from napari_retina_seg._napari.agreement.findings import Findings
from napari_retina_seg._napari.dock import show_dock
from napari_retina_seg._napari.job import JobResult, JobStatus
from napari_retina_seg._napari.job_dock import JobDock, JobRow
from napari_retina_seg._napari.path_row import LastFolder
from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.project_row import ProjectPicker, ProjectRef
from napari_retina_seg._napari.review.session import ReviewSession
from napari_retina_seg._napari.review.widget import ReviewWidget
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.shortcuts import REVIEW_WIDGET
from napari_retina_seg._napari.tasks import SerialTaskQueue
from napari_retina_seg._napari.widgets import stack
from napari_retina_seg.project.store import same_person
from napari_retina_seg.reports.agreement import FILES
from napari_retina_seg.workflows.export_options import Identities

_BEFORE = (
    "Compares the gradings of two people on the same images. Assign second graders in the Review"
    " dock."
)
_NONE = "Select an image in the list."
_SECOND = "You are its second grader: the first grader or someone else adjudicates it."
_ADJUDICATE = "Open the selected image in the Review dock to make its final version."


class AgreementWidget(JobDock):
    """Compare the first and second gradings of a project.

    Signals
    -------
    opened : ()
        The gradings of an image are in the viewer.
    """

    opened = Signal()

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__("Compare the gradings", JobRow("the comparison"))
        self._viewer = napari_viewer
        self._project_ref: ProjectRef | None = None
        self._io_queue = SerialTaskQueue(self)
        self._layers = CaseLayers(napari_viewer)
        self.project = ProjectPicker(Settings())
        self.findings = Findings()
        self.report_button = QPushButton("Save report…")
        self.adjudicate_button = QPushButton("Adjudicate")
        self.report_button.setToolTip(
            "Write a page with all tables and plots, a CSV table of the images, and all figures as"
            " JSON to a folder."
        )
        buttons = stack(self.adjudicate_button, self.report_button, horizontal=True)
        self.lay_out(self.project, buttons, self.findings)
        self._connect()
        self.refresh()

    # User actions

    def compare(self) -> None:
        """Compare all gradings of the project; the button."""
        where = self.project.where
        if self.is_running or where is None:
            self.refresh()
            return
        self._project_ref = where
        title = f"Comparing the gradings of '{where.folder.name}'"
        self._start(partial(compare, where), title, f"{title}.")

    def open_case(self, number: int) -> None:
        """Show an image with both gradings; a double click in the list."""
        if self._project_ref is not None:
            read = partial(read_case, self._project_ref, number)
            self._io_queue.submit(read, self._on_case, self._fail)

    def save_report(self, folder: Path) -> None:
        """Write the report as a page, a table and JSON to a folder."""
        agreement, where = self.findings.agreement, self._project_ref
        if agreement is not None and where is not None:
            # As chosen in the Export and import dock.
            chosen = Settings().choice(remembered.EXPORT_NAMES, Identities.HIDE.value)
            identities = Identities(chosen) if chosen in set(Identities) else Identities.HIDE
            write = partial(write_report, where, agreement, folder, identities)
            self._io_queue.submit(write, self._on_saved, self._fail)

    def refresh(self) -> None:
        """Enable what is possible; give the reason in the tooltips of the rest."""
        reason = self.project.disabled_reason
        self.project.setEnabled(not self.is_running)
        self.button.setEnabled(not reason and not self.is_running)
        self.button.setToolTip(
            qt_text(reason) or "Compare the first and the second grading of each image."
        )
        self.report_button.setVisible(self.findings.agreement is not None)
        self.adjudicate_button.setVisible(self.findings.agreement is not None)
        disabled_reason = self._adjudicate_disabled_reason()
        self.adjudicate_button.setEnabled(not disabled_reason)
        self.adjudicate_button.setToolTip(qt_text(disabled_reason) or _ADJUDICATE)
        if not self.is_running and (reason or self.status.result is None):
            self.status.show_message(reason or ("" if self.findings.agreement else _BEFORE))

    # Layout and signals

    def _adjudicate_disabled_reason(self) -> str:
        chosen = self.findings.chosen
        if chosen is None or self._project_ref is None:
            return _NONE
        return _SECOND if same_person(chosen.second, self._project_ref.author) else ""

    def _connect(self) -> None:
        self.button.clicked.connect(self.compare)
        self.project.changed.connect(self._on_project)
        self.report_button.clicked.connect(self._ask_where)
        self.adjudicate_button.clicked.connect(self._adjudicate)
        self.findings.wanted.connect(self.open_case)
        self.findings.selected.connect(self.refresh)

    def reload(self) -> None:
        """Follow the project that was open last, unless another one was chosen here."""
        if not self.is_running:
            self.project.follow()

    def _ask_where(self) -> None:
        last, ref = LastFolder("report"), self._project_ref
        beside = "" if ref is None else str(ref.folder.parent)
        chosen = QFileDialog.getExistingDirectory(
            self, "Choose a folder for the report", last.initial(beside)
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
        if self.project.where != self._project_ref:
            self._project_ref = None
            self.findings.show_agreement(None)
            self.status.show_message("")  # it was about another project
        self.refresh()

    def take_result(self, result: JobResult) -> JobResult:
        """Show the agreement."""
        if isinstance(result, Compared):
            self.findings.show_agreement(result.agreement)
        return result

    def show_result(self, result: JobResult) -> None:
        """Display how the comparison ended; that it is too early to compare is no failure."""
        if isinstance(result, Compared) and result.agreement is None:
            self.status.show_message(result.message)
        else:
            super().show_result(result)

    def _on_case(self, case: GradedCase) -> None:
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
        ref, chosen = self._project_ref, self.findings.chosen
        if ref is not None and chosen is not None:
            self._layers.clear()
            self.status.show_message("")  # it was about the image that was shown
            review = show_dock(self._viewer, ReviewWidget, REVIEW_WIDGET)
            OpenInReview(review.session, ref, chosen.number).start()

    def cleanup(self) -> None:
        """Stop all work and restore the viewer: the dock is closing."""
        super().cleanup()
        self._io_queue.shutdown()
        self._layers.clear()


class OpenInReview(QObject):
    """Opens an image once the review session is idle and has its project open.

    Parameters
    ----------
    session : ReviewSession
        Session of the Review dock.
    where : ProjectRef
        Project and author.
    number : int
        Number of the image.
    """

    def __init__(self, session: ReviewSession, where: ProjectRef, number: int) -> None:
        super().__init__(session)
        self._session, self._where, self._number = session, where, number
        self._is_requested = False
        self._soon = QTimer(self, singleShot=True, interval=0)
        self._soon.timeout.connect(self._go_on)

    def start(self) -> None:
        """Start; failures are shown in the Review dock."""
        self._session.busy_changed.connect(self._soon.start)
        self._soon.start()

    def _go_on(self) -> None:
        if self._session.busy:
            return
        if self._is_open():
            self._end()
            self._session.open_image(self._number)
        elif self._is_requested:
            self._end()
        else:
            self._is_requested = True
            self._session.open(self._where.folder, self._where.author)

    def _is_open(self) -> bool:
        project = self._session.project
        if project is None or not same_person(project.author, self._where.author):
            return False
        return project.folder == self._where.folder.absolute()

    def _end(self) -> None:
        self._session.busy_changed.disconnect(self._soon.start)
        self.deleteLater()
