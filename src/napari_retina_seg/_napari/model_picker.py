"""Choose a model and show its model card."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QFormLayout, QPushButton, QWidget

from napari_retina_seg._napari.settings import CARD_OPEN, Settings
from napari_retina_seg._napari.widgets import CollapsibleSection, add_row, combo_box, text
from napari_retina_seg.models.cards import card_html
from napari_retina_seg.models.registry import ModelFolder, add_model, current_name, list_models
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.image import Modality


class ModelPicker(QWidget):
    """Lists the models of a modality.

    Attributes
    ----------
    card : CollapsibleSection
        Card of the chosen model; placed by the dock.

    Signals
    -------
    changed : ()
        Another model was chosen.
    refused : (str)
        Why a model folder was not added.
    """

    changed = Signal()
    refused = Signal(str)

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._modality = Modality.UNKNOWN
        self._models: tuple[ModelFolder, ...] = ()
        self.box = combo_box()
        self.box.setToolTip("Models for this kind of image.")
        self._card = text(html=True)
        self.card = CollapsibleSection("About this model", settings, CARD_OPEN, default=True)
        self.card.setToolTip("Training data, measured accuracy and licence of the model.")
        self.add_button = QPushButton("Add model folder…")
        self.add_button.setToolTip(
            "Add a model from a folder with spec.json and model.weights.h5. Nothing in it is"
            " executed."
        )
        self._lay_out()
        self.box.activated.connect(self._on_chosen)
        self.add_button.clicked.connect(self._ask_for_folder)
        self.offer(Modality.UNKNOWN)

    @property
    def model(self) -> ModelFolder | None:
        """The chosen model."""
        index = self.box.currentIndex()
        return self._models[index] if 0 <= index < len(self._models) else None

    @property
    def names(self) -> list[str]:
        """Names of the listed models."""
        return [model.name for model in self._models]

    def offer(self, modality: Modality) -> None:
        """List the models of a modality, with the last used one chosen; none if unknown."""
        self._modality = modality
        try:
            self._models = () if modality is Modality.UNKNOWN else list_models(modality)
        except RetinaSegError as error:
            self._models = ()
            self.refused.emit(str(error))
        self.box.clear()
        self.box.addItems(self.names)
        self.box.setEnabled(bool(self._models))
        last = current_name(self._settings.model(modality))
        if last in self.names:
            self.box.setCurrentIndex(self.names.index(last))
        self._show_card()

    def select(self, name: str) -> None:
        """Choose a model temporarily, without remembering it."""
        name = current_name(name)
        if name in self.names and (self.model is None or self.model.name != name):
            self.box.setCurrentIndex(self.names.index(name))
            self._show_card()
            self.changed.emit()

    def add(self, folder: Path) -> None:
        """Add a model folder, or report why it was refused."""
        try:
            added = add_model(folder)
        except RetinaSegError as error:
            self.refused.emit(str(error))
            return
        self._settings.remember_model(added.spec.modality, added.name)
        self.offer(self._modality)
        self.changed.emit()

    def _lay_out(self) -> None:
        add_row(QFormLayout(self), "Model", self.box)
        self.card.addWidget(self._card)
        self.card.addWidget(self.add_button)

    def _ask_for_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose a model folder")
        if folder:
            self.add(Path(folder))

    def _on_chosen(self, index: int = 0) -> None:  # noqa: ARG002 - passed by Qt
        if self.model is not None:
            self._settings.remember_model(self._modality, self.model.name)
        self._show_card()
        self.changed.emit()

    def _show_card(self) -> None:
        if self.model is not None:
            self._card.setText(card_html(self.model.spec))
        else:
            self._card.setText("Models are listed once the kind of image is known.")
