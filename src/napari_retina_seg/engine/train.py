"""Train a network by its recipe."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.core.errors import DataError
from napari_retina_seg.core.metrics import confusion, scores
from napari_retina_seg.core.progress import CancelToken, Progress
from napari_retina_seg.core.tiling import pad_to_multiple
from napari_retina_seg.data.augment import Sample
from napari_retina_seg.data.labelled import LabelledImage
from napari_retina_seg.data.split import Split
from napari_retina_seg.data.vetting import vet
from napari_retina_seg.engine.averaging import RunningMean
from napari_retina_seg.engine.run_folder import Row, RunFolder, State
from napari_retina_seg.engine.samples import batches, prepare_sample, steps_per_epoch
from napari_retina_seg.models.packaging import package
from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.models.registry import ModelFolder
from napari_retina_seg.models.spec import TrainingRecord

Array = npt.NDArray[Any]


def train(
    recipe: Recipe,
    split: Split,
    run: RunFolder,
    *,
    token: CancelToken | None = None,
    start_from: Path | None = None,
    resume: bool = False,
) -> Generator[Progress, None, ModelFolder]:
    """Train a network.

    Parameters
    ----------
    recipe : Recipe
        What to train.
    split : Split
        Images to learn from and images to watch, as `vet_split` returned them.
    run : RunFolder
        A new folder for all that the run leaves.
    token : CancelToken, optional
        Stops the training at the next step; `resume` then goes on after the last whole epoch.
    start_from : Path, optional
        Weights of the same architecture to begin with; by default they are random.
    resume : bool
        Go on with a run that was stopped or killed.

    Yields
    ------
    Progress
        After each step.

    Returns
    -------
    ModelFolder
        The weights of the best epoch, packaged.

    Raises
    ------
    DataError
        If recipe, weights and folder do not fit together: before the first step.
    Cancelled
        If the token said so.
    """
    token = token or CancelToken()
    check_run(run, recipe, start_from, resume=resume)
    samples = [prepare_sample(image, recipe) for image in split.training]
    watched = [prepare_sample(image, recipe) for image in split.validation]
    trainer = _Trainer.build(recipe, steps_per_epoch(recipe, len(samples)), start_from)
    if resume:
        run.check_split(split)
        trainer.restore(run.read_state())
    else:
        run.start(recipe, split)
    yield from trainer.run(samples, watched, run, token)
    model = package(recipe, run.best_weights, run.model, trainer.record(split))
    run.drop_state()
    return model


def check_run(run: RunFolder, recipe: Recipe, start_from: Path | None, *, resume: bool) -> None:
    """Raise `DataError` if a run can't begin or go on in its folder; see `train`."""
    if start_from is not None and not start_from.is_file():
        raise DataError(f"There is no '{start_from}' to start from: name the folder of a run.")
    if resume:
        run.check_recipe(recipe)
        if run.model.exists():
            raise DataError(f"The run '{run.path}' is finished: its model is in '{run.model}'.")
    elif run.path.exists():
        raise DataError(f"'{run.path}' exists already: name a new folder, or go on with --resume.")


def vet_split(
    recipe: Recipe, split: Split, *, skip_bad: bool = False, token: CancelToken | None = None
) -> Generator[Progress, None, tuple[Split, tuple[str, ...]]]:
    """Read every image that a recipe would learn from, so that no mistake shows after hours.

    Parameters
    ----------
    recipe : Recipe
        What is to be trained.
    split : Split
        Images to learn from and images to watch; those for test are not read.
    skip_bad : bool
        Leave out images that can't be read or don't match their mask, instead of refusing.
    token : CancelToken, optional
        Stops it at the next image.

    Yields
    ------
    Progress
        After each image.

    Returns
    -------
    tuple of Split and tuple of str
        What can be learnt from, and a sentence for each image that was left out.

    Raises
    ------
    DataError
        Names the first image that is wrong; see `data.vetting.vet`.
    """
    images = [*split.training, *split.validation]
    vetted = yield from vet(
        images, recipe.scheme, recipe.card.modality, skip_bad=skip_bad, token=token
    )
    good = {(image.dataset, image.name): image for image in vetted.images}

    def kept(side: tuple[LabelledImage, ...]) -> tuple[LabelledImage, ...]:
        keys = ((image.dataset, image.name) for image in side)
        return tuple(good[key] for key in keys if key in good)

    result = replace(split, training=kept(split.training), validation=kept(split.validation))
    if not result.training or not result.validation:
        raise DataError(
            f"The recipe '{recipe.name}' needs training and validation images: found"
            f" {len(result.training)} and {len(result.validation)}."
        )
    return result, vetted.skipped


