"""Make training batches of labelled images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from napari_retina_seg.datasets.augment import Sample, random_crop
from napari_retina_seg.datasets.labelled import LabelledImage, Labels
from napari_retina_seg.imaging.pixels import resize
from napari_retina_seg.imaging.preprocess import FundusPreprocessing, Geometry, prepare_plane
from napari_retina_seg.models.recipe import Recipe

Array = npt.NDArray[Any]

_LOOKAHEAD = 4  # batches that are prepared while the network is busy
_ORDER = 1  # sets the order of the images apart from their augmentation
_PLACES = 2  # sets the places of classes apart from both
_MOST_PLACES = 64  # of a class in an image

Place = tuple[float, float]  # row and column, px


def prepare_sample(image: LabelledImage, recipe: Recipe, *, to_be_changed: bool = False) -> Sample:
    """Bring an image and its mask to the network's scale.

    A field of view that the data set gives is the one that is used. A mask keeps its classes
    (nearest neighbour), but where the field of view is scaled to one diameter: there the target
    is the share of a pixel that is vessel, since many are thinner.

    Parameters
    ----------
    image : LabelledImage
        The image.
    recipe : Recipe
        Says how it is prepared.
    to_be_changed : bool
        Keep the colours of a photograph as they are where the recipe's augmentation changes them
        before illumination is corrected.
    """
    how = recipe.preprocessing
    by_crop = to_be_changed and recipe.augmentation.camera is not None
    correct = None
    if by_crop and isinstance(how, FundusPreprocessing):
        colors, inside, geometry = how.scale(image.pixels(), image.valid(), image.given_field())
        tensor = colors / max(float(np.percentile(colors[inside], 99.8)), 1e-6)
        correct = how.correct
    else:
        prepared = prepare_plane(
            how, image.pixels(), image.spacing(), valid=image.valid(), field=image.given_field()
        )
        tensor, geometry = prepared.tensor, prepared.geometry
    top, left, bottom, right = geometry.box
    labels = image.labels()[top:bottom, left:right]
    weight = np.ones(geometry.working, np.float32)
    if geometry.field is not None:
        inside = geometry.field.core[top:bottom, left:right].astype(np.float32)
        weight = (resize(inside, geometry.working) > 0.99).astype(np.float32)
    if geometry.valid is not None:
        holds_data = geometry.valid[top:bottom, left:right].astype(np.float32)
        weight *= resize(holds_data, geometry.working) > 0.99
    ignored = _prepare_ignored(image, geometry)
    if isinstance(how, FundusPreprocessing) and len(recipe.scheme) == 2:
        share = resize(labels.astype(np.float32), geometry.working)
        return Sample(tensor, share, weight, ignored, correct)
    return Sample(tensor, _nearest(labels, geometry), weight, ignored, correct)


def _prepare_ignored(image: LabelledImage, geometry: Geometry) -> npt.NDArray[np.uint8] | None:
    """Return 1 for each pixel whose class is in part that of pixels to be ignored."""
    ignored = image.ignored()
    if ignored is None or not ignored.any():
        return None
    top, left, bottom, right = geometry.box
    share = resize(ignored[top:bottom, left:right].astype(np.float32), geometry.working)
    # A crop that is turned mixes the class of a pixel with its neighbours'.
    touched = (share > 0).astype(np.uint8)
    return np.asarray(cv2.dilate(touched, np.ones((3, 3), np.uint8)), np.uint8)


def _nearest(labels: Labels, geometry: Geometry) -> Labels:
    # The middle of each new pixel, as the image is scaled: its corner would shift boundaries.
    rows, columns = (
        (2 * np.arange(size) + 1) * old // (2 * size)
        for size, old in zip(geometry.working, labels.shape, strict=True)
    )
    return labels[np.ix_(rows, columns)]


def steps_per_epoch(recipe: Recipe, images: int) -> int:
    """Return the steps of an epoch; by default a crop anywhere in each image is drawn once.

    Where all crops lie around classes, it is as many crops as there are images.
    """
    training = recipe.training
    if training.steps_per_epoch is not None:
        return training.steps_per_epoch
    anywhere = training.batch - _around_classes(recipe)
    return -(-images // (anywhere or training.batch))


def _around_classes(recipe: Recipe) -> int:
    """Return how many crops of a batch lie around a class other than background."""
    return round(recipe.training.foreground_share * recipe.training.batch)


def batches(
    samples: Sequence[Sample], recipe: Recipe, first: int, end: int
) -> Iterator[tuple[Array, Array]]:
    """Yield the batches of steps `first` to `end` - 1.

    Each depends on the seed and on the number of its step alone, so that a run that was stopped
    goes on as if it had not been. Every image is drawn once before any is drawn again, but for the
    crops that are to show a class other than background.
    """
    training = recipe.training
    foreground = _around_classes(recipe)
    anywhere = training.batch - foreground
    places = foreground_places(samples, recipe.seed) if foreground else {}
    if not places:
        anywhere, foreground = training.batch, 0

    def make(step: int) -> tuple[Array, Array]:
        rng = np.random.default_rng([recipe.seed, step])
        chosen = _order(len(samples), recipe.seed, step * anywhere, anywhere)
        drawn: list[tuple[int, Place | None]] = [(i, None) for i in chosen]
        drawn += [draw_place(places, rng) for _ in range(foreground)]
        crops = [
            random_crop(samples[i], training.crop, recipe.augmentation, rng, near)
            for i, near in drawn
        ]
        images, targets = zip(*crops, strict=True)
        return np.stack(images), np.stack(targets)

    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(make, step) for step in range(first, min(first + _LOOKAHEAD, end))]
        for step in range(first, end):
            ready = waiting.pop(0)
            if step + _LOOKAHEAD < end:
                waiting.append(pool.submit(make, step + _LOOKAHEAD))
            yield ready.result()


def foreground_places(
    samples: Sequence[Sample], seed: int
) -> dict[int, list[tuple[int, list[Place]]]]:
    """Return, for each class but background, the samples with it and some places in each."""
    found: dict[int, list[tuple[int, list[Place]]]] = {}
    for number, sample in enumerate(samples):
        rng = np.random.default_rng([seed, number, _PLACES])
        for value in np.unique(np.ceil(sample.target)).astype(int):
            if value > 0:
                rows, columns = np.nonzero(np.ceil(sample.target) == value)
                some = rng.permutation(len(rows))[:_MOST_PLACES]
                pairs = zip(rows[some], columns[some], strict=True)
                own = [(float(row), float(column)) for row, column in pairs]
                found.setdefault(int(value), []).append((number, own))
    return found


def draw_place(
    places: Mapping[int, Sequence[tuple[int, Sequence[Place]]]], rng: np.random.Generator
) -> tuple[int, Place]:
    """Draw a class, a sample with it, and a place of the class there.

    A class is the likelier by the square root of the number of samples with it: rare ones are seen
    more often than they occur, but one that a single image has is not learnt by heart.
    """
    shares = np.sqrt([len(having) for having in places.values()])
    value = list(places)[rng.choice(len(places), p=shares / shares.sum())]
    number, own = places[value][int(rng.integers(len(places[value])))]
    return number, own[int(rng.integers(len(own)))]


def _order(images: int, seed: int, first: int, count: int) -> list[int]:
    """Return which images are drawn at places `first` … of an endless shuffled sequence."""
    if not count:
        return []
    passes = range(first // images, (first + count - 1) // images + 1)
    shuffled = np.concatenate(
        [np.random.default_rng([seed, i, _ORDER]).permutation(images) for i in passes]
    )
    start = first - passes[0] * images
    return [int(i) for i in shuffled[start : start + count]]
