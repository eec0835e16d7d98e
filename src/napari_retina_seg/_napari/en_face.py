"""The current B-scan as a line on its en-face image, and clicks there that lead to a B-scan."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Shapes
from qtpy.QtCore import QTimer

from napari_retina_seg._napari.acquisitions import EnFaceInfo
from napari_retina_seg._napari.layers import (
    KEY,
    data_place,
    find_image_of,
    position,
    unwrap_proxy,
    world_place,
)
from napari_retina_seg.types.acquisition import LinePath

_COLOR = "#00e5ff"
_WIDTH = 2.5  # px of the en-face image
_watched: weakref.WeakSet[ViewerModel] = weakref.WeakSet()


def link_en_faces(viewer: ViewerModel | None) -> None:
    """Link each en-face image that is added to a viewer from now on with its B-scans."""
    if viewer is None:
        return
    viewer = unwrap_proxy(viewer)
    if viewer not in _watched:
        _watched.add(viewer)
        viewer.layers.events.inserted.connect(lambda event: _link(viewer, event.value))


def _link(viewer: ViewerModel, layer: Any) -> None:
    info = layer.metadata.get(KEY)
    if not isinstance(info, EnFaceInfo):
        return
    image = find_image_of(layer, viewer.layers)
    if image is None:
        return
    if info.face.paths:
        EnFaceLink(viewer, layer, image)
    # napari selects what it has added only when this call is over.
    QTimer.singleShot(0, lambda: _select(viewer, image))


def _select(viewer: ViewerModel, image: Image) -> None:
    if image in viewer.layers:
        viewer.layers.selection.select_only(image)


class EnFaceLink:
    """Shows where the viewer is on an en-face image, and follows clicks on it.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer, which references the link until one of the two layers is removed.
    face : Image
        The en-face layer.
    image : Image
        The layer with the B-scans.
    """

    def __init__(self, viewer: ViewerModel, face: Image, image: Image) -> None:
        self._viewer, self._layer, self._image = viewer, face, image
        self._face = face.metadata[KEY].face
        self._column: int | None = None
        self._shown: tuple[int, int | None] | None = None
        self._marks = Shapes(
            name=f"{image.name} · scan position", units=face.units, axis_labels=face.axis_labels
        )
        viewer.add_layer(self._marks)
        viewer.dims.events.point.connect(self._show)
        face.events.visible.connect(self._on_visible)
        viewer.mouse_drag_callbacks.append(self._on_click)
        viewer.layers.events.removed.connect(self._on_removed)
        self._show()

    def _show(self, _: object = None) -> None:
        """Draw the path of the current B-scan, and the chosen column where there is one."""
        index = position(self._image, self._viewer.dims.point, self._units).index
        if self._shown == (index, self._column):
            return
        self._shown = index, self._column
        course = self._face.paths[index]
        points = course.points(self._columns)
        corners = points[[0, -1]] if isinstance(course, LinePath) else points
        path = [self._layer.data_to_world(point) for point in corners]
        width = _WIDTH * float(np.mean(self._layer.scale))
        self._marks.data = []
        self._marks.add_paths([np.array(path)], edge_width=width, edge_color=_COLOR)
        if self._column is not None:
            rows = self._image.data.shape[-2]
            ends = [self._on_b_scan(row, self._column) for row in (-0.5, rows - 0.5)]
            spot = np.array(self._layer.data_to_world(points[self._column]))
            ring = np.array([spot, (2 * width, 2 * width)])  # centre and radii
            self._marks.add_lines([np.array(ends)], edge_width=width / 2, edge_color=_COLOR)
            self._marks.add_ellipses([ring], edge_width=width / 2, edge_color=_COLOR,
                                     face_color="transparent")  # fmt: skip
        self._marks.selected_data = set()

    def go_to(self, row: float, column: float) -> None:
        """Show the B-scan that lies nearest to a point, in px of the en-face image."""
        index, self._column, _ = self._face.nearest(row, column, self._columns)
        if self._image.ndim > 2:
            place = (*(0,) * (self._image.ndim - 3), index, 0, 0)
            axis = self._viewer.dims.ndim - 3
            self._viewer.dims.set_point(axis, world_place(self._image, place, self._units)[-3])
        self._show()

    @property
    def _units(self) -> Any:
        return self._viewer.layers.extent.units

    @property
    def _columns(self) -> int:
        return int(self._image.data.shape[-1])

    def _on_b_scan(self, row: float, column: float) -> Any:
        place = (*(0,) * (self._image.ndim - 2), row, column)
        return self._image.data_to_world(place)[-2:]

    def _on_click(self, _: object, event: Any) -> Iterator[None]:
        """Follow a click, not a drag, which moves the picture."""
        if self._viewer.dims.ndisplay != 2 or not self._layer.visible:
            return
        row, column = data_place(self._layer, event.position, self._units)
        rows, columns = self._layer.data.shape[:2]
        if not (-0.5 <= row < rows - 0.5 and -0.5 <= column < columns - 0.5):
            return
        yield
        if event.type == "mouse_move":
            return
        self.go_to(row, column)

    def _on_visible(self, _: object = None) -> None:
        self._marks.visible = self._layer.visible

    def _on_removed(self, event: Any) -> None:
        if event.value not in (self._layer, self._image):
            return
        self._viewer.dims.events.point.disconnect(self._show)
        self._layer.events.visible.disconnect(self._on_visible)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._viewer.mouse_drag_callbacks.remove(self._on_click)
        if self._marks in self._viewer.layers:
            self._viewer.layers.remove(self._marks)
