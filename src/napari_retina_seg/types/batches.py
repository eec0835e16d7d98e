"""Work over many items: one after another in this process, or elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from napari_retina_seg.types.progress import Cancelled, CancelToken, Progress

Item = TypeVar("Item")
Result = TypeVar("Result")

ItemJob = Callable[[Item, CancelToken], Generator[Progress, None, Result]]
"""Works on one item step by step, and returns its result."""


@dataclass(frozen=True)
class Outcome(Generic[Item, Result]):
    """What became of one item.

    Attributes
    ----------
    index : int
        Its place among the items.
    item : object
        The item.
    result : object or None
        What the work on it returned.
    error : Exception or None
        What it raised instead.
    """

    index: int
    item: Item
    result: Result | None = None
    error: Exception | None = None

    def get(self) -> Result:
        """Return the result, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]


class Mapper(Protocol):
    """Works on items, and hands out what became of each in the order of the items."""

    def __call__(
        self,
        job: ItemJob[Item, Result],
        items: Iterable[Item],
        receive: Callable[[Outcome[Item, Result]], Any],
        token: CancelToken,
        /,
    ) -> Generator[Progress, None, None]:
        """Yield a `Progress` with the number of items done; its total is 0, since not known."""


def iter_in_turn(
    job: ItemJob[Item, Result],
    items: Iterable[Item],
    receive: Callable[[Outcome[Item, Result]], Any],
    token: CancelToken,
    /,
) -> Generator[Progress, None, None]:
    """Work on items one after another in this process; a `Mapper`.

    Parameters
    ----------
    job : callable
        Works on one item step by step.
    items : iterable
        The items; each is asked for when the one before is done.
    receive : callable
        Called with what became of each; what it raises ends the work.
    token : CancelToken
        Stops the work before the next item.

    Yields
    ------
    Progress
        With the number of items done, and the message of the current step.

    Raises
    ------
    Cancelled
        If it was cancelled through `token`.
    """
    for index, item in enumerate(items):
        token.raise_if_cancelled()
        try:
            result = yield from _counted(job(item, token), index)
        except Cancelled:
            raise
        except Exception as error:  # noqa: BLE001 - `receive` decides what it means
            receive(Outcome(index, item, error=error))
        else:
            receive(Outcome(index, item, result))


def _counted(
    job: Generator[Progress, None, Result], done: int
) -> Generator[Progress, None, Result]:
    """Run the job of one item; the count is that of items."""
    while True:
        try:
            step = next(job)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        yield Progress(done, 0, step.message)
