"""Ask for what a new project needs."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)

from napari_retina_seg._napari import settings as remembered
from napari_retina_seg._napari.scheme_box import SchemeBox
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.widgets import stack, text
from napari_retina_seg.project.address import parse_address
from napari_retina_seg.project.backends import has_project
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.labels import LabelScheme


class NewProject(QDialog):
    """Dialog for folder, classes, author and server of a new project.

    Parameters
    ----------
    parent : QWidget
        Owner.
    author : str
        The author's name, if it is known.
    settings : Settings
        Remember the server, without the name of its last database: each project has its own.
    """

    def __init__(self, parent: QWidget, author: str, settings: Settings) -> None:
        super().__init__(parent)
        self._settings = settings
        self.setWindowTitle("New project")
        self.folder_edit, self.author_edit = QLineEdit(), QLineEdit(author)
        self.folder_edit.setMinimumWidth(260)
        self.folder_edit.setPlaceholderText("A new or empty folder")
        self.server_edit = QLineEdit(settings.choice(remembered.SERVER, ""))
        self.server_edit.setPlaceholderText("postgresql://host/name, or empty")
        self.server_edit.setToolTip(
            "For people on several computers: an empty PostgreSQL database for the records, all but"
            " images and masks. Empty: the records are in the folder, too."
        )
        self.schemes = SchemeBox()
        self.problem = text()
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self._lay_out()
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.schemes.failed.connect(self.problem.setText)
        self.schemes.currentIndexChanged.connect(self._check)
        for edit in (self.folder_edit, self.author_edit, self.server_edit):
            edit.textChanged.connect(self._check)
        self._check()

    @property
    def folder(self) -> Path:
        """Folder of the project."""
        return Path(self.folder_edit.text().strip()).expanduser()

    @property
    def scheme(self) -> LabelScheme:
        """Label scheme."""
        return self.schemes.scheme

    @property
    def author(self) -> str:
        """Name of the author."""
        return self.author_edit.text()

    @property
    def server(self) -> str:
        """Address of the database; empty if the records are in the folder."""
        return self.server_edit.text().strip()

    def accept(self) -> None:
        """Close, and remember the server."""
        server = parse_address(self.server).set(database="") if self.server else ""
        self._settings.remember_choice(remembered.SERVER, str(server))
        super().accept()

    def _lay_out(self) -> None:
        browse = QPushButton("Browse…")
        browse.clicked.connect(self._browse)
        form = QFormLayout(self)
        form.addRow("Folder", stack(self.folder_edit, browse, horizontal=True))
        form.addRow("Classes", self.schemes)
        form.addRow("Your name", self.author_edit)
        form.addRow("Server", self.server_edit)
        form.addRow(self.problem)
        form.addRow(self.buttons)

    def _browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of the new project")
        if folder:
            self.folder_edit.setText(folder)

    def _check(self) -> None:
        complete = bool(self.folder_edit.text().strip() and self.author_edit.text().strip())
        problem = self._find_problem() if complete else ""
        button = self.buttons.button(QDialogButtonBox.StandardButton.Ok)
        button.setEnabled(complete and not problem)
        button.setToolTip(problem if complete else "Enter a folder and your name first.")
        self.problem.setText(problem)

    def _find_problem(self) -> str:
        if has_project(self.folder):
            return "This folder has a project: choose another folder, or open it with Open…"
        if self.server:
            try:
                parse_address(self.server)
            except ProjectError as error:
                return str(error)
        return ""
