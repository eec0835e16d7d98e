"""Form row for the project and the author."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QFormLayout, QHBoxLayout, QLineEdit, QPushButton, QWidget

from napari_retina_seg._napari import settings as remembered
from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.widgets import add_row, text
from napari_retina_seg.project.account import current_username


@dataclass(frozen=True)
class ProjectRef:
    """Folder of a project, and the author."""

    folder: Path
    author: str


class ProjectPicker(QWidget):
    """Shows the project that was open last in the Review dock, unless another one is chosen.

    Signals
    -------
    changed : ()
        Project or author changed.
    """

    changed = Signal()

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._folder = Path()
        self._is_chosen = False  # chosen here, so it no longer follows the Review dock
        self.name = text()
        self.choose_button = QPushButton("Choose…")
        self.choose_button.setToolTip("Choose the folder of another project.")
        self.author = QLineEdit()
        self.author.setToolTip("Your name; second graders can't see the first grading.")
        row = QHBoxLayout()
        row.addWidget(self.name, 1)
        row.addWidget(self.choose_button)
        form = QFormLayout(self)
        add_row(form, "Project", row)
        add_row(form, "Author", self.author)
        self.choose_button.clicked.connect(self._ask)
        self.author.textEdited.connect(self._on_author)
        self.follow()

    @property
    def where(self) -> ProjectRef | None:
        """Project and author; None if incomplete."""
        author = self.author.text().strip()
        return ProjectRef(self._folder, author) if self._folder.name and author else None

    @property
    def disabled_reason(self) -> str:
        """What is missing; empty if complete."""
        return "" if self.where else ("Enter your name." if self._folder.name else _NONE)

    def choose(self, folder: Path) -> None:
        """Choose a project."""
        self._folder, self._is_chosen = folder, True
        self._show()
        self.changed.emit()

    def follow(self) -> None:
        """Select the project that was open last; nothing is emitted if it is selected already."""
        if self._is_chosen:
            return
        before = self._folder, self.author.text()
        last, _, _ = self._settings.choice(remembered.PROJECTS, "").partition("\n")
        self._folder = Path(last)
        self.author.setText(self._settings.choice(remembered.AUTHOR, "") or current_username())
        self._show()
        if (self._folder, self.author.text()) != before:
            self.changed.emit()

    def _show(self) -> None:
        self.name.setText(self._folder.name or "none yet")
        self.name.setToolTip(qt_text(str(self._folder)) if self._folder.name else "")

    def _on_author(self) -> None:
        self._is_chosen = True
        self.changed.emit()

    def _ask(self) -> None:
        beside = str(self._folder.parent) if self._folder.name else ""
        folder = QFileDialog.getExistingDirectory(self, "Choose a project", beside)
        if folder:
            self.choose(Path(folder))


_NONE = "Choose a project, or open one in the Review dock."
