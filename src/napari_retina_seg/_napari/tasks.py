"""Background work: in threads of Python's own, owned until it has ended.

Qt's thread pool, in which napari's workers run, is no place for work that outlasts a window. When
the program ends, PyQt deletes every `QObject` first; a worker that emits a signal after that raises
an error inside Qt, which answers by aborting the process. Nor do the pool's threads keep their
Python state between two workers, on which bindings made with pybind11 rely. Python's own threads
keep theirs, and are waited for before anything of Qt is deleted.
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
    """Work in a background thread.

    It has no parent and is kept until its end has been delivered, so that neither Qt nor the
    garbage collector deletes it while its thread still emits. Receivers may go away at any time:
    connect to methods of a `QObject`, and Qt drops what comes for it later.

    Parameters
    ----------
    work : callable
        Runs in the thread. It is given values only, no layers and no widgets, and a function that
        emits `stepped`.
    pool : Executor, optional
        Whose thread; by default one that all tasks share.

    Signals
    -------
    stepped : (object)
        What the work had to say on its way.
    ended : (object)
        What it returned, or None if it raised an error, which is logged. Exactly once, in the
        window's thread, after all steps.
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
        """Begin; raises what the pool raises if it takes no more work, such as after shutdown."""
        self.ended.connect(self._release)  # the last to hear of it
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
        A method of a `QObject`; gets the result (None if the work raised an error) in the
        window's thread, unless its object is gone by then.
    """
    task = Task(lambda _: work())
    if then is not None:
        task.ended.connect(then)
    task.start()


def is_idle() -> bool:
    """Whether all work has ended and its results have been delivered."""
    return not _RUNNING
