"""What runs in the worker processes of a batch; see `workflows.cluster`."""

from __future__ import annotations

import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

from distributed import get_worker
from distributed.diagnostics.plugin import WorkerPlugin

from napari_retina_seg import __version__
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.progress import CancelToken
from napari_retina_seg.workflows.cluster_options import WorkerNeeds


class Chunk(NamedTuple):
    """Results of some items.

    Attributes
    ----------
    found : tuple
        For each its result and None, or None and the error.
    seconds : float
        Spent on all of them.
    """

    found: tuple[tuple[Any, Exception | None], ...]
    seconds: float


class BatchPlugin(WorkerPlugin):  # type: ignore[misc]
    """The work of a batch in a worker; the same for all items.

    Parameters
    ----------
    work : bytes
        Pickled callable that takes an item and a `CancelToken`. It is unpickled once, where the
        first item is worked on, so that what it keeps is kept for the batch.
    max_pixels : int
        Limit of the files that are opened.
    ignores_interrupts : bool
        Whether Ctrl-C, which reaches all processes of a terminal, is for the parent alone.
    """

    def __init__(self, work: bytes, max_pixels: int, *, ignores_interrupts: bool) -> None:
        self._content = work
        self._max_pixels = max_pixels
        self._ignores_interrupts = ignores_interrupts

    def setup(self, worker: Any) -> None:
        """Begin, in a worker that may have joined or been restarted just now."""
        del worker
        self.token = CancelToken()
        self._lock = threading.Lock()
        self._work: Callable[[Any, CancelToken], Any] | None = None
        if self._ignores_interrupts:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def run(self, item: Any) -> tuple[Any, Exception | None]:
        """Work on an item; return its result and None, or None and the error."""
        import dask

        from napari_retina_seg.io._decoding import limited

        try:
            self.token.raise_if_cancelled()
            with self._lock:
                if self._work is None:
                    self._work = pickle.loads(self._content)  # noqa: S301 - our own client's
            # Lazy pixels are read here: Dask would send the reading to other workers.
            with limited(self._max_pixels), dask.config.set(scheduler="synchronous"):
                return self._work(item, self.token), None
        except Exception as error:  # noqa: BLE001 - reported by the parent, with the item's name
            return None, _portable(error)


def run_chunk(name: str, version: str, content: bytes) -> Chunk:
    """Work on some items of a batch; errors are returned, since Dask would log the items.

    Parameters
    ----------
    name : str
        Of the batch's `BatchPlugin`.
    version : str
        Version of the program in the parent.
    content : bytes
        The pickled items.
    """
    started = time.perf_counter()
    items = pickle.loads(content)  # noqa: S301 - our own client's
    plugin = get_worker().plugins.get(name)
    if version != __version__ or plugin is None:
        refused = RetinaSegError(
            f"A worker runs version {__version__} of the program and not {version}: install the"
            " same everywhere."
        )
        return Chunk(tuple((None, refused) for _ in items), 0)
    return Chunk(tuple(plugin.run(item) for item in items), time.perf_counter() - started)


def cancel_batch(name: str, dask_worker: Any) -> None:
    """Cancel what a worker is working on, at its next step."""
    plugin = dask_worker.plugins.get(name)
    if plugin is not None:
        plugin.token.cancel()


def describe(needs: WorkerNeeds | None = None) -> tuple[str, str]:
    """Return the version of the program here, and what it lacks."""
    return __version__, "" if needs is None else needs.check()


def _portable(error: Exception) -> Exception:
    """Return an error that can be pickled, with its traceback as a note."""
    text = "".join(traceback.format_exception(error))
    try:
        error = pickle.loads(pickle.dumps(error))  # noqa: S301
    except Exception:  # noqa: BLE001 - of another library, with arguments of any kind
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(text)
    return error
