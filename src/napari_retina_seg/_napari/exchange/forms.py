"""Forms of an export and of an import."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QGridLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)

from napari_retina_seg._napari import settings as remembered
from napari_retina_seg._napari.exchange.transfer import ExportTask, ImportTask
from napari_retina_seg._napari.path_row import LastFolder, PathRow, holds_something
from napari_retina_seg._napari.patients_form import PatientsForm
from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.project_row import ProjectRef
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.widgets import add_row, combo_box, text
from napari_retina_seg.project.states import MASK_COUNTS, State
from napari_retina_seg.types.image import Laterality
from napari_retina_seg.workflows.export_options import Format, Identities
from napari_retina_seg.workflows.selection import Selection, Subjects

_FORMATS = {
    Format.TRAINING: "Training folder",
    Format.NNUNET: "nnU-Net data set",
    Format.HUGGING_FACE: "Hugging Face, MONAI",
    Format.PNG: "PNG with a palette",
    Format.TIFF: "TIFF, volumes too",
    Format.NIFTI: "NIfTI",
    Format.DICOM_SEG: "DICOM Segmentation",
    Format.COCO: "COCO, run lengths (exact)",
    Format.COCO_POLYGONS: "COCO, polygons",
    Format.VGG: "VGG JSON, polygons",
    Format.CVAT: "CVAT for images 1.1",
    Format.LABELME: "labelme, with images",
    Format.NPY: "NumPy stacks, class values",
    Format.NPY_ONE_HOT: "NumPy stacks, one-hot",
    Format.BOUNDARY_CSV: "Boundaries as CSV",
    Format.BOUNDARY_JSON: "Boundaries as JSON",
}
_NAMES = {
    Identities.HIDE: "Hide patient identifiers",
    Identities.PSEUDONYMS: "Pseudonyms for all",
    Identities.KEEP: "Keep all names",
}


_ABOUT_IMAGES = (
    "For annotation tools: each image or slice as an 8-bit PNG, under the name that the masks"
    " refer to, with the pixels and no other data of the file."
)
_ABOUT_PREDICTIONS = (
    "Unreviewed predictions go to a folder 'predictions' and are marked as such; they are not"
    " ground truth."
)
_EYES = {
    Laterality.RIGHT: "right (OD)",
    Laterality.LEFT: "left (OS)",
    Laterality.UNKNOWN: "unknown",
}
_PAIR = re.compile(r"(\d{1,3})[:=](\d{1,3})")
_ABOUT = (
    "Reads all export formats, and masks of other programs as images or DICOM. A mask is matched"
    " to its image by what the file records (a checksum of the image file, or its DICOM UID),"
    " otherwise by name: give the mask file the image's name."
)


class ExportForm(QWidget):
    """Options of an export; format and names are remembered.

    Signals
    -------
    changed : ()
        An option changed.
    """

    changed = Signal()

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._known = Subjects()
        self.formats = _box(_FORMATS, settings.choice(remembered.EXPORT_FORMAT, ""))
        self.names = _box(_NAMES, settings.choice(remembered.EXPORT_NAMES, ""))
        self.names_button = QPushButton("Show and confirm names…")
        self.out = PathRow(
            "Choose a new or empty folder", "new folder", LastFolder("export"), makes=True
        )
        self.states = {state: QCheckBox(str(state)) for state in State if state in MASK_COUNTS}
        self.drawn_by, self.since, self.until = QLineEdit(), QLineEdit(), QLineEdit()
        self.patients, self.eyes = combo_box(), combo_box()
        self.subjects = PatientsForm()
        self.split = text()
        self.with_images = QCheckBox("Include images as PNG")
        self.predictions = QCheckBox("Include unreviewed predictions")
        self._lay_out()
        self._connect()

    @property
    def disabled_reason(self) -> str:
        """What is missing or invalid; empty if the export can start."""
        if self.out.path is None:
            return "Choose a new folder for the masks."
        if holds_something(self.out.path):
            return f"'{self.out.path}' is not empty: choose a new or empty folder."
        if not any(box.isChecked() for box in self.states.values()):
            return "Tick at least one state."
        for edit in (self.since, self.until):
            if edit.text().strip() and _day(edit) is None:
                return f"'{edit.text()}' is not a date (YYYY-MM-DD)."
        return self.subjects.disabled_reason if self._divides else ""

    def task(self, where: ProjectRef) -> ExportTask:
        """Return the export request; call it only without `disabled_reason`."""
        return ExportTask(
            where,
            self.out.path or Path(),
            Format(self.formats.currentData()),
            self._selection,
            Identities(self.names.currentData()),
            self.subjects.rule if self._divides else None,
            self.with_images.isChecked() and self.with_images.isEnabled(),
        )

    @property
    def _selection(self) -> Selection:
        eye = self.eyes.currentData()
        return Selection(
            states=frozenset(state for state, box in self.states.items() if box.isChecked()),
            drawn_by=self.drawn_by.text().strip() or None,
            since=_day(self.since),
            until=_day(self.until),
            patient=self.patients.currentData(),
            eye=Laterality(eye) if eye else None,
            predictions=self.predictions.isChecked() and self.predictions.isEnabled(),
        )

    @property
    def _divides(self) -> bool:
        """Whether images are split by patient and some patients are unknown."""
        return Format(self.formats.currentData()).has_images and self.subjects.asks

    def offer(self, subjects: Subjects) -> None:
        """List the patients and eyes of a project, if known."""
        form = self.layout()
        for box, known in (
            (self.patients, [(name, name) for name in subjects.patients]),
            (self.eyes, [(_EYES[eye], eye.value) for eye in subjects.eyes]),
        ):
            chosen = box.currentData()
            box.clear()
            for caption, value in (("all", None), *known):
                box.addItem(caption, value)
            box.setCurrentIndex(max(0, box.findData(chosen)))
            form.setRowVisible(box, bool(known))
        self._known = subjects
        self._on_selection()

    def _lay_out(self) -> None:
        states = QGridLayout()
        for place, box in enumerate(self.states.values()):
            box.setChecked(True)
            states.addWidget(box, *divmod(place, 2))
        days = QGridLayout()
        for place, (edit, hint) in enumerate(((self.since, "from"), (self.until, "until"))):
            edit.setPlaceholderText(hint)
            edit.setToolTip("Date on which the mask was saved (YYYY-MM-DD); empty for any.")
            days.addWidget(edit, 0, place)
        self.drawn_by.setPlaceholderText("anyone")
        self.formats.setToolTip(
            "Each mask is exported with its classes, sizes and author. A training folder also"
            " contains the images, to train a model on."
        )
        self.names.setToolTip(
            "Names of images and patients. Pseudonyms are made with the project's key, and can't be"
            " reversed without it. By default every image gets one unless its name was confirmed."
        )
        self.names_button.setToolTip(
            "Show what each image is called in exports, and confirm names that are harmless."
        )
        self.patients.setToolTip("Only images of one patient or group.")
        self.eyes.setToolTip("Only images of right or left eyes.")
        form = QFormLayout(self)
        add_row(form, "Format", self.formats)
        add_row(form, "Folder", self.out)
        add_row(form, "Patients", self.subjects)
        form.addRow(self.split)
        add_row(form, "State", states)
        add_row(form, "Patient", self.patients)
        add_row(form, "Eye", self.eyes)
        add_row(form, "Drawn by", self.drawn_by)
        add_row(form, "Saved", days)
        add_row(form, "Names", self.names)
        form.addRow(self.names_button)
        form.addRow(self.with_images)
        form.addRow(self.predictions)
        self.offer(Subjects())

    def _connect(self) -> None:
        self.formats.currentIndexChanged.connect(self._on_format)
        self.names.currentIndexChanged.connect(
            lambda: self._settings.remember_choice(
                remembered.EXPORT_NAMES, self.names.currentData()
            )
        )
        self.out.changed.connect(self.changed)
        self.subjects.changed.connect(self.changed)
        self.subjects.changed.connect(self._show_split)
        for box in (self.patients, self.eyes):
            box.currentIndexChanged.connect(self._on_selection)
        for box in self.states.values():
            box.toggled.connect(self._on_selection)
        for edit in (self.drawn_by, self.since, self.until):
            edit.textChanged.connect(self._on_selection)
        self._on_format()

    def _on_selection(self) -> None:
        """Ask for unknown patients of the exported images, where the format needs them."""
        self.subjects.offer(self._known.unknown(self._selection))
        self.layout().setRowVisible(self.subjects, self._divides)
        self._show_split()

    def _show_split(self) -> None:
        """Say before the export which splits will be empty."""
        warning = ""
        if Format(self.formats.currentData()).has_images and not self.subjects.disabled_reason:
            warning = self._known.predict_split(self._selection, self.subjects.rule)
        self.split.setText(warning)
        self.split.setVisible(bool(warning))

    def _on_format(self) -> None:
        chosen = Format(self.formats.currentData())
        self._on_selection()
        _allow(
            self.predictions,
            "This format is for training: unreviewed predictions are left out."
            if chosen.has_images
            else "",
            _ABOUT_PREDICTIONS,
        )
        disabled_reason = (
            "" if chosen.may_have_images else "This format does not refer to image files."
        )
        if chosen.has_images or chosen is Format.LABELME:
            disabled_reason = "This format always includes its images."
        _allow(self.with_images, disabled_reason, _ABOUT_IMAGES)
        self._settings.remember_choice(remembered.EXPORT_FORMAT, chosen.value)
        self.changed.emit()


def _box(names: dict[Format, str] | dict[Identities, str], chosen: str) -> QComboBox:
    box = combo_box()
    for value, name in names.items():
        box.addItem(name, value.value)
    box.setCurrentIndex(max(0, box.findData(chosen)))
    return box


def _allow(box: QCheckBox, disabled_reason: str, about: str) -> None:
    """Enable a box, or disable it with the reason as its tooltip."""
    box.setEnabled(not disabled_reason)
    box.setToolTip(qt_text(disabled_reason) or about)


def _day(edit: QLineEdit) -> date | None:
    try:
        return date.fromisoformat(edit.text().strip())
    except ValueError:
        return None


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
        self.second_grading = QCheckBox("These are second gradings")
        self.author.setPlaceholderText("as recorded in the files")
        self.author.setToolTip("Author of masks whose files do not record one.")
        self.remap.setPlaceholderText("255:1 if 255 is class 1")
        self.remap.setToolTip(
            "What the pixel values of a mask from another program mean, if they are not the"
            " numbers of the classes: each value, a colon and its class, separated by commas, as"
            " in 128:1, 255:2. Otherwise 255 marks what is questionable."
        )
        self.second_grading.setToolTip("Their author is the second grader of the images.")
        form = QFormLayout(self)
        add_row(form, "From", self.source)
        add_row(form, "Drawn by", self.author)
        add_row(form, "Values mean", self.remap)
        form.addRow(self.second_grading)
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
            self.source.path or Path(),
            self.author.text().strip() or None,
            self.second_grading.isChecked(),
            {int(value): int(label) for value, label in pairs},
        )

    @property
    def _pairs(self) -> list[str]:
        return [pair for pair in re.split(r"[,;\s]+", self.remap.text()) if pair]
