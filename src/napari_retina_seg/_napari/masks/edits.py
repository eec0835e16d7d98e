"""The one way in which the plugin changes a mask, and the classes that nothing paints over.

All that this module asks of napari beyond its public functions is `Labels._apply_mask_to_data`,
through which brush, eraser, fill, polygon and encircling go. A mask without locked classes keeps
napari's own, and so paints as fast as without the plugin.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from napari.layers import Labels, Layer

from napari_retina_seg.core.errors import RetinaSegError

Where = tuple[int | slice, ...]

_PAINTED_BY = "_apply_mask_to_data"


@dataclass(frozen=True)
class Change:
    """What became of a change.

    Attributes
    ----------
    pixels : int
        How many have another class now.
    kept : int
        How many would have, were their class not locked.
    """

    pixels: int
    kept: int


def change(layer: Labels, labels: npt.NDArray[np.generic], where: Where = ()) -> Change:
    """Give pixels of a mask other classes, as one step of the layer's own history.

    Pixels of a locked class keep it. Undo and redo are napari's, wherever the viewer stands.

    Parameters
    ----------
    layer : Labels
        The mask.
    labels : array
        Class values, of the shape of ``layer.data[where]``.
    where : tuple of int and slice
        The part of ``layer.data``: ``(3,)`` is the slice 3 of a volume, ``()`` all of it. Slices
        have no step.

    Raises
    ------
    RetinaSegError
        If the layer can't be painted, or the shape is another.
    """
    if not layer.editable:
        raise RetinaSegError(f"'{layer.name}' is locked: start to correct it, or take a copy.")
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
        with layer.block_history():  # napari tells of the step when it is done, not before
            layer.data_setitem(_indices(layer, free, where), labels[free])
    return Change(int(pixels), int(wanted - pixels))


def lock(layer: Labels, values: Iterable[int]) -> None:
    """Let nothing paint over these classes of a mask, and over no others.

    Parameters
    ----------
    layer : Labels
        The mask; napari's own tools heed it too.
    values : iterable of int
        Class values; 0 keeps background from being painted at all.
    """
    chosen, own = frozenset(values), vars(unwrap_proxy(layer))
    own.pop(_PAINTED_BY, None)
    if chosen:
        own[_PAINTED_BY] = _Guard(unwrap_proxy(layer), chosen)


def locked(layer: Labels) -> frozenset[int]:
    """Return the classes of a mask that nothing paints over."""
    guard = vars(unwrap_proxy(layer)).get(_PAINTED_BY)
    return guard.values if isinstance(guard, _Guard) else frozenset()


def unwrap_proxy(layer: Layer) -> Layer:
    """Return a layer itself, where napari hands plugins a stand-in for it."""
    return getattr(layer, "__wrapped__", layer)


def is_locked(layer: Labels, labels: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    """Return where labels are of a class that is locked in a layer."""
    found = np.zeros(labels.shape, bool)
    for value in locked(layer):
        found |= labels == value
    return found


class _Guard:
    """Stands before napari's painting, and takes the pixels of locked classes out of it."""

    def __init__(self, layer: Labels, values: frozenset[int]) -> None:
        self.values = values
        self._layer = weakref.ref(layer)  # the layer holds this: a cycle would keep its pixels

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
        return Labels._apply_mask_to_data(layer, data, free, new_label, volume_slice)


def _indices(
    layer: Labels, chosen: npt.NDArray[np.bool_], where: Where
) -> tuple[npt.NDArray[np.intp], ...]:
    """Return the chosen pixels' places along each axis of a layer."""
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
