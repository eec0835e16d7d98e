"""Edit masks through one function, and lock classes against painting.

Brush, eraser, fill, polygon and lasso go through one function of napari's. Masks without locked
classes keep it as it is, and so paint as fast as without the plugin.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from napari.layers import Labels, Layer

from napari_retina_seg._napari._compat import find_painter, paint, set_painter
from napari_retina_seg.types.errors import RetinaSegError

Where = tuple[int | slice, ...]


@dataclass(frozen=True)
class Change:
    """Result of an edit.

    Attributes
    ----------
    pixels : int
        Pixels whose class changed.
    kept : int
        Pixels that kept their class because it is locked.
    """

    pixels: int
    kept: int


def change(layer: Labels, labels: npt.NDArray[np.generic], where: Where = ()) -> Change:
    """Set pixels of a mask to other classes, as one step of the layer's undo history.

    Pixels of locked classes are kept. Undo and redo are napari's own, on any slice.

    Parameters
    ----------
    layer : Labels
        The mask.
    labels : array
        Class values, of the shape of ``layer.data[where]``.
    where : tuple of int and slice
        Index into ``layer.data``: ``(3,)`` is slice 3 of a volume, ``()`` all of it. Slices have no
        step.

    Raises
    ------
    RetinaSegError
        If the layer is not editable, or the shapes differ.
    """
    if not layer.editable:
        raise RetinaSegError(f"'{layer.name}' is read-only: correct a copy of it instead.")
    before = np.asarray(layer.data[where])
    if labels.shape != before.shape:
        raise RetinaSegError(
            f"A change of '{layer.name}' must have the shape {before.shape}: received"
            f" {labels.shape}."
        )
    differs = before != labels
    free = differs & ~is_locked(layer, before)
    wanted, pixels = np.count_nonzero(differs), np.count_nonzero(free)
    if pixels:
        with layer.block_history():  # napari emits the event after the step, not before
            layer.data_setitem(_indices(layer, free, where), labels[free])
    return Change(int(pixels), int(wanted - pixels))


def lock(layer: Labels, values: Iterable[int]) -> None:
    """Lock these classes of a mask, and unlock all others.

    Parameters
    ----------
    layer : Labels
        The mask; napari's own tools respect locked classes, too.
    values : iterable of int
        Class values; with 0, background can't be painted over.
    """
    chosen, mask = frozenset(values), unwrap_proxy(layer)
    set_painter(mask, _LockedPaint(mask, chosen) if chosen else None)


def locked(layer: Labels) -> frozenset[int]:
    """Return the locked classes of a mask."""
    guard = find_painter(unwrap_proxy(layer))
    return guard.values if isinstance(guard, _LockedPaint) else frozenset()


def unwrap_proxy(layer: Layer) -> Layer:
    """Return the layer behind the `PublicOnlyProxy` that napari passes to plugins."""
    return getattr(layer, "__wrapped__", layer)


def is_locked(layer: Labels, labels: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    """Return where labels are of a locked class."""
    found = np.zeros(labels.shape, bool)
    for value in locked(layer):
        found |= labels == value
    return found


class _LockedPaint:
    """Replaces napari's painting function, leaving out pixels of locked classes."""

    def __init__(self, layer: Labels, values: frozenset[int]) -> None:
        self.values = values
        self._layer = weakref.ref(layer)  # weak: a cycle would keep the layer's pixels

    def __call__(
        self,
        data: npt.NDArray[np.generic],
        mask: npt.NDArray[np.bool_],
        new_label: int,
        volume_slice: tuple[slice, ...],
    ) -> npt.NDArray[np.bool_] | None:
        free = mask
        for value in self.values:
            free = free & (data != value)
        layer = self._layer()
        return paint(layer, data, free, new_label, volume_slice)


def _indices(
    layer: Labels, chosen: npt.NDArray[np.bool_], where: Where
) -> tuple[npt.NDArray[np.intp], ...]:
    """Return the indices of the chosen pixels along each axis of a layer."""
    found = iter(np.nonzero(chosen))
    count = np.count_nonzero(chosen)
    places: list[npt.NDArray[np.intp]] = []
    full = (*where, *(slice(None),) * (layer.ndim - len(where)))
    for part, size in zip(full, layer.data.shape, strict=True):
        if isinstance(part, slice):
            start, _, _ = part.indices(size)
            places.append(next(found) + start)
        else:
            places.append(np.full(count, part % size))
    return tuple(places)
