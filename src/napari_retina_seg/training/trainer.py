"""A network while it is trained: compiled, and able to go on where it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.datasets.augment import Sample
from napari_retina_seg.imaging.tiling import pad_to_multiple
from napari_retina_seg.metrics.segmentation import confusion, scores
from napari_retina_seg.models.config import EncoderUNetConfig
from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.models.spec import TrainingRecord
from napari_retina_seg.training.averaging import RunningMean
from napari_retina_seg.training.encoder_weights import EncoderWeights
from napari_retina_seg.training.environment import Conditions
from napari_retina_seg.training.run_folder import Row, RunFolder, RunState
from napari_retina_seg.training.samples import batches
from napari_retina_seg.types.errors import DataError, TrainingError
from napari_retina_seg.types.progress import CancelToken, Progress

Array = npt.NDArray[Any]

_STEPS_TO_JUDGE = 100  # before, a network may well find only one class


@dataclass(eq=False)
class Trainer:
    """A compiled network, and how far it is.

    Attributes
    ----------
    recipe : Recipe
        What it learns.
    model : keras.Model
        The network.
    loss : callable
        Target and probabilities to a scalar.
    steps : int
        Of an epoch.
    mean : RunningMean
        Its averaged weights.
    callbacks : list of keras.callbacks.Callback
        Called after each epoch.
    rows : list of dict
        The log, an epoch in each row.
    """

    recipe: Recipe
    model: Any
    loss: Callable[[Any, Any], Any]
    steps: int
    mean: RunningMean
    callbacks: list[Any]
    rows: list[Row]

    @classmethod
    def build(
        cls,
        recipe: Recipe,
        steps: int,
        start_from: Path | None,
        encoder: EncoderWeights | None = None,
    ) -> Trainer:
        """Build and compile a recipe's network.

        Parameters
        ----------
        recipe : Recipe
            What it learns.
        steps : int
            Of an epoch.
        start_from : Path or None
            Weights to begin with; None for random ones.
        encoder : EncoderWeights, optional
            Those that the encoder alone begins with.

        Raises
        ------
        DataError
            If the weights are another architecture's.
        """
        from napari_retina_seg.training.losses import make_loss

        model = _network(recipe, start_from)
        if encoder is not None:
            _load_encoder(model, recipe, encoder)
        loss = make_loss(recipe.loss, recipe.architecture.classes)
        optimizer = _optimizer(recipe, steps * recipe.training.epochs)
        model.compile(optimizer, loss, jit_compile=_jit(model))
        mean = RunningMean(model, recipe.training.ema, recipe.training.kept_share)
        callbacks = _callbacks(recipe)
        for callback in callbacks:
            callback.set_model(model)
            callback.on_train_begin()
        return cls(recipe, model, loss, steps, mean, callbacks, [])

    def restore(self, state: RunState | None) -> None:
        """Go back to where a run was after an epoch."""
        if state is None:
            return
        # What the callbacks remember follows from the log. It comes first: the variables then
        # set the learning rate to what it was.
        for row in state.rows:
            self._notify_callbacks(row)
        self.rows = state.rows
        self.model.optimizer.build(self.model.trainable_variables)
        owners = {"model": self.model.variables, "optimizer": self.model.optimizer.variables}
        for owner, variables in owners.items():
            for variable, value in zip(variables, state.arrays[owner], strict=True):
                variable.assign(value)
        self.mean.weights = state.arrays.get("mean", [])

    def state(self) -> RunState:
        """Return all that decides how the run goes on."""
        owners = {"model": self.model.variables, "optimizer": self.model.optimizer.variables}
        arrays = {
            owner: [_numpy(variable) for variable in variables]
            for owner, variables in owners.items()
        }
        return RunState(self.rows, {**arrays, "mean": self.mean.weights})

    def iter_steps(
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
            self.model.reset_metrics()  # before Keras 3.14 the loss is the mean since then
            losses.append(float(self.model.train_on_batch(images, targets)))
            _check_number(losses[-1], step)
            self.mean.update(step)
            if step % self.steps == 0:
                seconds = time.perf_counter() - started
                self._end_epoch(float(np.mean(losses)), seconds, watched, run)
                losses.clear()
                started = time.perf_counter()
            yield Progress(step, epochs * self.steps, self._message(losses))

    @property
    def best_epoch(self) -> int:
        """Epoch with the best weights so far; 0 before the first."""
        monitor = self.recipe.callbacks.monitor
        if monitor == "none" or not self.rows:
            return len(self.rows)
        values = [row[monitor] for row in self.rows]
        return values.index(min(values) if monitor == "val_loss" else max(values)) + 1

    def record(
        self, data: str, datasets: tuple[str, ...], conditions: Conditions
    ) -> TrainingRecord:
        """Return what the training took; `data` and `datasets` say what it learnt from."""
        return TrainingRecord(
            data=data,
            datasets=datasets,
            epochs=len(self.rows),
            steps=len(self.rows) * self.steps,
            best_epoch=self.best_epoch,
            parameters=self.model.count_params(),
            seconds=sum(row["seconds"] for row in self.rows),
            backend=conditions.backend,
            precision=self.recipe.training.precision,
            start_sha256=conditions.start_sha256,
            encoder_sha256=conditions.encoder_sha256,
            seed=self.recipe.seed,
            images=conditions.images,
            warnings=self.warnings,
        )

    def _message(self, losses: list[float]) -> str:
        epoch = f"epoch {len(self.rows) + bool(losses)} of {self.recipe.training.epochs}"
        if not self.rows or "val_dice" not in self.rows[0]:
            return epoch
        best = max(row["val_dice"] for row in self.rows)
        message = f"{epoch}, best validation Dice {best:.4f}"
        if self._finds_one_class(len(self.rows)):
            return f"{message}; {self._found} so far"
        return message

    @property
    def _found(self) -> str:
        """What a network finds that gives all pixels the same class."""
        is_binary = self.recipe.architecture.classes == 2
        return "it finds nothing but background" if is_binary else "it finds only one class"

    def _finds_one_class(self, epoch: int) -> bool:
        """Whether all validation pixels had the same class after an epoch, and should not have."""
        if epoch * self.steps < _STEPS_TO_JUDGE:
            return False
        return self.rows[epoch - 1].get("val_classes") == 1

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong with the best weights, in sentences."""
        if not self._finds_one_class(self.best_epoch):
            return ()
        return (
            f"The model is of no use: {self._found} on its validation images. Train for more"
            " epochs, with a Dice term in the loss (loss.dice = 1), another"
            " optimizer.learning_rate or a wider network.",
        )

    def _end_epoch(
        self, loss: float, seconds: float, watched: Sequence[Sample], run: RunFolder
    ) -> None:
        monitor = self.recipe.callbacks.monitor
        rate = float(_numpy(self.model.optimizer.learning_rate))
        with self.mean.applied():
            row = {"epoch": len(self.rows) + 1, "learning_rate": rate, "loss": loss}
            row |= self._validate(watched) | {"seconds": round(seconds, 1)}
            if monitor == "none" or _is_best(
                row[monitor], [other[monitor] for other in self.rows], monitor
            ):
                run.save_best(self.model)
        self.rows.append(row)
        self._notify_callbacks(row)
        run.save_state(self.state())

    def _notify_callbacks(self, row: Row) -> None:
        for callback in self.callbacks:
            callback.on_epoch_end(int(row["epoch"]) - 1, dict(row))

    def _validate(self, samples: Sequence[Sample]) -> Row:
        """Return the mean loss of the images, and the Dice of all their pixels together.

        The Dice is the mean over all classes but a binary mask's background. Where there are
        several classes in the masks, it also returns how many are predicted. Without images there
        is nothing.
        """
        if not samples:
            return {}
        classes = self.recipe.architecture.classes
        matrix = np.zeros((classes, classes), np.int64)
        losses = []
        for sample in samples:
            padded = pad_to_multiple(sample.tensor, self.recipe.architecture.multiple)
            output = np.asarray(self.model.predict_on_batch(padded[np.newaxis]))
            rows, columns = sample.target.shape
            output = output[:, :rows, :columns]
            target = np.stack([sample.target, sample.counted], axis=-1)[np.newaxis]
            losses.append(float(_numpy(self.loss(target.astype(np.float32), output))))
            predicted = output[0, ..., 0] > 0.5 if classes == 2 else output[0].argmax(axis=-1)
            truth = sample.target > 0.5 if classes == 2 else sample.target
            counted = sample.counted > 0
            matrix += confusion(truth[counted], predicted[counted], classes)
        dice = scores(matrix).dice
        mean = dice[1] if classes == 2 else np.nanmean(dice)
        # NaN where truth and prediction hold none of the class.
        row = {"val_loss": float(np.mean(losses)), "val_dice": float(np.nan_to_num(mean))}
        drawn, predicted = ((matrix.sum(axis=axis) > 0).sum() for axis in (1, 0))
        return row | ({"val_classes": int(predicted)} if drawn > 1 else {})


