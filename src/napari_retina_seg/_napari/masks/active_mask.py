"""The mask that the docks act on, and its plane on the screen."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

import napari
import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QWidget

from napari_retina_seg._napari._compat import call_after_history
from napari_retina_seg._napari.layers import (
    KEY,
    find_image_of,
    finest,
    is_image,
    is_off_slice,
    position,
    unwrap_proxy,
    world_place,
)
from napari_retina_seg._napari.masks.linked_layers import mask_of
from napari_retina_seg._napari.masks.look import apply_look, remember_look
from napari_retina_seg._napari.results import MaskInfo
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg.types.labels import LabelScheme

_LOOKED: WeakSet[Labels] = WeakSet()  # masks that were given the remembered look once
_READ_ONLY: WeakKeyDictionary[Labels, str] = WeakKeyDictionary()  # why masks are read-only
_SHARED: WeakValueDictionary[int, ActiveMask] = WeakValueDictionary()  # by viewer


class ActiveMask(QObject):
    """The selected mask; it stays active while a linked layer or nothing is selected.

    All docks of a viewer share one, which they get by `ActiveMask.of` and `release` on closing.

    Attributes
    ----------
    mask : Labels or None
        The mask.
    disabled_reason : str
        Why it can't be corrected; empty if it can.

    Signals
    -------
    selected : ()
        Another layer of any kind was selected.
    changed : ()
        Another mask, or another reason why none can be corrected.
    class_changed : ()
        Another class of the mask was chosen.
    moved : ()
        Another plane is displayed.
    painted : ()
        Labels changed: painted, edited, undone or redone.
    """

    selected = Signal()
    changed = Signal()
    class_changed = Signal()
    moved = Signal()
    painted = Signal()

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._settings = Settings()
        self._users = 0
        self._slots: list[tuple[str, Callable[[], object]]] = []
        self.mask: Labels | None = None
        self._drawn: tuple[int, ...] = ()  # the plane displayed last
        self._class = 0
        self.disabled_reason = ""
        self._connect(True)
        self._refresh()

    @classmethod
    def of(cls, viewer: napari.Viewer) -> ActiveMask:
        """Return the active mask of a viewer."""
        key = id(unwrap_proxy(viewer))
        shared = _SHARED.get(key)
        if shared is None:
            shared = _SHARED[key] = cls(viewer)
        shared._users += 1
        return shared

    @property
    def viewer(self) -> napari.Viewer:
        """The viewer of the mask."""
        return self._viewer

    def subscribe(self, **slots: Callable[[], object]) -> None:
        """Connect slots until `release`: methods of a dock or its widgets, by name of the signal.

        A shared object outlives the dock, whose slots must not be called after it was closed.
        """
        for name, slot in slots.items():
            getattr(self, name).connect(slot)
            self._slots.append((name, slot))

    def release(self, dock: QWidget) -> None:
        """Disconnect a dock and the widgets in it; without docks, disconnect from the viewer."""
        for name, slot in list(self._slots):
            owner = getattr(slot, "__self__", None)
            if owner is dock or (isinstance(owner, QWidget) and dock.isAncestorOf(owner)):
                getattr(self, name).disconnect(slot)
                self._slots.remove((name, slot))
        self._users -= 1
        if not self._users:
            _SHARED.pop(id(unwrap_proxy(self._viewer)), None)
            self._connect(False)
            self._listen(False)

    @property
    def labels(self) -> Labels:
        """The mask, for tools that are disabled without one.

        Raises
        ------
        RuntimeError
            If there is none.
        """
        if self.mask is None:
            raise RuntimeError("No mask is active.")
        return self.mask

    @property
    def scheme(self) -> LabelScheme:
        """Label scheme of the mask."""
        return self.labels.metadata[KEY].scheme

    @property
    def value(self) -> int | None:
        """The chosen class; None for background, unless there is only one class."""
        selected, classes = int(self.labels.selected_label), len(self.scheme)
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
    def where(self) -> tuple[int, ...]:
        """Index of the mask's plane on the screen."""
        if self.labels.ndim < 3:
            return ()
        at = position(self.labels, self._viewer.dims.point, self._viewer.layers.extent.units)
        return (*at.leading, at.index)

    @property
    def plane(self) -> np.ndarray:
        """Labels of that plane, ``(rows, columns)``; a view, not a copy."""
        return self.labels.data[self.where]

    @property
    def image(self) -> Image | None:
        """The image that the mask was made from, or one of the same size."""
        images = [layer for layer in self._viewer.layers if is_image(layer)]
        fitting = [each for each in images if _rows_and_columns(each) == self.plane.shape]
        return find_image_of(self.labels, fitting) or next(iter(fitting), None)

    def go_to(self, index: int) -> None:
        """Display a slice of the mask."""
        place = (*self.where[:-1], index, 0, 0)
        units = self._viewer.layers.extent.units
        axis = self._viewer.dims.ndim - 3
        self._viewer.dims.set_point(axis, world_place(self.mask, place, units)[-3])

    def _connect(self, on: bool) -> None:
        dims = self._viewer.dims.events
        active = self._viewer.layers.selection.events.active
        for event, listener in (
            (active, self._on_selected),
            (self._viewer.layers.events.removed, self._refresh),
            (dims.ndisplay, self._refresh),
            (dims.order, self._refresh),
            (dims.current_step, self._on_moved),
        ):
            (event.connect if on else event.disconnect)(listener)

    def _on_selected(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        self._refresh()
        self.selected.emit()

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
            return _READ_ONLY.get(unwrap_proxy(mask)) or f"'{mask.name}' is read-only."
        if dims.ndisplay == 3:
            return "Volumes are corrected slice by slice: switch the 3D view off."
        if tuple(dims.displayed) != (dims.ndim - 2, dims.ndim - 1):
            return "The axes are swapped: restore their order to see rows and columns."
        if is_off_slice(mask, dims.point, self._viewer.layers.extent.units):
            return f"No slice of '{mask.name}' is on the screen: move the slider to one."
        return ""

    def _take(self, mask: Labels | None, disabled_reason: str) -> None:
        if mask == self.mask and disabled_reason == self.disabled_reason:
            return
        if mask != self.mask:
            self._listen(False)
            self.mask = mask
            self._drawn = () if mask is None else self.where
            self._class = 0 if mask is None else int(mask.selected_label)
            self._look()
            self._listen(True)
        self.disabled_reason = disabled_reason
        self.changed.emit()

    def _listen(self, on: bool) -> None:
        if self.mask is None:
            return
        events = self.mask.events
        for event, listener in (
            (events.selected_label, self._on_class),
            (events.paint, self._on_painted),
            (events.set_data, self._on_drawn),
            (events.editable, self._refresh),
            (events.opacity, self._on_look),
            (events.contour, self._on_look),
        ):
            (event.connect if on else event.disconnect)(listener)
        call_after_history(unwrap_proxy(self.mask), self._on_history if on else None)

    def _look(self) -> None:
        """Show a mask that is new here as the last one was shown."""
        mask = None if self.mask is None else unwrap_proxy(self.mask)
        if mask is not None and mask not in _LOOKED:
            _LOOKED.add(mask)
            apply_look(mask, self._settings)

    def _on_look(self, event: object = None) -> None:  # noqa: ARG002 - napari's
        remember_look(self.labels, self._settings)

    def _on_history(self) -> None:
        """Report undo and redo of a hidden mask, which napari does not draw."""
        if self.mask is not None and not self.mask.visible:
            self.painted.emit()

    def _on_class(self, event: object = None) -> None:  # noqa: ARG002 - napari's
        if self.labels.selected_label != self._class:  # napari emits this for colours, too
            self._class = int(self.labels.selected_label)
            self.class_changed.emit()

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


def give_reason(mask: Labels, reason: str) -> None:
    """Say why a mask is read-only, in the words of the one who made it so."""
    _READ_ONLY[unwrap_proxy(mask)] = reason


def _rows_and_columns(layer: Image) -> tuple[int, ...]:
    return tuple(finest(layer).shape[layer.ndim - 2 : layer.ndim])
