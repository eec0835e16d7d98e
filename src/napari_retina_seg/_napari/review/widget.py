"""The Review dock: work through a project's queue, image by image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import napari
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QCheckBox, QLineEdit, QPushButton, QWidget

from napari_retina_seg._napari import settings as remembered
from napari_retina_seg._napari import shortcuts
from napari_retina_seg._napari.canvas import focus_canvas
from napari_retina_seg._napari.dock import Dock, open_dock
from napari_retina_seg._napari.job import JobResult, JobStatus
from napari_retina_seg._napari.masks.active_mask import ActiveMask
from napari_retina_seg._napari.masks.places_bar import PlacesBar
from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.review.batch_tasks import AddImages
from napari_retina_seg._napari.review.batches import BatchPanel
from napari_retina_seg._napari.review.decision_buttons import DecisionButtons
from napari_retina_seg._napari.review.history_panel import HistoryPanel, compare
from napari_retina_seg._napari.review.image_menu import ImageMenu
from napari_retina_seg._napari.review.messages import ReviewMessages
from napari_retina_seg._napari.review.project_bar import ProjectBar
from napari_retina_seg._napari.review.queue_panel import QueuePanel
from napari_retina_seg._napari.review.recovery import CloseHandler, RecoveryOffer
from napari_retina_seg._napari.review.session import ReviewSession
from napari_retina_seg._napari.review.status_text import (
    comment_disabled_reason,
    describe,
    progress_summary,
    report_errors,
    set_pending_overlay,
    warnings,
)
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.shortcuts import COMMENT, IMPROVE_WIDGET, NEXT, PREVIOUS, Shortcut
from napari_retina_seg._napari.widgets import (
    WARNS,
    CollapsibleSection,
    large,
    open_in_browser,
    stack,
    text,
)
from napari_retina_seg.editing.open_places import OpenPlace, describe_places
from napari_retina_seg.project.values import Autosave, Version
from napari_retina_seg.types.text import displayed

_NAME_SHARE = 0.9  # of the width; one that is longer is elided


class ReviewWidget(Dock):
    """Go through the images of a project; accept or correct the predictions.

    Attributes
    ----------
    session : ReviewSession
        Carries out what buttons and keys request.
    messages : ReviewMessages
        What it says in the status line.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._settings = settings = Settings()
        self.session = ReviewSession(napari_viewer, self)
        self._close_handler = CloseHandler(self.session, self)
        self.bar = ProjectBar(settings)
        self.button = large(QPushButton("Next"))
        self.previous_button = large(QPushButton("◀"))
        self.messages = ReviewMessages(self, napari_viewer)
        self.status = self.messages.status
        self._active_mask = ActiveMask.of(napari_viewer)
        self.places = PlacesBar(self._active_mask)
        self._focused: int | None = None  # the image for which the canvas was given the keys
        self.recovery = RecoveryOffer()
        self.info = text()
        self.info.setMinimumHeight(2 * self.info.fontMetrics().height() + 4)  # rows stay in place
        self.decisions = DecisionButtons()
        self.comment_edit = QLineEdit()
        self.opens_next = QCheckBox("Then open the next image")
        self.uncertainty = QCheckBox("Show the uncertainty")
        self.queue = QueuePanel(settings)
        self.count = text()
        self.image_menu = ImageMenu(self.session, self.queue, self)
        self.batches = BatchPanel(settings)
        self.history = HistoryPanel()
        self._lay_out()
        self._connect()
        self.setAcceptDrops(True)
        self._on_project()
        self.bar.open_last()

    # User actions, by button or key

    def open_next(self) -> None:
        """Save, and open the next image; the large button."""
        self.session.step(True)

    def open_previous(self) -> None:
        """Save, and open the previous image."""
        self.session.step(False)

    def reload(self) -> None:
        """List the models again: one may have been added, or taken into use."""
        if self.session.project is not None and not self.batches.is_running:
            self.batches.show_project(self.session.project)

    def comment(self) -> None:
        """Focus the comment field; Enter returns focus to the image."""
        self.bring_to_front()
        self.show_row(self.comment_edit)
        self.comment_edit.setFocus()

    def add(self, paths: tuple[Path, ...]) -> None:
        """Add files and folders to the project."""
        project = self.session.project
        if project is None:
            sentence = "Open or create a project first, then add images to it."
            self.messages.show(JobStatus.FAILED, sentence)
            return
        copies = self.bar.copies.isChecked()
        self.batches.add(AddImages(project, tuple(paths), copies))

    def key_actions(self) -> Mapping[Shortcut, Callable[[], object]]:
        """Return the review shortcuts, which work while the dock is open."""
        decisions = self.decisions
        return {
            shortcuts.NEXT: self.open_next,
            shortcuts.PREVIOUS: self.open_previous,
            shortcuts.ACCEPT: partial(self._press, decisions.accept),
            shortcuts.FINISH: partial(self._press, decisions.finish),
            shortcuts.REFUSE: partial(self._press, decisions.refuse),
            shortcuts.SAVE: partial(self._press, decisions.save),
            shortcuts.COMMENT: self.comment,
            shortcuts.REOPEN: partial(self._press, decisions.reopen),
            shortcuts.ASSIGN: partial(self._press, decisions.assign),
            shortcuts.NEXT_PLACE: self.places.show_next,
        }

    # Layout and signals

    def _lay_out(self) -> None:
        row = stack(self.previous_button, self.button, horizontal=True)
        row.setStretch(1, 1)
        self.previous_button.setFixedWidth(44)
        self.comment_edit.setPlaceholderText("Comment, saved with the next version")
        predict = CollapsibleSection(
            "Predict", self._settings, remembered.PREDICT_OPEN, default=True
        )
        predict.addWidget(self.batches)
        history = CollapsibleSection(
            "History", self._settings, remembered.HISTORY_OPEN, default=False
        )
        history.addWidget(self.history)
        below = stack(self.count, self.image_menu.button, horizontal=True)
        below.setStretch(0, 1)
        self.lay_out(
            *(row, self.bar, self.recovery, self.info),
            *(self.decisions, self.comment_edit, self.opens_next),
            predict,  # above the queue, which may extend below the window's edge
            *(self.queue, below, history, self.uncertainty),
        )
        self.give_height(self.queue)
        # Outside the scroll area: always visible, and no row moves when they appear.
        footer = QWidget()
        footer.setLayout(stack(self.batches.bar, self.places, self.status, margins=(6, 0, 6, 4)))
        self.layout().addWidget(footer)

    def _connect(self) -> None:
        session, decisions = self.session, self.decisions
        self.button.clicked.connect(self.open_next)
        self.previous_button.clicked.connect(self.open_previous)
        self.bar.created.connect(session.create)
        session.not_created.connect(self.bar.show_not_created)
        self.bar.opened.connect(session.open)
        self.bar.added.connect(self.add)
        self.bar.improve_wanted.connect(partial(open_dock, self._viewer, IMPROVE_WIDGET))
        self.bar.burden_wanted.connect(session.report_burden)
        session.burden_written.connect(open_in_browser)
        decisions.accepted.connect(session.accept)
        decisions.finished.connect(session.finish)
        decisions.refused.connect(session.refuse)
        decisions.saved.connect(session.save)
        decisions.reopened.connect(session.reopen)
        decisions.assigned.connect(session.assign)
        decisions.taken.connect(session.take_second)
        session.managed.connect(self._on_managed)
        self.comment_edit.textChanged.connect(self._on_comment)
        self.comment_edit.returnPressed.connect(partial(focus_canvas, self))
        self.queue.chosen.connect(session.open_image)
        self.queue.changed.connect(self._on_filters)
        self.queue.rank_wanted.connect(session.rank)
        session.ranked.connect(self.queue.refresh_list)
        self.history.compared.connect(partial(compare, session))
        self.history.restored.connect(lambda version: session.reopen(version.number))
        self.recovery.recovered.connect(session.recover)
        self.recovery.discarded.connect(session.discard)
        self.batches.message.connect(self.messages.show_progress)
        self.batches.done.connect(self._on_batch)
        self.batches.predicting.connect(self._on_predicting)
        self.batches.stepped.connect(self.queue.list_soon)
        self.batches.stepped.connect(session.check_for_prediction)
        self.queue.listed.connect(self._show_counts)
        self.queue.listed.connect(session.check_for_prediction)
        self.queue.filled.connect(self._refresh_next)
        self.queue.model.failed.connect(partial(self.messages.show, JobStatus.FAILED))
        session.project_changed.connect(self._on_project)
        session.project_changed.connect(self.notify_other_docks)
        session.image_changed.connect(self._on_image)
        session.busy_changed.connect(self._on_busy)
        session.saved.connect(self._on_saved)
        session.found.connect(self._on_found)
        session.autosave_resolved.connect(self.recovery.dismiss)
        session.reported.connect(self.messages.show)
        session.warned.connect(self._on_warned)
        session.taken.connect(self._on_taken)
        self.places.shown.connect(self._on_place)
        session.timer.ticked.connect(self._show_info)
        keep_going = partial(setattr, session, "opens_next")
        self._remember(self.opens_next, remembered.OPENS_NEXT, True, keep_going)
        self._remember(
            self.uncertainty, remembered.SHOWS_UNCERTAINTY, False, self.session.show_uncertainty
        )

    def _remember(
        self, box: QCheckBox, key: str, default: bool, act: Callable[[bool], object]
    ) -> None:
        box.toggled.connect(act)
        box.toggled.connect(lambda on: self._settings.remember_switch(key, on))
        box.setChecked(self._settings.switch(key, default))
        act(box.isChecked())

    def _press(self, button: QPushButton) -> None:
        """Click a button, or show why it is disabled."""
        if button.isEnabled():
            button.click()
        else:
            self.messages.show(None, button.toolTip())

    # Signal handlers

    def _on_taken(self, sentence: str) -> None:
        self.messages.show_until_change(sentence, self.session.review_layers.mask)

    def _on_place(self, place: OpenPlace) -> None:
        self.messages.warn_until_change(describe_places([place]), self._active_mask.mask)

    def _on_warned(self, sentence: str, is_here: bool) -> None:
        """Show a warning about open places, of the mask on the screen or one that was left."""
        self.messages.warn(sentence, self.session.review_layers.mask if is_here else None)

    def _on_project(self) -> None:
        project = self.session.project
        with report_errors(self.messages.show):
            self.bar.show_project(project)
            self.decisions.list_people = tuple if project is None else project.people
            self.queue.show_project(project, () if project is None else project.authors())
            self.batches.show_project(project)
            self.recovery.offer(None, ())
        self._take_filters()
        self._on_image()

    def _on_found(self, slots: tuple[Autosave, ...]) -> None:
        with report_errors(self.messages.show):
            self.recovery.offer(self.session.project, slots)
        if slots:
            self.bring_to_front()

    def _take_filters(self) -> None:
        self.session.filters, self.session.order = self.queue.filters, self.queue.order

    def _on_filters(self) -> None:
        self._take_filters()
        self.queue.model.show(self.session.project, self.session.filters, self.session.order)
        self.queue.show_open(self.queue.model.open_id)

    def _on_image(self) -> None:
        review_layers = self.session.review_layers
        self.queue.show_open(None if review_layers.image is None else review_layers.image.id)
        self.history.show_history(review_layers.opened)
        self._show_comment()
        self._on_busy(self.session.busy)
        self._show_info()
        self._show_counts()
        opened = None if review_layers.image is None else review_layers.image.id
        if opened is not None and opened != self._focused:
            focus_canvas(self)  # keys work without a click on the image
        self._focused = opened
        self.session.check_for_prediction()  # one may have been saved while the image was opening

    def _on_busy(self, status: str) -> None:
        opened = self.session.review_layers.opened
        self.decisions.refresh(opened, status)
        self.recovery.wait_for(status)
        self._refresh_next()
        disabled_reason = comment_disabled_reason(opened)
        self.comment_edit.setEnabled(not disabled_reason)
        self.comment_edit.setToolTip(
            disabled_reason or f"{COMMENT.description} ({COMMENT.native})."
        )

    def _refresh_next(self) -> None:
        """Enable the buttons that open the next and the previous image, or give the reason."""
        busy, is_open = self.session.busy, self.session.review_layers.opened is not None
        disabled_reason = busy
        if self.session.project is None:
            disabled_reason = disabled_reason or "Open or create a project first."
        elif not is_open:
            disabled_reason = disabled_reason or self.queue.empty_reason
        for button, shortcut in ((self.button, NEXT), (self.previous_button, PREVIOUS)):
            button.setEnabled(not disabled_reason)
            button.setToolTip(
                qt_text(disabled_reason) or f"{shortcut.description} ({shortcut.native})."
            )
        self.button.setText(busy or ("Next" if is_open else "Open the first image"))

    def _on_saved(self, version: Version) -> None:
        self._show_comment()
        with report_errors(self.messages.show):
            self.queue.model.refresh(version.image_id)
            project = self.session.project
            self.queue.offer_authors(() if project is None else project.authors())
            self.recovery.remove_image(version.image_id)
        self._show_counts()

    def _on_managed(self) -> None:
        self.queue.refresh_list()
        self._show_counts()

    def _on_batch(self, outcome: JobResult) -> None:
        self.queue.refresh_list()
        self.messages.show(outcome.status, outcome.message, doubtful=outcome.doubtful)

    def _on_predicting(self, folder: Path | None) -> None:
        self.session.predicting_in = folder
        self._show_info()
        if folder is None:
            self.session.check_for_prediction()

    def _show_info(self) -> None:
        opened = self.session.review_layers.opened
        name = "" if opened is None else displayed(opened.image.name)
        metrics, width = self.info.fontMetrics(), int(_NAME_SHARE * self.info.width())
        shown = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, width)
        self.info.setText(describe(self.session, shown))
        self.info.setToolTip(qt_text(name))
        style = WARNS if opened is not None and warnings(opened) else ""
        if style != self.info.styleSheet():  # setting it costs time, and this runs every second
            self.info.setStyleSheet(style)
        set_pending_overlay(self._viewer, self.session.awaits_prediction)

    def _show_counts(self) -> None:
        project = self.session.project
        with report_errors(self.messages.show):
            self.count.setText("" if project is None else progress_summary(project))

    def _show_comment(self) -> None:
        if self.comment_edit.text().strip() != self.session.comment:
            self.comment_edit.setText(self.session.comment)

    def _on_comment(self, comment: str) -> None:
        self.session.comment = comment.strip()

    # Dropping, closing

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's
        """Accept files and folders."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's
        """Add dropped files and folders."""
        urls = event.mimeData().urls()
        paths = tuple(Path(url.toLocalFile()) for url in urls if url.isLocalFile())
        if paths:
            event.acceptProposedAction()
            self.add(paths)

    def event(self, event: QEvent) -> bool:
        """Handle closing of the window once the dock is in it; autosave when hidden."""
        if event.type() == QEvent.Type.Show:
            self._close_handler.install(self.window())
        if event.type() == QEvent.Type.Hide:
            self.session.autosave()
        return super().event(event)

    def cleanup(self) -> None:
        """Autosave and release all resources: the dock is closing."""
        self.places.cleanup()
        self.messages.cleanup()
        self._active_mask.release(self)
        self.batches.bar.abandon()
        self.queue.cleanup()
        self.session.cleanup()
        set_pending_overlay(self._viewer, False)
        self._close_handler.disable()