def _network(recipe: Recipe, start_from: Path | None) -> Any:
    import keras

    from napari_retina_seg.models.networks import build, load_weights

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.training.precision)
    try:
        model = build(recipe.architecture, recipe.seed)
    finally:
        keras.config.set_dtype_policy(policy)
    _set_statistics(model, recipe.training.batch_statistics)
    if start_from is None:
        if recipe.training.kept_share:
            raise DataError(
                "training.kept_share keeps a part of a trained model: name it with --start-from."
            )
        return model
    try:
        load_weights(model, start_from)
    except ValueError as error:
        raise DataError(
            f"The weights in '{start_from}' do not belong to the recipe's architecture: start"
            " from a run of the same architecture."
        ) from error
    return model


def _load_encoder(model: Any, recipe: Recipe, weights: EncoderWeights) -> None:
    from napari_retina_seg.models.networks import load_encoder_weights

    config = recipe.architecture
    assert isinstance(config, EncoderUNetConfig)  # noqa: S101 - a recipe checks it
    try:
        load_encoder_weights(model, config, weights.path)
    except ValueError as error:
        raise DataError(
            f"'{weights.path}' does not hold the weights of Keras' {config.encoder} without its"
            " classifier: name a file that was saved from it with include_top=False."
        ) from error


def _set_statistics(model: Any, how: str) -> None:
    """Set how the statistics of batch normalisation follow the images; see `Training`."""
    from keras import layers

    from napari_retina_seg.models.networks.normalisation import MOMENTUM

    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization) and how != "slow":
            layer.momentum = MOMENTUM
            layer.trainable = how != "kept"  # one that is not trainable uses its statistics


