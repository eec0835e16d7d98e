"""Open places of the active mask, kept up to date while it is corrected."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject, QTimer, Signal

from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.masks.active_mask import ActiveMask
from napari_retina_seg._napari.masks.linked_layers import questionable_of
from napari_retina_seg.editing.open_places import OpenPlace, find_open_places

_SOON = 250  # ms; strokes come faster
_AT_ONCE = 0.02  # s of looking at slices without a break

Mask = npt.NDArray[np.bool_]


class PlacesWatch(QObject):
    """Looks for open places after each change of the active mask, slice by slice.

    Signals
    -------
    changed : ()
        Other places are open, or it began or ended to look for them; see `is_busy`.
    """

    changed = Signal()

    def __init__(self, active: ActiveMask, parent: QObject) -> None:
        super().__init__(parent)
        self._active_mask = active
        self._found: dict[int, tuple[int, tuple[OpenPlace, ...]]] = {}  # by slice, with checksum
        self._worked_on: set[int] = set()  # slices that had layers while this mask was followed
        self._left: Iterator[int] = iter(())
        self._timer = QTimer(self, singleShot=True, interval=_SOON)
        self._timer.timeout.connect(self._begin)
        self._chunk = QTimer(self, singleShot=True, interval=0)
        self._chunk.timeout.connect(self._go_on)

    @property
    def places(self) -> tuple[OpenPlace, ...]:
        """The open places, by slice and column."""
        return tuple(place for index in sorted(self._found) for place in self._found[index][1])

    @property
    def is_busy(self) -> bool:
        """Whether it is still looking."""
        return self._timer.isActive() or self._chunk.isActive()

    @property
    def is_untouched(self) -> bool:
        """Whether no layer was ever drawn in the mask, by a model or by hand."""
        return not self._worked_on

    def look_soon(self) -> None:
        """Look again when the hand rests."""
        was_busy = self.is_busy
        self._timer.start()
        if not was_busy:
            self.changed.emit()  # what was found is out of date

    def restart(self) -> None:
        """Follow another mask."""
        self._chunk.stop()
        self._found.clear()
        self._worked_on.clear()
        planes = self._planes()
        if planes is not None:
            self._note_worked_on(planes)
        self._timer.start()  # before the signal, so that nobody takes the mask for checked
        self.changed.emit()

    def stop(self) -> None:
        """Stop looking."""
        self._timer.stop()
        self._chunk.stop()

    def _begin(self) -> None:
        planes = self._planes()
        self._chunk.stop()
        if planes is None:
            self._found.clear()
            self.changed.emit()
            return
        self._note_worked_on(planes)
        todo = sorted(self._worked_on) or list(range(min(1, len(planes))))
        for index in set(self._found) - set(todo):
            del self._found[index]
        self._left = iter(todo)
        self._go_on()

    def _note_worked_on(self, planes: npt.NDArray[np.uint8]) -> None:
        """Note slices with layers, now or in the prediction: erased, they are open places."""
        predicted = self._active_mask.labels.metadata[KEY].prediction
        known = [planes]
        if predicted is not None and np.size(predicted) == planes.size:
            known.append(np.asarray(predicted).reshape(planes.shape))
        self._worked_on.update(
            index
            for index, stack in enumerate(zip(*known, strict=True))
            if any(plane.any() for plane in stack)
        )

    def _go_on(self) -> None:
        planes = self._planes()
        if planes is None:
            self.changed.emit()
            return
        marked, end = self._ignored(planes.shape), time.perf_counter() + _AT_ONCE
        for index in self._left:
            self._look_at(index, planes, marked)
            if time.perf_counter() > end:
                self._chunk.start()
                return
        self.changed.emit()

    def _look_at(self, index: int, planes: npt.NDArray[np.uint8], marked: Mask | None) -> None:
        if index >= len(planes):
            return
        plane = np.ascontiguousarray(planes[index])
        ignore = None if marked is None else marked[index]
        checksum = zlib.crc32(plane.tobytes())
        if ignore is not None:
            checksum = zlib.crc32(ignore.tobytes(), checksum)
        if self._found.get(index, (None,))[0] == checksum:
            return
        places = find_open_places(plane, self._active_mask.scheme, ignore)
        self._found[index] = checksum, tuple(place.on_slice(index) for place in places)

    def _planes(self) -> npt.NDArray[np.uint8] | None:
        """Return the mask as ``(slices, rows, columns)``; None if there is none with layers."""
        mask = self._active_mask.mask
        if mask is None or not self._active_mask.scheme.surfaces:
            return None
        data = np.asarray(mask.data)
        return data.reshape(-1, *data.shape[-2:])

    def _ignored(self, shape: tuple[int, ...]) -> Mask | None:
        """Return where nothing is said: no data, or marked as questionable."""
        active = self._active_mask
        info, marks = active.labels.metadata[KEY], questionable_of(active.viewer, active.labels)
        known = [each for each in (marks, info.ignore) if each is not None]
        fitting = [each.reshape(shape) for each in known if each.size == np.prod(shape)]
        if not fitting:
            return None
        return np.logical_or.reduce(fitting)
