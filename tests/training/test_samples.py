from pathlib import Path

import cv2
import numpy as np
import pytest

from napari_retina_seg.datasets.augment import Augmentation, Sample, random_crop
from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.io.schemes import make_scheme
from napari_retina_seg.models.overrides import parse_overrides
from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.training.rare_classes import describe_rare_classes
from napari_retina_seg.training.samples import batches, prepare_sample, steps_per_epoch
from napari_retina_seg.types.image import Modality


def recipe_of(name: str, *texts: str) -> Recipe:
    return Recipe.read(Path(name), parse_overrides(texts, Recipe))


def samples(count: int) -> list[Sample]:
    """Images that hold their own number."""
    one = np.ones((64, 64), np.float32)
    return [Sample(one[..., None] * i, (one * 0).astype(np.uint8), one) for i in range(count)]


def blob() -> Sample:
    mask = np.zeros((120, 120), np.uint8)
    cv2.ellipse(mask, (70, 50), (30, 12), 30, 0, 360, 1, -1)
    return Sample(mask[..., None].astype(np.float32), mask, np.ones((120, 120), np.float32))


@pytest.mark.parametrize("size", [(64, 64), (120, 120)])
def test_augmentation_moves_image_and_mask_together(size) -> None:
    """A crop of an image that is its own mask stays its own mask."""
    how = Augmentation(
        rotation=40, scale=(0.7, 1.4), aspect=(0.8, 1.2), shear=0.2, translation=0.1, flip_rows=True
    )
    for seed in range(20):
        image, target = random_crop(blob(), size, how, np.random.default_rng(seed))
        certain = np.abs(image[..., 0] - 0.5) > 0.49
        np.testing.assert_array_equal(image[certain, 0] > 0.5, target[certain, 0] > 0.5)
        assert set(np.unique(target[..., 0])) <= {0, 1}


def test_without_augmentation_a_whole_image_stays_as_it_is() -> None:
    sample = blob()
    still = Augmentation(flip_columns=False)
    image, target = random_crop(sample, (120, 120), still, np.random.default_rng(0))
    np.testing.assert_array_equal(image, sample.tensor)
    np.testing.assert_array_equal(target[..., 0], sample.target)


def test_a_translation_shifts_by_no_more_than_its_share() -> None:
    how = Augmentation(flip_columns=False, translation=0.1)
    middles = []
    for seed in range(50):
        _, target = random_crop(blob(), (120, 120), how, np.random.default_rng(seed))
        middles.append([np.mean(axis) for axis in np.nonzero(target[..., 0])])
    shifts = np.array(middles) - (50, 70)
    assert np.abs(shifts).max() <= 12.5
    assert shifts.std(axis=0).min() > 4


def test_each_image_is_drawn_once_before_any_is_drawn_again() -> None:
    recipe = recipe_of("unet-drive", "batch=3", "training.epochs=2", "architecture.widths=[2,4]")
    steps = steps_per_epoch(recipe.model_copy(), 7)
    assert steps == 40
    drawn = [
        int(i) for images, _ in batches(samples(7), recipe, 0, 14) for i in images[:, 32, 32, 0]
    ]
    for first in range(0, 42, 7):
        assert sorted(drawn[first : first + 7]) == list(range(7))
    assert drawn[:7] != drawn[7:14]


def test_a_batch_depends_on_the_seed_and_its_number_alone() -> None:
    recipe = recipe_of("unet-drive", "batch=3")
    whole = list(batches(samples(7), recipe, 0, 6))
    late = list(batches(samples(7), recipe, 4, 6))
    for (image, target), (same, also) in zip(whole[4:], late, strict=True):
        np.testing.assert_array_equal(image, same)
        np.testing.assert_array_equal(target, also)


def test_an_epoch_draws_each_image_once_by_default() -> None:
    recipe = recipe_of("segnet-duke", "batch=8")
    assert steps_per_epoch(recipe, 60) == 8


