"""The table of the queue, with thumbnails that are made in the background when visible."""

from __future__ import annotations

import logging
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt, Signal
from qtpy.QtGui import QBrush, QColor, QImage, QPixmap

from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.review.status_text import DUE, NOT_SHOWN, is_due, state_of
from napari_retina_seg._napari.tasks import Task
from napari_retina_seg._napari.widgets import AMBER
from napari_retina_seg.imaging.invalid_pixels import find_invalid
from napari_retina_seg.project.filters import Filters, Order
from napari_retina_seg.project.images import local_path
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import FIRST_DONE, State
from napari_retina_seg.project.values import ProjectImage
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.image import RetinaImage
from napari_retina_seg.types.text import displayed

SIZE = 30  # px
_KEPT = 2000
_WAITING = 40  # older requests have scrolled out of view

log = logging.getLogger(__name__)
PAGE = 100
COLUMNS = ("Image", "State", "Uncertain", "Author", "Why")
IMAGE, STATE, UNCERTAINTY, AUTHOR, WHY = range(len(COLUMNS))
_HINTS = (
    "Double-click opens an image.",
    "Review state of the image.",
    "How uncertain the model is of its prediction, over all pixels: 0 is certain, 1 is a guess.",
    "Author of the newest version.",
    "Why the image has this place in the order by expected gain.",
)
STATES = (*(f"⚠ {state}" for state in State), DUE)  # the longest texts of that column


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
        picture = draw(read_image(local_path(image)))
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


