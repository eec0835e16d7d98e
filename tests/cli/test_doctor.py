import shutil

import pytest

from napari_retina_seg.cli.screen import has_display
from napari_retina_seg.models import registry
from napari_retina_seg.models.registry import WEIGHTS_FILE


def test_doctor_reports_everything_and_how_to_mend_it(run, oct_model, tmp_path, monkeypatch):
    damaged = shutil.copytree(oct_model.path, tmp_path / "bundled" / "damaged")
    (damaged / WEIGHTS_FILE).write_bytes(b"cut")
    monkeypatch.setattr(registry, "BUNDLED", tmp_path / "bundled")
    monkeypatch.setenv("COLUMNS", "400")
    result = run("doctor")
    assert result.exit_code == 1
    for subject in ("Python", "System", "Processor", "napari", "TensorFlow", "Keras", "OpenCV"):
        assert subject in result.stdout
    assert "CPU, float32" in result.stdout or "GPU" in result.stdout or "bfloat16" in result.stdout
    assert "cut short or altered" in result.stdout
    mending = result.stdout.split("To fix it:")[1]
    assert 'python -m pip install --force-reinstall "napari-retina-seg' in mending
    assert ("xvfb-run -a" in mending) is not has_display()


@pytest.mark.skipif(not registry.list_models(), reason="no trained model is in the package yet")
def test_bundled_models_are_whole():
    for model in registry.list_models():
        model.check_weights()
