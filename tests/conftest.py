from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of expert-labelled images, which is no part of the project."""
    if not (SHARED / "oct_layers").is_dir():
        pytest.skip(f"the labelled images are not there: {SHARED}")
    return SHARED
