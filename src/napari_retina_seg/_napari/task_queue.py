"""Run disk I/O tasks in order on one background thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from qtpy.QtCore import QObject

from napari_retina_seg._napari.tasks import Task
from napari_retina_seg.types.errors import RetinaSegError

T = TypeVar("T")

log = logging.getLogger(__name__)

_CLOSED = "This dock is closed: nothing more was read or saved. Open it again."


class SerialTaskQueue(QObject):
    """Runs tasks in order, so that reads see earlier writes."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._thread = ThreadPoolExecutor(1, "retina-seg-tasks")
        self._listens = True

    def submit(
        self,
        run: Callable[[], T],
        on_result: Callable[[T], object],
        on_error: Callable[[str], object],
    ) -> None:
        """Run a task; its result, or the error message, is delivered in the main thread.

        After `shutdown` nothing is run, and `on_error` says so at once.
        """
        if not self._listens:
            on_error(_CLOSED)
            return
        task = Task(lambda _: _attempt(run, on_result, on_error), self._thread)
        task.ended.connect(self._on_answer)
        task.start()

    def join(self) -> None:
        """Block until all queued tasks have run; their callbacks are still delivered."""
        if self._listens:
            self._thread.submit(lambda: None).result()

    def shutdown(self) -> None:
        """Block until all queued tasks have run; deliver no more callbacks."""
        self._listens = False
        self._thread.shutdown()

    def _on_answer(self, answer: Callable[[], object]) -> None:
        if self._listens:
            answer()


def _attempt(
    run: Callable[[], T], on_result: Callable[[T], object], on_error: Callable[[str], object]
) -> Callable[[], object]:
    try:
        return partial(on_result, run())
    except RetinaSegError as error:
        return partial(on_error, str(error))
    except Exception as error:
        log.exception("a task failed")
        return partial(on_error, f"{type(error).__name__}: {error}.")
