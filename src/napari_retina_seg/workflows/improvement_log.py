"""The log of ``project improve``, by which a window follows it in another process.

Each line is a JSON object; the newest step is in a file of its own, so that the log stays short.
The process that writes it holds a lock as long as it runs, so that a run is found again after the
window, or the process itself, was killed. The project may come from another
person: what these files name is never followed out of it.
"""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, PositiveInt, TypeAdapter, ValidationError

from napari_retina_seg.types.confined import confined
from napari_retina_seg.types.errors import OutsideError, ProjectError, RetinaSegError
from napari_retina_seg.types.progress import Cancelled, Progress
from napari_retina_seg.workflows.improvement_plan import IMPROVEMENTS

T = TypeVar("T")

_LOG, _STEP, _LOCK, ENOUGH = (f"improve.{end}" for end in ("jsonl", "step", "lock", "enough"))
_SECONDS = 0.5  # between two steps that are written
_LOCK_TIMEOUT = 5  # seconds; a window that looks at the log holds its lock for a moment


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Started(_Line):
    """The first line: the process, and when and how it was started.

    Attributes
    ----------
    pid : int
        Number of the process.
    host : str
        The computer on which it runs.
    started_at : float
        Unix time.
    options : tuple of str
        Options of the command that a run goes on with.
    """

    pid: PositiveInt
    host: str
    started_at: float
    options: tuple[str, ...]


class Note(_Line):
    """A sentence on what was found or left out."""

    note: str


class RunsIn(_Line):
    """The folder of the training runs, in which the report will be, too; and the new name."""

    runs_in: Path
    candidate: str


class Ended(_Line):
    """The last line.

    Attributes
    ----------
    failure : str
        Why there is no result; empty if there is one.
    summary, verdict, harm : str
        What was found, whether it is proven, and what was lost elsewhere.
    proven, promoted : bool
        Whether the new model may be promoted, and was.
    """

    failure: str
    summary: str = ""
    verdict: str = ""
    harm: str = ""
    proven: bool = False
    promoted: bool = False


class Step(_Line):
    """What is being done."""

    done: int
    total: int
    message: str


_LINE: TypeAdapter[Started | Note | RunsIn | Ended] = TypeAdapter(Started | Note | RunsIn | Ended)


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
    candidate : str
        Name of the new model; empty before it has one.
    ended : Ended or None
        The end; None of a run that is running, or was stopped or killed.
    """

    model_config = ConfigDict(frozen=True)

    is_running: bool = False
    started: Started | None = None
    step: Step | None = None
    notes: tuple[str, ...] = ()
    folder: Path | None = None
    candidate: str = ""
    ended: Ended | None = None


class ImprovementLog:
    """Writes the log of a run; see `writing_log`."""

    def __init__(self, project: Path) -> None:
        self._path, self._step = log_path(project, _LOG), log_path(project, _STEP)
        self._enough = log_path(project, ENOUGH)
        self._written = 0.0

    def begin(self, options: Sequence[str]) -> None:
        """Start a new log."""
        line = Started(
            pid=os.getpid(), host=platform.node(), started_at=time.time(), options=tuple(options)
        )
        for of_before in (self._step, self._enough):
            of_before.unlink(missing_ok=True)
        self._path.write_text(line.model_dump_json() + "\n", encoding="utf-8")

    def add(self, line: Note | RunsIn | Ended) -> None:
        """Append a line; a full disk does not end the run for it."""
        with contextlib.suppress(OSError), self._path.open("a", encoding="utf-8") as file:
            file.write(line.model_dump_json() + "\n")

    def is_enough(self) -> bool:
        """Return whether somebody asked to stop training and keep the best; see `finish_early`."""
        return self._enough.exists()

    def iter_logged(
        self, job: Generator[Progress, None, T], called: str = ""
    ) -> Generator[Progress, None, T]:
        """Run a job, and log its newest step, with what the job is called."""
        while True:
            try:
                step = next(job)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            if time.monotonic() - self._written > _SECONDS:
                self._written = time.monotonic()
                message = ": ".join(filter(None, (called, step.message)))
                self._write_step(Step(done=step.done, total=step.total, message=message))
            yield step

    def begin_part(self, called: str) -> None:
        """Log that something is done of which no steps are known."""
        self._write_step(Step(done=0, total=1, message=called))

    def _write_step(self, step: Step) -> None:
        draft = self._step.with_suffix(".step-draft")
        with contextlib.suppress(OSError):
            draft.write_text(step.model_dump_json(), encoding="utf-8")
            draft.replace(self._step)


@contextlib.contextmanager
def writing_log(project: Path, options: Sequence[str]) -> Iterator[ImprovementLog]:
    """Write the log of a run of this process, with the reason if it fails.

    Parameters
    ----------
    project : Path
        The project's folder.
    options : sequence of str
        Options of the command, but for those that promote the result or name the author.

    Raises
    ------
    ProjectError
        If another process is improving the model of this project, or nothing can be written.
    OutsideError
        If the log is a link to somewhere else.
    """
    log, lock = ImprovementLog(project), FileLock(log_path(project, _LOCK))
    folder = project / IMPROVEMENTS
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=_LOCK_TIMEOUT)
        log.begin(options)
    except Timeout as error:
        raise ProjectError(
            "The model of this project is being improved already: wait for the end, or stop it."
        ) from error
    except OSError as error:
        raise ProjectError(
            f"'{folder}' can't be written ({error.strerror or error}): free some space, or ask for"
            " write permission."
        ) from error
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
    found: dict[type[BaseModel], BaseModel] = {}
    notes = []
    for text in read_text(project, _LOG).splitlines():
        with contextlib.suppress(ValidationError):  # half written
            line = _LINE.validate_json(text)
            found[type(line)] = line
            notes += [line.note] if isinstance(line, Note) else []
    place = found.get(RunsIn)
    step = None
    with contextlib.suppress(ValidationError):
        step = Step.model_validate_json(read_text(project, _STEP))
    return RunStatus.model_validate(
        {
            "is_running": _is_locked(project),
            "started": found.get(Started),
            "step": step,
            "notes": tuple(notes),
            "folder": _inside(project, place.runs_in) if isinstance(place, RunsIn) else None,
            "candidate": place.candidate if isinstance(place, RunsIn) else "",
            "ended": found.get(Ended),
        }
    )


def log_path(project: Path, name: str) -> Path:
    """Return the path of a file beside the log.

    Raises
    ------
    OutsideError
        If it is a link to somewhere else.
    """
    return confined(project, f"{IMPROVEMENTS}/{name}")


def read_text(project: Path, name: str) -> str:
    """Return the text of a file beside the log; empty if there is none."""
    try:
        return log_path(project, name).read_text(encoding="utf-8", errors="replace")
    except (OSError, OutsideError):
        return ""


def _inside(project: Path, folder: Path) -> Path | None:
    """Return a folder if it is in the project."""
    root = (project / IMPROVEMENTS).resolve()
    is_inside = root.is_relative_to(project.resolve()) and folder.resolve().is_relative_to(root)
    return folder if is_inside else None


def _is_locked(project: Path) -> bool:
    try:
        lock = FileLock(log_path(project, _LOCK))
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except (OSError, OutsideError):
        return False
    lock.release()
    return False
