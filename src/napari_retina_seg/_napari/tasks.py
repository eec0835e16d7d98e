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
from functools import partial
from typing import Any, TypeVar

from qtpy.QtCore import QObject, Signal

from napari_retina_seg.types.errors import RetinaSegError

T = TypeVar("T")

log = logging.getLogger(__name__)

_CLOSED = "This dock is closed: nothing more was read or saved. Open it again."
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


class SerialTaskQueue(QObject):
    """Runs disk I/O tasks in order on one background thread, so that reads see earlier writes."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._thread = ThreadPoolExecutor(1, "retina-seg-tasks")
        self._is_open = True

    def submit(
        self,
        run: Callable[[], T],
        on_result: Callable[[T], object],
        on_error: Callable[[str], object],
    ) -> None:
        """Run a task; its result, or the error message, is delivered in the main thread.

        After `shutdown` nothing is run, and `on_error` says so at once.
        """
        if not self._is_open:
            on_error(_CLOSED)
            return
        task = Task(lambda _: _attempt(run, on_result, on_error), self._thread)
        task.ended.connect(self._deliver)
        task.start()

    def join(self) -> None:
        """Block until all queued tasks have run; their callbacks are still delivered."""
        if self._is_open:
            self._thread.submit(lambda: None).result()

    def shutdown(self) -> None:
        """Block until all queued tasks have run; deliver no more callbacks."""
        self._is_open = False
        self._thread.shutdown()

    def _deliver(self, callback: Callable[[], object]) -> None:
        if self._is_open:
            callback()


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
        self._running: object = None
        self._pending: tuple[object, Callable[[], Any]] | None = None

    def submit(self, name: object, work: Callable[[], Any]) -> None:
        """Submit a request, which must not access layers.

        Parameters
        ----------
        name : object
            Identifies the request in `done`.
        work : callable
            Runs in a thread.
        """
        self._pending = name, work
        if self._running is None:
            self._start_pending()

    def drop_pending(self) -> None:
        """Drop the pending request."""
        self._pending = None

    def _start_pending(self) -> None:
        if self._pending is not None:
            (self._running, work), self._pending = self._pending, None
            in_background(work, self._on_result)

    def _on_result(self, result: object) -> None:
        name, self._running = self._running, None
        self._start_pending()
        self.done.emit(name, result)
