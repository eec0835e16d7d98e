import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from helpers import untraced
from napari_retina_seg.datasets.augment import Sample
from napari_retina_seg.datasets.layouts import read_data
from napari_retina_seg.datasets.split import Split, split_images
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.inference.predict import segment
from napari_retina_seg.models.config import SegNetConfig
from napari_retina_seg.models.networks import build
from napari_retina_seg.models.overrides import parse_overrides
from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.models.registry import ModelFolder, open_model
from napari_retina_seg.training.averaging import RunningMean
from napari_retina_seg.training.devices import smaller_batch
from napari_retina_seg.training.run_folder import RunFolder, RunState
from napari_retina_seg.training.samples import prepare_sample
from napari_retina_seg.training.starting_point import StartingPoint
from napari_retina_seg.training.train import iter_train, iter_validate_split
from napari_retina_seg.training.trainer import Trainer
from napari_retina_seg.types.errors import DataError, TrainingError, WriteError
from napari_retina_seg.types.image import RetinaImage
from napari_retina_seg.types.progress import Cancelled, CancelToken, finish

SMALL = (
    "crop=[64, 64]",
    "batch=2",
    "epochs=3",
    "steps_per_epoch=2",
    "warmup=1",
    "architecture.widths=[4, 8]",
)


def small(name: str = "oct-layers", *texts: str) -> Recipe:
    return Recipe.read(Path(name), parse_overrides([*SMALL, *texts], Recipe))


OCTID = ("scheme=oct-layers", "rows=64", "columns=64")


def quick(*texts: str) -> Recipe:
    """Return a recipe whose first step is ready in a fraction of the time."""
    return small("unet-octid", *OCTID, *texts)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three phantoms in the layout of the experts' B-scans."""
    root = tmp_path_factory.mktemp("data")
    folder = root / "oct_layers"
    folder.mkdir()
    for seed, eye in enumerate(["Subject1", "Subject2", "Subject3"]):
        phantom = phantom_bscan(seed=seed, rows=96, columns=128)
        cv2.imwrite(str(folder / f"{eye}_01.png"), phantom.image.pixels)
        cv2.imwrite(str(folder / f"{eye}_01_mask.png"), phantom.labels)
    splits = {"train": ["Subject1", "Subject2"], "val": ["Subject3"], "test": []}
    (folder / "splits.json").write_text(json.dumps(splits))
    return root


@pytest.fixture(scope="module")
def split(data) -> Split:
    return split_images(read_data([data]), seed=1)


@pytest.fixture(scope="module")
def finished(split, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, ModelFolder]:
    """Return a run that came to its end, and its model."""
    run = RunFolder(tmp_path_factory.mktemp("finished") / "run")
    return run, finish(iter_train(small(), split, run))


