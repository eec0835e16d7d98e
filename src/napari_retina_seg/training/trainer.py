"""A network while it is trained: compiled, and able to go on where it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.datasets.augment import Sample
from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.models.spec import TrainingRecord
from napari_retina_seg.training.averaging import RunningMean
from napari_retina_seg.training.compiling import compile_network, make_callbacks
from napari_retina_seg.training.devices import shared_out, smaller_batch
from napari_retina_seg.training.encoder_weights import EncoderWeights
from napari_retina_seg.training.environment import Conditions
from napari_retina_seg.training.memory import is_out_of_memory
from napari_retina_seg.training.run_folder import Row, RunFolder, RunState
from napari_retina_seg.training.samples import batches
from napari_retina_seg.training.snapshot import Snapshot, collapse, mean_dice, predict
from napari_retina_seg.training.starting_point import StartingPoint
from napari_retina_seg.types.errors import TrainingError
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
    steps : int
        Of an epoch.
    mean : RunningMean
        Its averaged weights.
    callbacks : list of keras.callbacks.Callback
        Called after each epoch.
    rows : list of dict
        The log, an epoch in each row.
    snapshot : Snapshot or None
        A part of an image on which it is watched.
    batch : int
        Crops of a step: those of the recipe, or fewer since memory ran short.
    remark : str
        What is odd about the masks that it draws; empty if nothing is.
    """

    recipe: Recipe
    model: Any
    steps: int
    mean: RunningMean
    callbacks: list[Any]
    rows: list[Row]
    snapshot: Snapshot | None = None
    batch: int = 0
    remark: str = ""

    @classmethod
    def build(
        cls,
        recipe: Recipe,
        steps: int,
        start: StartingPoint | None,
        encoder: EncoderWeights | None = None,
    ) -> Trainer:
        """Build and compile a recipe's network.

        Parameters
        ----------
        recipe : Recipe
            What it learns.
        steps : int
            Of an epoch.
        start : StartingPoint or None
            Weights to begin with; None for random ones.
        encoder : EncoderWeights, optional
            Those that the encoder alone begins with.

        Raises
        ------
        DataError
            If the weights are another architecture's.
        """
        with shared_out(recipe.training.devices):
            model = compile_network(recipe, steps * recipe.training.epochs, start, encoder)
        mean = RunningMean(model, recipe.training.ema, recipe.training.kept_share)
        callbacks = make_callbacks(recipe)
        for callback in callbacks:
            callback.set_model(model)
            callback.on_train_begin()
        size = recipe.training.batch
        return cls(recipe, model, steps, mean, callbacks, [], batch=size)

    def watch(self, sample: Sample) -> None:
        """Show after each epoch how the mask of a part of an image changes.

        It must be called before the first step, and before `restore`.
        """
        self.snapshot = Snapshot.take(self.model, sample, self.recipe)

    def restore(self, state: RunState | None) -> None:
        """Go back to where a run was after an epoch."""
        if state is None:
            return
        # What the callbacks remember follows from the log. It comes first: the variables then
        # set the learning rate to what it was.
        for row in state.rows:
            self._notify_callbacks(row)
        self.rows = state.rows
        self.batch = int(self.rows[-1].get("batch", self.batch))
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
        enough: Callable[[int], bool] | None = None,
    ) -> Generator[Progress, None, None]:
        """Train from where the network is to the recipe's end.

        `enough` is asked before each step whether the epochs that are done are enough.
        """
        epochs, done = self.recipe.training.epochs, len(self.rows)
        first = done * self.steps
        losses: list[float] = []
        started = time.perf_counter()
        for step, (images, targets) in enumerate(
            batches(samples, self.recipe, first, epochs * self.steps), start=first + 1
        ):
            token.raise_if_cancelled()
            if self.model.stop_training or (enough and self.rows and enough(len(self.rows))):
                return
            losses.append(self.try_step(images, targets, step))
            self._check_number(losses[-1], step)
            self.mean.update(step)
            if step % self.steps == 0:
                self._check_weights(step)
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
        parts = [f"epoch {len(self.rows) + bool(losses)} of {self.recipe.training.epochs}"]
        if self.rows and "val_dice" in self.rows[0]:
            parts.append(f"best validation Dice {max(row['val_dice'] for row in self.rows):.4f}")
        if self.batch < self.recipe.training.batch:
            parts.append(
                f"memory is short: {self.batch} crops a step instead of"
                f" {self.recipe.training.batch}"
            )
        text = ", ".join([*parts, *((self.remark,) if self.remark else ())])
        is_one_class = bool(self.rows) and self._finds_one_class(len(self.rows))
        return f"{text}; {self._found} so far" if is_one_class else text

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

    def try_step(self, images: Array, targets: Array, step: int) -> float:
        """Train on a batch, or on a part of it as large as memory allows; return the loss.

        Raises
        ------
        TrainingError
            If memory is too short for a single crop.
        """
        devices = self.recipe.training.devices
        while True:
            # Another part of each batch, so that no image is left out for good.
            stride = len(images) // self.batch
            part = slice(step % stride, step % stride + stride * self.batch, stride)
            self.model.reset_metrics()  # before Keras 3.14 the loss is the mean since then
            try:
                with shared_out(devices):
                    return float(self.model.train_on_batch(images[part], targets[part]))
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if self.batch == devices:
                    rows, columns = images.shape[1:3]
                    raise TrainingError(
                        f"Memory is too short to learn from a single crop of {rows} × {columns}"
                        " px: close other programs, or choose a smaller training.crop."
                    ) from error
                self.batch = smaller_batch(self.batch, devices)

    def _check_number(self, loss: float, step: int) -> None:
        if not np.isfinite(loss):
            self._diverged(f"The loss became {loss}", step)

    def _check_weights(self, step: int) -> None:
        """Refuse weights that are no numbers, though no loss has shown it yet."""
        if not all(np.isfinite(weights).all() for weights in self.model.get_weights()):
            self._diverged("The weights became infinite or no numbers", step)

    def _diverged(self, what: str, step: int) -> None:
        kept = f" The model of epoch {self.best_epoch} is kept." if self.rows else ""
        rate = self.recipe.optimizer.learning_rate
        raise TrainingError(
            f"{what} in step {step}, in epoch {len(self.rows) + 1}, so the training can't go on:"
            f" lower optimizer.learning_rate, e.g. from {rate:g} to {rate / 10:g}, and start"
            f" again.{kept}"
        )

    def _end_epoch(
        self, loss: float, seconds: float, watched: Sequence[Sample], run: RunFolder
    ) -> None:
        monitor = self.recipe.callbacks.monitor
        rate = float(_numpy(self.model.optimizer.learning_rate))
        with self.mean.applied():
            row = {"epoch": len(self.rows) + 1, "learning_rate": rate, "loss": loss}
            row |= self._validate(watched) | self._show(len(self.rows) + 1, run)
            row |= {"batch": self.batch} if self.batch < self.recipe.training.batch else {}
            row["seconds"] = round(seconds, 1)
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
            drawn = predict(self.model, sample, self.recipe)
            target = np.stack([sample.target, sample.counted], axis=-1)[np.newaxis]
            losses.append(float(_numpy(self.model.loss(target.astype(np.float32), drawn.output))))
            matrix += drawn.matrix
        # NaN where truth and prediction hold none of the class.
        row = {
            "val_loss": float(np.mean(losses)),
            "val_dice": float(np.nan_to_num(mean_dice(matrix))),
        }
        truth, predicted = ((matrix.sum(axis=axis) > 0).sum() for axis in (1, 0))
        return row | ({"val_classes": int(predicted)} if truth > 1 else {})

    def _show(self, epoch: int, run: RunFolder) -> Row:
        """Write the picture on which the training is watched; return its scores."""
        if self.snapshot is None:
            return {}
        drawn = predict(self.model, self.snapshot.sample, self.recipe)
        self.remark = collapse(drawn.matrix, self.recipe)
        run.write_snapshot(self.snapshot.png(drawn, epoch))
        return self.snapshot.row(drawn)


def _is_best(value: float, others: list[float], monitor: str) -> bool:
    sign = -1 if monitor == "val_loss" else 1
    return all(sign * value > sign * other for other in others)


def _numpy(tensor: Any) -> Array:
    from keras import ops

    return np.asarray(ops.convert_to_numpy(tensor))
