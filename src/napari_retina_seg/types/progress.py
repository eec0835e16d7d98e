"""Progress and cancellation of long-running jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TypeVar

from napari_retina_seg.types.errors import RetinaSegError

T = TypeVar("T")


class Cancelled(RetinaSegError):
    """The job was cancelled; no partial result is left behind."""


@dataclass(frozen=True)
class Progress:
    """One step of a long job.

    Attributes
    ----------
    done, total : int
        Steps finished, and steps in all.
    message : str
        What is being done now, in the user's words.
    """

    done: int
    total: int
    message: str = ""


ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True)
class CancelToken:
    """Stops a long job from another thread.

    Examples
    --------
    >>> from napari_retina_seg import CancelToken
    >>> token = CancelToken()
    >>> token.cancel()
    >>> token.cancelled
    True
    """

    _event: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """Cancel the job at its next step."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether the job was cancelled."""
        return self._event.is_set()

    def raise_if_cancelled(self) -> None:
        """Raise `Cancelled` if the job was cancelled."""
        if self.cancelled:
            raise Cancelled("Cancelled: nothing was changed.")


def finish(job: Generator[Progress, None, T], progress: ProgressCallback | None = None) -> T:
    """Run a long job to its end.

    Parameters
    ----------
    job : generator of Progress
        Long work as this package writes it, in functions called ``iter_…``.
    progress : callable, optional
        Called with each `Progress`, in this thread. What it raises ends the job.

    Returns
    -------
    object
        What the job returned.
    """
    with closing(job):
        while True:
            try:
                step = next(job)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            if progress is not None:
                progress(step)
