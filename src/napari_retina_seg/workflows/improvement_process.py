"""Start, stop and finish `project improve` in another process, and ask it for an estimate."""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.progress import CancelToken
from napari_retina_seg.workflows.improvement_log import ENOUGH, log_path, read_status, read_text
from napari_retina_seg.workflows.improvement_plan import IMPROVEMENTS

_ERRORS = "improve.stderr"
_POLL_SECONDS = 0.2


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
        If no process can be started, or nothing can be written.
    OutsideError
        If its messages would be written through a link to somewhere else.
    """
    command = _command(project, author, options)
    errors = log_path(project, _ERRORS)
    try:
        errors.parent.mkdir(parents=True, exist_ok=True)
        with errors.open("wb") as file:
            return subprocess.Popen(  # noqa: S603 - the command is ours
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=file,
                start_new_session=True,  # closing the terminal of the window must not end it
            )
    except OSError as error:
        raise ProjectError(f"No program can be started ({error.strerror or error}).") from error


def _command(project: Path, author: str, options: Sequence[str]) -> list[str]:
    # -P: Python must not take modules from the working directory, which may be anybody's.
    command = [sys.executable, "-P", "-m", "napari_retina_seg", "project", "improve", str(project)]
    return [*command, "--author", author, *options]


def estimate_run(project: Path, author: str, options: Sequence[str], token: CancelToken) -> str:
    """Let another process try a few steps, and return what it says of time and memory.

    Parameters
    ----------
    project : Path
        The project's folder.
    author : str
        Who improves it.
    options : sequence of str
        Further options of the command.
    token : CancelToken
        Ends the process.

    Raises
    ------
    ProjectError
        If it fails; with its last words.
    Cancelled
        If it was cancelled through `token`.
    """
    command = [*_command(project, author, options), "--estimate"]
    try:
        process = subprocess.Popen(  # noqa: S603 - the command is ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise ProjectError(f"No program can be started ({error.strerror or error}).") from error
    with process:
        while True:
            try:
                said, errors = process.communicate(timeout=_POLL_SECONDS)
                break
            except subprocess.TimeoutExpired:
                if token.cancelled:
                    process.kill()
                    token.raise_if_cancelled()
    if process.returncode:
        raise ProjectError(
            _last_line(errors) or f"The program ended with exit code {process.returncode}."
        )
    return _last_line(said)


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")


def read_last_error(project: Path) -> str:
    """Return the last line that the process wrote to its standard error; may be empty."""
    return _last_line(read_text(project, _ERRORS))


def stop_run(project: Path) -> None:
    """Ask a running process to stop after its step; the next run goes on there.

    Raises
    ------
    ProjectError
        If it runs on another computer.
    """
    status = read_status(project)
    if not status.is_running or status.started is None:
        return
    if status.started.host != platform.node():
        raise ProjectError(
            f"It runs on the computer '{status.started.host}': stop it there, with Ctrl+C or in its"
            " window."
        )
    with contextlib.suppress(OSError):
        os.kill(status.started.pid, signal.SIGINT)


def finish_early(project: Path) -> None:
    """Ask a running process to train no longer, and to prove the best that it has.

    Raises
    ------
    ProjectError
        If nothing can be written.
    OutsideError
        If the file is a link to somewhere else.
    """
    if not read_status(project).is_running:
        return
    try:
        log_path(project, ENOUGH).touch()
    except OSError as error:
        raise ProjectError(
            f"'{project / IMPROVEMENTS}' can't be written ({error.strerror or error}): free some"
            " space, or ask for write permission."
        ) from error
