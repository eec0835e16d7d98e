"""The log of ``project improve``, by which a window follows it in another process.

Each line is a JSON object. The process that writes it holds a lock on it as long as it runs, so
that a run is found again after the window, or the process itself, was killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from napari_retina_seg.types.errors import ProjectError, RetinaSegError
from napari_retina_seg.types.progress import Cancelled, Progress
from napari_retina_seg.workflows.improving import IMPROVEMENTS

T = TypeVar("T")

_LOG = "improve.jsonl"
_SECONDS = 0.5  # between two steps that are written
_PATIENCE = 5  # seconds; a window that looks at the log holds its lock for a moment


class Started(BaseModel):
    """The first line: the process, and when it started."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pid: int
    started_at: float


class Step(BaseModel):
    """What is being done."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    done: int
    total: int
    message: str


class Note(BaseModel):
    """A sentence on what was found or left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    note: str


class RunsIn(BaseModel):
    """The folder of the training runs, in which the report will be, too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    runs_in: Path


class Ended(BaseModel):
    """The last line.

    Attributes
    ----------
    failure : str
        Why there is no result; empty if there is one, or the run was stopped.
    summary, verdict : str
        What was found, and whether it is proven.
    proven, promoted : bool
        Whether the new model may be promoted, and was.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    failure: str = ""
    summary: str = ""
    verdict: str = ""
    proven: bool = False
    promoted: bool = False


_LINES = (Started, Step, Note, RunsIn, Ended)


class RunStatus(BaseModel):
    """How the last run of a project stands.

    Attributes
    ----------
    is_running : bool
        Whether its process is alive.
    started : Started or None
        None if there was no run yet.
    step : Step or None
        What is being done.
    notes : tuple of str
        What was found or left out.
    folder : Path or None
        The training runs and the report, if they are in the project.
    ended : Ended or None
        The end; None of a run that is running, or was killed.
    """

    model_config = ConfigDict(frozen=True)

    is_running: bool = False
    started: Started | None = None
    step: Step | None = None
    notes: tuple[str, ...] = ()
    folder: Path | None = None
    ended: Ended | None = None


def log_path(project: Path) -> Path:
    """Return the log of a project's last run."""
    return project / IMPROVEMENTS / _LOG


class ImprovementLog:
    """Writes the log of a run; see `writing_log`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = 0.0

    def add(self, line: BaseModel) -> None:
        """Append a line."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line.model_dump_json() + "\n")

    def follow(self, job: Generator[Progress, None, T]) -> Generator[Progress, None, T]:
        """Run a job, and log its steps, not all of them if they are short."""
        while True:
            try:
                step = next(job)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            if time.monotonic() - self._written > _SECONDS:
                self._written = time.monotonic()
                self.add(Step(done=step.done, total=step.total, message=step.message))
            yield step


@contextlib.contextmanager
def writing_log(project: Path) -> Iterator[ImprovementLog]:
    """Write the log of a run of this process, with the reason if it fails.

    Raises
    ------
    ProjectError
        If another process is improving the model of this project, or nothing can be written.
    """
    path = log_path(project)
    lock = _lock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=_PATIENCE)
        path.write_text("", encoding="utf-8")
    except Timeout as error:
        raise ProjectError(
            "The model of this project is being improved already: wait for the end, or stop it."
        ) from error
    except OSError as error:
        raise ProjectError(
            f"'{path.parent}' can't be written ({error.strerror or error}): free some space, or"
            " ask for write permission."
        ) from error
    log = ImprovementLog(path)
    log.add(Started(pid=os.getpid(), started_at=time.time()))
    try:
        yield log
    except Cancelled:
        raise  # without an end: it can go on
    except RetinaSegError as error:
        log.add(Ended(failure=str(error)))
        raise
    except Exception as error:
        log.add(Ended(failure=f"An unexpected error ended it: {error!r}."))
        raise
    finally:
        lock.release()


def read_status(project: Path) -> RunStatus:
    """Read how the last run of a project stands.

    Parameters
    ----------
    project : Path
        The project's folder.
    """
    path = log_path(project)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return RunStatus()
    found: dict[type[BaseModel], BaseModel] = {}
    notes = []
    for text in lines:
        line = _parse(text)
        if isinstance(line, Note):
            notes.append(line.note)
        elif line is not None:
            found[type(line)] = line
    place = found.get(RunsIn)
    return RunStatus.model_validate(
        {
            "is_running": _is_locked(path),
            "started": found.get(Started),
            "step": found.get(Step),
            "notes": tuple(notes),
            "folder": _inside(project, place.runs_in) if isinstance(place, RunsIn) else None,
            "ended": found.get(Ended),
        }
    )


def start_run(project: Path, author: str, options: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start ``project improve`` in a process that outlives this one.

    Parameters
    ----------
    project : Path
        The project's folder.
    author : str
        Who improves it.
    options : sequence of str
        Further options of the command.

    Raises
    ------
    ProjectError
        If no process can be started.
    """
    command = [sys.executable, "-m", "napari_retina_seg", "project", "improve", str(project)]
    command += ["--author", author, *options]
    try:
        return subprocess.Popen(  # noqa: S603 - the command is ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # closing the terminal of the window must not end it
        )
    except OSError as error:
        raise ProjectError(f"Python can't be started ({error.strerror or error}).") from error


def stop_run(project: Path) -> None:
    """Ask a running process to stop after its step; the next run goes on there."""
    status = read_status(project)
    if status.is_running and status.started is not None:
        with contextlib.suppress(OSError):
            os.kill(status.started.pid, signal.SIGINT)


def _parse(text: str) -> BaseModel | None:
    for kind in _LINES:
        with contextlib.suppress(ValidationError):
            return kind.model_validate_json(text)
    return None  # half written


def _inside(project: Path, folder: Path) -> Path | None:
    """Return a folder if it is in the project, which may be somebody else's."""
    root = (project / IMPROVEMENTS).resolve()
    return folder if folder.resolve().is_relative_to(root) else None


def _lock(path: Path) -> FileLock:
    return FileLock(path.with_suffix(".lock"))


def _is_locked(path: Path) -> bool:
    lock = _lock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False
