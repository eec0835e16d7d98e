import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from qtpy.QtCore import QtMsgType, qInstallMessageHandler

# Two cores, shared with whatever else runs: a slow example is no failure.
hypothesis.settings.register_profile("project", deadline=None, derandomize=True)
hypothesis.settings.load_profile("project")
# benchmarks/mutation.py only asks whether a test fails, not for the smallest example
_TRY = tuple(set(hypothesis.Phase) - {hypothesis.Phase.shrink, hypothesis.Phase.explain})
hypothesis.settings.register_profile(
    "mutation", hypothesis.settings.get_profile("project"), phases=_TRY
)

# Thousands of rows and files are flushed to the disk, which is waited for: memory is a quicker one.
_MEMORY, _ENOUGH = Path("/dev/shm"), 4 * 2**30  # noqa: S108
if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ENOUGH:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))

os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"  # not the user's

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of expert-labelled images, which is no part of the project."""
    if not (SHARED / "oct_layers").is_dir():
        pytest.skip(f"the labelled images are not there: {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def empty_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty project of layers by Ann, to be copied: to create one takes much longer."""
    from napari_retina_seg.project.project import Project
    from napari_retina_seg.types.labels import OCT_LAYERS

    folder = tmp_path_factory.mktemp("empty") / "project"
    Project.create(folder, scheme=OCT_LAYERS, author="Ann").close()
    return folder


@pytest.fixture(name="untraced")
def _untraced() -> Iterator[None]:
    """Train without compiling the network."""
    from helpers import untraced  # which imports much that most tests don't need

    with untraced():
        yield


# What Qt says of objects in the wrong thread, or destroyed while their thread still runs.
_THREADS_IN_TROUBLE: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    """Show what Qt complains of at once: with a message that ends the process, output is lost."""
    terminal = os.fdopen(os.dup(2), "w", buffering=1)  # pytest has not redirected it yet
    config.add_cleanup(
        terminal.close
    )  # a library that takes the handler's place drops the last use

    def show(kind: QtMsgType, _: object, message: str) -> None:
        if "thread" in message.lower():
            _THREADS_IN_TROUBLE.append(message)
        if kind in (QtMsgType.QtCriticalMsg, QtMsgType.QtFatalMsg) or _THREADS_IN_TROUBLE:
            terminal.write(f"Qt: {message}\n")

    qInstallMessageHandler(show)


def pytest_collection_finish() -> None:
    """Keep what has been imported, TensorFlow's half a million objects, out of collections.

    And collect less often by itself: what tests of memory need collected they collect.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(autouse=True)
def threads_are_well() -> Iterator[None]:
    """Fail a test during which Qt found a thread in trouble."""
    yield
    found, _THREADS_IN_TROUBLE[:] = _THREADS_IN_TROUBLE[:], []
    assert not found
