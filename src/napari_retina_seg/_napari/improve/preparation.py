"""What there is to learn from, whose images these are, what it takes, and how it is trained."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QPushButton, QWidget

from napari_retina_seg._napari import settings as remembered
from napari_retina_seg._napari.improve.look_ahead import LookAhead
from napari_retina_seg._napari.improve.recipe_form import RecipeForm
from napari_retina_seg._napari.improve.runs import describe_preview
from napari_retina_seg._napari.patients_form import PatientsForm
from napari_retina_seg._napari.project_row import ProjectRef
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.tasks import SerialTaskQueue
from napari_retina_seg._napari.widgets import CollapsibleSection, add_row, stack, text
from napari_retina_seg.workflows.patients import PatientRule, rule_options

ABOUT = (
    "Trains the model in use further with the accepted and corrected masks of the project, and"
    " compares both on patients that neither has seen. It runs in a program of its own: go on"
    " working, or close the window."
)
_LOOKING = "Looking at the corrected masks…"


class Preparation(QWidget):
    """All that is said and chosen before a run.

    Signals
    -------
    changed : ()
        Something was found or chosen.
    estimate_wanted : ()
        The button was pressed.
    failed : (str)
        Why the project can't be read.
    """

    changed = Signal()
    estimate_wanted = Signal()
    failed = Signal(str)

    def __init__(self, settings: Settings, queue: SerialTaskQueue) -> None:
        super().__init__()
        self._where: ProjectRef | None = None
        self.ahead = LookAhead(queue, self)
        self.patients, self.recipe, self.notes = PatientsForm(), RecipeForm(), text()
        self.estimate_button = QPushButton("Estimate time and memory")
        self.estimate_button.setToolTip("Tries a few steps on this computer; nothing is kept.")
        self.time_needed = text()
        self._lay_out(settings)
        self.estimate_button.clicked.connect(self.estimate_wanted)
        self.patients.changed.connect(self._on_patients)
        self.ahead.looked.connect(self._on_looked)
        self.ahead.estimated.connect(self.changed)
        self.ahead.failed.connect(self.failed)

    def _lay_out(self, settings: Settings) -> None:
        details = CollapsibleSection(
            "What there is to learn from", settings, remembered.IMPROVE_OPEN, True
        )
        details.addWidget(self.notes)
        training = CollapsibleSection(
            "Settings of the training", settings, remembered.IMPROVE_SETTINGS_OPEN, False
        )
        training.addWidget(self.recipe)
        self._asking = QWidget()
        add_row(QFormLayout(self._asking), "Patients", self.patients)
        self.setLayout(
            stack(self._asking, details, self.estimate_button, self.time_needed, training)
        )

    @property
    def options(self) -> tuple[str, ...]:
        """Options of the command for what is chosen."""
        return (*rule_options(self._rule), *self.recipe.options)

    @property
    def missing(self) -> str:
        """What there is too little of; empty if nothing."""
        preview = self.ahead.preview
        return _LOOKING if preview is None else self.patients.disabled_reason or preview.problem

    @property
    def can_roll_back(self) -> bool:
        """Whether a model was taken into use in the project."""
        return self.ahead.preview is not None and self.ahead.preview.can_roll_back

    @property
    def _rule(self) -> PatientRule | None:
        return None if self.patients.disabled_reason else self.patients.rule

    def look(self, where: ProjectRef | None) -> None:
        """Look what there is to learn from in a project; None for none."""
        if where != self._where:
            self._where = where
            self.ahead.forget_estimate()
            self.patients.clear()  # what was chosen for another project need not hold here
        if where is None:
            self.ahead.forget()
        else:
            self.ahead.look(where, self._rule)

    def refresh(self, reason: str, *, running: bool, said: Sequence[str]) -> None:
        """Show what there is; of a run what it has said of that.

        Parameters
        ----------
        reason : str
            Why nothing can be trained; empty if it can.
        running : bool
            Whether it is being trained.
        said : sequence of str
            By the run.
        """
        for choice in (self.patients, self.recipe):
            choice.setEnabled(not running)
        self._asking.setVisible(self.patients.asks and not running)
        lines = said if running else describe_preview(self.ahead.preview, reason)
        self.notes.setText("\n".join(lines) or ABOUT)
        self.estimate_button.setVisible(not running)
        self.estimate_button.setEnabled(not reason and not running)
        self.time_needed.setText("" if running else self.ahead.estimate)
        self.time_needed.setVisible(bool(self.time_needed.text()))

    def _on_patients(self) -> None:
        """Look again once the patients of all images can be found in another way."""
        if not self.patients.disabled_reason and self.patients.rule != self.ahead.rule:
            self.look(self._where)
        self.changed.emit()

    def _on_looked(self) -> None:
        found = self.ahead.preview
        if found is not None:
            self.patients.offer(found.unknown)
            if found.recipe is not None:
                self.recipe.show_recipe(found.recipe)
        self.changed.emit()
