import json
import subprocess
import sys

import numpy as np
import pytest

from helpers import TINY_RECIPE, write_png
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.models.registry import open_model


@pytest.fixture
def data(tmp_path):
    """Write two phantoms in the layout of the OCT data."""
    folder = tmp_path / "data" / "scans"
    for seed, eye in enumerate(("Subject1", "Subject2")):
        phantom = phantom_bscan(seed, 96, 96)
        write_png(folder / f"{eye}_01.png", phantom.image.pixels)
        write_png(folder / f"{eye}_01_mask.png", phantom.labels)
        heights = folder / f"{eye}_01_boundaries.csv"
        np.savetxt(heights, phantom.heights.T, delimiter=",", header=",".join("abcdefgh"))
    splits = {"train": ["Subject1"], "val": ["Subject2"], "test": []}
    (folder / "splits.json").write_text(json.dumps(splits))
    return folder.parent


@pytest.fixture
def train(run, data, tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY_RECIPE)

    def start(*arguments, recipe=tmp_path / "tiny.toml", data=data):
        return run("train", recipe, "--data", data, "--out", tmp_path / "run", *arguments)

    return start


@pytest.mark.usefixtures("untraced")
def test_a_recipe_is_trained(train, tmp_path):
    result = train()
    assert result.exit_code == 0, result.output
    assert "The model 'tiny' is in" in result.stdout
    model = open_model(tmp_path / "run" / "model")
    assert model.name == "tiny"
    assert ": 1 + 1 images of 1 + 1 groups" in model.spec.training_data


def test_a_recipe_of_the_program_is_tried_quickly(train, tmp_path):
    quick = ["scheme=oct-layers", "widths=[2,4]", "epochs=1", "steps_per_epoch=2", "batch=1"]
    changes = [part for text in quick for part in ("--set", text)]
    result = train(*changes, recipe="segnet-duke")
    assert result.exit_code == 0, result.output
    assert open_model(tmp_path / "run" / "model").spec.training.steps == 2


def test_a_wrong_recipe_is_reported_in_a_sentence(train, tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY_RECIPE.replace("epochs = 1", "epochs = -1"))
    result = train()
    assert result.exit_code == 1
    assert "is wrong at 'training.epochs'" in result.stderr
    missing = train(recipe=tmp_path / "no.toml")
    assert missing.exit_code == 1
    assert "can't be read" in missing.stderr


def test_a_typo_in_a_change_names_the_nearest_key(train, tmp_path):
    result = train("--set", "epoch=3")
    assert result.exit_code == 1
    assert "did you mean 'training.epochs'?" in result.stderr
    assert not (tmp_path / "run").exists()


def test_resuming_what_was_never_begun_is_reported(train):
    result = train("--resume")
    assert result.exit_code == 1
    assert "is not a training run" in result.stderr


@pytest.mark.usefixtures("untraced")
def test_a_finished_run_is_not_trained_again(train):
    train()
    assert "--resume" in train().stderr
    assert "is finished" in train("--resume").stderr


def test_masks_with_unknown_values_are_reported_before_the_first_step(train, data, tmp_path):
    mask = data / "scans" / "Subject1_01_mask.png"
    write_png(mask, np.full((96, 96), 9, np.uint8))
    result = train()
    assert result.exit_code == 1
    assert "Subject1_01" in result.stderr
    assert "9" in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("untraced")
def test_a_corrupt_file_is_named_and_left_out_only_on_request(train, data, tmp_path):
    for name in ("Subject1_02", "Subject1_03"):
        phantom = phantom_bscan(5, 96, 96)
        write_png(data / "scans" / f"{name}.png", phantom.image.pixels)
        write_png(data / "scans" / f"{name}_mask.png", phantom.labels)
    (data / "scans" / "Subject1_02.png").write_bytes(b"no picture")
    refused = train()
    assert refused.exit_code == 1
    assert "Subject1_02.png" in refused.stderr
    assert not (tmp_path / "run").exists()
    result = train("--skip-bad")
    assert result.exit_code == 0, result.output
    assert "Left out:" in result.stderr
    assert "Subject1_02.png" in result.stderr


