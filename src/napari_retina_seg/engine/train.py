"""Train a network by its recipe."""

from __future__ import annotations

import csv
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.core.errors import DataError
from napari_retina_seg.core.image import Spacing
from napari_retina_seg.core.metrics import confusion, scores
from napari_retina_seg.core.pixels import resize
from napari_retina_seg.core.progress import CancelToken, Progress
from napari_retina_seg.core.tiling import pad_to_multiple
from napari_retina_seg.data.augment import Sample, random_crop
from napari_retina_seg.data.layouts import LabelledImage, read_dataset
from napari_retina_seg.models.packaging import package
from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.models.registry import ModelFolder

Array = npt.NDArray[Any]

BEST_WEIGHTS = "best.weights.h5"  # in the folder of a run

_LOOKAHEAD = 4  # batches that are prepared while the network is busy


@dataclass(frozen=True)
class Split:
    """Images to learn from and images to watch."""

    training: tuple[LabelledImage, ...]
    validation: tuple[LabelledImage, ...]


def read_split(recipe: Recipe, root: Path) -> Split:
    """Read the recipe's data sets below `root`; test images are left alone."""
    images = [image for name in recipe.datasets for image in read_dataset(root / name)]
    unknown = set(recipe.validation) - {_group(image) for image in images}
    if unknown:
        raise DataError(
            f"The recipe '{recipe.name}' names validation groups that its data has not:"
            f" {', '.join(sorted(unknown))}."
        )

    def watched(image: LabelledImage) -> bool:
        return image.split == "val" or _group(image) in recipe.validation

    known = [image for image in images if image.split != "test"]
    split = Split(
        training=tuple(image for image in known if not watched(image)),
        validation=tuple(image for image in known if watched(image)),
    )
    if not split.training or not split.validation:
        raise DataError(
            f"The recipe '{recipe.name}' needs training and validation images: found"
            f" {len(split.training)} and {len(split.validation)} below '{root}'."
        )
    return split


def _group(image: LabelledImage) -> str:
    return f"{image.dataset}/{image.group}"


def prepare_sample(image: LabelledImage, recipe: Recipe) -> Sample:
    """Bring an image and its mask to the network's scale."""
    prepared = recipe.preprocessing.prepare(image.pixels(), Spacing())
    geometry = prepared.geometry
    top, left, bottom, right = geometry.box
    labels = image.labels()[top:bottom, left:right]
    weight = np.ones(geometry.working, np.float32)
    if geometry.field is not None:
        inside = geometry.field.mask()[top:bottom, left:right].astype(np.float32)
        weight = (resize(inside, geometry.working) > 0.99).astype(np.float32)
    if recipe.architecture.classes == 2:
        share = resize(labels.astype(np.float32), geometry.working)
        return Sample(prepared.tensor, share, weight)
    rows = np.arange(geometry.working[0]) * labels.shape[0] // geometry.working[0]
    columns = np.arange(geometry.working[1]) * labels.shape[1] // geometry.working[1]
    return Sample(prepared.tensor, labels[np.ix_(rows, columns)], weight)


def batches(samples: list[Sample], recipe: Recipe) -> Iterator[tuple[Array, Array]]:
    """Yield the recipe's batches; each depends on the seed and its own number alone."""
    training = recipe.training

    def make(step: int) -> tuple[Array, Array]:
        rng = np.random.default_rng([recipe.seed, step])
        chosen = rng.integers(len(samples), size=training.batch)
        crops = [random_crop(samples[i], training.crop, recipe.augmentation, rng) for i in chosen]
        images, targets = zip(*crops, strict=True)
        return np.stack(images), np.stack(targets)

    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(make, step) for step in range(min(_LOOKAHEAD, training.steps))]
        for step in range(training.steps):
            ready = waiting.pop(0)
            if step + _LOOKAHEAD < training.steps:
                waiting.append(pool.submit(make, step + _LOOKAHEAD))
            yield ready.result()


