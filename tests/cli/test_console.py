"""What a long command shows while it runs: on a terminal, and in a log file."""

import os
import pty
import subprocess
import sys
import threading

import pytest

from napari_retina_seg.cli import console
from napari_retina_seg.cli.console import Bar

_LOADING = """
import os
from napari_retina_seg.cli.console import Bar, quiet_libraries
with Bar(1) as bar:
    bar.begin("Starting TensorFlow")
    with quiet_libraries():
        os.write(2, b"noise of a library")
        bar.say("still here")
bar.say("done")
"""


def _read_to_end(descriptor: int) -> str:
    chunks = []
    while True:
        try:
            chunk = os.read(descriptor, 4096)
        except OSError:  # Linux: the other end was closed
            break
        if not chunk:
            break
        chunks.append(chunk)
    return b"".join(chunks).decode()


def test_the_bar_is_drawn_while_libraries_are_silenced():
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    child = subprocess.Popen([sys.executable, "-c", _LOADING], stderr=theirs, env=environment)
    os.close(theirs)
    shown = _read_to_end(ours)
    os.close(ours)
    assert child.wait() == 0, shown
    assert "noise" not in shown
    assert "still here" in shown
    assert "Starting TensorFlow" in shown[shown.index("still here") :]
    assert "done" in shown


def test_errors_show_what_the_libraries_wrote():
    program = (
        "import os\nfrom napari_retina_seg.cli.console import quiet_libraries\n"
        "with quiet_libraries():\n    os.write(2, b'no such symbol')\n    raise SystemExit(3)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (3, "no such symbol")


def test_a_log_file_gets_a_line_at_even_intervals(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(console, "HEARTBEAT_SECONDS", 0.01)
    written = threading.Event()

    def count(sentence: str) -> None:
        lines.append(sentence)
        if len(lines) > 1:
            written.set()

    lines: list[str] = []
    monkeypatch.setattr(console, "say", count)
    with Bar(3) as bar:
        bar.finish()
        bar.begin("scan.png")
        assert written.wait(20)
    assert lines[-1].startswith("Running for 0 s: ")
    assert lines[-1].endswith("scan.png, file 2 of 3.")
    assert "progress lines" not in {thread.name for thread in threading.enumerate()}


def test_a_quick_command_writes_no_such_line(capsys: pytest.CaptureFixture[str]):
    with Bar(1) as bar:
        bar.begin("scan.png")
    assert capsys.readouterr().err == ""
