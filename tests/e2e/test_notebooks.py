"""The notebooks run from their first cell to their last, and come to the right results."""

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "docs" / "notebooks"


def cells(name: str) -> list[dict[str, Any]]:
    notebook = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs a notebook and returns its variables."""
    backend = plt.get_backend()
    plt.switch_backend("agg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def go(name: str) -> dict[str, Any]:
        variables: dict[str, Any] = {"__name__": "__main__"}
        for number, cell in enumerate(cells(name)):
            code = compile("".join(cell["source"]), f"{name}, code cell {number}", "exec")
            exec(code, variables)  # noqa: S102 - the notebooks are ours
        return variables

    yield go
    plt.close("all")
    plt.switch_backend(backend)


def test_every_notebook_is_tested_and_kept_without_results():
    names = {path.stem for path in NOTEBOOKS.glob("*.ipynb")}
    assert names == {"measure_folder", "train_model", "explain_prediction"}
    for name in names:
        assert cells(name)
        assert all(not cell["outputs"] and not cell["execution_count"] for cell in cells(name))


def test_layers_and_vessels_of_a_folder_are_measured(run, tmp_path):
    found = run("measure_folder")
    assert found["table"].shape == (3, 8)
    assert found["error"].abs().to_numpy().max() < 6  # µm; a row is 7.7 µm
    assert found["table"]["retina"].between(250, 350).all()
    assert 0.05 < found["vessel_share"] < 0.12
    kept = sorted(path.name for path in found["work"].iterdir() if path.is_file())
    assert kept == [*(f"patient{n}_mask.png" for n in range(3)), "thickness.csv"]
    assert found["work"].is_relative_to(tmp_path)
    assert len(plt.get_fignums()) == 2


def test_a_model_is_trained_scored_and_used(run):
    found = run("train_model")
    assert not found["check"].copies
    assert found["areas"].sum() == 6 * 128 * 128
    assert len(found["log"]) == 2
    assert found["log"]["loss"].iloc[-1] < found["log"]["loss"].iloc[0]
    split = json.loads((found["work"] / "run" / "split.json").read_text())
    learnt = {name for names in split["train"].values() for name in names}
    scored = {image.name for image in found["scores"].images}
    assert len(learnt) == 4
    assert len(scored) == 2
    assert not learnt & scored
    assert found["result"].labels.shape == (128, 128)
    assert found["result"].provenance.model == "my-layers"


def test_a_prediction_is_explained(run):
    found = run("explain_prediction")
    why, point = found["why"], found["point"]
    assert why.names == ("RNFL", "RPE")
    assert why.maps.shape == (2, 248, 384)
    # A point's evidence lies around it, and a layer's evidence near the layer.
    row, column = np.unravel_index(point.maps[0].argmax(), point.maps[0].shape)
    assert abs(row - found["row"]) < 24
    assert abs(column - found["column"]) < 48
    assert min(found["near"].values()) > 0.5
    assert np.allclose(np.diag(found["correlation"]), 1)
    assert (found["correlation"] > 0).all()
