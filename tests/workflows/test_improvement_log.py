"""The log of a run is read by a window, and leads nowhere, whoever wrote it."""

import json
import os
import subprocess
import sys

import pytest

from napari_retina_seg.types.errors import OutsideError, ProjectError
from napari_retina_seg.types.progress import Cancelled, Progress, finish
from napari_retina_seg.workflows.improvement_log import (
    Ended,
    Note,
    RunsIn,
    RunStatus,
    read_status,
    writing_log,
)
from napari_retina_seg.workflows.improvement_process import start_run, stop_run


def test_a_run_is_followed_from_its_start_to_its_end(tmp_path):
    def work():
        yield Progress(3, 10, "epoch 1")
        return "done"

    assert read_status(tmp_path) == RunStatus()
    runs = tmp_path / "improvements" / "model"
    with writing_log(tmp_path, ["--set", "epochs=1"]) as log:
        log.add(Note(note="two images"))
        log.add(RunsIn(runs_in=runs, candidate="model-tuned"))
        assert finish(log.iter_logged(work())) == "done"
        status = read_status(tmp_path)
        assert status.is_running
        assert (status.step.done, status.step.total, status.step.message) == (3, 10, "epoch 1")
        assert (status.folder, status.candidate) == (runs, "model-tuned")
        with pytest.raises(ProjectError, match="being improved already"), writing_log(tmp_path, ()):
            pass
        log.add(Ended(failure="", summary="Better.", proven=True))
    status = read_status(tmp_path)
    assert not status.is_running
    assert status.ended.proven
    assert status.started.pid == os.getpid()
    assert status.started.options == ("--set", "epochs=1")


def test_a_run_that_was_stopped_has_no_end_and_one_that_failed_says_why(tmp_path):
    with pytest.raises(Cancelled), writing_log(tmp_path, ()):
        raise Cancelled("stopped")
    assert read_status(tmp_path).ended is None
    with pytest.raises(ZeroDivisionError), writing_log(tmp_path, ()):
        1 / 0  # noqa: B018
    assert "ZeroDivisionError" in read_status(tmp_path).ended.failure


def test_what_a_log_names_outside_of_the_project_is_left_alone(tmp_path, monkeypatch):
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    project = tmp_path / "study"
    (project / "improvements").mkdir(parents=True)
    for name in ("improve.jsonl", "improve.stderr"):
        (project / "improvements" / name).symlink_to(victim)
    with pytest.raises(OutsideError), writing_log(project, ()):
        pass
    with pytest.raises(OutsideError):
        start_run(project, "Ann", ())
    assert victim.read_text() == "mine"
    assert read_status(project) == RunStatus()
    (project / "improvements" / "improve.jsonl").unlink()
    with writing_log(project, ()) as log:
        log.add(RunsIn(runs_in=tmp_path, candidate="x"))
    assert read_status(project).folder is None


@pytest.mark.parametrize(("pid", "host"), [(0, None), (-1, None), (1, "another computer")])
def test_only_a_process_of_this_computer_is_stopped(tmp_path, monkeypatch, pid, host):
    killed = []
    monkeypatch.setattr(os, "kill", lambda *signal: killed.append(signal))
    with writing_log(tmp_path, ()):
        path = tmp_path / "improvements" / "improve.jsonl"
        line = json.loads(path.read_text())
        line |= {"pid": pid} | ({"host": host} if host else {})
        path.write_text(json.dumps(line))
        if host:
            with pytest.raises(ProjectError, match="It runs on the computer 'another computer'"):
                stop_run(tmp_path)
        else:
            stop_run(tmp_path)
    assert not killed


def test_modules_of_the_working_directory_are_not_run(tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, **_: commands.append(command))
    start_run(tmp_path, "Ann", ())
    assert commands[0][:4] == [sys.executable, "-P", "-m", "napari_retina_seg"]
