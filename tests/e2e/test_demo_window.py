"""The README's first command, as a user starts it, judged by the pixels on the screen."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from PIL import ImageGrab

PATIENCE = 240  # s, on two busy cores


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen]:
    if not os.environ.get("DISPLAY"):
        pytest.skip("there is no screen: run the tests as tox does")
    program = Path(sys.executable).with_name("napari-retina-seg")
    homes = {"XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)}
    # The list of fonts is the machine's, and takes long to make.
    environment = {**os.environ, **homes, "MPLCONFIGDIR": mpl.get_cachedir()}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([program, "demo"], env=environment, stdout=log, stderr=log)
        yield process
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def screen() -> np.ndarray:
    return np.asarray(ImageGrab.grab(xdisplay=os.environ["DISPLAY"]).convert("RGB")).astype(int)


def vessel_pixels(pixels: np.ndarray) -> int:
    """Count what is drawn in the vessels' bright blue, which nothing else in the window has."""
    red, green, blue = np.moveaxis(pixels, -1, 0)
    return int(((blue > 150) & (green > 130) & (red < 120) & (blue - red > 80)).sum())


@pytest.mark.gui
@pytest.mark.timeout(PATIENCE + 60)
def test_the_demo_shows_vessels_on_a_photograph(demo: subprocess.Popen, tmp_path: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        log = (tmp_path / "log").read_text(errors="replace")
        assert demo.poll() is None, f"the program ended: {log}"
        if vessel_pixels(screen()) > 3000:
            return
        time.sleep(2)
    pytest.fail(f"no vessels on the screen after {PATIENCE} s: {log}")
