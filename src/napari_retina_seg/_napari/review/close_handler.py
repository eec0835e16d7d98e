"""Autosave before the window closes."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_retina_seg._napari.review.session import ReviewSession


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
        self._is_watching = False

    def watch(self, window: QWidget) -> None:
        """Watch the window that the dock was first shown in, also while the dock floats."""
        if not self._is_watching:
            self._is_watching = True
            window.installEventFilter(self)

    def disable(self) -> None:
        """Stop watching: the dock is closing."""
        self._is_watching = False

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's
        """Let the window close if autosaving succeeded or the user accepts the loss."""
        if event.type() == QEvent.Type.Close and self._is_watching and not self._lets_close():
            event.ignore()
            return True
        return super().eventFilter(watched, event)

    def _lets_close(self) -> bool:
        problem = self._session.autosave_and_close()
        if not problem:
            return True
        question = f"Autosave failed: {problem}\n\nClose the window and lose your changes?"
        chosen = QMessageBox.question(self._dock, "Close?", question)
        return chosen == QMessageBox.StandardButton.Yes
