"""Choose the network layer to explain."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QVBoxLayout, QWidget

from napari_retina_seg._napari.explain.job import TargetLayers, list_target_layers, warm
from napari_retina_seg._napari.tasks import in_background
from napari_retina_seg._napari.widgets import add_row, combo_box, text
from napari_retina_seg.inference.target_layers import TargetLayer
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
        self._known: dict[str, TargetLayers] = {}
        self._layers: tuple[TargetLayer, ...] = ()
        self._warming: tuple[ModelFolder, TargetLayer] | None = None
        self._warmed: tuple[ModelFolder, TargetLayer] | None = None
        self.disabled_reason = ""  # why there is nothing to choose from
        self.box = combo_box()
        self.note = text()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        form = QFormLayout()
        add_row(form, "Layer", self.box)
        layout.addLayout(form)
        layout.addWidget(self.note)
        self.box.activated.connect(self._on_chosen)
        self.offer(None)

    @property
    def target_layer(self) -> TargetLayer | None:
        """The chosen layer."""
        index = self.box.currentIndex()
        return self._layers[index] if 0 <= index < len(self._layers) else None

    @property
    def is_ready(self) -> bool:
        """Whether the network is split at the chosen layer and warmed up."""
        return self.target_layer is not None and self._warmed == (self._model, self.target_layer)

    @property
    def names(self) -> list[str]:
        """The listed names."""
        return [target_layer.name for target_layer in self._layers]

    def offer(self, model: ModelFolder | None) -> None:
        """List the layers of a model, once they are known."""
        if model is not None and model == self._model and not self._failed:
            return
        self._model, self._layers, self._failed = model, (), False
        self.box.clear()
        if model is None:
            self._show("Choose a model first.")
        elif model.spec.weights_sha256 in self._known:
            self._fill(self._known[model.spec.weights_sha256])
        else:
            self._show(f"Listing the layers of {model.name}.")
            in_background(partial(list_target_layers, model), self._on_found)

    def select(self, name: str) -> None:
        """Choose a layer by its name, once known and if it exists."""
        self._wanted = name
        if name in self.names:
            self.box.setCurrentIndex(self.names.index(name))
            self._show_note()
            self._warm()

    def cleanup(self) -> None:
        """Stop waiting for the list: the dock is closing."""
        self._model, self._layers = None, ()

    def _on_found(self, found: TargetLayers) -> None:
        if not found.disabled_reason:
            self._known[found.model.spec.weights_sha256] = found
        if found.model == self._model:
            self._fill(found)

    def _fill(self, found: TargetLayers) -> None:
        self._layers = found.layers
        self._failed = found.recommended is None
        if found.recommended is None:
            self._show(found.disabled_reason)
            return
        self.box.addItems([target_layer.description for target_layer in found.layers])
        self.box.setCurrentIndex(found.layers.index(found.recommended))
        self._show("", found.recommended.name)
        self.select(self._wanted)
        self._warm()

    def _on_chosen(self, index: int = 0) -> None:  # noqa: ARG002 - passed by Qt
        self._wanted = ""
        self._show_note()
        self._warm()
        self.changed.emit()

    def _warm(self) -> None:
        """Prepare the chosen layer in the background, one layer at a time."""
        model, target_layer = self._model, self.target_layer
        if self._warming or model is None or target_layer is None or self.is_ready:
            return
        self._warming = model, target_layer
        in_background(partial(warm, model, target_layer.layer), self._on_warmed)

    def _on_warmed(self, result: object) -> None:  # noqa: ARG002 - there is none
        self._warmed, self._warming = self._warming, None
        self._warm()  # another one may have been chosen meanwhile

    def _show(self, disabled_reason: str, recommended: str = "") -> None:
        self.disabled_reason = disabled_reason
        self.box.setEnabled(not disabled_reason)
        self.box.setToolTip(
            disabled_reason
            or "Layer of the network, with the input region that one cell covers. Fine layers"
            " respond to edges, coarse ones to whole structures. Recommended here:"
            f" {recommended}."
        )
        self._show_note()

    def _show_note(self) -> None:
        target_layer = self.target_layer
        finest = target_layer is not None and target_layer == self._layers[-1]
        decodes = target_layer is not None and target_layer.name.startswith("decoder")
        self.note.setText(_FINEST if finest and decodes else "")
        self.note.setVisible(bool(self.note.text()))
