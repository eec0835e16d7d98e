"""Hears which class is chosen in a mask of ours, wherever it is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.results import MaskInfo
from napari_retina_seg.core.errors import ModelError
from napari_retina_seg.models.registry import ModelFolder

if TYPE_CHECKING:
    import napari


class ClassFollower(QObject):
    """Follows the selected Labels layer, if it is one of ours.

    Signals
    -------
    selected : ()
        It, another one or none was selected.
    chosen : (Labels)
        Another class was chosen in it.
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
        """Stop listening: the dock is going away."""
        self._viewer.layers.selection.events.active.disconnect(self._on_active)
        self._follow(None)

    def _on_active(self, event: object = None) -> None:  # noqa: ARG002 - napari hands it over
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

    def _on_label(self, event: object = None) -> None:  # noqa: ARG002 - napari hands it over
        if self.mask.selected_label != self._label:  # napari tells other colours in this way too
            self._label = self.mask.selected_label
            self.chosen.emit(self.mask)


def drawn_by(mask: Labels | None) -> str:
    """Return the name of the model that drew a mask; empty if nobody knows."""
    made = None if mask is None else mask.metadata[KEY].provenance
    return "" if made is None else made.model


def foreign(mask: Labels | None, models: list[str]) -> str:
    """Say whose a mask is, if none of the models drew it; or nothing."""
    name = drawn_by(mask)
    if not name or name in models:
        return ""
    return f"'{mask.name}' was drawn by '{name}', which is not on offer: another model is asked."


def class_in(model: ModelFolder, mask: Labels) -> int:
    """Return the value that a model gives the class selected in a mask, by its name.

    Raises
    ------
    ModelError
        If the model knows no such class.
    """
    selected, known = int(mask.selected_label), mask.metadata[KEY].scheme
    name = known.classes[selected].abbreviation if selected < len(known) else str(selected)
    for label in model.spec.scheme.classes:
        if label.abbreviation == name:
            return label.value
    raise ModelError(
        f"'{model.name}' knows no class '{name}': choose another class, or another model."
    )
