"""Version history of an image: compare versions and restore one."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.masks.compare import Comparison, show_difference
from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.review.activity_timer import as_clock
from napari_retina_seg._napari.review.decision_buttons import reopen_disabled_reason
from napari_retina_seg._napari.review.navigation import OpenImage
from napari_retina_seg._napari.review.session import ReviewSession
from napari_retina_seg._napari.widgets import stack
from napari_retina_seg.project.values import Version
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.text import displayed

_COLUMNS = ("#", "By", "State", "When", "px", "Dice")
_HINTS = (
    "Version number; ! marks a conflict.",
    "Author or model.",
    "Review state of the version.",
    "When it was saved: the time if today.",
    "Pixels that differ from the prediction or the previous version.",
    "Mean Dice of the classes against the prediction or the previous version; 1 is identical.",
)
_BY = 1
_HEIGHT = 130  # px
_ROW = 22  # px


class HistoryPanel(QWidget):
    """A table of versions.

    Signals
    -------
    compared : (Version, Version or None)
        Two versions, or one and the current mask.
    restored : (Version)
        The version to restore.
    """

    compared = Signal(object, object)
    restored = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._versions: list[Version] = []
        self._opened: OpenImage | None = None
        self.table = QTableWidget(0, len(_COLUMNS))
        self.compare = QPushButton("Compare")
        self.restore = QPushButton("Restore")
        self._lay_out()
        self.table.itemSelectionChanged.connect(self._refresh)
        self.compare.clicked.connect(self._on_compare)
        self.restore.clicked.connect(lambda: self.restored.emit(self._chosen()[0]))
        self.show_history(None)

    def show_history(self, opened: OpenImage | None) -> None:
        """List the versions of an image, the newest on top."""
        self._opened = opened
        self._versions = [] if opened is None else list(reversed(opened.versions))
        self.table.setRowCount(len(self._versions))
        for row, version in enumerate(self._versions):
            for column, content in enumerate(_cells(version)):
                item = QTableWidgetItem(displayed(content))
                item.setToolTip(qt_text(_hint(version)))
                self.table.setItem(row, column, item)
        self.table.clearSelection()
        self._refresh()

    def _lay_out(self) -> None:
        for column, (name, hint) in enumerate(zip(_COLUMNS, _HINTS, strict=True)):
            header = QTableWidgetItem(name)
            header.setToolTip(hint)
            self.table.setHorizontalHeaderItem(column, header)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(_ROW)
        heads = self.table.horizontalHeader()
        heads.setMinimumSectionSize(16)
        heads.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        heads.setSectionResizeMode(_BY, QHeaderView.ResizeMode.Stretch)
        heads.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.setWordWrap(False)
        self.table.setShowGrid(False)
        self.table.setMinimumHeight(_HEIGHT)
        row = stack(self.compare, self.restore, horizontal=True)
        self.setLayout(stack(self.table, row))

    def _chosen(self) -> list[Version]:
        rows = sorted({index.row() for index in self.table.selectedIndexes()})
        return [self._versions[row] for row in rows]

    def _refresh(self) -> None:
        chosen = self._chosen()
        masked = all(version.mask is not None for version in chosen)
        disabled_reason = ""
        if len(chosen) not in (1, 2):
            disabled_reason = "Select one version, or two with Ctrl."
        elif not masked:
            disabled_reason = "An ungradable image has no mask."
        self.compare.setEnabled(not disabled_reason)
        self.compare.setToolTip(
            disabled_reason
            or "Show the difference between two versions, or between one and the current mask."
        )
        disabled_reason = "" if len(chosen) == 1 else "Select one version."
        if self._opened is not None:
            disabled_reason = reopen_disabled_reason(self._opened) or disabled_reason
        self.restore.setEnabled(not disabled_reason)
        self.restore.setToolTip(
            disabled_reason or "Continue from this version in a new one; no version is lost."
        )

    def _on_compare(self) -> None:
        chosen = self._chosen()
        self.compared.emit(chosen[0], chosen[1] if len(chosen) == 2 else None)


def _cells(version: Version) -> tuple[str, ...]:
    change = version.change
    return (
        f"{version.number}{'!' if version.conflict else ''}",
        version.author or version.model or "",
        str(version.state) if version.author else "prediction",
        _when(version.created_at.astimezone()),
        "" if change is None else str(sum(change.pixels) // 2),
        _mean_dice(version),
    )


def _when(time: datetime) -> str:
    is_today = time.date() == datetime.now().astimezone().date()
    return f"{time:%H:%M}" if is_today else f"{time:%d %b %y}"


def _mean_dice(version: Version) -> str:
    change = version.change
    dice = [] if change is None else [value for value in change.dice[1:] if value is not None]
    return f"{sum(dice) / len(dice):.3f}" if dice else ""


def _hint(version: Version) -> str:
    origin = "" if version.parent is None else f", from version {version.parent}"
    spent = "" if version.author is None else f", after {as_clock(version.seconds)} min of work"
    lines = [
        f"Version {version.number} by {version.author or version.model}{origin}",
        f"{version.created_at.astimezone():%d %b %Y %H:%M}{spent}",
        _describe_change(version),
        version.reason,
        version.comment,
    ]
    return "\n".join(line for line in lines if line)


def _describe_change(version: Version) -> str:
    change = version.change
    if change is None:
        return ""
    return f"{sum(change.pixels) // 2} px differ from version {change.against}"


def compare(session: ReviewSession, newer: Version, older: Version | None) -> None:
    """Show where two versions differ, or a version and the mask on the screen.

    Parameters
    ----------
    session : ReviewSession
        Session with the open image.
    newer : Version
        A version with a mask.
    older : Version or None
        Compared with; None for the mask on the screen.
    """
    project, image_id, on_screen = session.project, newer.image_id, session.review_layers.mask
    if project is None:
        return

    def read() -> list[Annotation]:
        versions = [newer] if older is None else [newer, older]
        return [project.annotation(image_id, version.number) for version in versions]

    def show(annotations: list[Annotation]) -> None:
        if session.review_layers.mask is not on_screen:
            return
        session.review_layers.end_comparison()
        mask, name = session.review_layers.mask, _name(newer)
        if older is not None:
            mask = session.review_layers.show_version(older.number, annotations[1])
        other = Comparison.with_labels(name, annotations[0].labels)
        show_difference(session.review_layers.viewer, mask, other)
        with_what = "the current mask" if older is None else _name(older)
        session.reported.emit(
            JobStatus.SUCCEEDED,
            f"Blue: only in {with_what}; red: only in {name}; violet: different class.",
        )

    session.io_queue.submit(read, show, partial(session.reported.emit, JobStatus.FAILED))


def _name(version: Version) -> str:
    return f"version {version.number} by {version.author or version.model}"
