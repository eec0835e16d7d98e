"""What the user states about an image: fovea and optic disc, with undo, and which eye."""

from __future__ import annotations

from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import napari
import numpy as np
from napari.layers import Image, Labels, Layer

from napari_retina_seg._napari.layers import Position, position, unwrap_proxy, world_place
from napari_retina_seg.types.image import Laterality
from napari_retina_seg.workflows.measured import Marks

_AXES = 3  # of a volume: slices, rows, columns


@dataclass
class MarkHistory:
    """The marks of one image, and those before and after; which eye it shows, if stated."""

    now: Marks = field(default_factory=Marks)
    eye: Laterality | None = None
    _before: list[Marks] = field(default_factory=list)
    _after: list[Marks] = field(default_factory=list)

    def set(self, marks: Marks) -> None:
        """Take other marks, as one step."""
        if marks != self.now:
            self._before.append(self.now)
            self._after.clear()
            self.now = marks

    def undo(self) -> None:
        """Go back a step, if there is one."""
        if self._before:
            self._after.append(self.now)
            self.now = self._before.pop()

    def redo(self) -> None:
        """Repeat the step that was taken back last, if there is one."""
        if self._after:
            self._before.append(self.now)
            self.now = self._after.pop()


_KNOWN: WeakKeyDictionary[Layer, dict[tuple[int, ...], MarkHistory]] = WeakKeyDictionary()


def marks_of(layer: Layer, where: tuple[int, ...] = ()) -> MarkHistory:
    """Return the marks of an image, which are remembered as long as its layer is open.

    Parameters
    ----------
    layer : Layer
        The layer of the image.
    where : tuple of int
        Which volume of a layer with several, and which photograph of a stack; see `volume_of`.
    """
    return _KNOWN.setdefault(unwrap_proxy(layer), {}).setdefault(where, MarkHistory())


def marks_by_slice(layer: Layer, leading: tuple[int, ...]) -> dict[int, Marks]:
    """Return what was marked on each photograph of a stack."""
    known = _KNOWN.get(unwrap_proxy(layer), {})
    return {key[-1]: each.now for key, each in known.items() if key and key[:-1] == leading}


def volume_of(viewer: napari.Viewer, mask: Labels, image: Image | None) -> Position:
    """Return which volume of its image a mask is of, wherever the sliders are, and the slice shown.

    Parameters
    ----------
    viewer : Viewer
        The viewer.
    mask : Labels
        The mask.
    image : Image or None
        Its image; without one the position is in the mask itself.
    """
    units = viewer.layers.extent.units
    point = np.zeros(max(viewer.dims.ndim, mask.ndim))
    point[-viewer.dims.ndim :] = viewer.dims.point
    if mask.ndim > _AXES:
        corner = world_place(mask, (0,) * mask.ndim, units)
        point[-mask.ndim : -_AXES] = corner[:-_AXES]
    return position(mask if image is None else image, point.tolist(), units)
