"""Work that is asked for faster than it can be done: in a thread, the last one asked follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_retina_seg._napari.tasks import in_background

Work = Callable[[], Any]


class LatestOnlyWorker(QObject):
    """Does one work at a time; of those that are asked for meanwhile, the last one follows.

    Signals
    -------
    done : (object, object)
        What was asked, as it was called, and what came of it; None if it failed.
    """

    done = Signal(object, object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._now: object = None
        self._next: tuple[object, Work] | None = None

    def ask(self, name: object, work: Work) -> None:
        """Ask for work, which is given values only, no layers.

        Parameters
        ----------
        name : object
            What `done` calls it.
        work : callable
            Runs in a thread.
        """
        self._next = name, work
        if self._now is None:
            self._start()

    def drop(self) -> None:
        """Forget what waits."""
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
