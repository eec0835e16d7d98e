"""Errands to the disk, one after the other, in a thread of their own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from qtpy.QtCore import QObject

from napari_retina_seg._napari.tasks import Task
from napari_retina_seg.core.errors import RetinaSegError

T = TypeVar("T")

log = logging.getLogger(__name__)


class Clerk(QObject):
    """Runs errands in the order in which they were given: what is saved is read after that."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._thread = ThreadPoolExecutor(1, "retina-seg-clerk")
        self._listens = True

    def ask(
        self,
        errand: Callable[[], T],
        then: Callable[[T], object],
        failed: Callable[[str], object],
    ) -> None:
        """Run an errand; the answer, or why there is none, comes in the window's thread."""
        if self._listens:
            task = Task(lambda _: _attempt(errand, then, failed), self._thread)
            task.ended.connect(self._on_answer)
            task.start()

    def wait(self) -> None:
        """Wait for all errands; their answers come as usual."""
        if self._listens:
            self._thread.submit(lambda: None).result()

    def finish(self) -> None:
        """Wait for all errands and hear no more answers: the dock is going away."""
        self._listens = False
        self._thread.shutdown()

    def _on_answer(self, answer: Callable[[], object]) -> None:
        if self._listens:
            answer()


def _attempt(
    errand: Callable[[], T], then: Callable[[T], object], failed: Callable[[str], object]
) -> Callable[[], object]:
    try:
        return partial(then, errand())
    except RetinaSegError as error:
        return partial(failed, str(error))
    except Exception as error:
        log.exception("an errand failed")
        return partial(failed, f"{type(error).__name__}: {error}.")
