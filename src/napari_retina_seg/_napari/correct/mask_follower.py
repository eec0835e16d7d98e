"""Follow the mask being corrected and its plane on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, Signal

from napari_retina_seg._napari.layers import KEY, finest, is_beside, is_image, position, world_place
from napari_retina_seg._napari.masks.edits import Where
from napari_retina_seg._napari.masks.linked_layers import mask_of
from napari_retina_seg._napari.results import MaskInfo
from napari_retina_seg.types.labels import LabelScheme

if TYPE_CHECKING:
    import napari


class MaskFollower(QObject):
    """Follows the selected mask; keeps it while a linked layer or nothing is selected.

    Signals
    -------
    changed : ()
        Another mask, or another reason why none can be corrected.
    chosen : ()
        Another class of the mask was chosen.
    moved : ()
        Another plane is displayed.
    painted : ()
        Labels changed: painted, edited, undone or redone.
    """

    changed = Signal()
    chosen = Signal()
    moved = Signal()
    painted = Signal()

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self.mask: Labels | None = None
        self._drawn: Where = ()  # the plane displayed last
        self.disabled_reason = ""  # why nothing can be corrected
        self._connect(True)
        self._refresh()

    @property
    def scheme(self) -> LabelScheme:
        """Label scheme of the mask."""
        return self.mask.metadata[KEY].scheme

    @property
    def value(self) -> int | None:
        """The chosen class; None for background, unless there is only one class."""
        selected, classes = int(self.mask.selected_label), len(self.scheme)
        if 0 < selected < classes:
            return selected
        return 1 if classes == 2 else None

    @property
    def class_disabled_reason(self) -> str:
        """Why no class can be edited; empty if one can."""
        if self.mask is None or self.disabled_reason:
            return self.disabled_reason
        return "Background is chosen: choose a class." if self.value is None else ""

    @property
    def where(self) -> Where:
        """Index of the mask's plane on the screen."""
        if self.mask.ndim < 3:
            return ()
        at = position(self.mask, self._viewer.dims.point, self._viewer.layers.extent.units)
        return (*at.leading, at.index)

    @property
    def plane(self) -> np.ndarray:
        """Labels of that plane, ``(rows, columns)``; a view, not a copy."""
        return self.mask.data[self.where]

    @property
    def image(self) -> Image | None:
        """The image that the mask was made from, or one of the same size."""
        made_of = self.mask.metadata[KEY].image
        images = [layer for layer in self._viewer.layers if is_image(layer)]
        fitting = [each for each in images if _rows_and_columns(each) == self.plane.shape]
        named = [each for each in fitting if each.name == made_of]
        return next(iter(named or fitting), None)

    def go_to(self, index: int) -> None:
        """Display a slice of the mask."""
        place = (*self.where[:-1], index, 0, 0)
        units = self._viewer.layers.extent.units
        axis = self._viewer.dims.ndim - 3
        self._viewer.dims.set_point(axis, world_place(self.mask, place, units)[-3])

    def disconnect_viewer(self) -> None:
        """Disconnect: the dock is closing."""
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

    def _refresh(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        # The selection is briefly empty whenever a layer is added: keep the mask then.
        active = self._viewer.layers.selection.active or self.mask
        mask = mask_of(active) or active
        if not isinstance(mask, Labels) or mask not in self._viewer.layers:
            self._take(None, "Select a mask in the layer list to correct it.")
        elif not isinstance(mask.metadata.get(KEY), MaskInfo):
            self._take(None, f"The classes of '{mask.name}' are unknown: start a new mask.")
        else:
            self._take(mask, self._disabled_reason(mask))

    def _disabled_reason(self, mask: Labels) -> str:
        """Return why a mask can't be edited in this view; empty if it can."""
        dims = self._viewer.dims
        if not mask.editable:
            return f"'{mask.name}' is read-only."
        if dims.ndisplay == 3:
            return "Volumes are corrected slice by slice: switch the 3D view off."
        if tuple(dims.displayed) != (dims.ndim - 2, dims.ndim - 1):
            return "The axes are swapped: restore their order to see rows and columns."
        if is_beside(mask, dims.point, self._viewer.layers.extent.units):
            return f"No slice of '{mask.name}' is on the screen: move the slider to one."
        return ""

    def _take(self, mask: Labels | None, disabled_reason: str) -> None:
        if mask == self.mask and disabled_reason == self.disabled_reason:
            return
        if mask != self.mask:
            self._listen(False)
            self.mask = mask
            self._drawn = () if mask is None else self.where
            self._listen(True)
        self.disabled_reason = disabled_reason
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
        """Detect undo and redo, which redraw the same plane; sliders draw another one."""
        before, self._drawn = self._drawn, self.where
        if before == self._drawn:
            self.painted.emit()

    def _on_moved(self, event: object = None) -> None:  # noqa: ARG002 - napari's
        self._refresh()
        self.moved.emit()


def _rows_and_columns(layer: Image) -> tuple[int, ...]:
    return tuple(finest(layer).shape[layer.ndim - 2 : layer.ndim])
