"""Masks outside any project: autosaved while they are edited, and asked about on closing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

import napari
import numpy as np
import numpy.typing as npt
from napari.layers import Labels
from napari.utils.events import Event
from qtpy.QtCore import QEvent, QObject, QTimer, Signal
from qtpy.QtWidgets import QMainWindow, QMessageBox

from napari_retina_seg._napari.layers import (
    KEY,
    ImageInfo,
    find_image_of,
    finest,
    is_image,
    unwrap_proxy,
)
from napari_retina_seg._napari.masks.annotations import copy_annotation
from napari_retina_seg._napari.masks.linked_layers import LinkKind, linked_layer, mask_of
from napari_retina_seg._napari.masks.mask_autosaves import (
    MaskAutosave,
    hash_image,
    hash_mask,
    list_autosaves,
    new_autosave,
    remove_autosave,
    write_autosave,
)
from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.results import MaskInfo
from napari_retina_seg._napari.tasks import SerialTaskQueue, in_background
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import RetinaSegError

log = logging.getLogger(__name__)

_PAUSE = 5000  # ms from an edit to its autosave; edits meanwhile go with it

_SHARED: WeakValueDictionary[int, UnsavedMasks] = WeakValueDictionary()  # by viewer
_IN_PROJECTS: WeakSet[Labels] = WeakSet()

SaveMask = Callable[[QMainWindow, Labels], bool]


def keep_in_project(mask: Labels, on: bool) -> None:
    """Say whether a project saves a mask, so that it is not asked about."""
    (_IN_PROJECTS.add if on else _IN_PROJECTS.discard)(mask)


@dataclass(eq=False)
class _Tracked:
    """What is known about a mask in the viewer."""

    baseline: bytes | None  # hash when it was added or last saved; None if it never was
    requested: bytes | None = None  # hash in the newest autosave, which may still be in the queue
    autosaves: list[MaskAutosave] = field(default_factory=list)  # on disk; the I/O thread's


class UnsavedMasks(QObject):
    """The masks of a viewer that no project keeps, and their unsaved changes.

    All docks of a viewer share one, by `UnsavedMasks.of`; its window owns it once it is shown.

    Signals
    -------
    offered : ()
        Other autosaves can be recovered.
    failed : (str)
        Why an autosave could not be written.
    """

    offered = Signal()
    failed = Signal(str)

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._masks: WeakKeyDictionary[Labels, _Tracked] = WeakKeyDictionary()
        self._hashes: WeakKeyDictionary[Any, str] = WeakKeyDictionary()  # of images
        self._save: SaveMask | None = None
        self.offers: list[MaskAutosave] = []
        self._timer = QTimer(self, singleShot=True, interval=_PAUSE)
        self._timer.timeout.connect(self.autosave)
        # Writes and removals in order: the newest edit is what stays, or nothing does.
        self._io_queue = SerialTaskQueue(self)
        layers = viewer.layers
        for layer in layers:
            self._on_layer(layer)
        layers.events.inserted.connect(self._on_inserted)
        layers.events.removed.connect(self._on_removed)
        in_background(list_autosaves, self._on_listed)

    @classmethod
    def of(cls, viewer: napari.Viewer) -> UnsavedMasks:
        """Return that of a viewer."""
        key = id(unwrap_proxy(viewer))
        shared = _SHARED.get(key)
        if shared is None:
            shared = _SHARED[key] = cls(viewer)
        return shared

    def ask_on_close(self, main: QMainWindow, save: SaveMask) -> None:
        """Ask before a window closes over unsaved masks.

        Parameters
        ----------
        main : QMainWindow
            The window, which owns this object from now on.
        save : callable
            Called with window and mask: asks for a file, and returns whether it was saved.
        """
        if self._save is None:
            self._save = save
            self.setParent(main)
            main.installEventFilter(self)

    @property
    def unsaved(self) -> list[Labels]:
        """Masks with changes that are saved nowhere."""
        return [mask for mask in self._masks if self._is_unsaved(mask)]

    def mark_saved(self, mask: Labels) -> None:
        """Note that a mask was saved to a file as it is."""
        known = self._masks.get(unwrap_proxy(mask))
        if known is not None:
            known.baseline = self._hash(mask)
            self._drop(known)
            self._io_queue.join()

    def mark_recovered(self, mask: Labels, autosave: MaskAutosave) -> None:
        """Note that a mask was recovered: it is unsaved, and goes into an autosave of its own."""
        known = self._masks[unwrap_proxy(mask)]
        known.baseline = known.requested = None
        known.autosaves.append(autosave)
        self.take_offer(autosave)
        self.autosave()

    def take_offer(self, autosave: MaskAutosave) -> None:
        """Offer an autosave no more."""
        self.offers = [each for each in self.offers if each.path != autosave.path]
        self.offered.emit()

    def autosave(self) -> None:
        """Write what was changed since the last autosave, in the background."""
        for mask, known in list(self._masks.items()):
            self._request(mask, known)

    def hash_of(self, image: Any) -> str:
        """Return the hash of an image layer; see `hash_image`."""
        layer = unwrap_proxy(image)
        if layer not in self._hashes:
            self._hashes[layer] = hash_image(finest(layer))
        return self._hashes[layer]

    # Internals

    def _is_unsaved(self, mask: Labels) -> bool:
        known = self._masks[mask]
        return mask not in _IN_PROJECTS and self._hash(mask) != known.baseline

    def _hash(self, mask: Labels) -> bytes:
        return hash_mask(finest(mask), self._marks(mask))

    def _marks(self, mask: Labels) -> npt.NDArray[np.bool_] | None:
        layer = linked_layer(self._viewer, mask, LinkKind.QUESTIONABLE)
        if layer is None:
            return mask.metadata[KEY].questionable
        return np.asarray(layer.data) != 0

    def _request(self, mask: Labels, known: _Tracked) -> None:
        """Have a mask autosaved if it was changed; one that can't be written is tried again."""
        if mask in _IN_PROJECTS:
            return
        found = self._hash(mask)
        if found == known.baseline:
            self._drop(known)
            return
        if found == known.requested:
            return
        try:
            annotation = copy_annotation(self._viewer, mask)
        except RetinaSegError:  # several volumes: no autosave can hold them
            log.warning("'%s' can't be autosaved", mask.name, exc_info=True)
            return
        known.requested = found

        def fail(problem: str) -> None:
            if known.requested == found:  # neither changed, saved nor discarded since
                known.requested = None
                self._timer.start()
            self.failed.emit(problem)

        write = partial(_write, self._describe(mask), annotation, known.autosaves)
        self._io_queue.submit(write, lambda _: None, fail)

    def _describe(self, mask: Labels) -> MaskAutosave:
        info = mask.metadata[KEY]
        image = find_image_of(mask, self._viewer.layers)
        known = None if image is None else image.metadata.get(KEY)
        source = known.source if isinstance(known, ImageInfo) else ""
        if image is not None and not source:
            source = str(image.source.path or "")
        return new_autosave(
            mask.name,
            info.image if image is None else image.name,
            "" if image is None else self.hash_of(image),
            source,
            info.scheme,
            info.spacing,
            info.provenance,
        )

    def _drop(self, known: _Tracked) -> None:
        if known.requested is None and not known.autosaves:
            return
        known.requested = None
        self._io_queue.submit(partial(_remove, known.autosaves), lambda _: None, self.failed.emit)

    def _on_listed(self, found: tuple[MaskAutosave, ...] | None) -> None:
        self.offers = list(found or ())
        self._sort_offers()

    def _sort_offers(self) -> None:
        """Offer those of open images first."""
        if self.offers:
            images = [layer for layer in self._viewer.layers if is_image(layer)]
            there = {self.hash_of(image) for image in images}
            self.offers.sort(key=lambda each: each.image_hash not in there)
        self.offered.emit()

    def _on_inserted(self, event: Event) -> None:
        self._on_layer(event.value)
        if is_image(event.value) and self.offers:
            self._sort_offers()

    def _on_layer(self, layer: Any) -> None:
        mask = unwrap_proxy(layer)
        if not isinstance(mask, Labels) or mask in self._masks:
            return
        marked = mask_of(mask) is not None
        if not marked and not isinstance(mask.metadata.get(KEY), MaskInfo):
            return
        for event in (mask.events.paint, mask.events.labels_update, mask.events.set_data):
            event.connect(self._on_edit)
        if not marked:
            self._masks[mask] = _Tracked(self._hash(mask))

    def _on_edit(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        if not self._timer.isActive():
            self._timer.start()

    def _on_removed(self, event: Event) -> None:
        """Autosave a mask that is taken out of the viewer, and offer it again."""
        mask = unwrap_proxy(event.value)
        known = self._masks.pop(mask, None) if isinstance(mask, Labels) else None
        if known is None or mask in _IN_PROJECTS or self._hash(mask) == known.baseline:
            return
        self._request(mask, known)
        self._io_queue.join()
        if known.autosaves:
            self.offers.insert(0, known.autosaves[-1])
            self.offered.emit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's
        """Ask before the user closes the window; a script that closes it is not held up."""
        if event.type() != QEvent.Type.Close or not isinstance(watched, QMainWindow):
            return super().eventFilter(watched, event)
        central = watched.centralWidget()
        by_user = watched.isVisible() and central is not None and central.isVisible()
        if by_user and not self._lets_close(watched):
            event.ignore()
            return True
        if not by_user:
            self.autosave()
        self._io_queue.join()
        return super().eventFilter(watched, event)

    def _lets_close(self, main: QMainWindow) -> bool:
        unsaved = self.unsaved
        if not unsaved:
            return True
        buttons = QMessageBox.StandardButton
        names = ", ".join(f"'{mask.name}'" for mask in unsaved)
        question = (
            f"Not saved yet: {names}.\n\nSave to a file, or discard the changes since the mask was"
            " made or last saved?"
        )
        choices = buttons.Save | buttons.Discard | buttons.Cancel
        chosen = QMessageBox.question(main, "Save masks?", qt_text(question), choices, buttons.Save)
        if chosen == buttons.Save and self._save is not None:
            return all(self._save(main, mask) for mask in unsaved)
        if chosen != buttons.Discard:
            return False
        for mask in unsaved:
            self._drop(self._masks[mask])
        self._timer.stop()
        return True


def _write(autosave: MaskAutosave, annotation: Annotation, former: list[MaskAutosave]) -> None:
    """Write an autosave; if that succeeds, remove the former ones, whose place it takes."""
    write_autosave(autosave, annotation)
    _remove(former)
    former.append(autosave)


def _remove(autosaves: list[MaskAutosave]) -> None:
    """Remove autosaves from disk and from the list."""
    for each in autosaves:
        remove_autosave(each)
    autosaves.clear()