def _check_number(loss: float, step: int) -> None:
    if not np.isfinite(loss):
        raise TrainingError(
            f"The loss became {loss} in step {step}, so the training can't go on: lower"
            " optimizer.learning_rate and start again."
        )


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
    return keras.optimizers.Adam(rate)


def _callbacks(recipe: Recipe) -> list[Any]:
    import keras

    how = recipe.callbacks
    common = {"monitor": how.monitor, "mode": "min" if how.monitor == "val_loss" else "max"}
    made: list[Any] = []
    if how.reduce_lr_on_plateau:
        reduce = how.reduce_lr_on_plateau
        made.append(
            keras.callbacks.ReduceLROnPlateau(
                factor=reduce.factor, patience=reduce.patience, min_lr=reduce.min_lr, **common
            )
        )
    if how.early_stopping:
        made.append(keras.callbacks.EarlyStopping(patience=how.early_stopping.patience, **common))
    return made


def _jit(model: Any) -> bool | str:
    """Whether XLA compiles a step: on a CPU TensorFlow's depthwise convolutions are far faster."""
    import keras

    depthwise = any(isinstance(layer, keras.layers.DepthwiseConv2D) for layer in model.layers)
    return False if depthwise and keras.backend.backend() == "tensorflow" else "auto"


def _numpy(tensor: Any) -> Array:
    from keras import ops

    return np.asarray(ops.convert_to_numpy(tensor))
