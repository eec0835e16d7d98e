"""Open and create projects, in place of the open one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from qtpy.QtCore import Signal

from napari_retina_seg._napari.review.closing import save_and_open
from napari_retina_seg._napari.review.navigation import release_lease
from napari_retina_seg._napari.review.navigator import ImageNavigator
from napari_retina_seg._napari.review.password_dialog import ask_password
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.values import Autosave
from napari_retina_seg.types.errors import PasswordError, ProjectError
from napari_retina_seg.types.labels import LabelScheme

_Opened = tuple[Project, tuple[Autosave, ...]]


class ProjectOpener(ImageNavigator):
    """Opens one project after another; unsaved changes are saved first.

    Signals
    -------
    project_changed : ()
        Another project was opened.
    not_created : (str)
        A new project could not be created; why.
    """

    project_changed = Signal()
    not_created = Signal(str)

    def create(self, folder: Path, scheme: LabelScheme, author: str, server: str) -> None:
        """Create a project and open it.

        Parameters
        ----------
        folder : Path
            Its folder.
        scheme : LabelScheme
            Classes of its masks.
        author : str
            Who works on it.
        server : str
            Address of the database; empty to keep the records in the folder.
        """

        def make() -> Project:
            try:
                return Project.create(folder, scheme=scheme, author=author, database=server or None)
            except PasswordError:
                raise
            except ProjectError as error:
                self.not_created.emit(str(error))
                raise

        self._open_project(make)

    def open(self, folder: Path, author: str) -> None:
        """Open a project in place of the open one."""
        self._open_project(partial(Project, folder, author=author))

    def _open_project(self, make: Callable[[], Project]) -> None:
        old, edit = self.project, self._copy_edit()

        def task() -> _Opened | PasswordError:
            try:
                new = make() if edit is None or old is None else save_and_open(old, edit, make)
            except PasswordError as error:
                return error
            if edit is not None and old is not None:
                release_lease(old, edit.image.id)
            if old is not None:
                old.close()
            if not new.read_only:
                new.upload_pending()
            return new, new.recoverable()

        self._run("Opening the project…", edit, task, partial(self._on_project, make))

    def _on_project(self, make: Callable[[], Project], answer: _Opened | PasswordError) -> None:
        if isinstance(answer, PasswordError):
            self._fail(str(answer))
            ask_password(self.parent(), answer, partial(self._open_project, make))
            return
        self._close_image()
        self.project, slots = answer
        self._unsaved.clear()
        self.project_changed.emit()
        self.image_changed.emit()
        self.reported.emit(None, "")
        self.found.emit(slots)
