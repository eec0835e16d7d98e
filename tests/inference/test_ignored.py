"""What is questionable in a training folder is learnt from and scored by nobody."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import tiny_model
from mask_formats import write_stacks, write_training_folder
from napari_retina_seg.datasets.augment import Augmentation, random_crop
from napari_retina_seg.datasets.check import iter_check_dataset
from napari_retina_seg.datasets.layouts import read_dataset
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.inference.evaluate import iter_evaluate
from napari_retina_seg.io.formats.record import Attribution, Maker, MaskRecord
from napari_retina_seg.io.formats.training import TrainingItem
from napari_retina_seg.models.overrides import parse_overrides
from napari_retina_seg.models.recipe import Loss, Recipe
from napari_retina_seg.training.losses import make_loss
from napari_retina_seg.training.samples import prepare_sample
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS
from napari_retina_seg.types.progress import finish

HERE = (slice(30, 50), slice(40, 70))  # what is questionable
BY_ANN = Attribution(Maker.HUMAN, "Ann", "corrected")


def item(seed: int, wrong: int = 0) -> TrainingItem:
    """Return a scan in whose questionable region nonsense is drawn."""
    phantom = phantom_bscan(seed, 96, 128)
    ignore = np.zeros((96, 128), bool)
    ignore[HERE] = True
    labels = phantom.labels.copy()
    labels[HERE] = wrong
    record = MaskRecord(
        labels, scheme=OCT_LAYERS, name=f"scan{seed}", attribution=BY_ANN, ignore=ignore
    )
    split = "train" if seed % 2 else "val"
    return TrainingItem(record, phantom.image.pixels, f"eye{seed}", split)


@pytest.fixture(params=[write_training_folder, write_stacks])
def images(request, tmp_path: Path):
    request.param(tmp_path / "set", [item(0), item(1)])
    return read_dataset(tmp_path / "set")


def test_a_folder_says_what_to_ignore(images):
    for image in images:
        assert image.ignored().sum() == 20 * 30
        assert image.ignored()[HERE].all()
        assert not image.labels()[HERE].any()
        assert image.scheme == "oct-layers"
    check = finish(iter_check_dataset(images))
    assert check.images[0].areas is not None
    assert sum(check.images[0].areas.values()) == 96 * 128 - 600
    assert not [finding for finding in check.findings if finding.serious]


def test_groups_and_splits_come_with_the_folder(tmp_path):
    write_training_folder(tmp_path / "set", [item(0), item(1)])
    first, second = read_dataset(tmp_path / "set")
    assert (first.group, first.split, first.group_guessed) == ("eye0", "val", False)
    assert (second.group, second.split) == ("eye1", "train")


def test_a_network_sees_it_and_learns_nothing_from_it(tmp_path):
    write_training_folder(tmp_path / "set", [item(0)])
    (image,) = read_dataset(tmp_path / "set")
    sample = prepare_sample(image, Recipe.read(Path("oct-layers")))
    assert 0 < (sample.counted == 0).sum() < sample.weight.size
    still = Augmentation(flip_columns=False)
    size = sample.target.shape
    pixels, target = random_crop(sample, size, still, np.random.default_rng(0))
    np.testing.assert_array_equal(pixels, sample.tensor)
    np.testing.assert_array_equal(target[..., 1], sample.counted)
    hidden = sample.counted == 0
    rng = np.random.default_rng(0)
    one, other = rng.dirichlet(np.ones(8), (2, 1, *size)).astype(np.float32)
    other[0][~hidden] = one[0][~hidden]
    for terms in ({"cross_entropy": 1}, {"dice": 1}, {"focal": 1}, {"cl_dice": 1}):
        loss = make_loss(Loss(**terms), 8)
        told = [float(loss(target[np.newaxis], drawn)) for drawn in (one, other)]
        assert told[0] == pytest.approx(told[1], rel=1e-6)


def test_vessels_in_it_count_for_nothing(tmp_path):
    """Their target is a share, so that neighbours mix with what is to be ignored."""
    photo = np.random.default_rng(0).integers(90, 120, (96, 128, 3), np.uint8)
    ignore = np.zeros((96, 128), bool)
    ignore[HERE] = True
    record = MaskRecord(
        np.ones((96, 128), np.uint8),
        scheme=FUNDUS_VESSELS,
        name="eye",
        attribution=BY_ANN,
        ignore=ignore,
    )
    write_training_folder(tmp_path / "set", [TrainingItem(record, photo, "eye", "train")])
    (image,) = read_dataset(tmp_path / "set")
    recipe = Recipe.read(
        Path("fundus-vessels"), parse_overrides(["preprocessing.diameter=80"], Recipe)
    )
    sample = prepare_sample(image, recipe)
    everywhere = replace(sample, target=np.ones_like(sample.target))
    turned = Augmentation(rotation=40)
    for seed in range(5):
        _, target = random_crop(sample, (64, 64), turned, np.random.default_rng(seed))
        _, expected = random_crop(everywhere, (64, 64), turned, np.random.default_rng(seed))
        counted = target[..., 1] > 0
        np.testing.assert_array_equal(target[counted], expected[counted])
        assert counted.any()


def test_it_is_not_scored(tmp_path):
    model = tiny_model(tmp_path / "model", Modality.OCT)
    found = []
    for wrong in (0, 5):
        folder = tmp_path / f"set{wrong}"
        write_training_folder(folder, [item(0, wrong)])
        images = [replace(image, modality=Modality.OCT) for image in read_dataset(folder)]
        found.append(finish(iter_evaluate(model, images)))
    assert found[0].matrix.sum() == 96 * 128 - 600
    # px; the 600 that are ignored would show
    np.testing.assert_allclose(found[0].matrix, found[1].matrix, atol=10)
    assert found[0].pooled == pytest.approx(found[1].pooled, abs=0.01, nan_ok=True)
