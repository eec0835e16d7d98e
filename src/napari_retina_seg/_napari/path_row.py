"""Path field with buttons that open dialogs in the folder used last."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QWidget

from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.settings import Settings


class LastFolder:
    """A folder that is remembered across sessions.

    Parameters
    ----------
    purpose : str
        Kind of file; each one has its own folder.
    """

    def __init__(self, purpose: str) -> None:
        self._key = f"folders/{purpose}"

    def initial(self, first: str = "") -> str:
        """Return the remembered folder, or `first` if there is none."""
        last = Settings().choice(self._key, "")
        return last if last and Path(last).is_dir() else first

    def remember(self, folder: Path) -> None:
        """Remember a folder for the next dialog."""
        Settings().remember_choice(self._key, str(folder))


class PathRow(QWidget):
    """A path field, and a button for each kind of path.

    Parameters
    ----------
    title : str
        Title of the dialogs.
    hint : str
        Placeholder of the field.
    last : LastFolder
        Initial folder of the dialogs while the field is empty.
    files : bool
        Whether files may be chosen, too.
    makes : bool
        Whether the folder must be new: in one with contents, a new name is proposed.

    Signals
    -------
    changed : ()
        The path changed.
    """

    changed = Signal()

    def __init__(
        self, title: str, hint: str, last: LastFolder, *, files: bool = False, makes: bool = False
    ) -> None:
        super().__init__()
        self._title, self._last, self._makes = title, last, makes
        self.edit = QLineEdit()
        self.edit.setPlaceholderText(hint)
        self.edit.textChanged.connect(self._on_text)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.edit, 1)
        if files:
            row.addWidget(self._button("File…", self._ask_file))
        row.addWidget(self._button("Folder…", self._ask_folder))

    @property
    def path(self) -> Path | None:
        """The chosen path."""
        typed = self.edit.text().strip()
        return Path(typed).expanduser() if typed else None

    def _button(self, label: str, ask: object) -> QPushButton:
        button = QPushButton(label)
        button.setToolTip(f"{self._title}.")
        button.clicked.connect(ask)
        return button

    def _on_text(self) -> None:
        self.edit.setToolTip(qt_text(self.edit.text()))
        self.changed.emit()

    def _ask_folder(self) -> None:
        self._take(QFileDialog.getExistingDirectory(self, self._title, self._initial_folder()))

    def _ask_file(self) -> None:
        self._take(QFileDialog.getOpenFileName(self, self._title, self._initial_folder())[0])

    def _initial_folder(self) -> str:
        return self.edit.text() or self._last.initial()

    def _take(self, chosen: str) -> None:
        if chosen:
            path = Path(chosen)
            self._last.remember(path.parent)
            self.edit.setText(str(_free(path) if self._makes else path))


def holds_something(path: Path) -> bool:
    """Whether a path is a file or a folder that is not empty."""
    try:
        return path.exists() and (not path.is_dir() or any(path.iterdir()))
    except OSError:
        return False  # writing will report it


def _free(folder: Path) -> Path:
    if not holds_something(folder):
        return folder
    names = (f"masks-{number}" if number > 1 else "masks" for number in count(1))
    return next(folder / name for name in names if not (folder / name).exists())
