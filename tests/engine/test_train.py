import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from napari_retina_seg.core.errors import DataError
from napari_retina_seg.core.image import RetinaImage
from napari_retina_seg.core.phantom import phantom_bscan
from napari_retina_seg.core.progress import Cancelled, CancelToken, finish
from napari_retina_seg.engine.predict import segment_image
from napari_retina_seg.engine.train import BEST_WEIGHTS, train
from napari_retina_seg.models.recipe import Recipe

RECIPE = Path(__file__).parents[2] / "recipes" / "oct-layers.toml"


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
def recipe() -> Recipe:
    recipe = Recipe.read(RECIPE)
    training = recipe.training.model_copy(
        update={"crop": (64, 64), "batch": 2, "steps": 6, "warmup": 1, "validate_every": 3}
    )
    small = recipe.architecture.model_copy(update={"widths": (4, 8)})
    return recipe.model_copy(update={"training": training, "architecture": small})


def log(run: Path) -> list[dict[str, str]]:
    with (run / "log.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_a_model_that_segments_and_a_log(recipe, data, tmp_path) -> None:
    model = finish(train(recipe, data, tmp_path / "run"))
    assert [row["step"] for row in log(tmp_path / "run")] == ["3", "6"]
    image = RetinaImage(phantom_bscan(rows=96, columns=128).image.pixels)
    result = segment_image(image, model)
    assert result.labels.shape == (96, 128)
    assert result.provenance.weights_sha256 == model.spec.weights_sha256
    again = finish(
        train(recipe, data, tmp_path / "more", start_from=tmp_path / "run" / BEST_WEIGHTS)
    )
    assert again.spec.weights_sha256 != model.spec.weights_sha256


def test_the_same_seed_gives_the_same_log(recipe, data, tmp_path) -> None:
    for name in ("one", "other"):
        finish(train(recipe, data, tmp_path / name))
    assert log(tmp_path / "one") == log(tmp_path / "other")


def test_a_run_is_cancelled_between_steps(recipe, data, tmp_path) -> None:
    token = CancelToken()
    job = train(recipe, data, tmp_path / "run", token)
    assert next(job).done == 1
    token.cancel()
    with pytest.raises(Cancelled):
        finish(job)


def test_data_without_validation_images_is_refused_before_the_first_step(
    recipe, data, tmp_path
) -> None:
    splits = data / "oct_layers" / "splits.json"
    kept = splits.read_text()
    splits.write_text(json.dumps({"train": ["Subject1", "Subject2", "Subject3"]}))
    with pytest.raises(DataError, match="training and validation images: found 3 and 0"):
        next(train(recipe, data, tmp_path / "run"))
    splits.write_text(kept)
    assert not (tmp_path / "run").exists()


def test_mistakes_are_told_before_anything_is_read(recipe, data, tmp_path) -> None:
    with pytest.raises(DataError, match="exists already"):
        next(train(recipe, data, tmp_path))
    with pytest.raises(DataError, match="to start from"):
        next(train(recipe, data, tmp_path / "run", start_from=tmp_path / "none.h5"))
    misspelt = recipe.model_copy(update={"validation": ("oct_layers/Subjct2",)})
    with pytest.raises(DataError, match="oct_layers/Subjct2"):
        next(train(misspelt, data, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_weights_of_another_architecture_start_nothing(recipe, data, tmp_path) -> None:
    finish(train(recipe, data, tmp_path / "run"))
    wider = recipe.model_copy(
        update={"architecture": recipe.architecture.model_copy(update={"widths": (8, 16)})}
    )
    with pytest.raises(DataError, match="do not belong to the recipe's architecture"):
        next(train(wider, data, tmp_path / "more", start_from=tmp_path / "run" / BEST_WEIGHTS))
    assert not (tmp_path / "more").exists()


def test_a_missing_image_is_named(recipe, data, tmp_path) -> None:
    image = data / "oct_layers" / "Subject2_01.png"
    moved = image.rename(tmp_path / "away.png")
    with pytest.raises(DataError, match=r"'Subject2_01\.png' is missing"):
        next(train(recipe, data, tmp_path / "run"))
    moved.rename(image)


def test_augmentation_moves_image_and_mask_together() -> None:
    """A crop of an image that is its own mask stays its own mask."""
    from napari_retina_seg.data.augment import Augmentation, Sample, random_crop

    blob = np.zeros((120, 120), np.uint8)
    cv2.ellipse(blob, (70, 50), (30, 12), 30, 0, 360, 1, -1)
    sample = Sample(blob[..., None].astype(np.float32), blob, np.ones((120, 120), np.float32))
    how = Augmentation(rotation=40, scale=(0.7, 1.4), aspect=(0.8, 1.2), shear=0.2, flip_rows=True)
    for seed in range(20):
        image, target = random_crop(sample, (64, 64), how, np.random.default_rng(seed))
        certain = np.abs(image[..., 0] - 0.5) > 0.49
        np.testing.assert_array_equal(image[certain, 0] > 0.5, target[certain, 0] > 0.5)


def test_the_running_mean_is_used_only_where_it_is_asked_for() -> None:
    import keras

    from napari_retina_seg.engine.train import RunningMean

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([np.array([[8.0]])])
    mean = RunningMean(model, decay=0.75)
    for value in (16.0, 4.0):
        model.set_weights([np.array([[value]])])
        mean.update()
    with mean.applied():
        # 8 → 0.75 · 8 + 0.25 · 16 = 10 → 0.75 · 10 + 0.25 · 4 = 8.5
        assert model.get_weights()[0].item() == pytest.approx(8.5)
    assert model.get_weights()[0].item() == 4
