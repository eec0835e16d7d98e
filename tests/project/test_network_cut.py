"""The network between a person and the server is gone for a while, without a word."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from postgresql import find_programs

PROGRAM = Path(__file__).with_name("network_cut.py")


def test_what_is_painted_while_the_network_is_gone_is_in_the_project_afterwards(tmp_path):
    if find_programs() is None:
        pytest.skip("PostgreSQL's server is not installed: apt-get install postgresql")
    cv2.imwrite(str(tmp_path / "scan.png"), np.zeros((16, 24), np.uint8))
    modules = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, PROGRAM, tmp_path],
        env=os.environ | {"PYTHONPATH": modules, "XDG_DATA_HOME": str(tmp_path / "data")},
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode == 77:
        pytest.skip("This system gives no program a network of its own.")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    first, second, saving = found["said"]
    assert "go on working" in first[0]
    assert first[1] < 20
    assert second[1] < 1  # the server is not waited for again at once
    assert "nothing was saved there" in saving[0]
    assert (found["kept"], found["versions"]) == (True, 0)
