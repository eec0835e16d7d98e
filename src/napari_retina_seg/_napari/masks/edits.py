"""Edit masks through one function, and lock classes against painting.

Brush, eraser, fill, polygon and lasso go through one function of napari's. Masks without locked
classes keep it as it is, and so paint as fast as without the plugin.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_retina_seg._napari._compat import (
    find_changed_slices,
    find_histories,
    find_painter,
    paint,
    set_painter,
)
from napari_retina_seg._napari.layers import unwrap_proxy
from napari_retina_seg.types.errors import RetinaSegError

PlaneIndex = tuple[int | slice, ...]


@dataclass(frozen=True)
class EditResult:
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


def change(layer: Labels, labels: npt.NDArray[np.generic], where: PlaneIndex = ()) -> EditResult:
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
            flat = np.flatnonzero(free)  # np.nonzero of a volume would be the slowest part
            layer.data_setitem(_indices(layer, flat, where), np.ravel(labels)[flat])
    return EditResult(int(pixels), int(wanted - pixels))


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
    layer: Labels, flat: npt.NDArray[np.intp], where: PlaneIndex
) -> tuple[npt.NDArray[np.intp], ...]:
    """Return the indices along each axis of a layer for flat indices into a part of it."""
    full = (*where, *(slice(None),) * (layer.ndim - len(where)))
    ranges = [
        range(size)[part] if isinstance(part, slice) else range(part % size, part % size + 1)
        for part, size in zip(full, layer.data.shape, strict=True)
    ]
    found = np.unravel_index(flat, tuple(map(len, ranges)))
    return tuple(places + within.start for places, within in zip(found, ranges, strict=True))


class UndoTracker(QObject):
    """Tracks undo and redo of one mask or volume.

    Signals
    -------
    stepped : (str, list of int)
        "Undone" or "Redone", and the changed slices; empty for a single image.
    """

    stepped = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self._mask: Labels | None = None
        self._lengths = (0, 0)

    def track(self, mask: Labels | None) -> None:
        """Track another mask."""
        if self._mask is not None:
            self._mask.events.paint.disconnect(self._on_paint)
            self._mask.events.set_data.disconnect(self._on_drawn)
        self._mask = None if mask is None else unwrap_proxy(mask)
        if self._mask is not None:
            self._mask.events.paint.connect(self._on_paint)
            self._mask.events.set_data.connect(self._on_drawn)
            self._on_paint()

    def _on_paint(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        undo, redo = find_histories(self._mask)
        self._lengths = len(undo), len(redo)

    def _on_drawn(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        undo_before, redo_before = self._lengths
        self._on_paint()
        undo, redo = find_histories(self._mask)
        if len(undo) < undo_before and len(redo) > redo_before:
            self._emit_step("Undone", redo[-1])
        elif len(redo) < redo_before and len(undo) > undo_before:
            self._emit_step("Redone", undo[-1])

    def _emit_step(self, what: str, step: Sequence[Any]) -> None:
        is_volume = self._mask is not None and self._mask.ndim > 2
        self.stepped.emit(what, find_changed_slices(step) if is_volume else [])
