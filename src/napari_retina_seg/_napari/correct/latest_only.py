"""Background worker that keeps only the latest pending request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_retina_seg._napari.tasks import in_background

Work = Callable[[], Any]


class LatestOnlyWorker(QObject):
    """Runs one request at a time; of those submitted meanwhile only the latest is run.

    Signals
    -------
    done : (object, object)
        Name of the request and its result, None if it failed.
    """

    done = Signal(object, object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._now: object = None
        self._next: tuple[object, Work] | None = None

    def ask(self, name: object, work: Work) -> None:
        """Submit a request, which must not access layers.

        Parameters
        ----------
        name : object
            Identifies the request in `done`.
        work : callable
            Runs in a thread.
        """
        self._next = name, work
        if self._now is None:
            self._start()

    def drop(self) -> None:
        """Drop the pending request."""
        self._next = None

    def _start(self) -> None:
        self._now, work = self._next
        self._next = None
        in_background(work, self._on_result)

    def _on_result(self, result: object) -> None:
        name, self._now = self._now, None
        if self._next is not None:
            self._start()
        self.done.emit(name, result)
