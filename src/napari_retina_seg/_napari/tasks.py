"""Background tasks in Python threads, kept alive until they have ended.

Qt's thread pool, which napari's workers use, is unsuitable for work that may outlive a window. When
the program ends, PyQt deletes every `QObject` first; a worker that emits a signal after that raises
an error inside Qt, which aborts the process. Nor do the pool's threads keep their Python state
between two workers, which bindings made with pybind11 need. Python's threads keep it, and are
joined before Qt objects are deleted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from qtpy.QtCore import QObject, Signal

log = logging.getLogger(__name__)

_POOL = ThreadPoolExecutor(8, "retina-seg")
_RUNNING: set[Task] = set()


class Task(QObject):
    """A task in a background thread.

    It has no parent and is kept until `ended` has been delivered, so that neither Qt nor the
    garbage collector deletes it while its thread still emits. Receivers may be deleted at any time:
    connect to methods of a `QObject`, and Qt drops later signals.

    Parameters
    ----------
    work : callable
        Runs in the thread, with a function that emits `stepped`. It must not access layers or
        widgets.
    pool : Executor, optional
        Runs the task; by default a pool that all tasks share.

    Signals
    -------
    stepped : (object)
        An intermediate result.
    ended : (object)
        The result, or None if an error was raised, which is logged. Emitted exactly once, in the
        main thread, after all steps.
    """

    stepped = Signal(object)
    ended = Signal(object)

    def __init__(
        self, work: Callable[[Callable[[object], None]], Any], pool: Executor | None = None
    ) -> None:
        super().__init__()
        self._work = work
        self._pool = pool or _POOL

    def start(self) -> None:
        """Start; raises the pool's error if it accepts no more tasks, as after shutdown."""
        self.ended.connect(self._release)  # the last receiver
        _RUNNING.add(self)  # before the thread can end
        try:
            self._pool.submit(self._run)
        except BaseException:
            self._release()
            raise

    def _run(self) -> None:
        result = None
        try:
            result = self._work(self.stepped.emit)
        except BaseException:
            log.exception("a task failed")
        finally:
            self.ended.emit(result)

    def _release(self) -> None:
        _RUNNING.discard(self)


def in_background(work: Callable[[], Any], then: Callable[[Any], object] | None = None) -> None:
    """Run a function in a background thread.

    Parameters
    ----------
    work : callable
        Runs in the thread.
    then : callable, optional
        A method of a `QObject`; receives the result (None on error) in the main thread, unless
        its object has been deleted.
    """
    task = Task(lambda _: work())
    if then is not None:
        task.ended.connect(then)
    task.start()


def is_idle() -> bool:
    """Whether all tasks have ended and their results have been delivered."""
    return not _RUNNING
