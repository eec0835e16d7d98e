"""Form of an import: source, author and values."""

from __future__ import annotations

import re

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QFormLayout, QLineEdit, QWidget

from napari_retina_seg._napari.exchange.path_row import PathRow
from napari_retina_seg._napari.exchange.transfer import ImportTask
from napari_retina_seg._napari.last_folder import LastFolder
from napari_retina_seg._napari.project_row import ProjectRef
from napari_retina_seg._napari.widgets import add_row, text

_PAIR = re.compile(r"(\d{1,3})[:=](\d{1,3})")
_ABOUT = (
    "Reads all export formats, and masks of other programs as images or DICOM. A mask is matched"
    " to its image by what the file records (a checksum of the image file, or its DICOM UID),"
    " otherwise by name: give the mask file the image's name."
)


class ImportForm(QWidget):
    """Options of an import.

    Signals
    -------
    changed : ()
        An option changed.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.source = PathRow(
            "Choose the file or folder with the masks",
            "file or folder",
            LastFolder("import"),
            files=True,
        )
        self.author, self.remap = QLineEdit(), QLineEdit()
        self.second_read = QCheckBox("These are second gradings")
        self.author.setPlaceholderText("as recorded in the files")
        self.author.setToolTip("Author of masks whose files do not record one.")
        self.remap.setPlaceholderText("255:1 if 255 is class 1")
        self.remap.setToolTip(
            "What the pixel values of a mask from another program mean, if they are not the"
            " numbers of the classes: each value, a colon and its class, separated by commas, as"
            " in 128:1, 255:2. Otherwise 255 marks what is questionable."
        )
        self.second_read.setToolTip("Their author is the second grader of the images.")
        form = QFormLayout(self)
        add_row(form, "From", self.source)
        add_row(form, "Drawn by", self.author)
        add_row(form, "Values mean", self.remap)
        form.addRow(self.second_read)
        form.addRow(text(_ABOUT))
        self.source.changed.connect(self.changed)
        self.remap.textChanged.connect(self.changed)

    @property
    def disabled_reason(self) -> str:
        """What is missing or invalid; empty if the import can start."""
        if self.source.path is None:
            return "Choose a file or folder with masks."
        for pair in self._pairs:
            found = _PAIR.fullmatch(pair)
            if not found or max(map(int, found.groups())) > 255:
                return (
                    f"'{pair}' is not a value and a class: write 255:1 if the value 255 is class 1."
                )
        return ""

    def task(self, where: ProjectRef) -> ImportTask:
        """Return the import request; call it only without `disabled_reason`."""
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
