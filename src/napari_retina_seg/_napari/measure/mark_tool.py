"""Mark the fovea and the optic disc with the mouse."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator
from dataclasses import replace
from enum import Enum
from typing import Any

import napari
import numpy as np
from napari.layers import Image, Labels, Layer, Shapes
from qtpy.QtCore import QObject, QTimer, Signal

from napari_retina_seg._napari.clicks import is_click
from napari_retina_seg._napari.layers import KEY, insert_unselected, unwrap_proxy
from napari_retina_seg._napari.masks.linked_layers import LinkedLayerInfo, LinkKind
from napari_retina_seg._napari.measure.mark_places import MarkPlaces, Place
from napari_retina_seg._napari.measure.marks import (
    MarkHistory,
    marks_by_slice,
    marks_of,
    volume_of,
)
from napari_retina_seg.workflows.measured import Marks

_COLOR = "#ffd60a"
_WIDTH = 0.004  # of the picture's larger side
_RING = 0.02  # of it: radius of the ring around the fovea
_NEAR = 12  # px on the screen from a mark within which a drag moves it
_INNER = 0.6  # of the disc's radius, within which a drag moves it
_OUTER = 1.4  # of it, up to which a drag changes the size


class Target(Enum):
    """What is marked."""

    FOVEA = "fovea"
    DISC = "disc"


class MarkTool(QObject):
    """Shows the marks of an image, and takes clicks and drags for one of them while active.

    A click sets the fovea, on a B-scan, the en-face image or a map of the same scan; a drag that
    begins on it moves it. A drag from the centre of the disc to its margin draws the disc; one
    that begins in it moves it, one on its margin changes its size. Other drags move the image.

    Signals
    -------
    changed : ()
        A mark was set, moved, undone or redone.
    ended : ()
        It is no longer active.
    """

    changed = Signal()
    ended = Signal()

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._layer: Shapes | None = None
        self._mask: Labels | None = None
        self._image: Image | None = None
        self._places: MarkPlaces | None = None
        self.found: Place | None = None  # the fovea, by the last measurement
        self._drawn: object = None
        self.history: MarkHistory | None = None  # of the photograph or volume on the screen
        self.volume: MarkHistory | None = None  # which eye it shows; of a stack all photographs
        self.target: Target | None = None
        viewer.dims.events.point.connect(self._on_moved)

    def show_mask(self, mask: Labels | None, image: Image | None) -> None:
        """Show the marks of another mask's image; marking ends."""
        self.stop()
        if mask == self._mask and image == self._image:
            return  # another reason why it can be corrected or not
        layer, self._layer = self._layer, None
        self._mask, self._image, self.found = mask, image, None
        self._places = None if mask is None else MarkPlaces(self._viewer, mask, image)
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)
        self._find_history()
        self.redraw()

    def by_slice(self) -> dict[int, Marks]:
        """Return what was marked on each photograph of a stack; nothing of other images."""
        mask = self._mask
        if mask is None or self._places is None or self.history is self.volume:
            return {}
        leading = volume_of(self._viewer, mask, self._image).leading
        return marks_by_slice(self._image or mask, leading)

    def _find_history(self) -> None:
        """Find the marks of what is on the screen: each photograph of a stack has its own."""
        mask, places = self._mask, self._places
        self.history = self.volume = None
        if mask is not None and places is not None:
            layer, at = self._image or mask, volume_of(self._viewer, mask, self._image)
            self.history = self.volume = marks_of(layer, at.leading)
            if not places.is_scan and layer.ndim > 2:
                self.history = marks_of(layer, (*at.leading, at.index))

    def show_found(self, place: Place | None) -> None:
        """Show where the fovea was found, which can then be moved, above the maps."""
        self.found = place
        self.redraw()
        if self._is_there:
            layers = self._viewer.layers
            layers.move(layers.index(self._layer), -1)

    def start(self, target: Target) -> None:
        """Take clicks and drags for the fovea or the disc."""
        self.stop()
        if self._mask is None:
            return
        layer = self._add()
        self._viewer.layers.selection.active = layer
        layer.mode = "pan_zoom"
        layer.cursor = "cross"
        layer.mouse_drag_callbacks.append(self._on_drag)
        for key, action in self._keys().items():
            layer.bind_key(key, _deferred(action), overwrite=True)
        self._viewer.layers.selection.events.active.connect(self._on_active)
        self.target = target

    def stop(self) -> None:
        """Stop taking clicks, and select the mask again."""
        if self.target is None:
            return
        layer, self.target = self._layer, None
        active = self._viewer.layers.selection
        active.events.active.disconnect(self._on_active)
        if layer is not None and layer in self._viewer.layers:
            layer.mouse_drag_callbacks.remove(self._on_drag)
            layer.cursor = "standard"
            for key in self._keys():
                layer.bind_key(key, None)
            if active.active == layer and self._mask in self._viewer.layers:
                active.active = self._mask
        self.ended.emit()

    def cleanup(self) -> None:
        """Remove the marks from the viewer: the dock is closing."""
        self.show_mask(None, None)
        self._viewer.dims.events.point.disconnect(self._on_moved)

    def _keys(self) -> dict[str, Callable[[], object]]:
        return {"Escape": self.stop, "Control-Z": self._undo, "Control-Shift-Z": self._redo}

    def _undo(self) -> None:
        if self.history is not None:
            self.history.undo()
            self._announce()

    def _redo(self) -> None:
        if self.history is not None:
            self.history.redo()
            self._announce()

    # Mouse

    def _on_drag(self, layer: Shapes, event: Any) -> Generator[None, None, None]:  # noqa: ARG002
        history, places = self.history, self._places
        start = None if places is None else places.at(event.position)
        if event.button != 1 or event.modifiers or history is None or start is None:
            return
        begin = marks = history.now
        if not self._grips(event, begin):
            if (yield from is_click(event)):
                history.set(replace(begin, fovea=start))
                self._announce()
            return
        event.handled = True
        yield
        while event.type == "mouse_move":
            event.handled = True
            marks = self._dragged(begin, start, event)
            self.redraw(marks)
            yield
        history.set(self._dragged(begin, start, event))  # it may end beyond the last move
        self._announce()

    def _grips(self, event: Any, marks: Marks) -> bool:
        """Whether a drag is for a mark: for the disc always, for the fovea only on it."""
        fovea, places = marks.fovea or self.found, self._places
        if self.target is Target.DISC:
            return True
        if fovea is None or places is None:
            return False
        here = np.asarray(event.position, float)[-2:]
        reach, line = _NEAR / event.camera_zoom, places.line(fovea)
        if line is not None and line[0][0] <= here[0] <= line[1][0]:
            return bool(abs(here[1] - line[0][1]) <= reach)
        return any(np.hypot(*(here - spot)) <= reach for spot in places.spots(fovea))

    def _dragged(self, marks: Marks, start: Place, event: Any) -> Marks:
        """Return the marks after a drag from one place to where the mouse is."""
        end = None if self._places is None else self._places.at(event.position)
        if end is None:
            return marks
        if self.target is Target.FOVEA:
            return replace(marks, fovea=end)
        centre, disc = start, marks.disc
        if disc is not None:
            away = np.hypot(start[0] - disc[0], start[1] - disc[1]) / (disc[2] / 2)
            if away <= _INNER:
                row, column = disc[0] + end[0] - start[0], disc[1] + end[1] - start[1]
                return replace(marks, disc=(row, column, disc[2]))
            if away <= _OUTER:
                centre = disc[:2]
        radius = float(np.hypot(end[0] - centre[0], end[1] - centre[1]))
        return marks if radius < 1 else replace(marks, disc=(*centre, 2 * radius))

    # Layer

    @property
    def _is_there(self) -> bool:
        return self._layer is not None and self._layer in self._viewer.layers

    def redraw(self, marks: Marks | None = None) -> None:
        """Draw marks, by default those that hold."""
        if self.history is None:
            return
        shapes = self._shapes(marks or self.history.now)
        drawn = [(kind, points.tolist()) for kind, points in shapes]
        if drawn == (self._drawn if self._is_there else []):
            return
        layer, self._drawn = self._add(), drawn
        layer.data = []
        style = {"edge_color": _COLOR, "face_color": "transparent"}
        for kind, points in shapes:
            width = _WIDTH * self._size
            layer.add([points], shape_type=kind, edge_width=width, **style)
        layer.selected_data = set()

    def _on_moved(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        """Draw the marks in another B-scan or photograph, unless their layer was removed.

        The sliders may move because it is being removed: it would come back for ever.
        """
        before = self.history
        if self._mask is not None and self._mask in self._viewer.layers:
            self._find_history()
        if self.history is not before:
            self.changed.emit()
        if self._layer is None or self._is_there:
            self.redraw()

    @property
    def _size(self) -> float:
        return 1.0 if self._places is None else self._places.size

    def _shapes(self, marks: Marks) -> list[tuple[str, np.ndarray]]:
        places, fovea = self._places, marks.fovea or self.found
        shapes: list[tuple[str, np.ndarray]] = []
        if places is None or not places.are_shown:
            return shapes
        if fovea is not None:
            line = places.line(fovea)
            shapes += [] if line is None else [("line", line)]
            radii = np.full(2, _RING * self._size)
            shapes += [("ellipse", np.stack([spot, radii])) for spot in places.spots(fovea)]
        if marks.disc is not None and not places.is_scan:
            row, column, diameter = marks.disc
            centre = np.array(places.world((row, column)))
            edge = places.world((row + diameter / 2, column + diameter / 2))
            shapes.append(("ellipse", np.stack([centre, np.abs(np.subtract(edge, centre))])))
        return shapes

    def _add(self) -> Shapes:
        """Return the layer of the marks, added if needed; the selection is kept."""
        if self._layer is None or self._layer not in self._viewer.layers:
            assert self._mask is not None  # noqa: S101 - there is something to mark
            link = weakref.ref(unwrap_proxy(self._mask))
            self._drawn = []
            self._layer = Shapes(
                ndim=2,
                name=f"{self._mask.name} · marks",
                units=tuple(self._viewer.layers.extent.units or self._mask.units)[-2:],
                axis_labels=self._mask.axis_labels[-2:],
                metadata={KEY: LinkedLayerInfo(LinkKind.MARKS, link)},
            )
            insert_unselected(self._viewer.layers, self._layer)
        return self._layer

    def _announce(self) -> None:
        self.redraw()
        self.changed.emit()

    def _on_active(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        """Stop when another layer is selected or the layer of the marks is removed."""
        QTimer.singleShot(0, self._leave)

    def _leave(self) -> None:
        if self.target is not None and self._viewer.layers.selection.active != self._layer:
            self.stop()


def _deferred(action: Callable[[], object]) -> Callable[[Layer], None]:
    """Return what a key calls: after napari is done with it, as the selection may change."""

    def call(layer: Layer) -> None:  # noqa: ARG001 - passed by napari
        QTimer.singleShot(0, action)

    return call
