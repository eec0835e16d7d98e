import os
import sys
from pathlib import Path

import hypothesis
import pytest

# Two cores, shared with whatever else runs: a slow example is no failure.
hypothesis.settings.register_profile("project", deadline=None, derandomize=True)
hypothesis.settings.load_profile("project")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of expert-labelled images, which is no part of the project."""
    if not (SHARED / "oct_layers").is_dir():
        pytest.skip(f"the labelled images are not there: {SHARED}")
    return SHARED


_STATUS = pytest.StashKey[int]()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keep the outcome for `pytest_unconfigure`."""
    session.config.stash[_STATUS] = int(session.exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave without Python's teardown once all is told.

    Qt's and TensorFlow's threads may outlive what the teardown frees: one run in many aborted
    after its last test had passed.
    """
    if "tensorflow" in sys.modules and _STATUS in config.stash:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[_STATUS])
