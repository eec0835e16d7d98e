"""One row: what is open in the mask, and a button that goes there."""

from __future__ import annotations

import weakref

from napari.layers import Labels
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QWidget

from napari_retina_seg._napari.canvas import focus_canvas
from napari_retina_seg._napari.layers import unwrap_proxy, world_place
from napari_retina_seg._napari.masks.active_mask import ActiveMask
from napari_retina_seg._napari.masks.places_watch import PlacesWatch
from napari_retina_seg._napari.plain import PlainLabel, qt_text
from napari_retina_seg._napari.shortcuts import NEXT_PLACE
from napari_retina_seg._napari.widgets import AMBER, GREEN
from napari_retina_seg.editing.open_places import OpenPlace
from napari_retina_seg.types.counts import count

_NOTHING = "✔ No open places"
_CHECKING = "Checking…"
_EMPTY = "Nothing is drawn yet"
_SEEN = 240  # columns around a place that are seen
_CANVAS = 800  # px of a canvas beside the docks


class PlacesBar(QWidget):
    """Says in amber what is open in the active mask, in green that nothing is once it is checked.

    Signals
    -------
    shown : (OpenPlace)
        The user was taken to a place.
    """

    shown = Signal(object)

    def __init__(self, active: ActiveMask) -> None:
        super().__init__()
        self._active_mask = active
        self._mask: weakref.ref[Labels] | None = None
        self._next = 0
        self.watch = PlacesWatch(active, self)
        self.text = PlainLabel()
        self.text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
        self.button = QPushButton("Show next place")
        self.button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # keys stay with the canvas
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.text, 1)
        row.addWidget(self.button)
        policy = self.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.setSizePolicy(policy)
        self.button.clicked.connect(self.show_next)
        self.watch.changed.connect(self._refresh)
        active.subscribe(changed=self._on_mask, painted=self._on_painted, selected=self._on_painted)
        self._on_mask()

    @property
    def places(self) -> tuple[OpenPlace, ...]:
        """The open places."""
        return self.watch.places

    def show_next(self) -> None:
        """Go to the next open place, after the last to the first."""
        places, active = self.places, self._active_mask
        if not self.button.isEnabled() or active.mask is None or active.disabled_reason:
            return
        number = self._next % len(places)
        place = places[number]
        self._next = number + 1
        if active.mask.ndim > 2:
            active.go_to(place.slice)
        _look_at(active, place)
        self._say(place, number, len(places))
        focus_canvas(self)
        self.shown.emit(place)

    def cleanup(self) -> None:
        """Stop looking: the dock is closing."""
        self.watch.stop()

    def _on_mask(self) -> None:
        mask = self._active_mask.mask
        known = None if self._mask is None else self._mask()
        if mask is not None and known is unwrap_proxy(mask):
            self.watch.look_soon()  # it was read-only for a moment
            return
        self._mask = None if mask is None else weakref.ref(unwrap_proxy(mask))
        self._next = 0
        self.watch.restart()

    def _on_painted(self) -> None:
        self.watch.look_soon()

    def _refresh(self) -> None:
        active, watch = self._active_mask, self.watch
        places = () if watch.is_untouched else self.places  # an empty mask is no mistake
        layered = active.mask is not None and bool(active.scheme.surfaces)
        self.setVisible(layered)
        self.button.setEnabled(bool(places))
        self.button.setToolTip(
            f"Go to the place that can't be as it is drawn ({NEXT_PLACE.native})."
            if places
            else "The mask is being checked."
            if watch.is_busy
            else _EMPTY
            if watch.is_untouched
            else "Nothing in the mask is missing, out of order or in pieces."
        )
        if not places:
            words = _CHECKING if watch.is_busy else _EMPTY if watch.is_untouched else _NOTHING
            self._show(words, GREEN if words == _NOTHING else "", "")
            return
        whole = "\n".join(f"{each.where}: {each.text}" for each in places)
        self._show(f"⚠ {count(len(places), 'open place')}", AMBER, whole)

    def _say(self, place: OpenPlace, number: int, total: int) -> None:
        self._show(
            f"⚠ {number + 1} of {total}: {place.text}", AMBER, f"{place.where}: {place.text}"
        )

    def _show(self, words: str, color: str, tip: str) -> None:
        look = f"background: {color}; color: white; " if color else ""
        self.text.setText(words)
        self.text.setToolTip(qt_text(tip))
        self.text.setStyleSheet(f"QLabel {{ {look}border-radius: 4px; padding: 4px; }}")


def _look_at(active: ActiveMask, place: OpenPlace) -> None:
    """Bring a place to the middle of the canvas, near enough to see it."""
    mask, viewer = active.labels, active.viewer
    column = (place.first + place.last) / 2
    at = (*active.where, place.row, column)
    camera, units = viewer.scene.camera, viewer.layers.extent.units
    middle, beside = (
        world_place(mask, (*at[:-1], at[-1] + off), units)[-2:] for off in (0, _SEEN / 2)
    )
    camera.center = (0, *middle)
    wide = 2 * max(abs(float(beside[1] - middle[1])), 1e-9)
    camera.zoom = max(camera.zoom, _CANVAS / wide)
