"""Which mask is being corrected, and which plane of it is on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, Signal

from napari_retina_seg._napari.layers import KEY, finest, is_beside, is_image, position, world_place
from napari_retina_seg._napari.masks.edits import Where
from napari_retina_seg._napari.masks.linked_layers import mask_of
from napari_retina_seg._napari.results import MaskInfo
from napari_retina_seg.core.labels import LabelScheme

if TYPE_CHECKING:
    import napari


class MaskFollower(QObject):
    """Follows the selected mask, and stays with it while one of its companions or nothing is.

    Signals
    -------
    changed : ()
        Another mask, or none, or the reason for none.
    chosen : ()
        Another class of the mask was chosen.
    moved : ()
        Another plane is on the screen.
    painted : ()
        Pixels of the mask have another class: painted, changed, undone or redone.
    """

    changed = Signal()
    chosen = Signal()
    moved = Signal()
    painted = Signal()

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self.mask: Labels | None = None
        self._drawn: Where = ()  # the plane of it that was drawn last
        self.why = ""  # nothing can be corrected
        self._connect(True)
        self._refresh()

    @property
    def scheme(self) -> LabelScheme:
        """What the values of the mask mean."""
        return self.mask.metadata[KEY].scheme

    @property
    def value(self) -> int | None:
        """The class that is chosen; None for background, unless there is but one class."""
        selected, classes = int(self.mask.selected_label), len(self.scheme)
        if 0 < selected < classes:
            return selected
        return 1 if classes == 2 else None

    @property
    def class_disabled_reason(self) -> str:
        """Say why no class can be worked on, or nothing."""
        if self.mask is None or self.why:
            return self.why
        return "Background is chosen: choose a class." if self.value is None else ""

    @property
    def where(self) -> Where:
        """The plane of the mask that is on the screen."""
        if self.mask.ndim < 3:
            return ()
        at = position(self.mask, self._viewer.dims.point, self._viewer.layers.extent.units)
        return (*at.leading, at.index)

    @property
    def plane(self) -> np.ndarray:
        """Class values of that plane, ``(rows, columns)``; the mask's own memory."""
        return self.mask.data[self.where]

    @property
    def image(self) -> Image | None:
        """The image that the mask was made from, or else one of the same size."""
        made_of = self.mask.metadata[KEY].image
        images = [layer for layer in self._viewer.layers if is_image(layer)]
        fitting = [each for each in images if _rows_and_columns(each) == self.plane.shape]
        named = [each for each in fitting if each.name == made_of]
        return next(iter(named or fitting), None)

    def go_to(self, index: int) -> None:
        """Bring a slice of the mask on the screen."""
        place = (*self.where[:-1], index, 0, 0)
        units = self._viewer.layers.extent.units
        axis = self._viewer.dims.ndim - 3
        self._viewer.dims.set_point(axis, world_place(self.mask, place, units)[-3])

    def disconnect_viewer(self) -> None:
        """Stop listening: the dock is going away."""
        self._connect(False)
        self._listen(False)

    def _connect(self, on: bool) -> None:
        dims = self._viewer.dims.events
        active = self._viewer.layers.selection.events.active
        for event, listener in (
            (active, self._refresh),
            (self._viewer.layers.events.removed, self._refresh),
            (dims.ndisplay, self._refresh),
            (dims.order, self._refresh),
            (dims.current_step, self._on_moved),
        ):
            (event.connect if on else event.disconnect)(listener)

    def _refresh(self, event: object = None) -> None:  # noqa: ARG002 - napari hands it over
        # Nothing is selected for a moment whenever a layer is added: that is no reason to leave.
        active = self._viewer.layers.selection.active or self.mask
        mask = mask_of(active) or active
        if not isinstance(mask, Labels) or mask not in self._viewer.layers:
            self._take(None, "Select a mask in the layer list to correct it.")
        elif not isinstance(mask.metadata.get(KEY), MaskInfo):
            self._take(None, f"The classes of '{mask.name}' are not known: start a new mask.")
        else:
            self._take(mask, self._disabled_reason(mask))

    def _disabled_reason(self, mask: Labels) -> str:
        """Say why nothing of a mask can be changed here, or nothing."""
        dims = self._viewer.dims
        if not mask.editable:
            return f"'{mask.name}' may not be changed: it is kept as it is."
        if dims.ndisplay == 3:
            return "Volumes are corrected slice by slice: switch the 3D view off."
        if tuple(dims.displayed) != (dims.ndim - 2, dims.ndim - 1):
            return "The axes are swapped: bring rows and columns back on the screen."
        if is_beside(mask, dims.point, self._viewer.layers.extent.units):
            return f"No slice of '{mask.name}' is on the screen: move the slider to one."
        return ""

    def _take(self, mask: Labels | None, why: str) -> None:
        if mask == self.mask and why == self.why:
            return
        if mask != self.mask:
            self._listen(False)
            self.mask = mask
            self._drawn = () if mask is None else self.where
            self._listen(True)
        self.why = why
        self.changed.emit()

    def _listen(self, on: bool) -> None:
        if self.mask is None:
            return
        events = self.mask.events
        for event, listener in (
            (events.selected_label, self._on_chosen),
            (events.paint, self._on_painted),
            (events.set_data, self._on_drawn),
            (events.editable, self._refresh),
        ):
            (event.connect if on else event.disconnect)(listener)

    def _on_chosen(self, event: object = None) -> None:  # noqa: ARG002 - napari's
        self.chosen.emit()

    def _on_painted(self, event: object = None) -> None:  # noqa: ARG002 - napari's
        self.painted.emit()

    def _on_drawn(self, event: object = None) -> None:  # noqa: ARG002 - napari's
        """Hear of undo and redo, which draw the plane again; a slider draws another."""
        before, self._drawn = self._drawn, self.where
        if before == self._drawn:
            self.painted.emit()

    def _on_moved(self, event: object = None) -> None:  # noqa: ARG002 - napari's
        self._refresh()
        self.moved.emit()


def _rows_and_columns(layer: Image) -> tuple[int, ...]:
    return tuple(finest(layer).shape[layer.ndim - 2 : layer.ndim])
