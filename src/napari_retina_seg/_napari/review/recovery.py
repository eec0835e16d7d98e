"""Keep unsaved changes when the window closes, and offer to recover them."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Signal
from qtpy.QtWidgets import QFrame, QMessageBox, QPushButton, QVBoxLayout, QWidget

from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.review.activity_timer import as_clock
from napari_retina_seg._napari.review.session import ReviewSession
from napari_retina_seg._napari.widgets import stack, text
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.values import Autosave


class CloseHandler(QObject):
    """Autosaves before a window asks whether to close, whether or not it then stays open.

    Parameters
    ----------
    session : ReviewSession
        Session with the unsaved changes.
    dock : QWidget
        Dock in that window.
    """

    def __init__(self, session: ReviewSession, dock: QWidget) -> None:
        super().__init__(dock)
        self._session, self._dock = session, dock
        self._is_enabled = False

    def install(self, window: QWidget) -> None:
        """Watch the window that the dock was first shown in, also while the dock floats."""
        if not self._is_enabled:
            self._is_enabled = True
            window.installEventFilter(self)

    def disable(self) -> None:
        """Stop watching: the dock is closing."""
        self._is_enabled = False

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's
        """Let the window close if autosaving succeeded or the user accepts the loss."""
        if event.type() == QEvent.Type.Close and self._is_enabled and not self._lets_close():
            event.ignore()
            return True
        return super().eventFilter(watched, event)

    def _lets_close(self) -> bool:
        problem = self._session.autosave_and_close()
        if not problem:
            return True
        question = f"Autosave failed: {problem}\n\nClose the window and lose your changes?"
        chosen = QMessageBox.question(self._dock, "Close?", qt_text(question))
        return chosen == QMessageBox.StandardButton.Yes


class RecoveryOffer(QFrame):
    """Panel that is visible while there are autosaves, and offers one after the other.

    Signals
    -------
    recovered, discarded : (Autosave)
        The user's choice.
    """

    recovered = Signal(object)
    discarded = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._project: Project | None = None
        self._slots: list[Autosave] = []
        self._label = text()
        self.recover_button = QPushButton("Recover")
        self.discard_button = QPushButton("Discard")
        self.setFrameShape(QFrame.Shape.StyledPanel)
        row = stack(self.recover_button, self.discard_button, horizontal=True)
        layout = QVBoxLayout(self)
        layout.addWidget(self._label)
        layout.addLayout(row)
        self.recover_button.clicked.connect(lambda: self.recovered.emit(self._slots[0]))
        self.discard_button.clicked.connect(self._on_discard)
        self.offer(None, ())

    @property
    def message(self) -> str:
        """The displayed text."""
        return self._label.text()

    def offer(self, project: Project | None, slots: tuple[Autosave, ...]) -> None:
        """Offer autosaves, the newest first."""
        self._project, self._slots = project, list(slots)
        self._show()

    def wait_for(self, reason: str) -> None:
        """Disable the buttons while a task is running."""
        for button in (self.recover_button, self.discard_button):
            button.setEnabled(not reason)
            button.setToolTip(qt_text(reason))

    def dismiss(self, slot: Autosave) -> None:
        """Remove an autosave that was recovered or discarded."""
        self._slots = [other for other in self._slots if other.id != slot.id]
        self._show()

    def remove_image(self, image_id: int) -> None:
        """Remove the autosaves of an image that was saved."""
        self._slots = [slot for slot in self._slots if slot.image_id != image_id]
        self._show()

    def _show(self) -> None:
        self.setVisible(bool(self._slots))
        if self._project is None or not self._slots:
            return
        slot = self._slots[0]
        name = self._project.image(slot.image_id).name
        more = f" {len(self._slots) - 1} more follow." if len(self._slots) > 1 else ""
        self._label.setText(
            f"You have unsaved changes to '{name}' from"
            f" {slot.saved_at.astimezone():%d %b %H:%M} ({as_clock(slot.seconds)} min).{more}"
        )

    def _on_discard(self) -> None:
        slot = self._slots[0]
        chosen = QMessageBox.question(
            self, "Discard?", qt_text(f"{self.message} Discard it for good?")
        )
        if chosen == QMessageBox.StandardButton.Yes:
            self.discarded.emit(slot)
