"""No crash of the process, whoever collects the garbage and whenever the program ends."""

import os
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pytest

HERE = Path(__file__).parent
EVENTS = 13  # two windows, each kind of event; by hand stress.py takes any number


@pytest.mark.gui
@pytest.mark.timeout(1200)
def test_docks_jobs_and_page_turns_survive_the_garbage_collector(tmp_path: Path) -> None:
    if not os.environ.get("DISPLAY"):
        pytest.skip("there is no screen: run the tests as tox does")
    path = os.pathsep.join([str(HERE.parent), *sys.path])
    homes = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    homes["MPLCONFIGDIR"] = mpl.get_cachedir()  # its list of fonts takes long to make
    environment = {**os.environ, "PYTHONPATH": path, **homes}
    command = [sys.executable, str(HERE / "stress.py"), str(tmp_path), str(EVENTS)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert f"{EVENTS} events" in done.stdout
    assert "Qt: " not in done.stderr
    assert "Traceback" not in done.stderr
