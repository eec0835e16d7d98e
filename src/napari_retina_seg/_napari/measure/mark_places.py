"""Where a place of a scan or photograph lies in the viewer, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import napari
import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Layer

from napari_retina_seg._napari.acquisitions import EnFaceInfo
from napari_retina_seg._napari.layers import (
    KEY,
    data_place,
    finest,
    is_off_slice,
    position,
    world_place,
)
from napari_retina_seg._napari.measure.layers import find_face, is_map_of

Place = tuple[float, float]  # slice and column; of a photograph row and column, in px


class MarkPlaces:
    """Converts places of the image of a mask: on B-scan, en-face image and maps, or photograph.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    mask : Labels
        The mask.
    image : Image or None
        Its image, if it is open.
    """

    def __init__(self, viewer: napari.Viewer, mask: Labels, image: Image | None) -> None:
        self._viewer, self._mask, self._image = viewer, mask, image
        self.is_scan = bool(mask.metadata[KEY].scheme.surfaces)

    @property
    def are_shown(self) -> bool:
        """Whether the sliders are at the volume that the mask is of."""
        units = self._viewer.layers.extent.units
        return not is_off_slice(self._mask, self._viewer.dims.point, units)

    def at(self, world: Sequence[float]) -> Place | None:
        """Return the place that a point of the viewer shows, or None."""
        if not self.are_shown:
            return None
        mask, units = self._mask, self._viewer.layers.extent.units
        rows, columns = mask.data.shape[-2:]
        row, column = data_place(mask, world, units)[-2:]
        if -0.5 <= row < rows - 0.5 and -0.5 <= column < columns - 0.5:
            first = self._slice if self.is_scan else _within(row, rows)
            return first, _within(column, columns)
        found = (_on_map(layer, data_place(layer, world, units), columns) for layer in self._maps())
        return next((each for each in found if each is not None), None)

    def line(self, fovea: Place) -> np.ndarray | None:
        """Return both ends of the line through the fovea in the B-scan on the screen."""
        mask = self._mask
        if not self.is_scan or round(fovea[0]) != self._slice:
            return None
        ends = (-0.5, mask.data.shape[-2] - 0.5)
        return np.array([self.world((row, fovea[1])) for row in ends])

    def spots(self, fovea: Place) -> list[np.ndarray]:
        """Return where the fovea lies on photograph, en-face image and maps."""
        if not self.is_scan:
            return [np.array(self.world(fovea))]
        spots = []
        for layer in self._maps():
            info, place = layer.metadata[KEY], fovea
            if isinstance(info, EnFaceInfo):
                index, at = round(fovea[0]), round(fovea[1])
                columns = int(self._mask.data.shape[-1])
                if not (0 <= index < len(info.face.paths) and 0 <= at < columns):
                    continue  # not on the scan; measuring says so
                row, column = info.face.paths[index].points(columns)[at]
                place = float(row), float(column)
            spots.append(np.array(self._world(layer, place)))
        return spots

    def _world(self, layer: Layer, place: Place) -> Place:
        """Return where a row and column lie in the viewer, in the units of its last axes."""
        whole = (*(0,) * (layer.ndim - 2), *place)
        row, column = world_place(layer, whole, self._viewer.layers.extent.units)[-2:]
        return row, column

    @property
    def size(self) -> float:
        """The larger side of the mask in the viewer."""
        rows, columns = self._mask.data.shape[-2:]
        return float(np.abs(np.subtract(self.world((rows, columns)), self.world((0, 0)))).max())

    def world(self, place: Place) -> Place:
        """Return where a row and column of the mask lie in the viewer."""
        return self._world(self._mask, place)

    @property
    def _slice(self) -> float:
        """The slice on the screen."""
        units = self._viewer.layers.extent.units
        return float(position(self._mask, self._viewer.dims.point, units).index)

    def _maps(self) -> list[Image]:
        """Return the pictures of the same scan from the front, the uppermost first."""
        face = find_face(self._viewer.layers, self._image)
        if not self.is_scan:
            return []
        return [
            layer
            for layer in reversed(self._viewer.layers)
            if layer.visible and (layer is face or is_map_of(layer, self._mask.name))
        ]


def _within(value: float, size: int) -> float:
    """Return a place on a pixel's outer half at its centre, up to which places are stated."""
    return float(min(max(value, 0), size - 1))


def _on_map(layer: Image, place: npt.NDArray[Any], columns: int) -> Place | None:
    """Return the slice and column at a place of a map or of the en-face image."""
    shape = finest(layer).shape
    if not (-0.5 <= place[-2] < shape[0] - 0.5 and -0.5 <= place[-1] < shape[1] - 0.5):
        return None
    info = layer.metadata[KEY]
    if not isinstance(info, EnFaceInfo):
        return _within(place[-2], shape[0]), _within(place[-1], shape[1])
    if not info.face.paths:
        return None
    index, column, _ = info.face.nearest(place[-2], place[-1], columns)
    return float(index), float(column)
