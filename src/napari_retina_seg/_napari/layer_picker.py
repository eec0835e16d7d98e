"""Choose the network layer to explain."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QVBoxLayout, QWidget

from napari_retina_seg._napari.explain.job import Places, list_target_layers, warm
from napari_retina_seg._napari.tasks import in_background
from napari_retina_seg._napari.widgets import ElidedComboBox, add_row, narrow, text
from napari_retina_seg.inference.target_layers import Place
from napari_retina_seg.models.registry import ModelFolder

_FINEST = "The last decoder layer nearly reproduces the mask."


class LayerPicker(QWidget):
    """Choose a layer of the network; the list is made in a thread, as it needs TensorFlow.

    The network is then split at the layer and warmed up, so that the first click is answered at
    once.

    Signals
    -------
    changed : ()
        The user chose another one.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._model: ModelFolder | None = None
        self._failed = False  # listing this model's layers
        self._wanted = ""  # once the list is available
        self._known: dict[str, Places] = {}
        self._places: tuple[Place, ...] = ()
        self._warming: tuple[ModelFolder, Place] | None = None
        self._warmed: tuple[ModelFolder, Place] | None = None
        self.disabled_reason = ""  # why there is nothing to choose from
        self._box = narrow(ElidedComboBox())
        self._note = text()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        form = QFormLayout()
        add_row(form, "Layer", self._box)
        layout.addLayout(form)
        layout.addWidget(self._note)
        self._box.activated.connect(self._on_chosen)
        self.offer(None)

    @property
    def place(self) -> Place | None:
        """The chosen layer."""
        index = self._box.currentIndex()
        return self._places[index] if 0 <= index < len(self._places) else None

    @property
    def is_ready(self) -> bool:
        """Whether the network is split at the chosen layer and warmed up."""
        return self.place is not None and self._warmed == (self._model, self.place)

    @property
    def names(self) -> list[str]:
        """The listed names."""
        return [place.name for place in self._places]

    @property
    def note(self) -> str:
        """The displayed note."""
        return "" if self._note.isHidden() else self._note.text()

    def offer(self, model: ModelFolder | None) -> None:
        """List the layers of a model, once they are known."""
        if model is not None and model == self._model and not self._failed:
            return
        self._model, self._places, self._failed = model, (), False
        self._box.clear()
        if model is None:
            self._show("Choose a model first.")
        elif model.spec.weights_sha256 in self._known:
            self._fill(self._known[model.spec.weights_sha256])
        else:
            self._show(f"Listing the layers of {model.name}.")
            in_background(partial(list_target_layers, model), self._on_found)

    def choose(self, name: str) -> None:
        """Choose a layer by its name, as a user's choice."""
        self._box.setCurrentIndex(self.names.index(name))
        self._on_chosen()

    def turn_to(self, name: str) -> None:
        """Choose a layer by its name, once known and if it exists."""
        self._wanted = name
        if name in self.names:
            self._box.setCurrentIndex(self.names.index(name))
            self._show_note()
            self._warm()

    def cleanup(self) -> None:
        """Stop waiting for the list: the dock is closing."""
        self._model, self._places = None, ()

    def _on_found(self, found: Places) -> None:
        if not found.disabled_reason:
            self._known[found.model.spec.weights_sha256] = found
        if found.model == self._model:
            self._fill(found)

    def _fill(self, found: Places) -> None:
        self._places = found.places
        self._failed = found.recommended is None
        if self._failed:
            self._show(found.disabled_reason)
            return
        self._box.addItems([place.words for place in found.places])
        self._box.setCurrentIndex(found.places.index(found.recommended))
        self._show("", found.recommended.name)
        self.turn_to(self._wanted)
        self._warm()

    def _on_chosen(self, index: int = 0) -> None:  # noqa: ARG002 - passed by Qt
        self._wanted = ""
        self._show_note()
        self._warm()
        self.changed.emit()

    def _warm(self) -> None:
        """Prepare the chosen layer in the background, one layer at a time."""
        if self._warming is None and self.place is not None and not self.is_ready:
            self._warming = self._model, self.place
            in_background(partial(warm, self._model, self.place.layer), self._on_warmed)

    def _on_warmed(self) -> None:
        self._warmed, self._warming = self._warming, None
        self._warm()  # another one may have been chosen meanwhile

    def _show(self, disabled_reason: str, recommended: str = "") -> None:
        self.disabled_reason = disabled_reason
        self._box.setEnabled(not disabled_reason)
        self._box.setToolTip(
            disabled_reason
            or "Layer of the network, with the input region that one cell covers. Fine layers"
            " respond to edges, coarse ones to whole structures. Recommended here:"
            f" {recommended}."
        )
        self._show_note()

    def _show_note(self) -> None:
        place = self.place
        finest = place is not None and place == self._places[-1]
        self._note.setText(_FINEST if finest and place.name.startswith("decoder") else "")
        self._note.setVisible(bool(self._note.text()))