@pytest.mark.usefixtures("untraced")
def test_a_full_disk_in_mid_run_is_reported_and_the_run_can_go_on(train, data, tmp_path):
    """The weights fit into what may be written, the state with the optimizer's does not."""
    (tmp_path / "tiny.toml").write_text(TINY_RECIPE.replace("[2, 4]", "[32, 64]"))
    limit = (
        "import tensorflow; tensorflow.config.run_functions_eagerly(True);"
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (900_000, 900_000));"
    )
    main = "from napari_retina_seg.cli import main; main()"
    arguments = ["train", "tiny.toml", "--data", str(data), "--out", "run"]
    command = [sys.executable, "-c", limit + main, *arguments]
    full = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert full.returncode == 1
    assert "can't be written" in full.stderr
    assert "Traceback" not in full.stderr
    assert (tmp_path / "run" / "best.weights.h5").is_file()
    again = train("--resume")
    assert again.exit_code == 0, again.output
    assert open_model(tmp_path / "run" / "model").name == "tiny"


@pytest.fixture
def own(tmp_path):
    """Write three phantoms as a reading centre would keep them."""
    for seed, name in enumerate(("a", "b", "c")):
        phantom = phantom_bscan(seed, 96, 96)
        write_png(tmp_path / "own" / "images" / f"{name}.png", phantom.image.pixels)
        write_png(tmp_path / "own" / "masks" / f"{name}.png", phantom.labels)
    return tmp_path / "own"


@pytest.mark.usefixtures("untraced")
def test_patients_are_asked_for_where_they_are_unknown(run, own, tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY_RECIPE)
    command = ["train", tmp_path / "tiny.toml", "--data", own]
    result = run(*command, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "--group-pattern" in result.stderr
    told = run(*command, "--out", tmp_path / "more", "--group-pattern", "^.")
    assert told.exit_code == 0, told.output
    assert "--group-pattern" not in told.stderr


@pytest.mark.usefixtures("untraced")
def test_a_model_of_other_data_does_not_carry_the_card_of_ours(run, own, tmp_path):
    quick = ["architecture.widths=[2,4]", "epochs=1", "steps_per_epoch=1", "batch=1", "warmup=0"]
    changes = [part for text in (*quick, "name=my-layers") for part in ("--set", text)]
    command = ["train", "oct-layers", "--data", own, "--out", tmp_path / "run"]
    result = run(*command, *changes)
    assert result.exit_code == 0, result.output
    spec = open_model(tmp_path / "run" / "model").spec
    assert spec.name == "my-layers"
    assert "own: 2 + 1 images" in spec.training_data
    assert "Tian" not in spec.training_data + spec.description
    assert spec.licence == "not stated"


def test_the_keys_of_a_recipe_are_described(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    for arguments in (("--describe", "unet-drive"), ("unet-drive", "--describe")):
        result = run("train", *arguments, "--set", "epochs=7")
        assert result.exit_code == 0, result.output
        row = next(line for line in result.stdout.splitlines() if "training.epochs" in line)
        assert [cell.strip() for cell in row.split("│")[1:5]] == [
            "training.epochs", "7", "must be given", "epochs",
        ]  # fmt: skip
    assert "--start-from" in run("train", "--describe", "fine-tune").stderr
    tuned = run("train", "--describe", "fine-tune", "--start-from", "fundus-vessels")
    assert "training.kept_share" in tuned.stdout


def test_without_data_or_folder_nothing_begins(run, tmp_path):
    assert "needs --data" in run("train", "unet-drive", "--out", tmp_path / "run").stderr
    assert "needs --out" in run("train", "unet-drive", "--data", tmp_path).stderr


@pytest.mark.parametrize(
    "command",
    [
        ("evaluate", "fundus-vessels", "--data", ".", "--out", "scores"),
        ("segment", "scan.png", "--out", "masks"),
        ("train", "unet-drive", "--data", ".", "--out", "run"),
    ],
)
def test_commands_say_so_before_they_begin(run, tmp_path, monkeypatch, command) -> None:
    monkeypatch.chdir(tmp_path)
    write_png(tmp_path / "scan.png", phantom_bscan(0, 96, 96).image.pixels)
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    result = run(*command)
    assert result.exit_code == 1
    assert "Keras has no backend 'theano'" in result.stderr
    assert not (tmp_path / "run").exists()
