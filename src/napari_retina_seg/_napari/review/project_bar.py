"""Open or create a project, set the author, and add images."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import (
    QFileDialog,
    QInputDialog,
    QMenu,
    QPushButton,
    QSizePolicy,
    QWidget,
)
from superqt import QElidingLabel

from napari_retina_seg._napari import settings as remembered
from napari_retina_seg._napari.plain import button_text, qt_text
from napari_retina_seg._napari.review.new_project import NewProject
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.widgets import stack
from napari_retina_seg.io import SUFFIXES
from napari_retina_seg.project.project import Project
from napari_retina_seg.types.text import displayed

_RECENT = 8
_WHO = "Your name, stored with every version that you save:"


class ProjectBar(QWidget):
    """Menus that open or create a project and add images to it.

    Signals
    -------
    created : (Path, LabelScheme, str, str)
        A new project was requested: folder, classes, author, address of a database or nothing.
    opened : (Path, str)
        A project was requested: folder, author.
    added : (tuple of Path)
        Files and folders to be added.
    improve_wanted : ()
        The Improve dock was requested.
    burden_wanted : ()
        The report on what corrections cost was requested.
    """

    created = Signal(object, object, str, str)
    opened = Signal(object, str)
    added = Signal(object)
    improve_wanted = Signal()
    burden_wanted = Signal()

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._folder: Path | None = None
        self._new: NewProject | None = None  # until its project is open
        self.project_button = QPushButton("Project")
        self.project_button.setToolTip("Open or create an annotation project.")
        self.add_button = QPushButton("Add images")
        self.title = QElidingLabel()
        self.title.setElideMode(Qt.TextElideMode.ElideMiddle)
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.copies = QAction("Store a copy of added images", self, checkable=True)
        self.copies.setToolTip(
            "On: images added from now on are copied into the project folder. Off: they stay"
            " where they are and must not be moved."
        )
        self.copies.setChecked(settings.switch(remembered.COPIES))
        self.copies.toggled.connect(lambda on: settings.remember_switch(remembered.COPIES, on))
        self._menu = QMenu(self)
        self._menu.aboutToShow.connect(self._fill_menu)
        self.project_button.setMenu(self._menu)
        self._lay_out()
        self.show_project(None)

    @property
    def author(self) -> str:
        """The remembered author; empty if none was entered yet."""
        return self._settings.choice(remembered.AUTHOR, "")

    @property
    def recent(self) -> list[Path]:
        """Recently opened projects, the latest first."""
        known = self._settings.choice(remembered.PROJECTS, "")
        return [Path(line) for line in known.splitlines() if line]

    def show_project(self, project: Project | None) -> None:
        """Show which project is open, and remember it."""
        self._folder = None if project is None else project.folder
        self.add_button.setEnabled(project is not None and not project.read_only)
        if project is None:
            self.title.setText("No project is open.")
            self.add_button.setToolTip("Open or create a project first.")
            return
        self.title.setText(displayed(f"{project.folder.name} · {project.author}"))
        self.title.setToolTip(
            qt_text(f"{project.folder}: masks of '{project.scheme.name}', by {project.author}.")
        )
        self.add_button.setToolTip(
            "Add files or folders, or drop them on this dock."
            if not project.read_only
            else "The project can't be written."
        )
        if self._new is not None:
            self._new.deleteLater()
            self._new = None
        self._settings.remember_choice(remembered.AUTHOR, project.author)
        others = [path for path in self.recent if path != project.folder]
        lines = [str(path) for path in (project.folder, *others)[:_RECENT]]
        self._settings.remember_choice(remembered.PROJECTS, "\n".join(lines))

    def open_last(self) -> None:
        """Open the project that was open last, if it is still there."""
        if self.recent and self.author and self.recent[0].is_dir():
            self.opened.emit(self.recent[0], self.author)

    def ask_for_folder(self) -> None:
        """Ask which project to open."""
        folder = QFileDialog.getExistingDirectory(self, "Open a project: choose its folder")
        if folder:
            self._open(Path(folder))

    def ask_for_new(self) -> None:
        """Ask for folder, classes, author and server of a new project."""
        if self._new is None:
            self._new = NewProject(self, self.author, self._settings)
            self._new.accepted.connect(self._create)
        self._new.open()

    def show_not_created(self, reason: str) -> None:
        """Ask for a new project once more, with what was entered and what was wrong with it."""
        self.ask_for_new()
        if self._new is not None:
            self._new.problem.setText(reason)

    def ask_for_files(self) -> None:
        """Ask which files to add."""
        kinds = " ".join(f"*{suffix}" for suffix in SUFFIXES)
        files, _ = QFileDialog.getOpenFileNames(self, "Add images", "", f"Images ({kinds} *.xml)")
        if files:
            self.added.emit(tuple(Path(file) for file in files))

    def ask_for_images_below(self) -> None:
        """Ask which folder to add."""
        folder = QFileDialog.getExistingDirectory(self, "Add all images of a folder")
        if folder:
            self.added.emit((Path(folder),))

    def ask_who(self) -> None:
        """Ask for the author's name and reopen the project under it."""
        name, accepted = QInputDialog.getText(self, "Author", _WHO, text=self.author)
        if accepted and name.strip() and self._folder is not None:
            self.opened.emit(self._folder, name)

    def _create(self) -> None:
        new = self._new
        if new is not None:
            self.created.emit(new.folder, new.scheme, new.author, new.server)

    def _open(self, folder: Path) -> None:
        author = self.author
        if not author:
            author, accepted = QInputDialog.getText(self, "Author", _WHO)
            if not accepted or not author.strip():
                return
        self.opened.emit(folder, author)

    def _lay_out(self) -> None:
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        menu.addAction("Files…", self.ask_for_files)
        menu.addAction("Folder…", self.ask_for_images_below)
        menu.addSeparator()
        menu.addAction(self.copies)
        self.add_button.setMenu(menu)
        row = stack(self.project_button, self.add_button, horizontal=True)
        self.setLayout(stack(row, self.title))

    def _fill_menu(self) -> None:
        self._menu.clear()
        self._menu.addAction("Open…", self.ask_for_folder)
        self._menu.addAction("New…", self.ask_for_new)
        if self._folder is not None:
            self._menu.addAction("Change author…", self.ask_who)
            self._menu.addAction("Improve the model…", self.improve_wanted.emit)
            self._menu.addAction("What corrections cost…", self.burden_wanted.emit)
        self._menu.addSeparator()
        for folder in self.recent:
            if folder != self._folder:
                self._menu.addAction(
                    button_text(str(folder)), lambda folder=folder: self._open(folder)
                )
