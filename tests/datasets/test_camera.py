"""Photographs taken again by random cameras, as the training of vessels sees them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.data import retina

from napari_retina_seg.datasets.augment import random_crop
from napari_retina_seg.datasets.camera import Camera, take_again
from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.models.overrides import parse_overrides
from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.training.samples import prepare_sample
from napari_retina_seg.types.image import Modality

EACH = [
    {"mixed_colors": 1},
    {"without_colors": 1},
    {"tone": 0.3},
    {"light": 0.5},
    {"haze": 0.6},
    {"resolution": 2},
    {"defocus": 1.5},
    {"sensor_noise": 0.02},
    {"jpeg": 1},
]


def dark_line() -> np.ndarray:
    """A reddish field with one dark line through it."""
    colors = np.full((160, 200, 3), (0.7, 0.5, 0.3), np.float32)
    colors[:, 96:104] *= 0.5
    return colors


@pytest.mark.parametrize("change", EACH, ids=lambda change: next(iter(change)))
def test_a_vessel_stays_dark_and_where_it_is(change) -> None:
    inside = np.ones((160, 200), bool)
    for seed in range(5):
        seen, where = take_again(dark_line(), inside, Camera(**change), np.random.default_rng(seed))
        assert where.all()
        assert 0 <= seen.min() <= seen.max() <= 1
        green = cv2.blur(seen[..., 1], (1, 21))
        assert (green[20:140, 98:102].max(axis=1) < green[20:140, 86:92].min(axis=1)).all()
        assert (green[20:140, 98:102].max(axis=1) < green[20:140, 108:114].min(axis=1)).all()


@pytest.mark.parametrize("change", EACH, ids=lambda change: next(iter(change)))
def test_each_change_changes_something_and_follows_from_the_seed(change) -> None:
    inside = np.ones((160, 200), bool)
    seen = [
        take_again(dark_line(), inside, Camera(**change), np.random.default_rng(seed))[0]
        for seed in (0, 0, 1, 2, 3, 4)
    ]
    np.testing.assert_array_equal(seen[0], seen[1])
    assert max(np.abs(one - dark_line()).max() for one in seen) > 0.01


def test_without_a_change_a_photograph_is_only_stored_in_bytes() -> None:
    inside = np.ones((160, 200), bool)
    seen, _ = take_again(dark_line(), inside, Camera(), np.random.default_rng(0))
    assert np.abs(seen - dark_line()).max() <= 1 / 255


def test_what_is_cut_off_is_black_and_not_seen() -> None:
    inside = np.ones((160, 200), bool)
    for seed in range(5):
        seen, where = take_again(dark_line(), inside, Camera(cut=1), np.random.default_rng(seed))
        assert 0.3 < where.mean() < 0.98
        assert not seen[~where].any()
        assert seen[where].min() > 0


def recipe_with(*changes: str) -> Recipe:
    """Vessels at a small diameter, seen by a camera that changes nothing else."""
    small = ("preprocessing.diameter=256", *changes)
    return Recipe.read(Path("fundus-vessels"), parse_overrides(small, Recipe))


def photograph() -> LabelledImage:
    pixels = retina()
    mask = (pixels[..., 1] < 40).astype(np.uint8)
    return LabelledImage(
        name="one",
        dataset="photographs",
        group="one",
        modality=Modality.FUNDUS,
        path=Path("one.png"),
        read_pixels=lambda: pixels,
        read_labels=lambda: mask,
    )


STILL = (
    *("augmentation.rotation=0", "augmentation.scale=[1,1]", "augmentation.aspect=[1,1]"),
    *("augmentation.flip_columns=false", "augmentation.gain=0", "augmentation.mixing=0"),
    *("augmentation.grey=0", "augmentation.illumination=0", "augmentation.noise=0"),
    *("augmentation.blur=0", "augmentation.coarse=1"),
)


def test_correcting_a_crop_gives_what_the_network_is_used_with() -> None:
    """With nothing changed, the crop of a whole photograph is the prepared photograph."""
    recipe = recipe_with(*STILL, "augmentation.camera.margin=16")
    usual = prepare_sample(photograph(), recipe)
    raw = prepare_sample(photograph(), recipe, to_be_changed=True)
    assert raw.correct is not None
    assert usual.correct is None
    size = usual.tensor.shape[:2]
    image, target = random_crop(raw, size, recipe.augmentation, np.random.default_rng(0))
    inside = usual.weight > 0
    assert np.corrcoef(image[inside].ravel(), usual.tensor[inside].ravel())[0, 1] > 0.99
    assert np.median(np.abs(image[inside] - usual.tensor[inside])) < 0.03
    np.testing.assert_array_equal(target[..., 1], usual.weight)
    assert not image[~inside].any()


def test_a_part_that_is_cut_off_is_not_learnt_from() -> None:
    recipe = recipe_with(*STILL, "augmentation.camera.cut=1", "augmentation.camera.margin=0")
    raw = prepare_sample(photograph(), recipe, to_be_changed=True)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        image, target = random_crop(raw, (128, 128), recipe.augmentation, rng)
        assert 0 < target[..., 1].mean() < 1
        assert not image[target[..., 1] == 0].any()


def test_crops_that_are_not_taken_again_stay_as_they_are() -> None:
    inside = np.ones((160, 200), bool)
    how = Camera(chance=0, without_colors=1, haze=0.6, cut=1)
    seen, where = take_again(dark_line(), inside, how, np.random.default_rng(0))
    np.testing.assert_array_equal(seen, dark_line())
    assert where.all()
