"""Which items of a batch are next, with the workers, or to be tried again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from napari_retina_seg.types.batches import Outcome
from napari_retina_seg.types.errors import RetinaSegError

if TYPE_CHECKING:
    from distributed import Future

Item = TypeVar("Item")
Result = TypeVar("Result")

_CHUNK_SECONDS = 0.5  # of work that is sent at a time: a small part of it is spent on sending
_LARGEST_CHUNK = 64
_WEIGHT = 0.3  # of the last chunk in the mean time of an item


class KilledError(RetinaSegError):
    """The process that worked on an item ended, twice."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"'{name}': the process that worked on it ended twice. It may need more memory than a"
            " worker has: try it alone, without workers."
        )


class BatchQueue(Generic[Item, Result]):
    """The items of a batch; each is tried twice at most.

    Parameters
    ----------
    items : iterable
        The items; one is asked for when a worker is free.
    submit : callable
        Takes a key and a tuple of items, and returns the future of their `Chunk`.
    ahead : int or None
        How many items may be begun while an earlier one is not done; None for any number.
    """

    def __init__(
        self,
        items: Iterable[Item],
        submit: Callable[[str, tuple[Item, ...]], Future],
        ahead: int | None,
    ) -> None:
        self._new: Iterator[tuple[int, Item]] = enumerate(items)
        self._submit = submit
        self._ahead = ahead
        self._items: dict[int, Item] = {}  # begun and not done, in order
        self._next = 0
        self._tried: set[int] = set()
        self._again: deque[int] = deque()
        self._suspects: deque[int] = deque()
        self._running: dict[str, tuple[Future, tuple[int, ...]]] = {}
        self._submitted = 0
        self._seconds = _CHUNK_SECONDS  # of an item

    @property
    def is_running(self) -> bool:
        """Whether anything is with the workers."""
        return bool(self._running)

    def fill(self, workers: int) -> None:
        """Submit items until each worker has something to do."""
        while len(self._running) < workers:
            chunk = self._take(workers)
            if not chunk:
                return
            key = str(self._submitted)
            self._submitted += 1
            future = self._submit(key, tuple(self._items[index] for index in chunk))
            self._running[future.key] = future, chunk

    def collect(self, future: Future) -> Generator[Outcome[Item, Result], None, None]:
        """Yield what became of the items of a chunk; those to be tried again stay."""
        _, chunk = self._running.pop(future.key)
        error = None if future.status == "finished" else future.exception()
        if error is not None:
            suspicious = is_killed(error)
            found = [
                (None, KilledError(_name(self._items[index])) if suspicious else error)
                for index in chunk
            ]
        else:
            suspicious = False
            found, seconds = future.result()
            self._seconds += _WEIGHT * (seconds / len(chunk) - self._seconds)
        for index, (result, failure) in zip(chunk, found, strict=True):
            if failure is not None and index not in self._tried:
                self._tried.add(index)
                (self._suspects if suspicious else self._again).append(index)
            else:
                self._tried.discard(index)
                yield Outcome(index, self._items.pop(index), result, failure)

    def forget(self, future: Future) -> None:
        """Leave out what became of a chunk."""
        self._running.pop(future.key, None)

    def _take(self, workers: int) -> tuple[int, ...]:
        """Return the items to submit together; none if there are none at the moment."""
        if self._again:
            return (self._again.popleft(),)
        chunk: list[int] = []
        size = min(_LARGEST_CHUNK, max(1, round(_CHUNK_SECONDS / max(self._seconds, 1e-6))))
        while len(chunk) < size and not self._is_far_ahead(workers):
            index, item = next(self._new, (-1, None))
            if item is None:
                break
            self._items[index] = item
            self._next = index + 1
            chunk.append(index)
        if not chunk and self._suspects and not self._running:
            return (self._suspects.popleft(),)
        return tuple(chunk)

    def _is_far_ahead(self, workers: int) -> bool:
        if self._ahead is None or not self._items:
            return False
        return self._next - next(iter(self._items)) >= max(self._ahead, workers)


def _name(item: Any) -> str:
    return str(getattr(item, "name", item))


def is_killed(error: Any) -> bool:
    """Whether a task failed because the process that ran it ended."""
    from distributed.scheduler import KilledWorker

    return isinstance(error, KilledWorker)
