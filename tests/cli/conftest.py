from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from helpers import tiny_model, write_png
from napari_retina_seg.cli.app import app
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.models.registry import ModelFolder
from napari_retina_seg.types.image import Modality

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the models that a test adds away from the user's."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))


@pytest.fixture
def run() -> Run:
    """Run a command as the shell would; a traceback is a failure whatever the test looks at."""

    def run_command(*arguments: object) -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert "Traceback" not in result.output
        return result

    return run_command


@pytest.fixture(scope="session")
def oct_model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny-oct", Modality.OCT)


@pytest.fixture(scope="session")
def fundus_model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny-fundus", Modality.FUNDUS)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """Write a small B-scan."""
    path = tmp_path / "scan.png"
    write_png(path, phantom_bscan(0, 96, 128).image.pixels)
    return path