@pytest.mark.parametrize(("share", "steps"), [(0, 8), (0.5, 16), (1, 8)])
def test_crops_around_classes_take_no_image_s_place_in_an_epoch(share, steps) -> None:
    recipe = recipe_of("segnet-duke", "batch=2", "crop=[32,32]", f"foreground_share={share}")
    assert steps_per_epoch(recipe, 16) == steps
    drawn = [lesion(number, 1) for number in range(16)]
    seen = {i for images, _ in batches(drawn, recipe, 0, steps) for i in images[:, 16, 16, 0]}
    assert share == 1 or len(seen) == 16


def test_a_mask_keeps_its_classes_when_it_is_scaled() -> None:
    phantom = phantom_bscan(rows=200, columns=300)
    image = LabelledImage(
        name="one",
        dataset="phantoms",
        group="one",
        modality=Modality.OCT,
        path=Path("one.png"),
        read_pixels=lambda: phantom.image.pixels,
        read_labels=lambda: phantom.labels,
    )
    sample = prepare_sample(image, recipe_of("segnet-duke"))
    assert sample.tensor.shape == (256, 256, 1)
    assert 0 <= sample.tensor.min() <= sample.tensor.max() <= 1
    assert sample.target.dtype == np.uint8
    assert set(np.unique(sample.target)) == set(range(8))


def lesion(number: int, value: int) -> Sample:
    """A large image with its number, and one small lesion."""
    mask = np.zeros((200, 200), np.uint8)
    mask[20:24, 150 + number : 154 + number] = value
    return Sample(np.full((200, 200, 1), number, np.float32), mask, np.ones((200, 200), np.float32))


def test_as_many_crops_as_a_recipe_says_show_a_class_and_rare_ones_more_often_than_they_occur():
    recipe = recipe_of(
        "oct-lesions", "training.crop=[32,32]", "training.batch=4", "training.foreground_share=0.5"
    )
    drawn = [lesion(number, 2 if number == 0 else 1) for number in range(16)]
    seen, rare = [], 0
    for _, targets in batches(drawn, recipe, 0, 60):
        shown = [set(np.unique(target[..., 0])) - {0} for target in targets]
        seen.append(sum(map(bool, shown)))
        rare += sum(2 in each for each in shown)
    assert min(seen) >= 2, "two of four"
    assert np.mean(seen) < 3, "the others lie anywhere"
    assert 0.1 < rare / sum(seen) < 0.35, "one image of 16 has it: a fifth by the square root"


def test_crops_around_classes_are_the_same_when_a_run_goes_on():
    recipe = recipe_of("oct-lesions", "training.crop=[32,32]", "training.foreground_share=1")
    drawn = [lesion(number, 1 + number % 3) for number in range(5)]
    whole, late = list(batches(drawn, recipe, 0, 4)), list(batches(drawn, recipe, 2, 4))
    for one, other in zip(whole[2:], late, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize(("unit", "guessed"), [("patients", False), ("images", True)])
def test_classes_that_hardly_any_patient_shows_are_named(unit, guessed):
    def said(drawn, **options):
        nothing = np.zeros((2, 2), np.uint8)
        read = (Path(), lambda: nothing, lambda: nothing)
        images = [
            LabelledImage(str(n), "set", str(n), Modality.OCT, *read, group_guessed=guessed)
            for n in range(len(drawn))
        ]
        return describe_rare_classes(drawn, images, scheme, **options)

    drawn = [lesion(number % 40, 1) for number in range(60)]
    drawn[3] = drawn[4] = lesion(3, 2)
    for number in range(30, 45):
        drawn[number] = lesion(1, 3)
    names = ["Background", "Cyst", "Hole", "Scar", "Tear"]
    scheme = make_scheme({"name": "lesions", "classes": names})
    sentence = said(drawn)
    assert sentence.startswith(f"Of the 60 {unit} it learnt from, few show Hole (2), Tear (0): ")
    assert "was fine-tuned on" in said(drawn, is_tuned=True)
    assert "Cyst" not in said(drawn[:2]), "the commonest class of a few patients is not rare"
    assert "Hole (1)" in said(drawn[:4]), "shown once"


def test_without_a_class_crops_lie_anywhere():
    recipe = recipe_of("oct-lesions", "training.crop=[32,32]", "training.foreground_share=0.5")
    images, _ = next(iter(batches(samples(9), recipe, 0, 1)))
    assert len(images) == recipe.training.batch
