"""Scores of a mask against a reference: Dice, IoU, MCC, AUC, average precision, boundary error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


def confusion(
    reference: npt.NDArray[Any], predicted: npt.NDArray[Any], classes: int
) -> npt.NDArray[np.int64]:
    """Count pixels by reference class (rows) and predicted class (columns).

    Parameters
    ----------
    reference, predicted : array
        Class values below `classes`, same shape.
    classes : int
        Number of classes.

    Returns
    -------
    array
        ``(classes, classes)`` counts.
    """
    pairs = reference.astype(np.int64).ravel() * classes + predicted.ravel()
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


@dataclass(frozen=True, eq=False)
class ClassScores:
    """Agreement per class, each an array ``(..., classes)`` in 0 … 1 (MCC: -1 … 1).

    A class that neither mask holds has NaN, but for its specificity. A class that one mask holds
    and the other does not has 0 where a score would be 0/0 (precision, recall, MCC), as in
    scikit-learn: a model must not gain by what it misses. Specificity is NaN where the reference
    is all of the class. Dice is the same as F1, recall as sensitivity; `class_accuracy` is that of
    one class against all others, `accuracy` the share of pixels that have their class, ``(...)``.
    """

    dice: npt.NDArray[np.float64]
    iou: npt.NDArray[np.float64]
    precision: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]
    specificity: npt.NDArray[np.float64]
    mcc: npt.NDArray[np.float64]
    class_accuracy: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]


def scores(matrix: npt.NDArray[Any]) -> ClassScores:
    """Compute the usual scores from a confusion matrix, or from many at once.

    Parameters
    ----------
    matrix : array
        ``(..., classes, classes)``, reference in rows.

    Returns
    -------
    ClassScores
        One class against all others, for each class.
    """
    counts = matrix.astype(np.float64)
    tp = np.diagonal(counts, axis1=-2, axis2=-1)
    fp, fn = counts.sum(axis=-2) - tp, counts.sum(axis=-1) - tp
    total = counts.sum(axis=(-2, -1))
    tn = total[..., np.newaxis] - tp - fp - fn
    held = tp + fp + fn > 0

    def share(part: npt.NDArray[np.float64], of: npt.NDArray[np.float64]) -> Any:
        return np.where(held, part / np.where(of > 0, of, np.inf), np.nan)

    with np.errstate(divide="ignore", invalid="ignore"):
        return ClassScores(
            dice=share(2 * tp, 2 * tp + fp + fn),
            iou=share(tp, tp + fp + fn),
            precision=share(tp, tp + fp),
            recall=share(tp, tp + fn),
            specificity=tn / (tn + fp),
            mcc=share(tp * tn - fp * fn, np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))),
            class_accuracy=share(tp + tn, tp + fp + fn + tn),
            accuracy=np.asarray(tp.sum(axis=-1) / total),
        )


@dataclass(frozen=True, eq=False)
class Ranking:
    """Histograms of the scores of positives and negatives; those of images add up.

    Attributes
    ----------
    positives, negatives : array
        ``(scores,)`` counts, lowest score first.
    """

    positives: npt.NDArray[np.int64]
    negatives: npt.NDArray[np.int64]

    def __add__(self, other: Ranking) -> Ranking:
        return Ranking(self.positives + other.positives, self.negatives + other.negatives)

    def auc(self) -> float:
        """Area under the ROC curve: the chance that a positive outranks a negative.

        Ties count half. NaN if there are positives or negatives only. Mann and Whitney 1947.
        """
        pairs = float(self.positives.sum()) * float(self.negatives.sum())
        if not pairs:
            return float("nan")
        outranked = np.cumsum(self.negatives) - self.negatives / 2
        return float((self.positives * outranked).sum() / pairs)

    def average_precision(self) -> float:
        """Area under the precision-recall curve by steps, without interpolation.

        The sum over falling thresholds of the gain in recall times the precision there, as
        scikit-learn's ``average_precision_score``. NaN if there are no positives.
        """
        gain = self.positives[::-1]
        taken = np.cumsum(gain + self.negatives[::-1])
        found = np.cumsum(gain)
        if not gain.any():
            return float("nan")
        some = gain > 0
        return float((gain[some] * found[some] / taken[some]).sum() / found[-1])


_FLOAT16_ONE = 0x3C00  # non-negative float16 values are ordered as their bits are


def rank_probabilities(reference: npt.NDArray[np.bool_], probability: npt.NDArray[Any]) -> Ranking:
    """Count positives and negatives by probability, at the precision of float16.

    Parameters
    ----------
    reference : array of bool
        Truth.
    probability : array
        0 … 1, same shape; what lies beyond is clipped.

    Returns
    -------
    Ranking
        Over all float16 values from 0 to 1.
    """
    clipped = np.clip(probability, 0, 1).astype(np.float16) + np.float16(0)  # -0 becomes 0
    bits = clipped.view(np.uint16).astype(np.intp)
    bins = _FLOAT16_ONE + 1
    positives = np.bincount(bits[reference], minlength=bins)
    return Ranking(positives, np.bincount(bits[~reference], minlength=bins))


@dataclass(frozen=True, eq=False)
class HeightErrors:
    """Errors of heights or thicknesses, each an array ``(boundaries,)`` in the unit that came in.

    Attributes
    ----------
    absolute, signed, percentile_95 : array
        Mean absolute error, mean error (positive: too deep or too thick), and what 95 % of the
        columns stay below; NaN where no column is known.
    """

    absolute: npt.NDArray[np.float64]
    signed: npt.NDArray[np.float64]
    percentile_95: npt.NDArray[np.float64]


def height_errors(difference: npt.NDArray[Any]) -> HeightErrors:
    """Summarise errors over the columns in which they are known.

    Parameters
    ----------
    difference : array
        Predicted minus reference, ``(boundaries, columns)``, NaN where either is unknown.

    Returns
    -------
    HeightErrors
        One value per boundary.
    """
    known = [row[np.isfinite(row)] for row in difference.astype(np.float64)]

    def over_columns(summary: Callable[[npt.NDArray[np.float64]], Any]) -> Any:
        return np.array([summary(row) if row.size else np.nan for row in known], np.float64)

    return HeightErrors(
        absolute=over_columns(lambda row: np.abs(row).mean()),
        signed=over_columns(np.mean),
        percentile_95=over_columns(lambda row: np.percentile(np.abs(row), 95)),
    )
