"""The dock `Export and import`: masks of a project to other programs and back."""

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
from napari_retina_seg._napari.exchange.transfer import enter, leave, look
from napari_retina_seg._napari.job import Job, JobResult, JobStatus
from napari_retina_seg._napari.project_row import ProjectRow
from napari_retina_seg._napari.review.widget import ReviewWidget
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.status import StatusLine
from napari_retina_seg._napari.task_queue import SerialTaskQueue
from napari_retina_seg._napari.widgets import ProgressRow, large
from napari_retina_seg.core.progress import Progress
from napari_retina_seg.project.selection import Subjects

_EXPORT, _IMPORT = "Export", "Import"


class ExchangeWidget(Dock):
    """Take masks out of a project, or into it.

    Signals
    -------
    finished : (Outcome)
        An export or import ended.
    """

    finished = Signal(object)

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._job: Job | None = None
        self._io_queue = SerialTaskQueue(self)
        self._looked_in: Path | None = None
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

    # What a person does

    def begin(self) -> None:
        """Export or import what is chosen; the button."""
        where = self.project.where
        if self._job is not None or self._disabled_reason() or where is None:
            self.refresh()
            return
        steps = leave if self._exports else enter
        title = f"{where.folder.name} · {'export' if self._exports else 'import'}"
        self._job = Job(steps, self._form.task(where), self, title)
        self._job.progressed.connect(self._on_progress)
        self._job.done.connect(self._on_done)
        self._hold_focus()
        self.work.show_work(True)
        self.status.say("Looking through the project." if self._exports else "Reading the masks.")
        self.refresh()
        self._job.start()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's
        """Keep what is typed while a job is at work from being taken for the viewer's shortcuts."""
        if self._job is not None:
            event.accept()
        else:
            super().keyPressEvent(event)

    def cancel(self) -> None:
        """Ask the running job to stop; the Cancel button."""
        if self._job is not None:
            self.work.cancel_button.setEnabled(False)
            self._job.cancel()

    @property
    def is_running(self) -> bool:
        """Whether a job is at work."""
        return self._job is not None

    def refresh(self) -> None:
        """Name the button, and grey it out with a reason."""
        reason = self._disabled_reason()
        self.button.setText(_EXPORT if self._exports else _IMPORT)
        self.button.setEnabled(not reason and self._job is None)
        self.button.setToolTip(reason or "Begin; it can be cancelled.")
        self.tabs.setEnabled(self._job is None)
        self.project.setEnabled(self._job is None)
        if self._job is None and (reason or self.status.end is None):
            self.status.say(reason)

    # How it is put together

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
        """Turn to the project that was open last, unless another one was chosen here."""
        if self._job is None:
            self.project.follow()
            self._look()  # there may be new images

    # What happens

    def _on_project(self) -> None:
        self._on_change()
        where = self.project.where
        if where is not None and where.folder != self._looked_in:
            self.exporting.offer(Subjects())  # the patients of another project are none of this one
            self._look()

    def _look(self) -> None:
        where = self.project.where
        if where is not None:
            self._looked_in = where.folder
            # What is wrong with the project is said when something is asked of it.
            offer = partial(self._offer, where.folder)
            self._io_queue.submit(partial(look, where), offer, lambda _: offer(Subjects()))

    def _offer(self, folder: Path, whose: Subjects) -> None:
        if folder == self._looked_in:  # it is still chosen
            self.exporting.offer(whose)

    def _on_change(self) -> None:
        if self._job is None:
            self.status.say("")  # what was said of something else
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
            self._tell_review()
        self.finished.emit(outcome)

    def _hold_focus(self) -> None:
        """Take the keyboard focus from fields that will be greyed out; `_on_done` returns it."""
        focused = self.focusWidget() if self.isAncestorOf(QApplication.focusWidget()) else None
        self._focused = focused
        if focused is not None:
            self.setFocus()

    def _return_focus(self) -> None:
        if self._focused is not None and self.hasFocus():
            self._focused.setFocus()
        self._focused = None

    def _tell_review(self) -> None:
        """Let the Review dock list and count what is new in its project."""
        for dock in self._viewer.window.dock_widgets.values():
            if isinstance(dock, ReviewWidget):
                dock.queue.list_anew()

    def cleanup(self) -> None:
        """Stop the work: the dock is going away."""
        if self._job is not None:
            self._job.abandon()
            self._job = None
        self._io_queue.shutdown()
