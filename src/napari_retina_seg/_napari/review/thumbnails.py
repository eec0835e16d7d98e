"""Thumbnails of images, made on a background thread when they become visible."""

from __future__ import annotations

import logging
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from qtpy.QtCore import QObject, Signal
from qtpy.QtGui import QImage, QPixmap

from napari_retina_seg._napari.tasks import Task
from napari_retina_seg.imaging.invalid_pixels import find_invalid
from napari_retina_seg.project.values import ProjectImage
from napari_retina_seg.types.image import RetinaImage

SIZE = 30  # px
_KEPT = 2000
_WAITING = 40  # older requests have scrolled out of view

log = logging.getLogger(__name__)


class Thumbnails(QObject):
    """Makes thumbnails, the latest request first.

    Signals
    -------
    ready : (int)
        The thumbnail of an image is available.
    """

    ready = Signal(int)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._thread = ThreadPoolExecutor(1, "retina-seg-thumbnails")
        self._pictures: OrderedDict[int, QPixmap] = OrderedDict()
        self._wanted: OrderedDict[int, ProjectImage] = OrderedDict()
        self._generation = 0  # one for each project
        self._is_running = self._is_stopped = False

    def picture(self, image: ProjectImage) -> QPixmap | None:
        """Return a thumbnail, or None and request it."""
        known = self._pictures.get(image.id)
        if known is None:
            self._wanted[image.id] = image
            self._wanted.move_to_end(image.id)
            while len(self._wanted) > _WAITING:
                self._wanted.popitem(last=False)
            self._make_next()
        return known

    def clear(self) -> None:
        """Drop all thumbnails and requests: the project changed."""
        self._generation += 1
        self._wanted.clear()
        self._pictures.clear()

    def finish(self) -> None:
        """Stop, and wait for the thumbnail in progress."""
        self._is_stopped = True
        self._thread.shutdown()

    def _make_next(self) -> None:
        if self._is_running or self._is_stopped or not self._wanted:
            return
        self._is_running = True
        _, image = self._wanted.popitem()
        make = partial(_make, self._generation, image)
        task = Task(lambda _: make(), self._thread)
        task.ended.connect(self._on_made)
        task.start()

    def _on_made(self, made: tuple[int, int, QImage]) -> None:
        generation, image_id, picture = made
        self._is_running = False
        if self._is_stopped:
            return
        if generation == self._generation:
            self._pictures[image_id] = QPixmap.fromImage(picture)
            while len(self._pictures) > _KEPT:
                self._pictures.popitem(last=False)
            self.ready.emit(image_id)
        self._make_next()


def _make(generation: int, image: ProjectImage) -> tuple[int, int, QImage]:
    from napari_retina_seg.io import read_image

    try:
        picture = draw(read_image(image.path))
    except Exception:  # opening the image reports it
        log.debug("no thumbnail of '%s'", image.path, exc_info=True)
        picture = QImage(SIZE, SIZE, QImage.Format.Format_RGB888)
        picture.fill(0x808080)
    return generation, image.id, picture


def draw(image: RetinaImage) -> QImage:
    """Render an image, or a volume's middle slice, as a square thumbnail."""
    plane = image.plane(image.n_slices // 2)
    step = max(1, min(plane.shape[:2]) // (2 * SIZE))
    small = np.asarray(plane[::step, ::step])
    invalid = find_invalid(small)
    with np.errstate(over="ignore"):
        small = small.astype(np.float32)
    if invalid is not None:
        small[invalid] = np.nan
    small = small[..., :3] if image.color else np.repeat(small[..., np.newaxis], 3, axis=2)
    low, high = np.nanpercentile(small, (1, 99.5))
    levels = np.nan_to_num((small - low) / max(high - low, 1e-6))
    bytes_ = np.ascontiguousarray(np.clip(levels * 255, 0, 255).astype(np.uint8))
    rows, columns = bytes_.shape[:2]
    full = QImage(bytes_.data, columns, rows, 3 * columns, QImage.Format.Format_RGB888)
    side = min(rows, columns)
    middle = full.copy((columns - side) // 2, (rows - side) // 2, side, side)
    return middle.scaled(SIZE, SIZE)
