"""The Review dock: through the queue of a project, image by image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import napari
from napari.utils.notifications import show_info
from qtpy.QtCore import QEvent
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_retina_seg._napari import settings as remembered
from napari_retina_seg._napari import shortcuts
from napari_retina_seg._napari.correct.line_view import find_canvas
from napari_retina_seg._napari.dock import Dock
from napari_retina_seg._napari.job import End, Outcome
from napari_retina_seg._napari.parts import Fold, large, text
from napari_retina_seg._napari.review.chore_panel import ChorePanel
from napari_retina_seg._napari.review.chores import Adding, add
from napari_retina_seg._napari.review.coming import tell_on_image
from napari_retina_seg._napari.review.comparing import compare
from napari_retina_seg._napari.review.deed_buttons import DeedButtons
from napari_retina_seg._napari.review.guard import WindowGuard
from napari_retina_seg._napari.review.history_panel import HistoryPanel
from napari_retina_seg._napari.review.project_bar import ProjectBar
from napari_retina_seg._napari.review.queue_panel import QueuePanel
from napari_retina_seg._napari.review.recovery import RecoveryOffer
from napari_retina_seg._napari.review.reviewer import Reviewer
from napari_retina_seg._napari.review.telling import (
    describe,
    failing_aloud,
    how_far,
    why_no_comment,
)
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.shortcuts import COMMENT, NEXT, PREVIOUS, Shortcut
from napari_retina_seg._napari.status import WARNS, StatusLine
from napari_retina_seg.project.values import Autosave, Version


class ReviewWidget(Dock):
    """Go through the images of a project, and accept or correct what a model drew.

    Attributes
    ----------
    reviewer : Reviewer
        What the buttons and keys lead to.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._settings = settings = Settings()
        self.reviewer = Reviewer(napari_viewer, self)
        self._guard = WindowGuard(self.reviewer, self)
        self.bar = ProjectBar(settings)
        self.button = large(QPushButton("Next"))
        self.previous_button = large(QPushButton("◀"))
        self.status = StatusLine()
        keeps_place = self.status.sizePolicy()
        keeps_place.setRetainSizeWhenHidden(True)  # buttons must not jump under the mouse
        self.status.setSizePolicy(keeps_place)
        self.status.setMinimumHeight(2 * self.status.fontMetrics().height() + 14)
        self.recovery = RecoveryOffer()
        self.info = text()
        self.deeds = DeedButtons()
        self.comment_edit = QLineEdit()
        self.goes_on = QCheckBox("Then open the next image")
        self.uncertainty = QCheckBox("Show the uncertainty")
        self.queue = QueuePanel(settings)
        self.count = text()
        self.chores = ChorePanel(settings)
        self.history = HistoryPanel()
        self._lay_out()
        self._connect()
        self.setAcceptDrops(True)
        self._on_project()
        self.bar.open_last()

    # What a person does; the keys lead here

    def open_next(self) -> None:
        """Save, and open the next image; the large button."""
        self.reviewer.step(True)

    def open_previous(self) -> None:
        """Save, and open the previous image."""
        self.reviewer.step(False)

    def accept(self) -> None:
        """Accept the prediction."""
        self._press(self.deeds.accept)

    def finish(self) -> None:
        """Save as corrected, as second read or as adjudicated."""
        self._press(self.deeds.finish)

    def refuse(self) -> None:
        """Call the image ungradable, and ask why."""
        self._press(self.deeds.refuse)

    def reopen(self) -> None:
        """Reopen the image."""
        self._press(self.deeds.reopen)

    def save(self) -> None:
        """Save as work in progress."""
        self._press(self.deeds.save)

    def assign(self) -> None:
        """Ask for the second reader."""
        self._press(self.deeds.assign)

    def comment(self) -> None:
        """Begin to write a comment; Enter leads back to the image."""
        self._raise()
        self.comment_edit.setFocus()

    def add(self, paths: tuple[Path, ...]) -> None:
        """Add files and folders to the project."""
        project = self.reviewer.project
        if project is None:
            self._say(End.FAILED, "Open or create a project first, then add images to it.")
            return
        copies = self.bar.copies.isChecked()
        self.chores.start(add, Adding(project, tuple(paths), copies))

    def key_actions(self) -> Mapping[Shortcut, Callable[[], object]]:
        """Return the keys of the review, which work while the dock is open."""
        return {
            shortcuts.NEXT: self.open_next,
            shortcuts.PREVIOUS: self.open_previous,
            shortcuts.ACCEPT: self.accept,
            shortcuts.FINISH: self.finish,
            shortcuts.REFUSE: self.refuse,
            shortcuts.SAVE: self.save,
            shortcuts.COMMENT: self.comment,
            shortcuts.REOPEN: self.reopen,
            shortcuts.ASSIGN: self.assign,
        }

    # How it is put together

    def _lay_out(self) -> None:
        inner = QWidget()
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(6, 4, 6, 4)
        row = QHBoxLayout()
        row.addWidget(self.previous_button)
        row.addWidget(self.button, 1)
        layout.addLayout(row)
        self.previous_button.setFixedWidth(44)
        self.comment_edit.setPlaceholderText("Comment, kept with the next version")
        predict = Fold("Predict", self._settings, remembered.PREDICT_OPEN, default=True)
        predict.addWidget(self.chores)
        history = Fold("History", self._settings, remembered.HISTORY_OPEN, default=False)
        history.addWidget(self.history)
        for widget in (
            self.bar,
            self.chores.bar,
            self.status,
            self.recovery,
            self.info,
            self.deeds,
            self.comment_edit,
            self.goes_on,
            predict,  # above the queue, which may reach below the window's edge
            self.queue,
            self.count,
            history,
            self.uncertainty,
        ):
            layout.addWidget(widget)
        layout.addStretch(1)
        self.scroll(inner)

    def _connect(self) -> None:
        reviewer, deeds = self.reviewer, self.deeds
        self.button.clicked.connect(self.open_next)
        self.previous_button.clicked.connect(self.open_previous)
        self.bar.created.connect(reviewer.create)
        self.bar.opened.connect(reviewer.open)
        self.bar.added.connect(self.add)
        deeds.accepted.connect(reviewer.accept)
        deeds.finished.connect(reviewer.finish)
        deeds.refused.connect(reviewer.refuse)
        deeds.saved.connect(reviewer.save)
        deeds.reopened.connect(reviewer.reopen)
        deeds.assigned.connect(reviewer.assign)
        self.comment_edit.textChanged.connect(self._on_comment)
        self.comment_edit.returnPressed.connect(self.comment_edit.clearFocus)
        self.queue.chosen.connect(reviewer.open_image)
        self.queue.changed.connect(self._on_filters)
        self.history.compared.connect(partial(compare, reviewer))
        self.history.restored.connect(lambda version: reviewer.reopen(version.number))
        self.recovery.recovered.connect(reviewer.recover)
        self.recovery.discarded.connect(reviewer.discard)
        self.chores.told.connect(self.status.say)
        self.chores.done.connect(self._on_chore)
        self.chores.predicting.connect(self._on_predicting)
        self.chores.stepped.connect(self.queue.list_soon)
        self.chores.stepped.connect(reviewer.look_for_prediction)
        self.queue.listed.connect(self._show_counts)
        self.queue.model.failed.connect(partial(self._say, End.FAILED))
        reviewer.project_changed.connect(self._on_project)
        reviewer.project_changed.connect(self.tell_neighbours)
        reviewer.image_changed.connect(self._on_image)
        reviewer.busy_changed.connect(self._on_busy)
        reviewer.saved.connect(self._on_saved)
        reviewer.found.connect(self._on_found)
        reviewer.taken_up.connect(self.recovery.take_off)
        reviewer.said.connect(self._say)
        reviewer.watch.ticked.connect(self._show_info)
        keep_going = partial(setattr, reviewer, "goes_on")
        self._remember(self.goes_on, remembered.GOES_ON, True, keep_going)
        self._remember(self.uncertainty, remembered.SHOWS_UNCERTAINTY, False, self._on_uncertainty)

    def _remember(self, box: QCheckBox, key: str, default: bool, act: object) -> None:
        box.toggled.connect(act)
        box.toggled.connect(lambda on: self._settings.remember_switch(key, on))
        box.setChecked(self._settings.switch(key, default))
        act(box.isChecked())

    def _press(self, button: QPushButton) -> None:
        """Do what a button does, or say why it can't be done."""
        if button.isEnabled():
            button.click()
        else:
            self._say(None, button.toolTip())

    def _raise(self) -> None:
        frame = self.parent()
        if frame is not None and self.window().isVisible():
            frame.show()
            frame.raise_()

    # What happens

    def _say(self, end: End | None, sentence: str, *, doubtful: bool = False) -> None:
        if end is None:
            self.status.say(sentence)
        else:
            self.status.say_end(end, sentence, doubtful=doubtful)
        if sentence and end in (None, End.FAILED):  # what was asked for did not happen
            self._raise()
        elif sentence and self.visibleRegion().isEmpty():  # another dock is in front
            show_info(sentence)

    def _on_project(self) -> None:
        project = self.reviewer.project
        with failing_aloud(self._say):
            self.bar.show_project(project)
            self.queue.show_project(project, () if project is None else project.authors())
            self.chores.show_project(project)
            self.recovery.offer(None, ())
        self._on_filters()
        self._on_image()

    def _on_found(self, slots: tuple[Autosave, ...]) -> None:
        with failing_aloud(self._say):
            self.recovery.offer(self.reviewer.project, slots)
        if slots:
            self._raise()

    def _on_filters(self) -> None:
        reviewer = self.reviewer
        reviewer.filters, reviewer.order = self.queue.filters, self.queue.order
        self.queue.model.show(reviewer.project, reviewer.filters, reviewer.order)
        self.queue.show_open(self.queue.model.open_id)

    def _on_image(self) -> None:
        desk = self.reviewer.desk
        self.queue.show_open(None if desk.image is None else desk.image.id)
        self.history.show_history(desk.opened)
        self._show_comment()
        self._on_busy(self.reviewer.busy)
        self._show_info()
        self._show_counts()
        if self.queue.table.hasFocus():  # an image was opened from the list: keys are for it now
            find_canvas(self).native.setFocus()
        self.reviewer.look_for_prediction()  # which may have come while the image was being opened

    def _on_busy(self, words: str) -> None:
        opened = self.reviewer.desk.opened
        self.deeds.refresh(opened, words)
        self.recovery.wait_for(words)
        project = self.reviewer.project
        why_not = words or ("Open or create a project first." if project is None else "")
        for button, shortcut in ((self.button, NEXT), (self.previous_button, PREVIOUS)):
            button.setEnabled(not why_not)
            button.setToolTip(why_not or f"{shortcut.description} ({shortcut.native}).")
        self.button.setText(words or ("Next" if opened is not None else "Open the first image"))
        why_not = why_no_comment(opened)
        self.comment_edit.setEnabled(not why_not)
        self.comment_edit.setToolTip(why_not or f"{COMMENT.description} ({COMMENT.native}).")

    def _on_saved(self, version: Version) -> None:
        self._show_comment()
        with failing_aloud(self._say):
            self.queue.model.refresh(version.image_id)
            self.queue.offer_authors(self.reviewer.project.authors())
            self.recovery.forget(version.image_id)
        self._show_counts()

    def _on_chore(self, outcome: Outcome) -> None:
        self.queue.list_anew()
        self._say(outcome.end, outcome.sentence, doubtful=outcome.doubtful)

    def _on_predicting(self, folder: Path | None) -> None:
        self.reviewer.predicting_in = folder
        self._show_info()
        if folder is None:
            self.reviewer.look_for_prediction()

    def _show_info(self) -> None:
        self.info.setText(describe(self.reviewer))
        image = self.reviewer.desk.image
        look = WARNS if image is not None and image.warning else ""
        if look != self.info.styleSheet():  # setting it costs time, and this runs every second
            self.info.setStyleSheet(look)
        tell_on_image(self._viewer, self.reviewer.awaits_prediction)

    def _show_counts(self) -> None:
        project = self.reviewer.project
        with failing_aloud(self._say):
            self.count.setText("" if project is None else how_far(project))

    def _show_comment(self) -> None:
        if self.comment_edit.text().strip() != self.reviewer.comment:
            self.comment_edit.setText(self.reviewer.comment)

    def _on_comment(self, words: str) -> None:
        self.reviewer.comment = words.strip()

    def _on_uncertainty(self, on: bool) -> None:
        self.reviewer.shows_uncertainty = on
        self.reviewer.desk.let_see_uncertainty(on)

    # Dropping, closing

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's
        """Take files and folders."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's
        """Add what is dropped."""
        urls = event.mimeData().urls()
        paths = tuple(Path(url.toLocalFile()) for url in urls if url.isLocalFile())
        if paths:
            event.acceptProposedAction()
            self.add(paths)

    def event(self, event: QEvent) -> bool:
        """Watch over the window as soon as the dock is in it; keep work aside when hidden."""
        if event.type() == QEvent.Type.Show:
            self._guard.watch(self.window())
        if event.type() == QEvent.Type.Hide:
            self.reviewer.keep_aside()
        return super().event(event)

    def close_down(self) -> None:
        """Keep aside what is not saved, and let go of everything: the dock is going away."""
        self.chores.close_down()
        self.queue.model.thumbnails.finish()
        self.reviewer.close_down()
        tell_on_image(self._viewer, False)
        self._guard.rest()
