"""The queue: filters, search, order and the table of images."""

from __future__ import annotations

from dataclasses import replace

from qtpy.QtCore import QItemSelectionModel, QModelIndex, QPoint, QSize, Qt, Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QTableView,
    QWidget,
)
from superqt.utils import qdebounced, qthrottled, signals_blocked

from napari_retina_seg._napari import settings as remembered
from napari_retina_seg._napari.review.change_watch import ChangeWatch
from napari_retina_seg._napari.review.queue_model import (
    AUTHOR,
    COLUMNS,
    IMAGE,
    SIZE,
    STATE,
    STATES,
    UNCERTAINTY,
    WHY,
    QueueModel,
)
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.widgets import combo_box, stack, text
from napari_retina_seg.project.filters import Filters, Order
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import UNFINISHED, State
from napari_retina_seg.types.counts import count

_RELIST = 1000  # ms; at most one refresh in this time while images change
_TYPING = 250  # ms; search once typing pauses
_HEIGHT = 180  # px
_MARGIN = 9  # px, of a cell beside its text
_LONGEST = {STATE: STATES, UNCERTAINTY: ("⚠0.000",), AUTHOR: ("M" * 8,)}
_ROOM_FOR_AUTHORS = 420  # px; narrower tables hide authors to leave room for names

# Filters by state or by what is left to do.
_CHOICES: dict[str, Filters] = {
    "All images": Filters(),
    "To do": Filters(states=UNFINISHED),
    **{str(state).capitalize(): Filters(states=frozenset({state})) for state in State},
    "My second gradings": Filters(second_grading=True),
    "In conflict": Filters(conflict=True),
    "Check these": Filters(warned=True),
    "Removed": Filters(removed=True),
}
_FILTER_HINTS = {
    "To do": "Images that are not finished.",
    "My second gradings": "Images that you still have to grade as second grader.",
    "In conflict": "Two people changed the same version: compare, and restore one.",
    "Removed": "Images that were removed from the project; select some to restore them.",
    "Check these": "The image differs from the model's training data.",
}
_NO_IMAGES = "No images yet: drop files or folders here, or press Add images."
_NO_MATCH = "No image matches: clear the filters."
_ORDERS = {
    "As added": Order.ADDED,
    "Worst first": Order.WORST_FIRST,
    "By expected gain": Order.GAIN,
}
_ORDER_HINTS = {
    "Worst first": "The most uncertain predictions on top.",
    "By expected gain": (
        "What a correction can teach the model most: uncertain, unlike an earlier model's mask or"
        " the corrected images, implausible; and not many of one patient. It is worked out when you"
        " choose it and after a model was run; the last column says why an image is there."
    ),
}


