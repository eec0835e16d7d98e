import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from napari_retina_seg.cli import demo
from napari_retina_seg.models import registry
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import OCT_LAYERS

FILES = {
    "fundus_photograph_mask.png",
    "fundus_photograph_overlay.png",
    "oct_b_scan_synthetic_mask.png",
    "oct_b_scan_synthetic_overlay.png",
    "oct_b_scan_synthetic_boundaries.csv",
    "summary.json",
}

_WITHOUT_QT = """
import sys
for name in ("qtpy", "PyQt6", "PySide6", "napari", "superqt", "magicgui"):
    sys.modules[name] = None
from napari_retina_seg.cli import main
sys.argv = ["napari-retina-seg", *sys.argv[1:]]
main()
"""


@pytest.fixture
def tiny_bundle(monkeypatch, tmp_path, oct_model, fundus_model):
    """Put tiny models in the place of the package's."""
    bundled = tmp_path / "bundled"
    bundled.mkdir()
    (bundled / "oct").symlink_to(oct_model.path)
    (bundled / "fundus").symlink_to(fundus_model.path)
    monkeypatch.setattr(registry, "BUNDLED", bundled)


def test_headless_writes_masks_overlays_and_a_summary(run, tiny_bundle, tmp_path):
    out = tmp_path / "out"
    result = run("demo", "--headless", "-o", out)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip().endswith(str(out))
    assert {path.name for path in out.iterdir()} == FILES
    photo, scan = json.loads((out / "summary.json").read_text())["images"]
    assert photo["model"] == "tiny-fundus"
    assert "dice_to_truth" not in photo
    assert set(scan["dice_to_truth"]) == set(OCT_LAYERS.names)
    for record in (photo, scan):
        assert set(record["files"]) <= FILES
        assert len(record["weights_sha256"]) == 64
        assert record["device"]
        assert record["precision"]
        assert record["seconds"] > 0
        mask = np.asarray(Image.open(out / record["files"][0]))
        counted = [int((mask == entry["value"]).sum()) for entry in record["classes"]]
        assert counted == [entry["pixels"] for entry in record["classes"]]


def test_a_folder_that_is_there_is_left_alone(run, tiny_bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "retina-seg-demo").mkdir()
    assert run("demo", "--headless").exit_code == 0
    assert not any((tmp_path / "retina-seg-demo").iterdir())
    assert {path.name for path in (tmp_path / "retina-seg-demo-2").iterdir()} == FILES
    refused = run("demo", "--headless", "-o", tmp_path / "retina-seg-demo-2")
    assert refused.exit_code == 2
    assert "choose another one" in refused.stderr


def test_without_a_screen_it_reports_it_in_a_line(run, tiny_bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("napari_retina_seg.cli.screen.has_display", lambda: False)
    result = run("demo")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "No window, because there is no screen; 'napari-retina-seg doctor' shows how to fix it."
    ]


def test_the_photograph_is_real_and_ships_with_scikit_image():
    photograph = demo.fundus_photograph()
    assert photograph.pixels.shape == (1411, 1411, 3)
    assert photograph.modality is Modality.FUNDUS


@pytest.mark.skipif(
    not (registry.list_models(Modality.OCT) and registry.list_models(Modality.FUNDUS)),
    reason="the trained models are not in the package yet",
)
def test_the_real_demo_runs_without_qt_and_is_right(tmp_path):
    out = tmp_path / "demo"
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_QT, "demo", "--headless", "-o", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # On a slow machine a line is printed every 30 seconds.
    lines = done.stderr.splitlines()
    assert [line for line in lines if not line.startswith("Running for ")] == []
    assert done.stdout.strip() == str(out)
    photo, scan = json.loads((out / "summary.json").read_text())["images"]
    vessels = next(entry for entry in photo["classes"] if entry["value"] == 1)["pixels"]
    assert 0.03 < vessels / (1411 * 1411) < 0.15
    assert np.mean(list(scan["dice_to_truth"].values())) > 0.8