@pytest.fixture(scope="module")
def quickly(split, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Return a finished run of the quick recipe."""
    run = RunFolder(tmp_path_factory.mktemp("quickly") / "run")
    with untraced():
        finish(iter_train(quick(), split, run))
    return run


def log(run: Path) -> list[dict[str, str]]:
    """Return the log without what the clock says."""
    with (run / "log.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def test_a_run_records_everything_about_it(finished) -> None:
    run, model = finished[0].path, finished[1]
    assert [row["epoch"] for row in log(run)] == ["1", "2", "3"]
    assert Recipe.read(run / "recipe.toml") == small()
    assert set(json.loads((run / "split.json").read_text())["val"]) == {"oct_layers/Subject3"}
    environment = json.loads((run / "environment.json").read_text())
    assert environment["seed"] == 1
    assert environment["backend"] == "tensorflow"
    assert environment["start_sha256"] is None
    assert environment["packages"]["keras"]
    assert cv2.imread(str(run / "curves.png")).shape[0] > 100
    assert "6 steps" in (run / "model" / "card.md").read_text()
    assert model.spec.training.steps == 6
    assert not (run / "state.npz").exists()


def test_the_model_of_a_run_segments(finished) -> None:
    _, model = finished
    result = segment(RetinaImage(phantom_bscan(rows=96, columns=128).image.pixels), model)
    assert result.labels.shape == (96, 128)
    assert result.provenance.weights_sha256 == model.spec.weights_sha256


@pytest.mark.usefixtures("untraced")
def test_a_run_may_begin_with_the_weights_of_another(split, quickly, tmp_path) -> None:
    start = StartingPoint(quickly.best_weights)
    again = finish(iter_train(quick("epochs=1"), split, RunFolder(tmp_path / "more"), start=start))
    assert again.spec.weights_sha256 != open_model(quickly.model).spec.weights_sha256
    assert float(log(tmp_path / "more")[0]["loss"]) < float(log(quickly.path)[0]["loss"])


def test_a_published_system_for_layers_is_trained(split, tmp_path) -> None:
    # the other one, segnet-duke, in tests/cli/test_train.py
    model = finish(iter_train(quick(), split, RunFolder(tmp_path / "run")))
    result = segment(RetinaImage(phantom_bscan(rows=96, columns=128).image.pixels), model)
    assert result.labels.shape == (96, 128)


@pytest.mark.usefixtures("untraced")
def test_the_same_seed_gives_the_same_log(split, quickly, tmp_path) -> None:
    finish(iter_train(quick(), split, RunFolder(tmp_path / "same")))
    assert log(tmp_path / "same") == log(quickly.path)
    finish(iter_train(quick("seed=2"), split, RunFolder(tmp_path / "other")))
    assert log(tmp_path / "other") != log(quickly.path)


def test_a_seed_decides_while_other_networks_are_built(split) -> None:
    """As they are in the window, when a model is loaded in the background."""
    over = threading.Event()

    def build_others() -> None:
        while not over.is_set():
            build(quick().architecture)

    recipe = quick()
    expected = Trainer.build(recipe, 2, None).model.get_weights()
    other = threading.Thread(target=build_others)
    other.start()
    try:
        found = [Trainer.build(recipe, 2, None).model.get_weights() for _ in range(5)]
    finally:
        over.set()
        other.join()
    for weights in found:
        for one, first in zip(weights, expected, strict=True):
            np.testing.assert_array_equal(one, first)


# Dropout, a plateau, patience and a running mean: all that a run must remember.
EVERYTHING = (
    *OCTID,
    "learning_rate=1e-30",  # nothing can get better
    "ema=0.5",
    "epochs=9",
    "callbacks.reduce_lr_on_plateau.patience=1",
    "callbacks.reduce_lr_on_plateau.min_lr=0",
    "callbacks.early_stopping.patience=3",
)


@pytest.mark.parametrize(("changes", "epochs"), [(EVERYTHING, 4), ((*OCTID, "ema=0.5"), 3)])
@pytest.mark.usefixtures("untraced")
def test_a_stopped_run_goes_on_as_if_it_had_not_been(split, tmp_path, changes, epochs) -> None:
    recipe = small("unet-octid", *changes)
    whole = finish(iter_train(recipe, split, RunFolder(tmp_path / "whole")))
    token = CancelToken()
    run = RunFolder(tmp_path / "stopped")
    job = iter_train(recipe, split, run, token=token)
    for _ in range(5):  # two epochs and a step
        next(job)
    token.cancel()
    with pytest.raises(Cancelled):
        finish(job)
    assert len(log(run.path)) == 2
    resumed = finish(iter_train(recipe, split, run, resume=True))
    assert len(log(run.path)) == epochs
    assert log(run.path) == log(tmp_path / "whole")
    assert resumed.spec.weights_sha256 == whole.spec.weights_sha256


@pytest.mark.usefixtures("untraced")
def test_a_run_does_not_go_on_with_something_else(split, quickly, tmp_path) -> None:
    start, recipe = quickly, quick("epochs=1")
    run = RunFolder(tmp_path / "run")
    job = iter_train(recipe, split, run, start=StartingPoint(start.best_weights))
    next(job)
    job.close()
    with pytest.raises(DataError, match="other weights to start from"):
        next(iter_train(recipe, split, run, resume=True))
    swapped = Split(split.training[::-1], split.validation, split.test)
    with pytest.raises(DataError, match="other pixels or masks"):
        next(iter_train(recipe, swapped, run, resume=True, start=StartingPoint(start.best_weights)))
    fewer = Split(split.training[:1], split.validation, split.test)
    with pytest.raises(DataError, match="other images, or other splits"):
        next(iter_train(recipe, fewer, run, resume=True, start=StartingPoint(start.best_weights)))
    again = iter_train(recipe, split, run, resume=True, start=StartingPoint(start.best_weights))
    assert finish(again).spec.training.start_sha256


@pytest.mark.usefixtures("untraced")
def test_a_run_goes_on_where_the_processor_rounds_otherwise(split, tmp_path, monkeypatch) -> None:
    run = RunFolder(tmp_path / "run")
    job = iter_train(quick(), split, run)
    for _ in range(3):
        next(job)
    job.close()

    def prepare(*what: object, **how: object) -> Sample:
        sample = prepare_sample(*what, **how)
        return replace(sample, tensor=sample.tensor * np.float32(1 + 1e-6))

    monkeypatch.setattr("napari_retina_seg.training.train.prepare_sample", prepare)
    assert next(iter_train(quick(), split, run, resume=True)).done == 3


@pytest.mark.usefixtures("untraced")
def test_a_run_killed_while_its_model_was_written_is_not_finished(split, tmp_path) -> None:
    run = RunFolder(tmp_path / "run")
    job = iter_train(quick(), split, run)
    for _ in range(6):
        next(job)
    (run.model / "spec.json").unlink()
    (run.model / "model.weights.h5").write_bytes(b"half")
    model = finish(iter_train(quick(), split, run, resume=True))
    model.check_weights()


@pytest.mark.usefixtures("untraced")
def test_a_loss_that_is_no_number_ends_the_run(split, tmp_path) -> None:
    recipe = small("unet-octid", *OCTID, "learning_rate=1e30")
    with pytest.raises(TrainingError, match=r"lower optimizer\.learning_rate"):
        finish(iter_train(recipe, split, RunFolder(tmp_path / "run")))


@pytest.mark.usefixtures("untraced")
def test_a_loss_that_is_no_number_later_keeps_the_model_and_says_when(split, tmp_path) -> None:
    run = RunFolder(tmp_path / "run")
    job = iter_train(quick(), split, run)
    for _ in range(3):
        next(job)
    weights = job.gi_frame.f_locals["trainer"].model.trainable_variables[0]
    weights.assign(weights * float("nan"))
    with pytest.raises(TrainingError) as error:
        finish(job)
    assert "in step 4, in epoch 2" in str(error.value)
    assert "The model of epoch 1 is kept" in str(error.value)
    assert "lower optimizer.learning_rate, e.g. from 0.001 to 0.0001" in str(error.value)
    open_model(run.model).check_weights()


@pytest.mark.usefixtures("untraced")
def test_weights_that_are_no_numbers_are_never_kept(split, tmp_path) -> None:
    """Also if the last step of an epoch made them so, and no loss shows it yet."""
    run = RunFolder(tmp_path / "run")
    job = iter_train(quick(), split, run)
    next(job)
    trainer = job.gi_frame.f_locals["trainer"]
    update = trainer.mean.update

    def spoil(step):
        trainer.model.trainable_variables[0].assign(
            trainer.model.trainable_variables[0] * float("inf")
        )
        update(step)

    trainer.mean.update = spoil
    with pytest.raises(TrainingError, match="weights became infinite or no numbers in step 2"):
        finish(job)
    assert not run.best_weights.exists()


@pytest.mark.parametrize(
    "shortage",
    [MemoryError(), RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 5 bytes.")],
    ids=["memory", "XLA"],
)
@pytest.mark.usefixtures("untraced")
def test_short_memory_halves_the_batch_and_says_so(split, tmp_path, shortage) -> None:
    run = RunFolder(tmp_path / "run")
    job = iter_train(quick("epochs=2"), split, run)
    next(job)
    model = job.gi_frame.f_locals["trainer"].model
    train_on_batch, sizes = model.train_on_batch, []

    def with_little_memory(images, targets):
        if len(images) > 1:
            raise shortage
        sizes.append(len(images))
        return train_on_batch(images, targets)

    model.train_on_batch = with_little_memory
    messages: list[str] = []
    finish(job, lambda step: messages.append(step.message))
    assert sizes == [1, 1, 1]
    assert "memory is short: 1 crops a step instead of 2" in messages[0]
    assert log(run.path)[1]["batch"] == "1"


@pytest.mark.usefixtures("untraced")
def test_memory_too_short_for_one_crop_is_reported(split, tmp_path) -> None:
    job = iter_train(quick("batch=1"), split, RunFolder(tmp_path / "run"))
    next(job)

    def without_memory(*_):
        raise MemoryError

    job.gi_frame.f_locals["trainer"].model.train_on_batch = without_memory
    with pytest.raises(TrainingError, match="single crop of 64 × 64 px: close other programs"):
        finish(job)


@pytest.mark.usefixtures("untraced")
def test_an_image_is_watched_and_the_run_ends_when_it_is_enough(split, tmp_path) -> None:
    run = RunFolder(tmp_path / "run")
    recipe = quick("callbacks.monitor=none")
    learnt = replace(split, validation=())
    shown = split.validation[0]
    job = iter_train(recipe, learnt, run, shown=shown, enough=lambda epochs: epochs == 2)
    model = finish(job)
    assert model.spec.training.epochs == 2
    assert run.finished
    rows = log(run.path)
    assert len(rows) == 2
    assert {"shown_dice", "shown_iou", "shown_mcc", "shown_accuracy", "shown_dice RNFL"} <= set(
        rows[0]
    )
    assert cv2.imread(str(run.snapshot)).shape[1] > 2 * 64
    assert len(model.spec.training.images) == 2, "it was not learnt from"
    whole = RunFolder(tmp_path / "whole")
    finish(iter_train(recipe, learnt, whole))
    assert [row["loss"] for row in log(whole.path)][:2] == [row["loss"] for row in rows]


def test_a_disk_too_small_is_reported_before_the_first_step(split, tmp_path, monkeypatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    run = RunFolder(tmp_path / "run")
    with pytest.raises(WriteError, match="has 1 MB of free space and the run needs"):
        next(iter_train(small(), split, run))
    assert not run.path.exists()


_UNTRACED = """
import tensorflow
tensorflow.config.run_functions_eagerly(True)
from napari_retina_seg.cli import main
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.usefixtures("untraced")
def test_a_killed_run_goes_on_as_if_it_had_not_been(data, split, quickly, tmp_path) -> None:
    recipe = quick()
    (tmp_path / "recipe.toml").write_text(recipe.toml())
    command = [sys.executable, "-c", _UNTRACED, "train"]
    command += ["recipe.toml", "--data", str(data), "--out", "killed"]
    process = subprocess.Popen(command, cwd=tmp_path)
    killed = RunFolder(tmp_path / "killed")
    while process.poll() is None and not killed.log.exists():  # the last of what an epoch leaves
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 0 < len(log(killed.path)) < 3, "it was too fast to be killed"
    resumed = finish(iter_train(recipe, split, killed, resume=True))
    assert log(killed.path) == log(quickly.path)
    assert resumed.spec.weights_sha256 == open_model(quickly.model).spec.weights_sha256
    assert not list((tmp_path / "killed").glob(".*"))


@pytest.mark.usefixtures("untraced")
def test_a_plateau_lowers_the_rate_and_then_ends_the_run(split, tmp_path) -> None:
    recipe = small(
        "unet-octid",
        *OCTID,
        "learning_rate=1e-30",  # nothing can get better
        "epochs=9",
        "callbacks.reduce_lr_on_plateau.patience=1",
        "callbacks.reduce_lr_on_plateau.min_lr=0",
        "callbacks.early_stopping.patience=3",
    )
    model = finish(iter_train(recipe, split, RunFolder(tmp_path / "run")))
    rates = [float(row["learning_rate"]) for row in log(tmp_path / "run")]
    assert len(rates) == 4
    assert rates[2] == pytest.approx(rates[1] / 2)
    assert model.spec.training.best_epoch == 1


def test_a_network_that_finds_only_background_is_called_useless(tmp_path) -> None:
    rng = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    for number in range(2):
        noise = rng.integers(0, 255, (32, 32, 3), np.uint8)
        vessel = np.zeros((32, 32), np.uint8)
        vessel[10] = 1
        cv2.imwrite(str(tmp_path / f"data/images/p{number}.png"), noise)
        cv2.imwrite(str(tmp_path / f"data/masks/p{number}.png"), vessel)
    split = split_images(read_data([tmp_path / "data"]), seed=1, share=0.5)
    texts = ("widths=[2, 2]", "crop=[16, 16]", "batch=2", "epochs=2", "steps_per_epoch=50")
    narrow = Recipe.read(Path("unet-drive"), parse_overrides([*texts, "validation=[]"], Recipe))
    messages = []
    job = iter_train(narrow, split, RunFolder(tmp_path / "run"))
    model = finish(job, lambda progress: messages.append(progress.message))
    assert messages[-1].endswith("; it finds nothing but background so far")
    assert "background" not in messages[-2]  # after one epoch, too early to tell
    assert model.spec.training.warnings[0].startswith(
        "The model is of no use: it finds nothing but background on its validation images."
    )
    assert "of no use" in (model.path / "card.md").read_text()


@pytest.mark.parametrize(
    ("name", "classes", "steps", "warned"),
    [
        ("unet-drive", 2, 100, False),
        ("unet-drive", 1, 100, True),
        ("unet-drive", 1, 99, False),
        ("oct-layers", 1, 100, True),
        ("oct-layers", 3, 100, False),
    ],
)
def test_only_a_model_of_one_class_is_called_useless(name, classes, steps, warned) -> None:
    rows = [{"val_loss": 1.0, "val_dice": 0.1, "val_classes": classes}]
    trainer = Trainer(Recipe.read(Path(name)), None, steps, None, [], rows)
    assert bool(trainer.warnings) is warned


def test_curves_are_drawn_every_ten_seconds_of_training(tmp_path) -> None:
    run = RunFolder(tmp_path)
    rows: list[dict[str, float]] = []
    drawn = []
    for epoch, seconds in enumerate((6.0, 3.9, 0.2, 9.0, 25.0, 0.1), start=1):
        rows.append({"epoch": epoch, "loss": 1, "val_loss": 1, "val_dice": 0, "seconds": seconds})
        run.save_state(RunState(rows, {}))
        if run.curves.exists():
            drawn.append(epoch)
            run.curves.unlink()
    assert drawn == [3, 5]


@pytest.mark.usefixtures("untraced")
def test_a_run_is_cancelled_between_steps(split, tmp_path) -> None:
    token = CancelToken()
    job = iter_train(quick(), split, RunFolder(tmp_path / "run"), token=token)
    assert next(job).done == 1
    token.cancel()
    with pytest.raises(Cancelled):
        finish(job)


def test_what_does_not_fit_is_reported_before_anything_is_written(split, tmp_path) -> None:
    with pytest.raises(DataError, match="exists already"):
        next(iter_train(small(), split, RunFolder(tmp_path)))
    run = RunFolder(tmp_path / "run")
    with pytest.raises(DataError, match="not a training run"):
        next(iter_train(small(), split, run, resume=True))
    assert not run.path.exists()


def test_a_run_goes_on_with_its_own_recipe_only_and_once(split, quickly) -> None:
    with pytest.raises(DataError, match="is finished"):
        next(iter_train(quick(), split, quickly, resume=True))
    with pytest.raises(DataError, match="begun with another recipe"):
        next(iter_train(quick("seed=5"), split, quickly, resume=True))


def test_weights_of_another_architecture_start_nothing(split, quickly, tmp_path) -> None:
    wider = quick("architecture.widths=[8, 16]")
    more = RunFolder(tmp_path / "more")
    with pytest.raises(DataError, match="do not belong to the recipe's architecture"):
        next(iter_train(wider, split, more, start=StartingPoint(quickly.best_weights)))
    assert not more.path.exists()


def test_images_are_looked_at_before_the_first_step(split) -> None:
    checked, skipped = finish(iter_validate_split(small(), split))
    assert (len(checked.training), len(checked.validation)) == (2, 1)
    assert not skipped
    with pytest.raises(DataError, match="needs training and validation images"):
        finish(iter_validate_split(small(), Split(split.training, (), ())))


_IN_JAX = """
import sys
import numpy as np
from napari_retina_seg.models.config import SegNetConfig
from napari_retina_seg.models.networks import build, load_weights
model = build(SegNetConfig(widths=(4, 8)))
load_weights(model, "m.weights.h5")
np.save("jax.npy", model.predict_on_batch(np.load("image.npy")))
from keras.distribution import DataParallel
from napari_retina_seg.cli import main
command, divided, layout = sys.argv[1:], [], DataParallel.get_data_layout
def spy(self, shape):
    divided.append([self.device_mesh.devices.size, shape[0]])
    return layout(self, shape)
DataParallel.get_data_layout = spy
for more in (["run"], ["shared", "--set", "devices=2"], ["none", "--set", "devices=4"]):
    sys.argv[1:] = [*command, "--set", "batch=4", "--out", *more]
    try:
        main()
    except SystemExit as end:
        print(end.code)
np.save("divided.npy", divided)
"""


@pytest.fixture(scope="module")
def jax_folder(data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which JAX drew with TensorFlow's weights, and trained on its devices."""
    pytest.importorskip("jax")
    folder = tmp_path_factory.mktemp("jax")
    model = build(SegNetConfig(widths=(4, 8)))
    model.save_weights(folder / "m.weights.h5")
    image = np.random.default_rng(0).random((1, 16, 16, 1), np.float32)
    np.save(folder / "image.npy", image)
    np.save(folder / "tensorflow.npy", np.asarray(model(image, training=False)))
    (folder / "recipe.toml").write_text(quick("epochs=2").toml())
    command = [sys.executable, "-c", _IN_JAX, "train", "recipe.toml", "--data", str(data)]
    faster = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # to compile is all that takes time here
    two = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    environment = {**os.environ, "KERAS_BACKEND": "jax", **faster, **two}
    ended = subprocess.run(
        command, check=True, cwd=folder, env=environment, capture_output=True, text=True
    )
    (folder / "said").write_text(" ".join(ended.stderr.split()))
    return folder


def test_weights_move_between_backends(jax_folder) -> None:
    """What TensorFlow saves, JAX loads, and both draw the same."""
    found, expected = (np.load(jax_folder / f"{name}.npy") for name in ("jax", "tensorflow"))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_jax_trains_by_the_same_recipe(jax_folder) -> None:
    run = jax_folder / "run"
    assert json.loads((run / "environment.json").read_text())["backend"] == "jax"
    losses = [float(row["loss"]) for row in log(run)]
    assert losses[1] < losses[0]


def test_two_devices_learn_what_one_learns(jax_folder) -> None:
    alone, shared = (log(jax_folder / name) for name in ("run", "shared"))
    for one, two in zip(alone, shared, strict=True):
        assert float(two["loss"]) == pytest.approx(float(one["loss"]), rel=1e-4)
        assert float(two["val_loss"]) == pytest.approx(float(one["val_loss"]), rel=1e-4)
    devices, crops = np.load(jax_folder / "divided.npy").T
    assert (set(devices), set(crops)) == ({2}, {4})
    said = (jax_folder / "said").read_text()
    assert "training.devices = 4, but JAX finds 2 devices (cpu:0, cpu:1): set" in said
    assert not (jax_folder / "none").exists()


def test_devices_that_cannot_share_a_batch_are_refused_at_once(split, tmp_path) -> None:
    with pytest.raises(DataError, match=r"3 devices can't .*: set training.batch = 3"):
        quick("devices=3", "batch=2")
    run = RunFolder(tmp_path / "run")
    with pytest.raises(DataError, match=r"devices = 2 needs JAX.* set KERAS_BACKEND=jax"):
        next(iter_train(quick("devices=2", "batch=2"), split, run))
    assert not run.path.exists()


@pytest.mark.parametrize(("batch", "devices", "left"), [(8, 1, 4), (8, 2, 4), (6, 2, 2), (4, 4, 0)])
def test_with_little_memory_each_device_has_as_many_crops(batch, devices, left) -> None:
    assert smaller_batch(batch, devices) == left


def test_the_step_is_traced_once(monkeypatch) -> None:
    """Tracing is most of the time that short trainings take."""
    recipe = quick()
    trainer = Trainer.build(recipe, 1, None)
    step, traced = type(trainer.model).train_step, []
    monkeypatch.setattr(
        type(trainer.model), "train_step", lambda *given: traced.append(0) or step(*given)
    )
    rows, columns = recipe.training.crop
    images = np.zeros((recipe.training.batch, rows, columns, 1), np.float32)
    targets = np.zeros((*images.shape[:3], 2), np.float32)  # classes, and their weights
    trainer.try_step(images, targets, 0)
    assert len(traced) == 1


def test_the_running_mean_is_used_only_where_it_is_asked_for() -> None:
    import keras

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([np.array([[8.0]])])
    mean = RunningMean(model, decay=0.75)
    for step, value in ((1000, 16.0), (1001, 4.0)):
        model.set_weights([np.array([[value]])])
        mean.update(step)
    with mean.applied():
        # 8 → 0.75 · 8 + 0.25 · 16 = 10 → 0.75 · 10 + 0.25 · 4 = 8.5
        assert model.get_weights()[0].item() == pytest.approx(8.5)
    assert model.get_weights()[0].item() == 4


def test_the_random_beginning_does_not_stay_in_the_running_mean() -> None:
    import keras

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([np.array([[100.0]])])
    mean = RunningMean(model, decay=0.998)
    model.set_weights([np.array([[1.0]])])
    for step in range(1, 11):
        mean.update(step)
    assert mean.weights[0].item() == pytest.approx(1, abs=0.01)
