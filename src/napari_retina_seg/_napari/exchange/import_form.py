"""Which masks enter, and who drew them."""

from __future__ import annotations

import re

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QFormLayout, QLineEdit, QWidget

from napari_retina_seg._napari.exchange.path_row import PathRow
from napari_retina_seg._napari.exchange.transfer import ImportTask, Where
from napari_retina_seg._napari.last_folder import LastFolder
from napari_retina_seg._napari.widgets import add_row, text

_PAIR = re.compile(r"(\d{1,3})[:=](\d{1,3})")
_ABOUT = (
    "All formats of the export are read, and masks of other programs as images or DICOM. The image"
    " of a mask is found by what the file says of it (its content's hash, its DICOM UID), else by"
    " the name: call the mask as its image."
)


class ImportForm(QWidget):
    """What a person chooses of an import.

    Signals
    -------
    changed : ()
        Something else is chosen.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.source = PathRow(
            "Choose what holds the masks", "file or folder", LastFolder("import"), files=True
        )
        self.author, self.remap = QLineEdit(), QLineEdit()
        self.second_read = QCheckBox("They are second readings")
        self.author.setPlaceholderText("as the files say")
        self.author.setToolTip("Who drew the masks whose files do not say it.")
        self.remap.setPlaceholderText("e.g. 255:1")
        self.remap.setToolTip(
            "What values stand for in masks of other programs: VALUE:CLASS, several with commas."
            " Without it, 255 is what is questionable."
        )
        self.second_read.setToolTip("Their author read the images as the second one.")
        form = QFormLayout(self)
        add_row(form, "From", self.source)
        add_row(form, "Drawn by", self.author)
        add_row(form, "Values", self.remap)
        form.addRow(self.second_read)
        form.addRow(text(_ABOUT))
        self.source.changed.connect(self.changed)
        self.remap.textChanged.connect(self.changed)

    @property
    def disabled_reason(self) -> str:
        """What is missing or wrong."""
        if self.source.path is None:
            return "Choose a file or folder with masks."
        for pair in self._pairs:
            found = _PAIR.fullmatch(pair)
            if not found or max(map(int, found.groups())) > 255:
                return f"'{pair}' is no value and class: write it as 255:1."
        return ""

    def task(self, where: Where) -> ImportTask:
        """Return what is to be imported; there is no reason why not."""
        pairs = [re.split("[:=]", pair) for pair in self._pairs]
        return ImportTask(
            where,
            self.source.path,
            self.author.text().strip() or None,
            self.second_read.isChecked(),
            {int(value): int(label) for value, label in pairs},
        )

    @property
    def _pairs(self) -> list[str]:
        return [pair for pair in re.split(r"[,;\s]+", self.remap.text()) if pair]
