"""Going on with a trained model: where it may start from, and what its card then says."""

import shutil

import numpy as np
import pytest
from keras.layers import BatchNormalization

from helpers import tiny_model, untraced, write_png
from napari_retina_seg.datasets.binary_masks import read_as_binary
from napari_retina_seg.datasets.labelled import content_hash
from napari_retina_seg.datasets.layouts import read_data
from napari_retina_seg.datasets.split import Split, split_images
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.models.cards import card_markdown
from napari_retina_seg.models.networks import build, load_weights
from napari_retina_seg.models.networks.normalisation import MOMENTUM
from napari_retina_seg.models.packaging import joint_licence
from napari_retina_seg.models.registry import find_model
from napari_retina_seg.models.spec import lineage
from napari_retina_seg.training.fine_tuning import fine_tuning_recipe, read_recipe
from napari_retina_seg.training.run_folder import RunFolder
from napari_retina_seg.training.starting_point import StartingPoint, find_starting_point
from napari_retina_seg.training.train import iter_train
from napari_retina_seg.training.trainer import Trainer
from napari_retina_seg.types.errors import DataError
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS
from napari_retina_seg.types.progress import finish

QUICK = {
    "training.crop": [64, 64],
    "training.batch": 1,
    "training.epochs": 1,
    "training.steps_per_epoch": 1,
    "optimizer.warmup": 0,
    "training.kept_share": 0,
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory):
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny-oct", Modality.OCT)


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("data") / "own"
    for seed, name in enumerate("ab"):
        phantom = phantom_bscan(seed, 96, 96)
        write_png(folder / "images" / f"{name}.png", phantom.image.pixels)
        write_png(folder / "masks" / f"{name}.png", phantom.labels)
    return split_images(read_data([folder]), seed=1)


@pytest.fixture(scope="module")
def tuned(model, split, tmp_path_factory: pytest.TempPathFactory):
    """Fine-tune a model, and then the result."""
    folder = tmp_path_factory.mktemp("runs")
    for name, source in (("first", model.path), ("second", folder / "first")):
        start = find_starting_point(source)
        recipe = read_recipe("fine-tune", {**QUICK, "name": name}, start)
        with untraced():
            finish(iter_train(recipe, split, RunFolder(folder / name), start=start))
    return folder


def test_a_fine_tuned_model_draws_what_its_parent_draws(model, tuned):
    spec = find_model(tuned / "first" / "model").spec
    for part in ("scheme", "architecture", "preprocessing", "postprocessing", "modality"):
        assert getattr(spec, part) == getattr(model.spec, part)
    assert spec.weights_sha256 != model.spec.weights_sha256
    assert spec.training.seed == 1


def test_a_card_names_all_ancestors_with_their_data_and_licences(model, tuned):
    spec = find_model(tuned / "second" / "model").spec
    assert [one.name for one in lineage(spec)] == ["second", "first", "tiny-oct"]
    assert spec.ancestors[1].weights_sha256 == model.spec.weights_sha256
    assert spec.ancestors[0].steps == 1
    assert "own: 1 + 1 images" in spec.ancestors[0].training_data
    assert spec.licence == "not stated; BSD-3-Clause"
    card = card_markdown(spec)
    assert "**Began with tiny-oct.** which learnt from nothing" in card


def test_weights_start_from_names_folders_runs_and_files(model, tuned, tmp_path):
    shipped = find_starting_point("fundus-vessels")
    assert shipped.model.name == "resunet-chasedb1-hrf-idrid"
    assert find_starting_point(model.weights).model == model
    run = RunFolder(tuned / "first")
    for source in (run.path, run.best_weights):
        start = find_starting_point(source)
        assert (start.weights, start.model.name) == (run.best_weights, "first")
    assert find_starting_point(run.model).weights == run.model / "model.weights.h5"
    bare = tmp_path / "published.weights.h5"
    shutil.copy(run.best_weights, bare)
    assert find_starting_point(bare) == StartingPoint(bare)


