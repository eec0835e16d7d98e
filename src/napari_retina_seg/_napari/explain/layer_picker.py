"""Choose the depth of the map: one of a few layers of the network, or any by its name."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QCompleter, QFormLayout, QWidget

from napari_retina_seg._napari.explain.job import TargetLayers, list_target_layers, warm
from napari_retina_seg._napari.explain.words import describe_layer, name_depths
from napari_retina_seg._napari.tasks import in_background
from napari_retina_seg._napari.widgets import add_row, combo_box, stack, text
from napari_retina_seg.inference.target_layers import TargetLayer
from napari_retina_seg.models.registry import ModelFolder
from napari_retina_seg.saliency.split_network import find_target_layer
from napari_retina_seg.types.errors import ModelError

_FINEST = "The last decoder layer nearly reproduces the mask."
ALL_LAYERS = "All layers…"
_DEPTHS = (
    "How fine the map is. A fine layer answers with spots and edges, a coarse one shows how far"
    " around the network looked."
)
_SEARCH = (
    "Search a layer by its position, such as decoder 1, or by its name in Keras, such as"
    " conv2d_19; then press Enter."
)


class LayerPicker(QWidget):
    """Choose a layer of the network; the list is made in a thread, as it needs TensorFlow.

    Fine, medium and coarse are at hand; a second box lists and searches all layers.

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
        self._wanted = ""  # depth or layer to choose once the list is available
        self._shown: TargetLayer | None = None  # the layer that was chosen last
        self._known: dict[str, TargetLayers] = {}
        self._found: TargetLayers | None = None  # of this model
        self._warming: tuple[ModelFolder, TargetLayer] | None = None
        self._warmed: tuple[ModelFolder, TargetLayer] | None = None
        self.disabled_reason = ""  # why there is nothing to choose from
        self.box = combo_box()
        self.all_box = _search_box()
        self.note = text()
        self._form = QFormLayout()
        add_row(self._form, "Depth", self.box)
        add_row(self._form, "Layer", self.all_box)
        self.setLayout(stack(self._form, self.note))
        self.box.activated.connect(self._on_depth)
        self.all_box.activated.connect(self._on_chosen)
        line = self.all_box.lineEdit()
        line.returnPressed.connect(self._on_typed)
        # Of a long name the beginning is seen, which tells layers apart.
        self.all_box.currentIndexChanged.connect(lambda _: line.setCursorPosition(0))
        self.offer(None)

    @property
    def target_layer(self) -> TargetLayer | None:
        """The chosen layer."""
        chosen = self.all_box if self._is_any else self.box
        layer: TargetLayer | None = chosen.currentData()
        return layer

    @property
    def is_ready(self) -> bool:
        """Whether the network is split at the chosen layer and warmed up."""
        return self.target_layer is not None and self._warmed == (self._model, self.target_layer)

    @property
    def names(self) -> list[str]:
        """Positions of the layers that stand for a resolution."""
        return [] if self._found is None else [each.name for each in self._found.layers]

    def offer(self, model: ModelFolder | None) -> None:
        """List the layers of a model, once they are known."""
        if model is not None and model == self._model and not self._failed:
            return
        self._model, self._found, self._failed = model, None, False
        self.box.clear()
        self.all_box.clear()
        if model is None:
            self._show("Choose a model first.")
        elif model.spec.weights_sha256 in self._known:
            self._fill(self._known[model.spec.weights_sha256])
        else:
            self._show(f"Listing the layers of {model.name}.")
            in_background(partial(list_target_layers, model), self._on_found)

    def select(self, name: str) -> None:
        """Choose a layer by its position or its own name, once known and if it exists."""
        self._wanted = name
        every = () if self._found is None else self._found.all_layers
        wanted = next((each for each in every if name in (each.name, each.layer)), None)
        if wanted is not None:
            self._choose(wanted)
            self._show_chosen()
            self._warm()

    def cleanup(self) -> None:
        """Stop waiting for the list: the dock is closing."""
        self._model, self._found = None, None

    @property
    def _is_any(self) -> bool:
        """Whether a layer of all is chosen."""
        return self.box.currentText() == ALL_LAYERS

    def _choose(self, target_layer: TargetLayer) -> None:
        """Choose a layer by its depth, or else among all layers."""
        depths = [self.box.itemData(row) for row in range(self.box.count())]
        if target_layer in depths:
            self.box.setCurrentIndex(depths.index(target_layer))
            return
        self.box.setCurrentText(ALL_LAYERS)
        self._choose_any(target_layer)

    def _choose_any(self, target_layer: TargetLayer) -> None:
        every = () if self._found is None else self._found.all_layers
        self.all_box.setCurrentIndex(every.index(target_layer))

    def _on_found(self, found: TargetLayers) -> None:
        if not found.disabled_reason:
            self._known[found.model.spec.weights_sha256] = found
        if found.model == self._model:
            self._fill(found)

    def _fill(self, found: TargetLayers) -> None:
        self._failed = found.recommended is None
        if found.recommended is None:
            self._show(found.disabled_reason)
            return
        self._found = found
        for depth, target_layer in name_depths(found.layers, found.recommended):
            self.box.addItem(depth, target_layer)
        self.box.addItem(ALL_LAYERS)
        for target_layer in found.all_layers:
            self.all_box.addItem(_name_any(target_layer), target_layer)
        for box in (self.box, self.all_box):
            for row in range(box.count()):
                layer = box.itemData(row)
                tip = "" if layer is None else describe_layer(layer)
                box.setItemData(row, tip, Qt.ItemDataRole.ToolTipRole)
        self._choose(found.recommended)
        self._show("")
        self._choose_wanted()
        self._warm()

    def _choose_wanted(self) -> None:
        """Choose what was wanted before the layers were known, or say that there is no such."""
        depth = self.box.findText(self._wanted)
        if depth >= 0:
            self.box.setCurrentIndex(depth)
            self._show_chosen()
            return
        self.select(self._wanted)
        target_layer = self.target_layer
        if target_layer is None or self._model is None or not self._wanted:
            return
        if self._wanted not in (target_layer.name, target_layer.layer):
            lacks = f"'{self._model.name}' has no layer '{self._wanted}'"
            self.note.setText(f"{lacks}: {target_layer.name} is chosen.")
            self.note.show()

    def _on_depth(self, index: int = 0) -> None:  # noqa: ARG002 - passed by Qt
        """Take a depth; the list of all layers begins at the layer chosen so far."""
        if self._is_any and self._shown is not None:
            self._choose_any(self._shown)
        self._on_chosen()

    def _on_typed(self) -> None:
        """Find the layer of the name that was typed."""
        if self._found is None or self._model is None:
            return
        typed = self.all_box.currentText()
        if self.all_box.findText(typed) >= 0:  # chosen from the list
            return
        try:
            found = find_target_layer(self._found.all_layers, self._model.name, typed)
        except ModelError as error:
            if self._shown is not None:
                self._choose_any(self._shown)
            self.note.setText(str(error))
            self.note.show()
            return
        self._choose_any(found)
        self._on_chosen()

    def _on_chosen(self, index: int = 0) -> None:  # noqa: ARG002 - passed by Qt
        before, target_layer = self._shown, self.target_layer
        if target_layer is not None:  # stays for another model
            self._wanted = target_layer.name if self._is_any else self.box.currentText()
        self._show_chosen()
        self._warm()
        if self._shown != before:
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

    def _show(self, disabled_reason: str) -> None:
        self.disabled_reason = disabled_reason
        self.box.setEnabled(not disabled_reason)
        self._show_chosen()

    def _show_chosen(self) -> None:
        """Describe the chosen layer in the tooltip, and what to know about it in the note."""
        target_layer = self._shown = self.target_layer
        self._form.setRowVisible(1, self._is_any)
        own = "" if target_layer is None else f"{_DEPTHS} Now {describe_layer(target_layer)}."
        self.box.setToolTip(self.disabled_reason or own)
        self.all_box.setToolTip(f"{_SEARCH} {own}")
        finest = self._found is not None and target_layer == self._found.layers[-1]
        decodes = target_layer is not None and target_layer.name.startswith("decoder")
        self.note.setText(_FINEST if finest and decodes else "")
        self.note.setVisible(bool(self.note.text()))


def _search_box() -> QComboBox:
    """Return a box whose items are found by a part of their text."""
    box = QComboBox()
    box.setEditable(True)
    box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.completer().setFilterMode(Qt.MatchFlag.MatchContains)
    box.completer().setCompletionMode(QCompleter.CompletionMode.PopupCompletion)
    return box


def _name_any(target_layer: TargetLayer) -> str:
    rows, columns = target_layer.stride
    grid = f"({rows} × {columns} px)"
    if target_layer.name == target_layer.layer:
        return f"{target_layer.layer} {grid}"
    return f"{target_layer.name} · {target_layer.layer} {grid}"
