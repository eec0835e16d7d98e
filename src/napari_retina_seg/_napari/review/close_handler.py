"""Nothing may be lost when the window is closed."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_retina_seg._napari.review.session import ReviewSession


class CloseHandler(QObject):
    """Has the work kept before a window asks whether to close, whether or not it then stays open.

    Parameters
    ----------
    session : ReviewSession
        Whose work it is.
    dock : QWidget
        In whose window.
    """

    def __init__(self, session: ReviewSession, dock: QWidget) -> None:
        super().__init__(dock)
        self._session, self._dock = session, dock
        self._is_watching = False

    def watch(self, window: QWidget) -> None:
        """Watch over the window that the dock was first shown in, also while the dock floats."""
        if not self._is_watching:
            self._is_watching = True
            window.installEventFilter(self)

    def rest(self) -> None:
        """Watch no more: the dock is going away."""
        self._is_watching = False

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's
        """Let the window close once nothing would be lost, or if a person wants that."""
        if event.type() == QEvent.Type.Close and self._is_watching and not self._lets_close():
            event.ignore()
            return True
        return super().eventFilter(watched, event)

    def _lets_close(self) -> bool:
        why = self._session.autosave_and_close()
        if not why:
            return True
        question = f"What you painted can't be kept: {why}\n\nClose the window, and lose it?"
        chosen = QMessageBox.question(self._dock, "Close?", question)
        return chosen == QMessageBox.StandardButton.Yes
