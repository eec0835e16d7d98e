"""Choice of the classes of a mask: the program's, those of added models, or a file's."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QWidget

from napari_retina_seg.io.schemes import ENDING, find_scheme
from napari_retina_seg.models.registry import list_models
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.labels import SCHEMES, LabelScheme

_FROM_FILE = "Classes of a file…"


class SchemeBox(QComboBox):
    """Lists label schemes, with their classes, and takes others from TOML files.

    Signals
    -------
    failed : (str)
        A file could not be taken; why.
    """

    failed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._schemes: dict[str, LabelScheme] = {}
        self._before = 0
        self.addItem(_FROM_FILE)
        for scheme in SCHEMES.values():
            self._add(scheme)
        self._add_models()
        self.setCurrentIndex(0)
        self.setToolTip(f"Classes of the mask. '{_FROM_FILE}' takes your own from a TOML file.")
        self.activated.connect(self._react)

    @property
    def scheme(self) -> LabelScheme:
        """The chosen scheme."""
        return self._schemes[self.currentData()]

    def choose(self, scheme: LabelScheme) -> None:
        """Choose a scheme, which is listed from now on; one of the same name is replaced."""
        self._add(scheme)
        self._before = self.findData(scheme.name)
        self.setCurrentIndex(self._before)

    def showPopup(self) -> None:  # noqa: N802 - Qt's name
        """List the models that were added meanwhile, too."""
        self._add_models()
        super().showPopup()

    def take_file(self, path: Path) -> None:
        """Choose the scheme of a file, or say why not."""
        try:
            self.choose(find_scheme(path))
        except RetinaSegError as error:
            self.failed.emit(str(error))

    def _add_models(self) -> None:
        for model in list_models():
            if model.spec.scheme.name not in self._schemes:
                self._add(model.spec.scheme)

    def _add(self, scheme: LabelScheme) -> None:
        title = f"{scheme.name}: {_list_classes(scheme)}"
        place = self.findData(scheme.name)
        if place < 0:
            self.insertItem(self.count() - 1, title, scheme.name)
        else:
            self.setItemText(place, title)
        self._schemes[scheme.name] = scheme

    def _react(self, row: int) -> None:
        """Ask for a file, if the user chose so."""
        if row < self.count() - 1:
            self._before = row
            return
        self.setCurrentIndex(self._before)
        chosen, _ = QFileDialog.getOpenFileName(
            self, "Choose a file with classes", "", f"Label schemes and recipes (*{ENDING})"
        )
        if chosen:
            self.take_file(Path(chosen))


def _list_classes(scheme: LabelScheme) -> str:
    """List the classes of a scheme, of many the first and the last."""
    names = [label.abbreviation for label in scheme.classes[1:]]
    if len(names) < 3:
        return ", ".join(names)
    return f"{names[0]} … {names[-1]} ({count(len(names), 'class')})"