@dataclass(eq=False)
class _Trainer:
    """A compiled network, and how far it is."""

    recipe: Recipe
    model: Any
    loss: Callable[[Any, Any], Any]
    steps: int  # of an epoch
    mean: RunningMean
    callbacks: list[Any]
    rows: list[Row]

    @classmethod
    def build(cls, recipe: Recipe, steps: int, start_from: Path | None) -> _Trainer:
        import keras

        from napari_retina_seg.engine.architectures import build, load_weights
        from napari_retina_seg.engine.losses import make_loss

        keras.utils.set_random_seed(recipe.seed)
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy(recipe.training.precision)
        try:
            model = build(recipe.architecture)
        finally:
            keras.config.set_dtype_policy(policy)
        if start_from is not None:
            try:
                load_weights(model, start_from)
            except ValueError as error:
                raise DataError(
                    f"The weights in '{start_from}' do not belong to the recipe's architecture:"
                    " start from a run of the same architecture."
                ) from error
        loss = make_loss(recipe.loss, recipe.architecture.classes)
        model.compile(
            _optimizer(recipe, steps * recipe.training.epochs), loss, jit_compile=_jit(model)
        )
        mean = RunningMean(model, recipe.training.averaging)
        callbacks = _callbacks(recipe)
        for callback in callbacks:
            callback.set_model(model)
            callback.on_train_begin()
        return cls(recipe, model, loss, steps, mean, callbacks, [])

    def restore(self, state: State | None) -> None:
        """Go back to where a run was after an epoch."""
        if state is None:
            return
        # What the callbacks remember follows from the log. It comes first: the variables then
        # set the learning rate to what it was.
        for row in state.rows:
            self._tell_callbacks(row)
        self.rows = state.rows
        self.model.optimizer.build(self.model.trainable_variables)
        owners = {"model": self.model.variables, "optimizer": self.model.optimizer.variables}
        for owner, variables in owners.items():
            for variable, value in zip(variables, state.arrays[owner], strict=True):
                variable.assign(value)
        self.mean.weights = state.arrays.get("mean", [])

    def state(self) -> State:
        owners = {"model": self.model.variables, "optimizer": self.model.optimizer.variables}
        arrays = {
            owner: [_numpy(variable) for variable in variables]
            for owner, variables in owners.items()
        }
        return State(self.rows, {**arrays, "mean": self.mean.weights})

    def run(
        self,
        samples: Sequence[Sample],
        watched: Sequence[Sample],
        run: RunFolder,
        token: CancelToken,
    ) -> Generator[Progress, None, None]:
        """Train from where the network is to the recipe's end."""
        epochs, done = self.recipe.training.epochs, len(self.rows)
        first = done * self.steps
        losses: list[float] = []
        started = time.perf_counter()
        for step, (images, targets) in enumerate(
            batches(samples, self.recipe, first, epochs * self.steps), start=first + 1
        ):
            token.raise_if_cancelled()
            if self.model.stop_training:
                return
            losses.append(float(self.model.train_on_batch(images, targets)))
            self.mean.update()
            if step % self.steps == 0:
                seconds = time.perf_counter() - started
                self._end_epoch(float(np.mean(losses)), seconds, watched, run)
                losses.clear()
                started = time.perf_counter()
            yield Progress(step, epochs * self.steps, self._message(losses))

    def record(self, split: Split) -> TrainingRecord:
        import keras

        monitor = self.recipe.callbacks.monitor
        values = [row[monitor] for row in self.rows]
        best = min(values) if monitor == "val_loss" else max(values)
        return TrainingRecord(
            data=_describe(split),
            epochs=len(self.rows),
            steps=len(self.rows) * self.steps,
            best_epoch=values.index(best) + 1,
            parameters=self.model.count_params(),
            seconds=sum(row["seconds"] for row in self.rows),
            backend=keras.backend.backend(),
            precision=self.recipe.training.precision,
        )

    def _message(self, losses: list[float]) -> str:
        epoch = f"epoch {len(self.rows) + bool(losses)} of {self.recipe.training.epochs}"
        if not self.rows:
            return epoch
        return f"{epoch}, best validation Dice {max(row['val_dice'] for row in self.rows):.4f}"

    def _end_epoch(
        self, loss: float, seconds: float, watched: Sequence[Sample], run: RunFolder
    ) -> None:
        monitor = self.recipe.callbacks.monitor
        rate = float(_numpy(self.model.optimizer.learning_rate))
        with self.mean.applied():
            row = {"epoch": len(self.rows) + 1, "learning_rate": rate, "loss": loss}
            row |= self._validate(watched) | {"seconds": round(seconds, 1)}
            if _is_best(row[monitor], [other[monitor] for other in self.rows], monitor):
                run.save_best(self.model)
        self.rows.append(row)
        self._tell_callbacks(row)
        run.save_state(self.state())

    def _tell_callbacks(self, row: Row) -> None:
        for callback in self.callbacks:
            callback.on_epoch_end(int(row["epoch"]) - 1, dict(row))

    def _validate(self, samples: Sequence[Sample]) -> Row:
        """Return the mean loss of the images, and the Dice of all their pixels together.

        The Dice is the mean over all classes but a binary mask's background.
        """
        classes = self.recipe.architecture.classes
        matrix = np.zeros((classes, classes), np.int64)
        losses = []
        for sample in samples:
            padded = pad_to_multiple(sample.tensor, self.recipe.architecture.multiple)
            output = _numpy(self.model(padded[np.newaxis], training=False))
            rows, columns = sample.target.shape
            output = output[:, :rows, :columns]
            target = np.stack([sample.target, sample.weight], axis=-1)[np.newaxis]
            losses.append(float(_numpy(self.loss(target.astype(np.float32), output))))
            predicted = output[0, ..., 0] > 0.5 if classes == 2 else output[0].argmax(axis=-1)
            truth = sample.target > 0.5 if classes == 2 else sample.target
            seen = sample.weight > 0
            matrix += confusion(truth[seen], predicted[seen], classes)
        dice = scores(matrix).dice
        mean = dice[1] if classes == 2 else np.nanmean(dice)
        # NaN where truth and prediction hold none of the class.
        return {"val_loss": float(np.mean(losses)), "val_dice": float(np.nan_to_num(mean))}


