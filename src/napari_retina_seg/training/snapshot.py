"""A part of an image on which a training is watched: the mask before it, and after each epoch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from napari_retina_seg.datasets.augment import Sample
from napari_retina_seg.imaging.agreement_picture import INVENTED, MISSED
from napari_retina_seg.imaging.overlay import draw_overlay
from napari_retina_seg.imaging.tiling import pad_to_multiple
from napari_retina_seg.metrics.segmentation import ClassScores, confusion, scores
from napari_retina_seg.models.recipe import Recipe

Array = npt.NDArray[Any]

LARGEST = (512, 384)  # rows and columns of the part
_MARGIN = 32  # rows above and below what is drawn
_GAP, _LINE, _LEAST, _FONT = 8, 34, 180, cv2.FONT_HERSHEY_SIMPLEX  # px


@dataclass(frozen=True, eq=False)
class Prediction:
    """The mask that a network draws on a sample.

    Attributes
    ----------
    output : array
        ``(1, rows, columns, channels)`` probabilities.
    labels : array
        ``(rows, columns)`` uint8.
    matrix : array
        ``(classes, classes)`` pixels that count, truth in rows.
    """

    output: Array
    labels: npt.NDArray[np.uint8]
    matrix: npt.NDArray[np.int64]

    @property
    def scores(self) -> ClassScores:
        """How it agrees with the truth."""
        return scores(self.matrix)

    @property
    def dice(self) -> float:
        """The mean over all classes but a binary mask's background; see `mean_dice`."""
        return mean_dice(self.matrix)


def predict(model: Any, sample: Sample, recipe: Recipe) -> Prediction:
    """Draw the mask of a sample with a network that is being trained."""
    classes = recipe.architecture.classes
    padded = pad_to_multiple(sample.tensor, recipe.architecture.multiple)
    output = np.asarray(model.predict_on_batch(padded[np.newaxis]))
    rows, columns = sample.target.shape
    output = output[:, :rows, :columns]
    labels = output[0, ..., 0] > 0.5 if classes == 2 else output[0].argmax(axis=-1)
    counted = sample.counted > 0
    matrix = confusion(_truth(sample, classes)[counted], labels[counted], classes)
    return Prediction(output, labels.astype(np.uint8), matrix)


def mean_dice(matrix: npt.NDArray[np.int64]) -> float:
    """Return the mean Dice over all classes, of a binary mask that of its one class.

    NaN where truth and prediction hold none of them.
    """
    dice = scores(matrix).dice
    known = dice[1:2] if len(matrix) == 2 else dice[np.isfinite(dice)]
    return float(known.mean()) if known.size else float("nan")