class QueueModel(QAbstractTableModel):
    """One row per image; fetching a page costs the same wherever it starts.

    Signals
    -------
    failed : (str)
        Why the project can't be listed; the listed rows stay.
    """

    failed = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.thumbnails = Thumbnails(self)
        self.thumbnails.ready.connect(self._on_picture)
        self.project: Project | None = None
        self._filters, self._order = Filters(), Order.ADDED
        self._images: list[ProjectImage] = []
        self._rows: dict[int, int] = {}
        self._is_whole = True
        self.open_id: int | None = None

    def show(self, project: Project | None, filters: Filters, order: Order) -> None:
        """List a project's images from the first."""
        before, self.project = self.project, project
        self._filters, self._order = filters, order
        if project is not before:
            self.thumbnails.clear()
            self._reset((), PAGE)  # listeners query the new project
        self.reload(keep=PAGE)

    def reload(self, keep: int = 0) -> None:
        """List as many rows as there are again, or `keep` rows."""
        wanted = keep or max(PAGE, len(self._images))
        page = self._page(None, wanted)
        if page is not None:
            self._reset(page, wanted)

    def refresh(self, image_id: int) -> None:
        """Update the row of an image, if it is listed."""
        row = self._rows.get(image_id)
        if row is not None and self.project is not None:
            self._images[row] = self.project.image(image_id)
            self._emit_changed(row)

    def count_all(self) -> int | None:
        """Count all images of the project, listed or not; None on failure."""
        if self.project is None:
            return None
        try:
            return self.project.status().images
        except RetinaSegError as error:
            self.failed.emit(str(error))
            return None

    def mark(self, image_id: int | None) -> None:
        """Mark the open image; drop the previous one if the filters no longer match it."""
        before, self.open_id = self.open_id, image_id
        for each in (before, image_id):
            if each in self._rows:
                self._emit_changed(self._rows[each])
        if before != image_id and before in self._rows:
            self._drop_unwanted(self._rows[before])

    def image(self, index: QModelIndex) -> ProjectImage | None:
        """Return the image of a row."""
        return self._images[index.row()] if index.isValid() else None

    def row_of(self, image_id: int | None) -> int | None:
        """Return the row of an image; None if it is not listed."""
        return None if image_id is None else self._rows.get(image_id)

    # Qt's model interface

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008, N802 - Qt's
        """Return the number of fetched rows."""
        return 0 if parent.isValid() else len(self._images)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008, N802 - Qt's
        """Return the number of columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def canFetchMore(self, parent: QModelIndex) -> bool:  # noqa: N802 - Qt's
        """Whether there may be more rows."""
        return not parent.isValid() and not self._is_whole

    def fetchMore(self, parent: QModelIndex) -> None:  # noqa: ARG002, N802 - Qt's
        """Fetch a page."""
        page = self._page(self._images[-1].id if self._images else None, PAGE)
        if not page:
            self._is_whole = True
            return
        first = len(self._images)
        self.beginInsertRows(QModelIndex(), first, first + len(page) - 1)
        self._append(page, PAGE)
        self.endInsertRows()

    def headerData(  # noqa: N802 - Qt's
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return a column's name and hint."""
        if orientation is Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.DisplayRole:
                return COLUMNS[section]
            if role == Qt.ItemDataRole.ToolTipRole:
                return _HINTS[section]
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the data of a cell."""
        image = self.image(index)
        if image is None:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return displayed(_cell(image, index.column(), image.id == self.open_id))
        if role == Qt.ItemDataRole.DecorationRole and index.column() == IMAGE:
            return self.thumbnails.picture(image)
        if role == Qt.ItemDataRole.ToolTipRole:
            return qt_text(_hint(image))
        if image.warning and index.column() == UNCERTAINTY:
            if role == Qt.ItemDataRole.BackgroundRole:
                return QBrush(QColor(AMBER))
            if role == Qt.ItemDataRole.ForegroundRole:
                return QBrush(QColor("white"))
        return None

    def _page(self, after: int | None, limit: int) -> tuple[ProjectImage, ...] | None:
        if self.project is None:
            return ()
        try:
            return self.project.queue(self._filters, self._order, after=after, limit=limit)
        except RetinaSegError as error:
            self.failed.emit(str(error))
            return None

    def _reset(self, page: tuple[ProjectImage, ...], wanted: int) -> None:
        self.beginResetModel()
        self._images, self._rows = [], {}
        self._append(page, wanted)
        self.endResetModel()

    def _append(self, page: tuple[ProjectImage, ...], wanted: int) -> None:
        for image in page:
            self._rows[image.id] = len(self._images)
            self._images.append(image)
        self._is_whole = len(page) < wanted

    def _drop_unwanted(self, row: int) -> None:
        if _is_wanted(self._images[row], self._filters):
            return
        self.beginRemoveRows(QModelIndex(), row, row)
        del self._images[row]
        self._rows = {image.id: place for place, image in enumerate(self._images)}
        self.endRemoveRows()

    def _emit_changed(self, row: int) -> None:
        self.dataChanged.emit(self.index(row, 0), self.index(row, len(COLUMNS) - 1))

    def _on_picture(self, image_id: int) -> None:
        row = self._rows.get(image_id)
        if row is not None:
            self.dataChanged.emit(self.index(row, IMAGE), self.index(row, IMAGE))


def _cell(image: ProjectImage, column: int, is_open: bool) -> str:
    if column == IMAGE:
        return f"▶ {image.name}" if is_open else image.name
    if column == STATE and image.removal is not None:
        return "removed"
    if column == STATE:
        return f"⚠ {image.state}" if image.conflict else state_of(image)
    if column == UNCERTAINTY:
        number = "" if image.uncertainty is None else f"{image.uncertainty:.3f}"
        return f"⚠{number}" if image.warning else number
    return image.reason if column == WHY else image.author or ""


def _hint(image: ProjectImage) -> str:
    size = " × ".join(str(number) for number in image.shape)
    conflict = ", in conflict: restore one version" if image.conflict else ""
    lines = [f"#{image.id} {image.name}: {state_of(image)}{conflict}; {size} px", str(image.path)]
    if image.uncertainty is not None:
        lines.append(f"Uncertainty of the prediction: {image.uncertainty:.3f} (0 to 1)")
    lines += [f"Expected gain {image.gain:.2f}: {image.reason}"] if image.gain is not None else []
    lines += [f"Newest version by {image.author}"] if image.author else []
    lines += [image.warning] if image.warning else []
    if image.removal is not None:
        when = f"{image.removal.removed_at.astimezone():%d %b %Y}"
        lines.append(f"Removed by {image.removal.removed_by} on {when}. {image.removal.reason}")
    return "\n".join([*lines, NOT_SHOWN] if is_due(image) else lines)


def _is_wanted(image: ProjectImage, filters: Filters) -> bool:
    """Whether an image that was listed still matches the filters."""
    return (
        (not filters.states or image.state in filters.states)
        and filters.author in (None, image.author)
        and (not filters.conflict or image.conflict)
        and (not filters.warned or bool(image.warning))
        and (not filters.second_grading or image.state in FIRST_DONE)
        and filters.removed == (image.removal is not None)
    )
