"""Follow the class chosen in the plugin's masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.results import MaskInfo
from napari_retina_seg.models.registry import ModelFolder
from napari_retina_seg.types.errors import ModelError

if TYPE_CHECKING:
    import napari


class ClassFollower(QObject):
    """Follows the selected Labels layer, if it is a mask of the plugin.

    Signals
    -------
    selected : ()
        The selected mask changed.
    chosen : (Labels)
        Another class of the mask was chosen.
    """

    selected = Signal()
    chosen = Signal(object)

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self.mask: Labels | None = None
        self._label = 0  # of the mask
        viewer.layers.selection.events.active.connect(self._on_active)
        self._on_active()

    def disconnect_viewer(self) -> None:
        """Disconnect: the dock is closing."""
        self._viewer.layers.selection.events.active.disconnect(self._on_active)
        self._follow(None)

    def _on_active(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        active = self._viewer.layers.selection.active
        ours = isinstance(active, Labels) and isinstance(active.metadata.get(KEY), MaskInfo)
        self._follow(active if ours else None)

    def _follow(self, layer: Labels | None) -> None:
        if self.mask is not None:
            self.mask.events.selected_label.disconnect(self._on_label)
        self.mask = layer
        if layer is not None:
            self._label = layer.selected_label
            layer.events.selected_label.connect(self._on_label)
        self.selected.emit()

    def _on_label(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        if self.mask.selected_label != self._label:  # napari also emits this when colours change
            self._label = self.mask.selected_label
            self.chosen.emit(self.mask)


def drawn_by(mask: Labels | None) -> str:
    """Return the name of the model that made a mask; empty if unknown."""
    made = None if mask is None else mask.metadata[KEY].provenance
    return "" if made is None else made.model


def foreign(mask: Labels | None, models: list[str]) -> str:
    """Return a note if a mask was made by none of the models; otherwise empty."""
    name = drawn_by(mask)
    if not name or name in models:
        return ""
    return (
        f"'{mask.name}' was made by '{name}', which is not available: another model is explained."
    )


def class_in(model: ModelFolder, mask: Labels) -> int:
    """Return a model's value of the class selected in a mask, matched by name.

    Raises
    ------
    ModelError
        If the model has no such class.
    """
    selected, known = int(mask.selected_label), mask.metadata[KEY].scheme
    name = known.classes[selected].abbreviation if selected < len(known) else str(selected)
    for label in model.spec.scheme.classes:
        if label.abbreviation == name:
            return label.value
    raise ModelError(f"'{model.name}' has no class '{name}': choose another class or model.")
