"""Watch for changes that others make in a project on a server."""

from __future__ import annotations

import logging

from qtpy.QtCore import QObject, QSocketNotifier, QTimer, Signal

from napari_retina_seg._napari.tasks import in_background
from napari_retina_seg.project.notifications import ChangeListener
from napari_retina_seg.project.project import Project
from napari_retina_seg.types.errors import ProjectError, ServerAwayError

_RETRY_MS = 5_000

log = logging.getLogger(__name__)


class ChangeWatch(QObject):
    """Says when others changed the watched project; nothing is asked of the server meanwhile.

    The connection is made in the background, and again every few seconds after it broke.

    Signals
    -------
    changed : ()
        Others changed the project, or may have while there was no connection.
    """

    changed = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._project: Project | None = None
        self._listener: ChangeListener | None = None
        self._notifier: QSocketNotifier | None = None
        self._is_connecting = self._was_lost = False
        self._retry = QTimer(self, singleShot=True, interval=_RETRY_MS)
        self._retry.timeout.connect(self._connect)

    def watch(self, project: Project | None) -> None:
        """Watch a project instead of the one before; None ends watching."""
        self._disconnect()
        self._retry.stop()
        self._project, self._was_lost = project, False
        self._connect()

    def _connect(self) -> None:
        project = self._project
        if project is None or self._is_connecting:
            return
        self._is_connecting = True

        def listen() -> tuple[Project, ChangeListener | None, bool]:
            try:
                return project, project.listen(), False
            except ProjectError:
                log.info("no connection that reports changes", exc_info=True)
                return project, None, True

        in_background(listen, self._on_connected)

    def _on_connected(self, answer: tuple[Project, ChangeListener | None, bool] | None) -> None:
        self._is_connecting = False
        project, listener, is_away = answer or (self._project, None, True)  # an error, logged
        if project is not self._project:  # another one was opened meanwhile
            if listener is not None:
                listener.close()
            self._connect()
            return
        if is_away:
            self._lose()
        if listener is None:
            return
        self._listener = listener
        self._notifier = QSocketNotifier(listener.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._on_news)
        if self._was_lost:
            self._was_lost = False
            self.changed.emit()

    def _on_news(self) -> None:
        listener = self._listener
        if listener is None:
            return
        try:
            is_changed = listener.poll()
        except ServerAwayError:
            log.info("the connection that reports changes broke", exc_info=True)
            self._disconnect()
            self._lose()
            return
        if is_changed:
            self.changed.emit()

    def _lose(self) -> None:
        self._was_lost = True
        self._retry.start()

    def _disconnect(self) -> None:
        if self._notifier is not None:
            self._notifier.setEnabled(False)
            self._notifier.deleteLater()
        if self._listener is not None:
            self._listener.close()
        self._notifier = self._listener = None
