"""How near a mask is to a reference: Dice, IoU, MCC, AUC, boundary error."""

from __future__ import annotations

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


@dataclass(frozen=True)
class Scores:
    """Agreement per class, each an array ``(classes,)`` in 0 … 1 (MCC: -1 … 1).

    A class that neither mask holds has NaN.
    """

    dice: npt.NDArray[np.float64]
    iou: npt.NDArray[np.float64]
    precision: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]
    specificity: npt.NDArray[np.float64]
    mcc: npt.NDArray[np.float64]
    accuracy: float


def scores(matrix: npt.NDArray[np.int64]) -> Scores:
    """Compute the usual scores from a confusion matrix.

    Parameters
    ----------
    matrix : array
        ``(classes, classes)``, reference in rows.

    Returns
    -------
    Scores
        One class against all others, for each class.
    """
    counts = matrix.astype(np.float64)
    tp = np.diag(counts)
    fp, fn = counts.sum(axis=0) - tp, counts.sum(axis=1) - tp
    tn = counts.sum() - tp - fp - fn
    with np.errstate(divide="ignore", invalid="ignore"):
        return Scores(
            dice=2 * tp / (2 * tp + fp + fn),
            iou=tp / (tp + fp + fn),
            precision=tp / (tp + fp),
            recall=tp / (tp + fn),
            specificity=tn / (tn + fp),
            mcc=(tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)),
            accuracy=float(tp.sum() / counts.sum()),
        )


def roc_auc(reference: npt.NDArray[np.bool_], score: npt.NDArray[Any]) -> float:
    """Area under the ROC curve: the chance that a positive outranks a negative (ties count half).

    Parameters
    ----------
    reference : array of bool
        Truth.
    score : array
        Higher for more likely positive; same shape.

    Returns
    -------
    float
        0 … 1, NaN if the reference holds one class only. Mann and Whitney 1947.
    """
    positive, negative = np.sort(score[reference]), np.sort(score[~reference])
    if not positive.size or not negative.size:
        return float("nan")
    below = np.searchsorted(negative, positive, "left")
    not_above = np.searchsorted(negative, positive, "right")
    return float((below + not_above).mean() / 2 / negative.size)


def boundary_error(
    reference: npt.NDArray[Any], predicted: npt.NDArray[Any]
) -> npt.NDArray[np.float64]:
    """Mean absolute distance of each boundary, in px, over columns where both are known.

    Parameters
    ----------
    reference, predicted : array
        Heights ``(boundaries, columns)``.

    Returns
    -------
    array
        ``(boundaries,)``.
    """
    distance = np.abs(reference.astype(np.float64) - predicted)
    return np.asarray(np.nanmean(distance, axis=1), np.float64)
