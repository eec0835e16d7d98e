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