class RunningMean:
    """A network's weights, averaged over the last steps: nearer to an optimum than any of them.

    Exponential, batch statistics included (Polyak and Juditsky 1992; Izmailov et al. 2018).

    Parameters
    ----------
    model : keras.Model
        Whose weights are averaged.
    decay : float
        Share of the mean that a step keeps; 0 averages nothing.
    """

    def __init__(self, model: Any, decay: float) -> None:
        self._model = model
        self._decay = decay
        self._weights: list[Array] = [np.array(w) for w in model.get_weights()] if decay else []

    def update(self) -> None:
        """Add the weights of this step."""
        if self._decay:
            now = self._model.get_weights()
            self._weights = [
                mean + (1 - self._decay) * (weight - mean)
                for mean, weight in zip(self._weights, now, strict=True)
            ]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within this, the network has the mean weights."""
        if not self._decay:
            yield
            return
        own = self._model.get_weights()
        self._model.set_weights(self._weights)
        try:
            yield
        finally:
            self._model.set_weights(own)


def train(
    recipe: Recipe,
    root: Path,
    run: Path,
    token: CancelToken | None = None,
    start_from: Path | None = None,
) -> Generator[Progress, None, ModelFolder]:
    """Train a network.

    Parameters
    ----------
    recipe : Recipe
        What to train.
    root : Path
        Folder that holds the recipe's data sets.
    run : Path
        New folder for the weights, the log and, at the end, the model folder ``model``.
    token : CancelToken, optional
        Stops the training at the next step.
    start_from : Path, optional
        Weights of the same architecture to begin with; by default they are random.

    Yields
    ------
    Progress
        After each step.

    Returns
    -------
    ModelFolder
        The weights with the best validation Dice, packaged.
    """
    import keras

    from napari_retina_seg.engine.architectures import build
    from napari_retina_seg.engine.losses import cross_entropy_dice

    token = token or CancelToken()
    if run.exists():
        raise DataError(f"'{run}' exists already: name a new folder for this run.")
    if start_from is not None and not start_from.is_file():
        raise DataError(f"There is no '{start_from}' to start from: name the folder of a run.")
    split = read_split(recipe, root)
    samples = [prepare_sample(image, recipe) for image in split.training]
    watched = [prepare_sample(image, recipe) for image in split.validation]
    keras.utils.set_random_seed(recipe.seed)
    model = build(recipe.architecture)
    if start_from is not None:
        _load_weights(model, start_from)
    training = recipe.training
    schedule = keras.optimizers.schedules.CosineDecay(
        training.learning_rate / 20,
        decay_steps=max(1, training.steps - training.warmup),
        warmup_target=training.learning_rate,
        warmup_steps=training.warmup,
    )
    model.compile(
        keras.optimizers.AdamW(schedule, weight_decay=training.weight_decay),
        cross_entropy_dice(recipe.architecture.classes, training.dice_weight),
    )
    run.mkdir(parents=True)
    best, best_path = -1.0, run / BEST_WEIGHTS
    mean = RunningMean(model, training.averaging)
    losses: list[float] = []
    for step, (images, targets) in enumerate(batches(samples, recipe), start=1):
        token.raise_if_cancelled()
        losses.append(float(model.train_on_batch(images, targets)))
        mean.update()
        if step % training.validate_every == 0 or step == training.steps:
            with mean.applied():
                dice = _validation_dice(model, watched, recipe)
                if dice > best:
                    best = dice
                    model.save_weights(best_path)
            _log(run / "log.csv", step=step, loss=float(np.mean(losses)), val_dice=dice)
            losses.clear()
        yield Progress(step, training.steps, f"best validation Dice {best:.4f}")
    return package(recipe, best_path, run / "model")


def _load_weights(model: Any, path: Path) -> None:
    from napari_retina_seg.engine.architectures import load_weights

    try:
        load_weights(model, path)
    except ValueError as error:
        raise DataError(
            f"The weights in '{path}' do not belong to the recipe's architecture: start from a run"
            " of the same architecture."
        ) from error


def _validation_dice(model: Any, samples: Iterable[Sample], recipe: Recipe) -> float:
    """Mean Dice over all classes but a binary mask's background, all images pooled."""
    classes = recipe.architecture.classes
    matrix = np.zeros((classes, classes), np.int64)
    for sample in samples:
        padded = pad_to_multiple(sample.tensor, recipe.architecture.multiple)
        output = np.asarray(model(padded[np.newaxis], training=False))[0]
        rows, columns = sample.target.shape
        output = output[:rows, :columns]
        predicted = output[..., 0] > 0.5 if classes == 2 else output.argmax(axis=-1)
        truth = sample.target > 0.5 if classes == 2 else sample.target
        seen = sample.weight > 0
        matrix += confusion(truth[seen], predicted[seen], classes)
    dice = scores(matrix).dice
    mean = dice[1] if classes == 2 else np.nanmean(dice)
    return float(np.nan_to_num(mean))  # NaN where truth and prediction hold none of the class


def _log(path: Path, **row: float) -> None:
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, row)
        if new:
            writer.writeheader()
        writer.writerow(row)
