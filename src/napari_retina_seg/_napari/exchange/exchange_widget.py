"""The Export and import dock: exchange masks of a project with other programs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import napari
from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QApplication, QTabWidget, QWidget

from napari_retina_seg._napari.dock import find_dock
from napari_retina_seg._napari.exchange.forms import ExportForm, ImportForm
from napari_retina_seg._napari.exchange.names_dialog import NamesDialog
from napari_retina_seg._napari.exchange.transfer import (
    keep_names,
    list_names,
    list_subjects,
    run_export,
    run_import,
)
from napari_retina_seg._napari.job import JobResult, JobStatus
from napari_retina_seg._napari.job_dock import JobDock, JobRow
from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.project_row import ProjectPicker, ProjectRef
from napari_retina_seg._napari.review.widget import ReviewWidget
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.tasks import SerialTaskQueue
from napari_retina_seg.types.counts import count
from napari_retina_seg.workflows.naming import NameChange
from napari_retina_seg.workflows.selection import Subjects

_EXPORT, _IMPORT = "Export", "Import"


class ExchangeWidget(JobDock):
    """Export masks from a project or import them."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__(_EXPORT, JobRow("the export or import"))
        self._viewer = napari_viewer
        self._io_queue = SerialTaskQueue(self)
        self._listed_folder: Path | None = None
        self._focused: QWidget | None = None
        self.dialog: NamesDialog | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        settings = Settings()
        self.project = ProjectPicker(settings)
        self.exporting, self.importing = ExportForm(settings), ImportForm()
        self.tabs = QTabWidget()
        self.tabs.addTab(self.exporting, _EXPORT)
        self.tabs.addTab(self.importing, _IMPORT)
        self.status.keep_place(3)  # the form does not move under the mouse
        self.lay_out(self.project, self.tabs)
        self._connect()
        self._on_project()

    # User actions

    def start(self) -> None:
        """Start the export or import; the button."""
        where = self.project.where
        if self.is_running or self._disabled_reason() or where is None:
            self.refresh()
            return
        self._hold_focus()
        if self._exports:
            run, title = partial(run_export, self.exporting.task(where)), "Exporting masks of"
            message = "Reading the project."
        else:
            run, title = partial(run_import, self.importing.task(where)), "Importing masks into"
            message = "Reading the masks."
        self._start(run, f"{title} '{where.folder.name}'", message)

    def list_names(self) -> None:
        """Show what becomes of the images' names; the button beside the choice of names."""
        where = self.project.where
        if where is not None:
            self.exporting.names_button.setEnabled(False)
            self.status.show_message("Looking for patients' names.")
            show = partial(self._show_names, where)
            self._io_queue.submit(partial(list_names, where), show, self._fail_names)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's
        """Keep keys typed while a job is running from triggering the viewer's shortcuts."""
        if self.is_running:
            event.accept()
        else:
            super().keyPressEvent(event)

    def refresh(self) -> None:
        """Update the button's label, and enable it or give the reason."""
        reason = self._disabled_reason()
        self.button.setText(_EXPORT if self._exports else _IMPORT)
        self.button.setEnabled(not reason and not self.is_running)
        self.button.setToolTip(qt_text(reason) or "Start; it can be cancelled.")
        self.tabs.setEnabled(not self.is_running)
        self.project.setEnabled(not self.is_running)
        if not self.is_running and self.status.result is None:
            self.status.show_message(reason)

    # Layout and signals

    @property
    def _exports(self) -> bool:
        return self.tabs.currentWidget() is self.exporting

    def _disabled_reason(self) -> str:
        form = self.exporting if self._exports else self.importing
        return self.project.disabled_reason or form.disabled_reason

    def _connect(self) -> None:
        self.button.clicked.connect(self.start)
        for changed in (
            self.exporting.changed,
            self.importing.changed,
            self.tabs.currentChanged,
        ):
            changed.connect(self._on_change)
        self.project.changed.connect(self._on_project)
        self.exporting.names_button.clicked.connect(self.list_names)

    def reload(self) -> None:
        """Follow the project that was open last, unless another one was chosen here."""
        if not self.is_running:
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
        if folder != self._listed_folder:  # another one was chosen meanwhile
            return
        with QSignalBlocker(self.exporting):  # what was found is no choice: the result stays
            self.exporting.offer(subjects)
        self.refresh()

    def _show_names(self, where: ProjectRef, changes: tuple[NameChange, ...]) -> None:
        self.exporting.names_button.setEnabled(True)
        self._on_change()
        self.dialog = NamesDialog(changes, self)
        self.dialog.accepted.connect(partial(self._keep_names, where, self.dialog))
        self.dialog.open()

    def _keep_names(self, where: ProjectRef, dialog: NamesDialog) -> None:
        keep = partial(keep_names, where, dialog.kept)
        self._io_queue.submit(keep, self._on_names_kept, self._fail_names)

    def _on_names_kept(self, kept: int) -> None:
        self.status.show_result(
            JobStatus.SUCCEEDED, f"{count(kept, 'name')} confirmed; all others are replaced."
        )

    def _fail_names(self, message: str) -> None:
        self.exporting.names_button.setEnabled(True)
        self.status.show_result(JobStatus.FAILED, message)

    def _on_change(self) -> None:
        if not self.is_running:
            self.status.show_message("")  # it was about the previous choice
        self.refresh()

    def show_result(self, result: JobResult) -> None:
        """Display how the export or import ended, and refresh the queue of the Review dock."""
        self._return_focus()
        super().show_result(result)
        if not self._exports and result.status is not JobStatus.CANCELLED:
            review = find_dock(self._viewer, ReviewWidget)
            if review is not None:
                review.queue.refresh_list()

    def _hold_focus(self) -> None:
        """Take the focus from fields that will be disabled; `_return_focus` returns it."""
        focused = self.focusWidget() if self.isAncestorOf(QApplication.focusWidget()) else None
        self._focused = focused
        if focused is not None:
            self.setFocus()

    def _return_focus(self) -> None:
        if self._focused is not None and self.hasFocus():
            self._focused.setFocus()
        self._focused = None

    def cleanup(self) -> None:
        """Stop all work: the dock is closing."""
        super().cleanup()
        self._io_queue.shutdown()
