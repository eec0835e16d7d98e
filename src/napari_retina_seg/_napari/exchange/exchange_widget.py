"""The Export and import dock: exchange masks of a project with other programs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import napari
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QApplication, QPushButton, QTabWidget, QVBoxLayout, QWidget

from napari_retina_seg._napari.dock import Dock
from napari_retina_seg._napari.exchange.export_form import ExportForm
from napari_retina_seg._napari.exchange.import_form import ImportForm
from napari_retina_seg._napari.exchange.transfer import list_subjects, run_export, run_import
from napari_retina_seg._napari.job import Job, JobResult, JobStatus
from napari_retina_seg._napari.project_row import ProjectRow
from napari_retina_seg._napari.review.widget import ReviewWidget
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.status import StatusLine
from napari_retina_seg._napari.task_queue import SerialTaskQueue
from napari_retina_seg._napari.widgets import ProgressRow, large
from napari_retina_seg.types.progress import Progress
from napari_retina_seg.workflows.selection import Subjects

_EXPORT, _IMPORT = "Export", "Import"


class ExchangeWidget(Dock):
    """Export masks from a project or import them.

    Signals
    -------
    finished : (JobResult)
        An export or import ended.
    """

    finished = Signal(object)

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._job: Job | None = None
        self._io_queue = SerialTaskQueue(self)
        self._listed_folder: Path | None = None
        self._focused: QWidget | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        settings = Settings()
        self.button = large(QPushButton(_EXPORT))
        self.work = ProgressRow("the export or import")
        self.status = StatusLine()
        self.project = ProjectRow(settings)
        self.exporting, self.importing = ExportForm(settings), ImportForm()
        self.tabs = QTabWidget()
        self.tabs.addTab(self.exporting, _EXPORT)
        self.tabs.addTab(self.importing, _IMPORT)
        self._lay_out()
        self._connect()
        self._on_project()

    # User actions

    def begin(self) -> None:
        """Start the export or import; the button."""
        where = self.project.where
        if self._job is not None or self._disabled_reason() or where is None:
            self.refresh()
            return
        steps = run_export if self._exports else run_import
        title = f"{where.folder.name} · {'export' if self._exports else 'import'}"
        self._job = Job(steps, self._form.task(where), self, title)
        self._job.progressed.connect(self._on_progress)
        self._job.done.connect(self._on_done)
        self._hold_focus()
        self.work.show_work(True)
        self.status.say("Reading the project." if self._exports else "Reading the masks.")
        self.refresh()
        self._job.start()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's
        """Keep keys typed while a job is running from triggering the viewer's shortcuts."""
        if self._job is not None:
            event.accept()
        else:
            super().keyPressEvent(event)

    def cancel(self) -> None:
        """Request cancellation; the Cancel button."""
        if self._job is not None:
            self.work.cancel_button.setEnabled(False)
            self._job.cancel()

    @property
    def is_running(self) -> bool:
        """Whether a job is running."""
        return self._job is not None

    def refresh(self) -> None:
        """Update the button's label, and enable it or give the reason."""
        reason = self._disabled_reason()
        self.button.setText(_EXPORT if self._exports else _IMPORT)
        self.button.setEnabled(not reason and self._job is None)
        self.button.setToolTip(reason or "Start; it can be cancelled.")
        self.tabs.setEnabled(self._job is None)
        self.project.setEnabled(self._job is None)
        if self._job is None and (reason or self.status.end is None):
            self.status.say(reason)

    # Layout and signals

    @property
    def _exports(self) -> bool:
        return self.tabs.currentWidget() is self.exporting

    @property
    def _form(self) -> ExportForm | ImportForm:
        return self.exporting if self._exports else self.importing

    def _disabled_reason(self) -> str:
        return self.project.disabled_reason or self._form.disabled_reason

    def _lay_out(self) -> None:
        inner = QWidget()
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(6, 4, 6, 4)
        for widget in (self.button, self.work, self.status, self.project, self.tabs):
            layout.addWidget(widget)
        layout.addStretch(1)
        self.scroll(inner)

    def _connect(self) -> None:
        self.button.clicked.connect(self.begin)
        self.work.cancel_button.clicked.connect(self.cancel)
        for changed in (
            self.exporting.changed,
            self.importing.changed,
            self.tabs.currentChanged,
        ):
            changed.connect(self._on_change)
        self.project.changed.connect(self._on_project)

    def reload(self) -> None:
        """Follow the project that was open last, unless another one was chosen here."""
        if self._job is None:
            self.project.follow()
            self._list_subjects()  # there may be new images

    # Signal handlers

    def _on_project(self) -> None:
        self._on_change()
        where = self.project.where
        if where is not None and where.folder != self._listed_folder:
            self.exporting.offer(Subjects())  # clear the previous project's patients
            self._list_subjects()

    def _list_subjects(self) -> None:
        where = self.project.where
        if where is not None:
            self._listed_folder = where.folder
            # Errors of the project are reported when an export or import starts.
            offer = partial(self._offer, where.folder)
            self._io_queue.submit(partial(list_subjects, where), offer, lambda _: offer(Subjects()))

    def _offer(self, folder: Path, subjects: Subjects) -> None:
        if folder == self._listed_folder:  # still chosen
            self.exporting.offer(subjects)

    def _on_change(self) -> None:
        if self._job is None:
            self.status.say("")  # it was about the previous choice
        self.refresh()

    def _on_progress(self, step: Progress, time_left: str) -> None:
        self.work.show_step(step, time_left)
        if self.work.cancel_button.isEnabled():
            self.status.say(f"{step.message}.")

    def _on_done(self, outcome: JobResult) -> None:
        self._job.deleteLater()
        self._job = None
        self.work.show_work(False)
        self.refresh()
        self._return_focus()
        self.status.show_result(outcome.end, outcome.message)
        if not self._exports and outcome.end is not JobStatus.CANCELLED:
            self._refresh_review()
        self.finished.emit(outcome)

    def _hold_focus(self) -> None:
        """Take the focus from fields that will be disabled; `_on_done` returns it."""
        focused = self.focusWidget() if self.isAncestorOf(QApplication.focusWidget()) else None
        self._focused = focused
        if focused is not None:
            self.setFocus()

    def _return_focus(self) -> None:
        if self._focused is not None and self.hasFocus():
            self._focused.setFocus()
        self._focused = None

    def _refresh_review(self) -> None:
        """Refresh the queue of the Review dock."""
        for dock in self._viewer.window.dock_widgets.values():
            if isinstance(dock, ReviewWidget):
                dock.queue.refresh_list()

    def cleanup(self) -> None:
        """Stop all work: the dock is closing."""
        if self._job is not None:
            self._job.abandon()
            self._job = None
        self._io_queue.shutdown()
