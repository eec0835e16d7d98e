"""Errands to the disk, one after the other, in a thread of their own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from qtpy.QtCore import QObject, QRunnable, QThreadPool, Signal

from napari_retina_seg.core.errors import RetinaSegError

T = TypeVar("T")

log = logging.getLogger(__name__)


class Clerk(QObject):
    """Runs errands in the order in which they were given: what is saved is read after that."""

    _came = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        self._listens = True
        self._came.connect(self._on_answer)

    def ask(
        self,
        errand: Callable[[], T],
        then: Callable[[T], object],
        failed: Callable[[str], object],
    ) -> None:
        """Run an errand; the answer, or why there is none, comes in the window's thread."""
        self._pool.start(_Errand(errand, then, failed, self._came.emit))

    def finish(self) -> None:
        """Wait for all errands and hear no more answers: the dock is going away."""
        self._listens = False
        self._pool.waitForDone()

    def wait(self) -> None:
        """Wait for all errands; their answers come as usual."""
        self._pool.waitForDone()

    def _on_answer(self, answer: Callable[[], object]) -> None:
        if self._listens:
            answer()


class _Errand(QRunnable):
    def __init__(
        self,
        errand: Callable[[], Any],
        then: Callable[[Any], object],
        failed: Callable[[str], object],
        tell: Callable[[Callable[[], object]], None],
    ) -> None:
        super().__init__()
        self._errand, self._then, self._failed, self._tell = errand, then, failed, tell

    def run(self) -> None:
        try:
            answer = partial(self._then, self._errand())
        except RetinaSegError as error:
            answer = partial(self._failed, str(error))
        except Exception as error:
            log.exception("an errand failed")
            answer = partial(self._failed, f"{type(error).__name__}: {error}.")
        self._tell(answer)
