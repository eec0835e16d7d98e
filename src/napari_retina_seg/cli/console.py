"""Console output: messages and progress bars on stderr, results on stdout."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, redirect_stderr
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.progress import CancelToken, Progress, finish
from napari_retina_seg.types.text import displayed

if TYPE_CHECKING:
    import rich.progress
    from rich.text import Text

    from napari_retina_seg.inference.predictor import Device

T = TypeVar("T")

HEARTBEAT_SECONDS = 30.0
"""Seconds between two progress lines where no bar can be drawn, as in a log file."""


class UsageError(RetinaSegError):
    """Wrong arguments, reported before anything is done."""


def say(sentence: str) -> None:
    """Write a message to stderr, on its own line, whatever names are in it."""
    typer.echo(displayed(sentence), err=True)


def echo(sentence: str) -> None:
    """Write a result to stdout, on its own line, whatever names are in it."""
    typer.echo(displayed(sentence))


def as_cell(text: str, *, fold: bool = False, lines: bool = False) -> Text:
    """Return the cell of a table on the terminal; no text of others is markup or a code."""
    from rich.text import Text

    return Text(displayed(text, lines=lines), overflow="fold" if fold else None)


class Bar:
    """A progress bar on stderr, with messages above it.

    Where stderr is no terminal, a line every `HEARTBEAT_SECONDS` says what is being done.

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
        self._total = total
        self._jobs = self._bar.add_task("Files", total=total, visible=total > 1)
        self._steps = self._bar.add_task("Starting", total=None)
        self._heartbeat = _Heartbeat(self._describe) if self._bar.disable else None

    def __enter__(self) -> Bar:
        if self._heartbeat:
            self._heartbeat.start()
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()
        if self._heartbeat:
            self._heartbeat.stop()

    def _describe(self) -> str:
        files, steps = (self._bar.tasks[index] for index in (self._jobs, self._steps))
        parts = [steps.description]
        if steps.total:
            parts.append(f"step {steps.completed:.0f} of {steps.total:.0f}")
        if files.visible:
            parts.append(f"file {min(files.completed + 1, self._total):.0f} of {self._total}")
        return ", ".join(parts)

    def say(self, sentence: str) -> None:
        """Write a message to stderr, above the bar."""
        if self._bar.disable:
            say(sentence)
        else:
            self._console.print(displayed(sentence), markup=False, highlight=False, soft_wrap=True)

    def begin(self, name: str) -> None:
        """Show the current job."""
        self._bar.reset(self._steps, description=displayed(name), total=None)

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
            message = "" if step.message in name else f": {step.message}"
            self._bar.update(
                self._steps,
                completed=step.done,
                total=step.total,
                description=displayed(f"{name}{message}"),
            )


class Messages(Bar):
    """Takes the place of a bar in a worker: keeps the messages, which the parent shows.

    Attributes
    ----------
    sentences : list of str
        The messages.
    """

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, sentence: str) -> None:
        """Keep a message."""
        self.sentences.append(sentence)

    def begin(self, name: str) -> None:
        """Show nothing."""

    def walk(self, job: Generator[Progress, None, T], name: str) -> T:
        """Run a generator job, and return its result."""
        del name
        return finish(job)


class _Heartbeat(threading.Thread):
    """Print what is being done at even intervals, also while one step takes long."""

    def __init__(self, describe: Callable[[], str]) -> None:
        super().__init__(name="progress lines", daemon=True)
        self._describe = describe
        self._stopped = threading.Event()

    def run(self) -> None:
        started = time.monotonic()
        while not self._stopped.wait(HEARTBEAT_SECONDS):
            say(f"Running for {time.monotonic() - started:.0f} s: {self._describe()}.")

    def stop(self) -> None:
        """Stop, and wait for a line that is being printed."""
        self._stopped.set()
        self.join()


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


def start_engine(*, training: bool = False) -> Device:
    """Start TensorFlow quietly, and describe its device; a training may use another backend."""
    from napari_retina_seg.inference.backend import check_backend

    check_backend(training=training)
    return _find_device()


@cache
def _find_device() -> Device:
    with quiet_libraries():
        from napari_retina_seg.inference.predictor import describe_device

        return describe_device()


def start_engine_alone(*, training: bool = False) -> None:
    """Start TensorFlow, with a status line while it loads."""
    with Bar(1) as bar:
        bar.begin("Starting TensorFlow")
        start_engine(training=training)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Capture what compiled code writes to stderr, and show it only on errors.

    TensorFlow's libraries log before their log level can be set (absl's InitializeLog). What
    Python writes, such as a progress bar, is shown.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        terminal = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            with _python_stderr(terminal):
                yield
        except BaseException:
            kept.seek(0)
            os.write(terminal, kept.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


@contextmanager
def _python_stderr(terminal: int) -> Iterator[None]:
    """Let Python's stderr write to another descriptor than 2, where it writes to 2 at all."""
    try:
        is_redirected = sys.stderr.fileno() != 2
    except (OSError, AttributeError):
        is_redirected = True
    if is_redirected:
        yield
        return
    shown = os.fdopen(
        terminal, "w", buffering=1, encoding=sys.stderr.encoding, errors="replace", closefd=False
    )
    with shown, redirect_stderr(shown):
        yield