@pytest.mark.usefixtures("untraced")
def test_a_run_can_start_from_a_bare_weights_file(tuned, split, tmp_path):
    bare = tmp_path / "published.weights.h5"
    shutil.copy(tuned / "first" / "best.weights.h5", bare)
    recipe = read_recipe(tuned / "first" / "recipe.toml", {}, None)
    model = finish(
        iter_train(recipe, split, RunFolder(tmp_path / "run"), start=StartingPoint(bare))
    )
    assert model.spec.ancestors == ()
    assert model.spec.training.start_sha256 == StartingPoint(bare).sha256


def test_what_nothing_can_start_from_is_reported(model, tmp_path):
    with pytest.raises(DataError, match="There is no model 'fundus-vesels'"):
        find_starting_point("fundus-vesels")
    with pytest.raises(DataError, match=r"holds neither a model \(spec.json\) nor a training run"):
        find_starting_point(tmp_path)
    (tmp_path / "weights.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match="is not a weights file"):
        find_starting_point(tmp_path / "weights.zip")
    altered = tmp_path / "altered"
    shutil.copytree(model.path, altered)
    with (altered / "model.weights.h5").open("ab") as file:
        file.write(b"more")
    with pytest.raises(DataError, match="cut short or altered"):
        find_starting_point(altered)
    with pytest.raises(DataError, match="cut short or altered"):
        find_starting_point(altered / "model.weights.h5")


def test_fine_tuning_needs_a_model_whose_classes_are_known(tmp_path):
    with pytest.raises(DataError, match="name it with --start-from"):
        read_recipe("fine-tune", {}, None)
    with pytest.raises(DataError, match="holds only weights"):
        read_recipe("fine-tune", {}, StartingPoint(tmp_path / "bare.h5"))


@pytest.mark.parametrize("name", ["fundus-vessels", "oct-layers", "segnet-tian2015"])
def test_every_kind_of_shipped_model_can_be_fine_tuned(name):
    spec = find_model(name).spec
    recipe = fine_tuning_recipe(spec, {"training.epochs": 3})
    assert recipe.name == f"{spec.name}-tuned"
    assert recipe.training.epochs == 3
    steps = spec.architecture.multiple
    assert [side % step for side, step in zip(recipe.training.crop, steps, strict=True)] == [0, 0]


def test_a_wrong_change_of_the_recipe_is_reported(model):
    with pytest.raises(DataError, match=r"'fine-tune' is wrong at 'training.epochs'"):
        fine_tuning_recipe(model.spec, {"training.epochs": 0})


def test_the_strictest_licence_comes_first():
    licences = ["BSD-3-Clause", "CC BY-NC 4.0", "CC BY-SA 4.0", "not stated", "BSD-3-Clause"]
    assert joint_licence(licences) == "not stated; CC BY-NC 4.0; CC BY-SA 4.0; BSD-3-Clause"


def write_masks(folder, *masks):
    for number, mask in enumerate(masks):
        write_png(folder / "images" / f"{number}.png", np.zeros((4, 4), np.uint8))
        write_png(folder / "masks" / f"{number}.png", np.array(mask, np.uint8).reshape(2, 2))
    return read_data([folder])


def test_masks_of_0_and_255_hold_the_one_class(tmp_path):
    images = write_masks(tmp_path / "own", [0, 0, 0, 0], [0, 255, 0, 255])
    read, sentences = read_as_binary(images, FUNDUS_VESSELS)
    assert [image.labels().max() for image in read] == [0, 1]
    assert sentences == ("The masks of 'own' hold only 0 and 255: 255 is read as Vessel.",)


def test_a_mask_that_departs_from_the_values_of_the_others_is_refused(tmp_path):
    images = write_masks(tmp_path / "own", *[[0, 255, 0, 255]] * 30)
    read, _ = read_as_binary(images, FUNDUS_VESSELS)
    write_png(images[1].path.parents[1] / "masks" / images[1].path.name, np.ones((2, 2), np.uint8))
    with pytest.raises(DataError, match="holds other values than 0 and 255"):
        read[1].labels()


@pytest.mark.parametrize(
    ("masks", "scheme"),
    [
        ([[0, 1, 0, 255], [0, 255, 0, 0]], FUNDUS_VESSELS),  # 255 is what nobody knows
        ([[0, 255, 0, 0], [0, 1, 0, 0]], FUNDUS_VESSELS),
        ([[0, 0, 0, 0], [0, 0, 0, 0]], FUNDUS_VESSELS),
        ([[0, 255, 0, 0], [0, 255, 0, 0]], OCT_LAYERS),
    ],
)
def test_255_stays_what_it_is_elsewhere(tmp_path, masks, scheme):
    images = write_masks(tmp_path / "own", *masks)
    read, sentences = read_as_binary(images, scheme)
    assert [image.labels().ravel().tolist() for image in read] == masks
    assert sentences == ()


def test_a_card_knows_the_images_that_its_model_and_the_ones_before_learnt_from(split, tuned):
    seen = tuple(sorted(content_hash(one.pixels()) for one in (*split.training, *split.validation)))
    second = find_model(tuned / "second" / "model").spec
    assert second.training.images == seen
    assert [one.images for one in lineage(second)] == [seen, seen, ()]


@pytest.mark.usefixtures("untraced")
def test_without_images_to_watch_the_last_epoch_counts(model, split, tmp_path):
    start = find_starting_point(model.path)
    changes = {**QUICK, "training.epochs": 2, "callbacks.monitor": "none"}
    alone = Split(split.training + split.validation, (), ())
    run = RunFolder(tmp_path / "run")
    result = finish(iter_train(read_recipe("fine-tune", changes, start), alone, run, start=start))
    assert result.spec.training.best_epoch == 2
    assert "val_dice" not in run.log.read_text()


def test_stopping_early_needs_something_to_watch(model):
    changes = {"callbacks.monitor": "none", "callbacks.early_stopping.patience": 3}
    with pytest.raises(DataError, match="need something to monitor"):
        fine_tuning_recipe(model.spec, changes)


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("how", ["slow", "fast", "kept"])
def test_batch_statistics_follow_the_images_as_fast_as_the_recipe_says(model, how):
    values = {**QUICK, "training.batch_statistics": how, "architecture.batch_norm": True}
    recipe = fine_tuning_recipe(model.spec, values)
    network = Trainer.build(recipe, 1, None).model
    norms = [layer for layer in network.layers if isinstance(layer, BatchNormalization)]
    assert norms
    assert {layer.trainable for layer in norms} == {how != "kept"}
    before = np.array(norms[0].moving_mean)
    images = np.ones((1, 64, 64, 1), np.float32)
    network.train_on_batch(images, np.ones((1, 64, 64, 2), np.float32))
    moved = np.abs(np.array(norms[0].moving_mean) - before).max()
    assert bool(moved > 0) is (how != "kept")
    assert norms[0].momentum == (0.99 if how == "slow" else MOMENTUM)


@pytest.mark.usefixtures("untraced")
def test_what_is_saved_keeps_a_share_of_the_model_that_it_began_with(model, tuned, split, tmp_path):
    start = find_starting_point(model.path)
    recipe = read_recipe("fine-tune", {**QUICK, "training.kept_share": 0.25}, start)
    run = RunFolder(tmp_path / "run")
    finish(iter_train(recipe, split, run, start=start))
    mixed, alone, first = (
        [np.array(weight) for weight in loaded(model, path).get_weights()]
        for path in (run.best_weights, tuned / "first" / "best.weights.h5", model.weights)
    )
    for got, learnt, before in zip(mixed, alone, first, strict=True):
        np.testing.assert_allclose(got, 0.75 * learnt + 0.25 * before, rtol=1e-4, atol=1e-6)
    assert any(
        np.abs(learnt - before).max() > 1e-5 for learnt, before in zip(alone, first, strict=True)
    )
    with pytest.raises(DataError, match="name it with --start-from"):
        Trainer.build(recipe, 1, None)


def loaded(model, weights):
    network = build(model.spec.architecture)
    load_weights(network, weights)
    return network
