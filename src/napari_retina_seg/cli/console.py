"""Console output: messages and progress bars on stderr, results on stdout."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.progress import CancelToken, Progress

if TYPE_CHECKING:
    import rich.progress

    from napari_retina_seg.inference.predictor import Device

T = TypeVar("T")


class UsageError(RetinaSegError):
    """Wrong arguments, reported before anything is done."""


def say(sentence: str) -> None:
    """Write a message to stderr, on its own line."""
    typer.echo(sentence, err=True)


class Bar:
    """A progress bar on stderr, if that is a terminal; messages are printed above it.

    Parameters
    ----------
    total : int
        Number of jobs, each with its own steps.
    """

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._console = Console(stderr=True)
        self._bar: rich.progress.Progress = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._jobs = self._bar.add_task("Files", total=total, visible=total > 1)
        self._steps = self._bar.add_task("Starting", total=None)

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def say(self, sentence: str) -> None:
        """Write a message to stderr, above the bar."""
        if self._bar.disable:
            say(sentence)
        else:
            self._console.print(sentence, markup=False, highlight=False, soft_wrap=True)

    def begin(self, name: str) -> None:
        """Show the current job."""
        self._bar.reset(self._steps, description=name, total=None)

    def finish(self) -> None:
        """Count a job as done."""
        self._bar.advance(self._jobs)

    def walk(self, job: Generator[Progress, None, T], name: str) -> T:
        """Run a generator job, show its progress, and return its result."""
        self.begin(name)
        while True:
            try:
                step = next(job)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            said = "" if step.message in name else f": {step.message}"
            self._bar.update(
                self._steps,
                completed=step.done,
                total=step.total,
                description=f"{name}{said}",
            )


@contextmanager
def interruptible() -> Iterator[CancelToken]:
    """Make Ctrl-C cancel the job at its next step, and a second one interrupt it at once."""
    token = CancelToken()

    def stop(signum: int, frame: Any) -> None:
        del signum, frame
        token.cancel()
        signal.signal(signal.SIGINT, previous)

    previous = signal.signal(signal.SIGINT, stop)
    try:
        yield token
    finally:
        signal.signal(signal.SIGINT, previous)


@cache
def start_engine() -> Device:
    """Start TensorFlow quietly, and describe its device."""
    with _quiet_stderr():
        from napari_retina_seg.inference.predictor import describe_device

        return describe_device()


def start_engine_alone() -> None:
    """Start TensorFlow, with a status line while it loads."""
    with Bar(1) as bar:
        bar.begin("Starting TensorFlow")
        start_engine()


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Capture what compiled code writes to stderr, and show it only on errors.

    TensorFlow's libraries log before their log level can be set (absl's InitializeLog).
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        terminal = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(terminal, kept.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