def collapse(matrix: npt.NDArray[np.int64], recipe: Recipe) -> str:
    """Say that a network draws nothing, or only one class of several; empty if it draws more.

    Parameters
    ----------
    matrix : array
        ``(classes, classes)`` pixels, truth in rows.
    recipe : Recipe
        Has the classes' names.
    """
    drawn, there = np.flatnonzero(matrix.sum(axis=0)), np.flatnonzero(matrix.sum(axis=1))
    if len(drawn) != 1 or len(there) < 2:
        return ""
    only = int(drawn[0])
    if only == 0:
        return "it draws nothing yet"
    return f"it draws nothing but {recipe.scheme.classes[only].abbreviation} yet"


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A part of an image, with the mask that the network drew before its training.

    Attributes
    ----------
    sample : Sample
        The part, at the network's scale.
    picture : array
        ``(rows, columns, 3)`` uint8, what is seen of it.
    recipe : Recipe
        What is trained.
    before : Prediction
        Of the network as it was.
    """

    sample: Sample
    picture: npt.NDArray[np.uint8]
    recipe: Recipe
    before: Prediction

    @classmethod
    def take(cls, model: Any, sample: Sample, recipe: Recipe) -> Snapshot:
        """Choose the part of a sample in which most is drawn, and draw it with a network."""
        part = _cut(sample, recipe.architecture.classes)
        return cls(part, _visible(part.tensor), recipe, predict(model, part, recipe))

    def row(self, now: Prediction) -> dict[str, float]:
        """Return scores of a prediction for the log; those of classes that are not there are 0."""
        found, classes = now.scores, self.recipe.scheme.classes[1:]
        row = {
            "shown_dice": now.dice,
            "shown_accuracy": float(found.accuracy),
            "shown_iou": _mean(found.iou[1:]),
            "shown_mcc": _mean(found.mcc[1:]),
        }
        if len(classes) > 1:
            row |= {f"shown_dice {one.abbreviation}": found.dice[one.value] for one in classes}
        return {name: float(np.nan_to_num(value)) for name, value in row.items()}

    def png(self, now: Prediction, epoch: int) -> bytes:
        """Return a picture of both masks side by side, each with its Dice.

        What is missing in a mask is blue, what is drawn though it is not there is red, as in the
        report of an evaluation.
        """
        truth = _truth(self.sample, len(self.recipe.scheme))
        seen = (truth > 0) | (self.before.labels > 0) | (now.labels > 0)
        rows = np.flatnonzero(seen.any(axis=1))
        shown = slice(max(0, rows[0] - _MARGIN), rows[-1] + _MARGIN) if rows.size else slice(None)
        before = self._tile(self.before, "before", shown)
        after = self._tile(now, f"epoch {epoch}", shown)
        gap = np.full((len(before), _GAP, 3), 255, np.uint8)
        drawn = np.hstack([before, gap, after])
        return bytes(cv2.imencode(".png", drawn[..., ::-1])[1])

    def _tile(self, drawn: Prediction, when: str, rows: slice) -> npt.NDArray[np.uint8]:
        tile = draw_overlay(self.picture, drawn.labels, self.recipe.scheme)
        truth = _truth(self.sample, len(self.recipe.scheme))
        wrong = (truth != drawn.labels) & (self.sample.counted > 0)
        tile[wrong & (truth > 0)] = MISSED
        tile[wrong & (drawn.labels > 0)] = INVENTED
        tile = tile[rows]
        head = np.full((2 * _LINE, max(tile.shape[1], _LEAST), 3), 255, np.uint8)
        for line, words in enumerate((when, f"Dice {np.nan_to_num(drawn.dice):.3f}"), 1):
            cv2.putText(head, words, (4, line * _LINE - 8), _FONT, 0.9, (0, 0, 0), 2, cv2.LINE_AA)
        right = head.shape[1] - tile.shape[1]
        return np.vstack([head, np.pad(tile, ((0, 0), (0, right), (0, 0)), constant_values=255)])


def _cut(sample: Sample, classes: int) -> Sample:
    """Return the window of `LARGEST` size that shows most of all classes but background."""
    drawn = ((_truth(sample, classes) > 0) & (sample.counted > 0)).astype(np.float32)
    sums = cv2.integral(drawn)
    window = [min(size, most) for size, most in zip(drawn.shape, LARGEST, strict=True)]
    rows, columns = window
    held = sums[rows:, columns:] - sums[:-rows, columns:] - sums[rows:, :-columns]
    held = held + sums[:-rows, :-columns]
    top, left = np.unravel_index(int(held.argmax()), held.shape)
    part = slice(int(top), int(top) + rows), slice(int(left), int(left) + columns)
    ignored = None if sample.ignored is None else sample.ignored[part]
    return replace(
        sample,
        tensor=sample.tensor[part],
        target=sample.target[part],
        weight=sample.weight[part],
        ignored=ignored,
    )


def _mean(values: npt.NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else 0.0


def _truth(sample: Sample, classes: int) -> npt.NDArray[Any]:
    return sample.target > 0.5 if classes == 2 else sample.target


def _visible(tensor: Array) -> npt.NDArray[np.uint8]:
    """Return an input of the network in grey, on which the colours of masks are seen."""
    values = tensor.mean(axis=-1)
    low, high = np.percentile(values, [0.5, 99.5])
    grey = np.clip((values - low) / max(float(high - low), 1e-6), 0, 1)
    return np.repeat((grey * 255).astype(np.uint8)[..., np.newaxis], 3, axis=2)
