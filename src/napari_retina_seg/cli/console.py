"""What the commands say and how they wait: sentences and bars on stderr, results on stdout."""

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

from napari_retina_seg.core.errors import RetinaSegError
from napari_retina_seg.core.progress import CancelToken, Progress

if TYPE_CHECKING:
    import rich.progress

    from napari_retina_seg.engine.predict import Device

T = TypeVar("T")


class UsageError(RetinaSegError):
    """A command that was refused before anything was done."""


def say(sentence: str) -> None:
    """Write a sentence to stderr, on a line of its own."""
    typer.echo(sentence, err=True)


class Bar:
    """A progress bar on stderr, if that is a terminal; sentences go above it.

    Parameters
    ----------
    total : int
        Jobs to be done, each of which has its own steps.
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
        """Write a sentence to stderr, above the bar."""
        if self._bar.disable:
            say(sentence)
        else:
            self._console.print(sentence, markup=False, highlight=False, soft_wrap=True)

    def begin(self, name: str) -> None:
        """Show what is being worked on."""
        self._bar.reset(self._steps, description=name, total=None)

    def finish(self) -> None:
        """Count a job as done."""
        self._bar.advance(self._jobs)

    def walk(self, job: Generator[Progress, None, T], name: str) -> T:
        """Walk a long job to its end and show its steps; return what it returned."""
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
    """Make Ctrl-C cancel the work at its next step; a second one interrupts it at once."""
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
    """Start TensorFlow quietly, and say what it runs on."""
    with _quiet_stderr():
        from napari_retina_seg.engine.predict import describe_device

        return describe_device()


def start_engine_alone() -> None:
    """Start TensorFlow, and show that while it takes its seconds: no bar is there yet."""
    with Bar(1) as bar:
        bar.begin("Starting TensorFlow")
        start_engine()


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Keep what compiled code writes to stderr, and show it only if something goes wrong.

    TensorFlow's libraries greet before their log level can be set (absl's InitializeLog).
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