def _describe(split: Split) -> str:
    """Return the data sets with their numbers of images and groups, on either side."""
    told = []
    for dataset in sorted({image.dataset for image in split.training + split.validation}):
        sides = [
            [image for image in side if image.dataset == dataset]
            for side in (split.training, split.validation)
        ]
        images = " + ".join(str(len(side)) for side in sides)
        groups = " + ".join(str(len({image.group for image in side})) for side in sides)
        told.append(f"{dataset}: {images} images of {groups} groups (training + validation)")
    return "; ".join(told)


def _is_best(value: float, others: list[float], monitor: str) -> bool:
    sign = -1 if monitor == "val_loss" else 1
    return all(sign * value > sign * other for other in others)


def _optimizer(recipe: Recipe, steps: int) -> Any:
    import keras

    how = recipe.optimizer
    rate: Any = how.learning_rate
    if how.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(
            how.learning_rate / 20 if how.warmup else how.learning_rate,
            decay_steps=max(1, steps - how.warmup),
            warmup_target=how.learning_rate if how.warmup else None,
            warmup_steps=how.warmup,
        )
    if how.name == "adamw":
        return keras.optimizers.AdamW(rate, weight_decay=how.weight_decay)
    return keras.optimizers.Adam(rate, weight_decay=how.weight_decay or None)


def _callbacks(recipe: Recipe) -> list[Any]:
    import keras

    how = recipe.callbacks
    common = {"monitor": how.monitor, "mode": "min" if how.monitor == "val_loss" else "max"}
    made: list[Any] = []
    if how.reduce_rate:
        reduce = how.reduce_rate
        made.append(
            keras.callbacks.ReduceLROnPlateau(
                factor=reduce.factor, patience=reduce.patience, min_lr=reduce.smallest, **common
            )
        )
    if how.stop_early:
        made.append(keras.callbacks.EarlyStopping(patience=how.stop_early.patience, **common))
    return made


def _jit(model: Any) -> bool | str:
    """Whether XLA compiles a step: its depthwise convolutions take 7 times longer on a CPU."""
    import keras

    depthwise = any(isinstance(layer, keras.layers.DepthwiseConv2D) for layer in model.layers)
    return False if depthwise else "auto"


def _numpy(tensor: Any) -> Array:
    from keras import ops

    return np.asarray(ops.convert_to_numpy(tensor))
