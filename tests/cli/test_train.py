import json

import numpy as np
import pytest

from helpers import write_png
from napari_retina_seg.core.phantom import phantom_bscan
from napari_retina_seg.models.registry import open_model

RECIPE = """
name = "tiny"
scheme = "oct-layers"
datasets = ["scans"]

[card]
title = "Nothing in particular"
description = "One step of training."
modality = "oct"
training_data = "two phantoms"
licence = "BSD-3-Clause"

[architecture]
kind = "unet"
classes = 8
widths = [2, 4]

[preprocessing]
kind = "oct"

[postprocessing]
kind = "surfaces"

[training]
crop = [64, 64]
batch = 2
steps = 1
warmup = 1
"""


@pytest.fixture
def data(tmp_path):
    """Write two phantoms in the layout of the OCT data."""
    folder = tmp_path / "data" / "scans"
    for seed, eye in enumerate(("Subject1", "Subject2")):
        phantom = phantom_bscan(seed, 96, 96)
        write_png(folder / f"{eye}_01.png", phantom.image.pixels)
        write_png(folder / f"{eye}_01_mask.png", phantom.labels)
        np.savetxt(folder / f"{eye}_01_boundaries.csv", phantom.heights.T, delimiter=",")
    splits = {"train": ["Subject1"], "val": ["Subject2"], "test": []}
    (folder / "splits.json").write_text(json.dumps(splits))
    return folder.parent


def test_a_recipe_is_trained(run, data, tmp_path):
    (tmp_path / "tiny.toml").write_text(RECIPE)
    result = run("train", tmp_path / "tiny.toml", "--data", data, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "The model 'tiny' is in" in result.stdout
    assert open_model(tmp_path / "run" / "model").name == "tiny"


def test_a_wrong_recipe_is_told_in_a_sentence(run, tmp_path):
    (tmp_path / "tiny.toml").write_text(RECIPE.replace("steps = 1", "steps = -1"))
    result = run("train", tmp_path / "tiny.toml", "--data", tmp_path, "--out", tmp_path / "run")
    assert result.exit_code == 1
    assert "is wrong at 'training.steps'" in result.stderr
    missing = run("train", tmp_path / "no.toml", "--data", tmp_path, "--out", tmp_path / "run")
    assert missing.exit_code == 1
    assert "can't be read" in missing.stderr