class QueuePanel(QWidget):
    """Shows the queue; double-click opens an image.

    Signals
    -------
    chosen : (int)
        An image was double-clicked.
    changed : ()
        Filters or order changed.
    listed : ()
        The table was refreshed.
    filled : ()
        Rows were added or removed.
    menu_requested : (QPoint)
        The right mouse button was pressed, at this place on the screen.
    rank_wanted : ()
        The order by expected gain was chosen.
    """

    chosen = Signal(int)
    changed = Signal()
    listed = Signal()
    filled = Signal()
    menu_requested = Signal(QPoint)
    rank_wanted = Signal()

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self.model = QueueModel(self)
        self._watch = ChangeWatch(self)
        self.states = combo_box()
        self.authors = combo_box()
        self.orders = combo_box()
        self.search = QLineEdit()
        self.clear_button = QPushButton("Clear filters")
        self.empty = text()
        self.empty_reason = ""  # why no image is listed
        self.table = QTableView()
        self._fill()
        self._lay_out()
        self._connect()

    @property
    def filters(self) -> Filters:
        """The chosen filters."""
        by_state = _CHOICES[self.states.currentText()]
        author = self.authors.currentData()
        text = self.search.text().strip()
        return replace(by_state, author=author, text=text)

    @property
    def selected(self) -> tuple[int, ...]:
        """The selected images."""
        rows = sorted(self.table.selectionModel().selectedRows(), key=QModelIndex.row)
        images = (self.model.image(index) for index in rows)
        return tuple(image.id for image in images if image is not None)

    @property
    def order(self) -> Order:
        """The chosen order."""
        return _ORDERS[self.orders.currentText()]

    def show_project(self, project: Project | None, authors: tuple[str, ...]) -> None:
        """List all images of a project; filters are reset."""
        self.offer_authors(authors)
        self._unfilter()
        self.model.show(project, self.filters, self.order)
        self._watch.watch(project)
        self.setEnabled(project is not None)

    def cleanup(self) -> None:
        """Stop what runs in the background: the dock is closing."""
        self._watch.watch(None)
        self.model.thumbnails.finish()

    def clear_filters(self) -> None:
        """Reset the filters; the button."""
        self._unfilter()
        self._on_changed()

    @qthrottled(timeout=_RELIST, leading=False)
    def list_soon(self) -> None:
        """Refresh the table within a second."""
        self.refresh_list()

    def refresh_list(self) -> None:
        """Refresh the table, keeping selection and scroll position."""
        self.list_soon.cancel()
        table, scroll = self.table, self.table.verticalScrollBar()
        current, selected = self.model.image(table.currentIndex()), self.selected
        place = scroll.value()
        self.model.reload()
        row = None if current is None else self.model.row_of(current.id)
        if row is not None:
            self._make_current(row)
        if len(selected) > 1:
            self._select(selected)
        table.doItemsLayout()  # otherwise the scroll bar has no range yet
        scroll.setValue(place)
        self.listed.emit()

    def _make_current(self, row: int) -> None:
        # Unlike selectRow, which heeds the keys that are down: with Shift+N it would select the
        # image that was left, too.
        flags = QItemSelectionModel.SelectionFlag
        chosen = flags.ClearAndSelect | flags.Rows
        self.table.selectionModel().setCurrentIndex(self.model.index(row, 0), chosen)

    def _select(self, image_ids: tuple[int, ...]) -> None:
        rows = [row for row in map(self.model.row_of, image_ids) if row is not None]
        flags = QItemSelectionModel.SelectionFlag
        for row in rows:
            self.table.selectionModel().select(self.model.index(row, 0), flags.Select | flags.Rows)

    def offer_authors(self, authors: tuple[str, ...]) -> None:
        """List the authors of versions."""
        chosen = self.authors.currentData()
        with signals_blocked(self.authors):
            self.authors.clear()
            self.authors.addItem("All authors", None)
            for author in authors:
                self.authors.addItem(author, author)
            self.authors.setCurrentIndex(max(0, self.authors.findData(chosen)))

    def show_open(self, image_id: int | None) -> None:
        """Mark the open image and scroll to it."""
        self.model.mark(image_id)
        row = self.model.row_of(image_id)
        if row is not None:
            self._make_current(row)
            self.table.scrollTo(self.model.index(row, 0))

    def _fill(self) -> None:
        self.states.addItems(list(_CHOICES))
        self.orders.addItems(list(_ORDERS))
        last = self._settings.choice(remembered.QUEUE_ORDER, "As added")
        self.orders.setCurrentIndex(max(0, self.orders.findText(last)))
        self.offer_authors(())
        for name, hint in _FILTER_HINTS.items():
            place = self.states.findText(name)
            self.states.setItemData(place, hint, Qt.ItemDataRole.ToolTipRole)
        self.search.setPlaceholderText("Search names")
        self.search.setClearButtonEnabled(True)
        self.states.setToolTip("Only images of this state.")
        self.authors.setToolTip("Only images whose newest version is by this author.")
        for name, hint in _ORDER_HINTS.items():
            place = self.orders.findText(name)
            self.orders.setItemData(place, hint, Qt.ItemDataRole.ToolTipRole)
        self.orders.setToolTip("Order of the images.")

    def _lay_out(self) -> None:
        filters = QGridLayout()
        filters.setContentsMargins(0, 0, 0, 0)
        for number, widget in enumerate((self.states, self.orders, self.authors, self.search)):
            filters.addWidget(widget, *divmod(number, 2))
        nothing = QHBoxLayout()
        nothing.addWidget(self.empty, 1)
        nothing.addWidget(self.clear_button)
        self._set_up_table()
        self.setLayout(stack(filters, nothing, self.table))
        self._show_whether_empty()

    def _set_up_table(self) -> None:
        self.table.setModel(self.model)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.table.customContextMenuRequested.connect(
            lambda place: self.menu_requested.emit(self.table.viewport().mapToGlobal(place))
        )
        self.table.setIconSize(QSize(SIZE, SIZE))
        self.table.verticalHeader().setDefaultSectionSize(SIZE + 4)
        self.table.verticalHeader().hide()
        self.table.setShowGrid(False)
        self.table.setWordWrap(False)
        # Names may differ at either end.
        self.table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.setMinimumHeight(_HEIGHT)
        header = self.table.horizontalHeader()
        header.setMinimumSectionSize(20)
        header.setHighlightSections(False)  # bold words would not fit
        for column in (IMAGE, WHY):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
        self._show_columns()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's
        """Fit the columns; authors are hidden in narrow tables, and always in the tooltips."""
        super().resizeEvent(event)
        wide = self.table.fontMetrics().horizontalAdvance  # the theme is applied by now
        for column, longest in _LONGEST.items():
            width = max(map(wide, (*longest, COLUMNS[column])))
            self.table.setColumnWidth(column, width + _MARGIN)
        self._show_columns()

    def _show_columns(self) -> None:
        """Show why an image is there in the order by gain, and else who worked on it."""
        by_gain = self.order is Order.GAIN
        self.table.setColumnHidden(WHY, not by_gain)
        self.table.setColumnHidden(UNCERTAINTY, by_gain)  # a reason says more
        self.table.setColumnHidden(AUTHOR, by_gain or self.width() < _ROOM_FOR_AUTHORS)

    def _connect(self) -> None:
        self._watch.changed.connect(self.list_soon)
        self.table.activated.connect(self._on_chosen)
        for box in (self.states, self.authors, self.orders):
            box.activated.connect(self._on_changed)
        self.orders.activated.connect(self._on_order)
        self.search.textChanged.connect(self._on_typed)
        self.clear_button.clicked.connect(self.clear_filters)
        for listed in (self.model.modelReset, self.model.rowsInserted, self.model.rowsRemoved):
            listed.connect(self._show_whether_empty)

    def _unfilter(self) -> None:
        for box in (self.states, self.authors):
            box.setCurrentIndex(0)
        self.search.clear()
        self._on_typed.cancel()

    def _show_whether_empty(self) -> None:
        """Say why the table is empty, so that images do not seem to be lost."""
        total = None if self.model.rowCount() else self.model.count_all()
        self.empty.setText(f"0 of {count(total, 'image')} match." if total else _NO_IMAGES)
        self.empty_reason = "" if total is None else _NO_MATCH if total else _NO_IMAGES
        self.empty.setVisible(total is not None)
        self.clear_button.setVisible(bool(total))
        self.filled.emit()

    def _on_chosen(self, index: QModelIndex) -> None:
        image = self.model.image(index)
        if image is not None:
            self.chosen.emit(image.id)

    @qdebounced(timeout=_TYPING)
    def _on_typed(self) -> None:
        self._on_changed()

    def _on_order(self, index: int) -> None:
        del index
        self._show_columns()
        if self.order is Order.GAIN:
            self.rank_wanted.emit()

    def _on_changed(self, index: int = 0) -> None:  # noqa: ARG002 - passed by Qt
        self._settings.remember_choice(remembered.QUEUE_ORDER, self.orders.currentText())
        self.changed.emit()
