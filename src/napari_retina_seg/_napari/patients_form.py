"""Form for the patients that a project does not know, with a live preview."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLineEdit, QWidget

from napari_retina_seg._napari.path_row import LastFolder, PathRow
from napari_retina_seg._napari.widgets import combo_box, stack, text
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.workflows.patients import ImageSource, PatientRule

_ASK, _FOLDER, _NAME, _TABLE, _EACH = "", "folder", "name", "table", "each"
_UNTIL = {"_": r"^([^_]+)_", "-": r"^([^-]+)-"}  # the part before the first one
_CHOICES = {
    _ASK: "choose…",
    "_": "Name up to the first “_”",
    "-": "Name up to the first “-”",
    _FOLDER: "Name of the image's folder",
    _TABLE: "A table (CSV) lists them",
    _EACH: "Each image is its own patient",
    _NAME: "Advanced: a pattern",
}
_SHOWN = 4  # patients, and images per patient, in the preview


class PatientsForm(QWidget):
    """Asks how to find the patients of images that the project has none for.

    Signals
    -------
    changed : ()
        The choice changed.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._images: tuple[ImageSource, ...] = ()
        self.choice = combo_box()
        for value, label in _CHOICES.items():
            self.choice.addItem(label, value)
        self.choice.setToolTip(
            "All images of a patient must be in the same set, training or validation. Some of these"
            " images have no known patient."
        )
        self.pattern = QLineEdit()
        self.pattern.setPlaceholderText("e.g. ^([^_]+)_")
        self.pattern.setToolTip(
            "Regular expression; its first group, or the whole match, is the patient."
        )
        self.table = PathRow(
            "Choose a table with the columns name and patient",
            "CSV with name, patient",
            LastFolder("patients"),
            files=True,
        )
        self.preview = text()
        self.setLayout(stack(*(self.choice, self.pattern, self.table, self.preview)))
        self.choice.currentIndexChanged.connect(self._on_change)
        self.pattern.textChanged.connect(self._on_change)
        self.table.changed.connect(self._on_change)
        self._on_change()

    def offer(self, images: Sequence[ImageSource]) -> None:
        """Set the images without patient; nothing is asked if there are none."""
        self._images = tuple(images)
        self._on_change()

    def clear(self) -> None:
        """Forget the images and what was chosen for them."""
        self.choice.setCurrentIndex(0)
        self.offer(())

    @property
    def asks(self) -> bool:
        """Whether there are images without patient."""
        return bool(self._images)

    @property
    def disabled_reason(self) -> str:
        """What is missing or invalid; empty if complete."""
        if not self.asks:
            return ""
        if self._chosen == _ASK:
            first = self._images[0].name
            if len(self._images) == 1:
                return f"The patient of '{first}' is unknown: choose an option under Patients."
            return (
                f"The patients of {count(len(self._images), 'image')} are unknown, e.g. of"
                f" '{first}': choose an option under Patients."
            )
        try:
            rule = self.rule
            found = () if rule is None else rule.find(self._images)
        except RetinaSegError as error:
            return str(error)
        if rule is None:
            what = "a pattern" if self._chosen == _NAME else "a table"
            return f"Give {what} that identifies the patients."
        missing = self._without_patient(found)
        if missing and not rule.each_image:
            return f"No patient found for {_some(missing)}: choose another option under Patients."
        return ""

    @property
    def rule(self) -> PatientRule | None:
        """The chosen rule; None if nothing was entered.

        Raises
        ------
        ProjectError
            If the pattern is not a regular expression.
        """
        if not self.asks:
            return None
        if self._chosen == _EACH:
            return PatientRule(each_image=True)
        if self._chosen == _FOLDER:
            return PatientRule(folder=True)
        if self._chosen in _UNTIL:
            return PatientRule(pattern=_UNTIL[self._chosen])
        pattern = self.pattern.text().strip()
        if self._chosen == _NAME and pattern:
            return PatientRule(pattern=pattern)
        if self._chosen == _TABLE and self.table.path is not None:
            return PatientRule(table=self.table.path)
        return None

    @property
    def _chosen(self) -> str:
        return str(self.choice.currentData())

    def _on_change(self) -> None:
        self.pattern.setVisible(self._chosen == _NAME)
        self.table.setVisible(self._chosen == _TABLE)
        self.preview.setText(self._describe())
        self.preview.setVisible(bool(self.preview.text()))
        self.changed.emit()

    def _describe(self) -> str:
        """Describe the patients found and the first of their images."""
        if self._chosen == _ASK or not self.asks:
            return ""
        try:
            rule = self.rule
            if rule is None or rule.each_image:
                return ""
            found = rule.find(self._images)
        except RetinaSegError as error:
            return str(error)
        images: dict[str, list[str]] = defaultdict(list)
        for image, who in zip(self._images, found, strict=True):
            if who is not None:
                images[who].append(image.name)
        lines = [f"{who}: {_some(names)}" for who, names in list(images.items())[:_SHOWN]]
        missing = self._without_patient(found)
        head = f"{count(len(images), 'patient')} in {count(len(found), 'image')}"
        lost = [f"No patient: {_some(missing)}"] if missing else []
        more = [f"… and {len(images) - _SHOWN} more"] if len(images) > _SHOWN else []
        return "\n".join([head, *lost, *lines, *more])

    def _without_patient(self, found: Sequence[str | None]) -> list[str]:
        pairs = zip(self._images, found, strict=True)
        return [image.name for image, who in pairs if who is None]


def _some(names: Sequence[str]) -> str:
    more = f" … ({len(names)})" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
