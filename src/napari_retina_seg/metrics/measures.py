"""The scores of an evaluation: their keys, labels and meanings.

A score is named by a `Key`: a measure of `MEASURES` and the part it is of, a class, a boundary or
a layer. Without a part it is of the whole image: of two classes that of class 1, of more the mean
over the classes (background included) that either mask holds, the boundaries or the layers. Of a
class that neither holds there is only the specificity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_retina_seg.metrics import segmentation as metrics
from napari_retina_seg.types.labels import LabelScheme, class_totals

# Three times what two tracings of one scan differ by in the mean.
_TOLERATED = 3.0  # px, by which graders leave a boundary as it is


class Key(NamedTuple):
    """Key of a score: the measure, and its class, boundary or layer."""

    measure: str
    part: str = ""


Scores = Mapping[Key, float]
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """Label, meaning and number of decimals of a score."""

    label: str
    definition: str
    decimals: int = 3


def _of_heights(of: str, unit: str, sign: str) -> dict[str, Measure]:
    shown = unit.replace("um", "µm")
    return {
        f"{of}_error_{unit}": Measure(
            f"{of} error, {shown}", "mean absolute difference over the columns", 2
        ),
        f"{of}_bias_{unit}": Measure(f"{of} bias, {shown}", f"mean difference; {sign}", 2),
        f"{of}_p95_{unit}": Measure(
            f"{of} error, 95th percentile, {shown}", "what 95 % of the columns do not exceed", 2
        ),
    }


MEASURES: Mapping[str, Measure] = {
    "accuracy": Measure(
        "pixel accuracy",
        "share of pixels that have their class; for a class, it against all others",
    ),
    "dice": Measure("Dice (F1)", "2 TP / (2 TP + FP + FN)"),
    "iou": Measure("IoU", "TP / (TP + FP + FN), Jaccard's index"),
    "precision": Measure("precision", "TP / (TP + FP)"),
    "recall": Measure("recall (sensitivity)", "TP / (TP + FN)"),
    "specificity": Measure("specificity", "TN / (TN + FP)"),
    "mcc": Measure("MCC", "Matthews' correlation coefficient, -1 to 1"),
    "auc": Measure("AUC", "area under the ROC curve"),
    "average_precision": Measure(
        "average precision", "area under the precision-recall curve, by steps"
    ),
    "centreline_dice": Measure(
        "clDice", "share of centre lines that lie in the other mask, harmonic mean of both shares"
    ),
    "interruptions": Measure(
        "interruptions", "gaps of 3 px or more within the reference's vessels", 1
    ),
    "detection_auc": Measure(
        "detection AUC",
        "chance that an image with it has a likelier pixel of it than an image without",
    ),
    "area_error": Measure(
        "area error", "sum of the absolute differences of area, as a share of the true area"
    ),
    "area_bias": Measure(
        "area bias", "what is drawn too much, as a share of the true area; negative is too little"
    ),
    "ece": Measure("calibration error", "expected calibration error, 10 bins of equal width"),
    "kappa": Measure("Cohen's kappa", "agreement of two graders on pixels, beyond chance"),
    "kappa_sure": Measure(
        "kappa, sure pixels", "the same without pixels that either grader called questionable"
    ),
    **_of_heights("boundary", "px", "positive is too deep"),
    **_of_heights("boundary", "um", "positive is too deep"),
    "columns_to_correct": Measure(
        "columns to correct", "share of columns in which a boundary is off by more than 3 px"
    ),
    **_of_heights("thickness", "px", "positive is too thick"),
    **_of_heights("thickness", "um", "positive is too thick"),
}

AREA_MEASURES = ("dice", "iou", "precision", "recall", "specificity", "mcc")


def area_scores(matrix: npt.NDArray[np.int64], scheme: LabelScheme) -> dict[Key, float]:
    """Score masks by their confusion matrix; see `area_arrays`."""
    return _that_apply(area_arrays(matrix, scheme))


def area_arrays(matrix: npt.NDArray[Any], scheme: LabelScheme) -> dict[Key, Array]:
    """Score masks by their confusion matrices, many at once.

    Parameters
    ----------
    matrix : array
        ``(..., classes, classes)`` pixels, reference in rows.
    scheme : LabelScheme
        Names of the classes.

    Returns
    -------
    dict
        Scores of the whole, each ``(...)``; of more than two classes those of each, too, and of
        those that count together. NaN where they don't apply.
    """
    scores = metrics.scores(matrix)
    result = {Key("accuracy"): scores.accuracy}
    if len(scheme) == 2:
        return result | {Key(name): getattr(scores, name)[..., 1] for name in AREA_MEASURES}
    for name in AREA_MEASURES:
        result |= _of_parts(name, getattr(scores, name), class_names(scheme))
    by_class = _of_parts("accuracy", scores.class_accuracy, class_names(scheme))
    return by_class | result | _total_arrays(matrix, scheme)


def _total_arrays(matrix: npt.NDArray[Any], scheme: LabelScheme) -> dict[Key, Array]:
    """Score the classes that count together, against all others."""
    result: dict[Key, Array] = {}
    for name, values in class_totals(scheme).items():
        side = np.isin(np.arange(len(scheme)), values)
        within = np.stack([~side, side]).astype(np.float64)
        scores = metrics.scores(within @ matrix @ within.T)
        result |= {Key(each, name): getattr(scores, each)[..., 1] for each in AREA_MEASURES}
        result[Key("accuracy", name)] = scores.accuracy
    return result


def height_scores(
    difference: npt.NDArray[Any], scheme: LabelScheme, unit: str = "px"
) -> dict[Key, float]:
    """Score boundaries, and the thickness of the layers between them.

    Parameters
    ----------
    difference : array
        Predicted minus reference heights, ``(boundaries, columns)``, NaN where either is unknown.
    scheme : LabelScheme
        Names of the boundaries and layers.
    unit : str
        ``px`` or ``um``, that of `difference`.

    Returns
    -------
    dict
        Scores of the whole and of each part.
    """
    result: dict[Key, Array] = {}
    for (of, names), values in zip(
        _height_parts(scheme), (difference, np.diff(difference, axis=0)), strict=True
    ):
        errors = metrics.height_errors(values)
        result |= _of_parts(f"{of}_error_{unit}", errors.absolute, names)
        result |= _of_parts(f"{of}_bias_{unit}", errors.signed, names)
        result |= _of_parts(f"{of}_p95_{unit}", errors.percentile_95, names)
    return _that_apply(result)


def height_scores_in_all_units(
    difference: npt.NDArray[Any], axial_um: float | None, scheme: LabelScheme
) -> dict[Key, float]:
    """Score boundaries as `height_scores`, in px, and in µm where the pixels' size is known.

    Parameters
    ----------
    difference : array
        ``(boundaries, columns)`` in px.
    axial_um : float or None
        Height of a pixel in µm.
    scheme : LabelScheme
        Names of the boundaries and layers.
    """
    scores = height_scores(difference, scheme)
    if axial_um is not None:
        scores |= height_scores(difference * axial_um, scheme, "um")
    return scores


def columns_to_correct(difference: npt.NDArray[Any]) -> dict[Key, float]:
    """Return the share of columns that a grader would still correct.

    Parameters
    ----------
    difference : array
        Drawn minus true heights in px, ``(boundaries, columns)``, NaN where either is unknown.

    Returns
    -------
    dict
        The share of the columns of which something is known; empty without any.
    """
    known = np.isfinite(difference).any(axis=0)
    if not known.any():
        return {}
    worst = np.nanmax(np.abs(difference[:, known]), axis=0)
    return {Key("columns_to_correct"): float((worst > _TOLERATED).mean())}


def height_sums(difference: npt.NDArray[Any]) -> Array:
    """Add up differences of heights and thicknesses over columns; sums of images add up, too.

    Parameters
    ----------
    difference : array
        Predicted minus reference heights, ``(boundaries, columns)``, NaN where either is unknown.

    Returns
    -------
    array
        ``(3, boundaries + layers)``: columns in which they are known, sums of the absolute
        differences and of the signed ones.
    """
    both = np.concatenate([difference, np.diff(difference, axis=0)]).astype(np.float64)
    known = np.isfinite(both)
    values = np.where(known, both, 0)
    return np.stack([known.sum(axis=1), np.abs(values).sum(axis=1), values.sum(axis=1)])


def height_arrays(sums: Array, scheme: LabelScheme, unit: str) -> dict[Key, Array]:
    """Score boundaries and thicknesses by their sums, many at once: mean error and bias.

    Parameters
    ----------
    sums : array
        ``(..., 3, boundaries + layers)``, of `height_sums`.
    scheme : LabelScheme
        Names of the boundaries and layers.
    unit : str
        ``px`` or ``um``, that of `sums`.

    Returns
    -------
    dict
        Scores of the whole and of each part, each ``(...)``; NaN where no column is known.
    """
    with np.errstate(invalid="ignore"):
        means = sums[..., 1:, :] / sums[..., :1, :]
    boundaries = len(scheme.surfaces)
    result: dict[Key, Array] = {}
    for (of, names), values in zip(
        _height_parts(scheme), (means[..., :boundaries], means[..., boundaries:]), strict=True
    ):
        result |= _of_parts(f"{of}_error_{unit}", values[..., 0, :], names)
        result |= _of_parts(f"{of}_bias_{unit}", values[..., 1, :], names)
    return result


def _height_parts(scheme: LabelScheme) -> tuple[tuple[str, list[str]], tuple[str, list[str]]]:
    surfaces = [surface.name for surface in scheme.surfaces]
    return ("boundary", surfaces), ("thickness", class_names(scheme)[1:])


def ranking_scores(ranking: metrics.Ranking) -> dict[Key, float]:
    """Score the probabilities of two classes."""
    return _that_apply(
        {Key("auc"): ranking.auc(), Key("average_precision"): ranking.average_precision()}
    )


def class_names(scheme: LabelScheme) -> list[str]:
    """Return the names of the classes in tables."""
    return [label.abbreviation for label in scheme.classes]


def _of_parts(name: str, values: Array, parts: list[str]) -> dict[Key, Array]:
    """Name ``(..., parts)`` scores, and their mean over the parts that have one."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        mean = np.where(known, values, 0).sum(axis=-1) / known.sum(axis=-1)
    return {Key(name): mean, **{Key(name, part): values[..., k] for k, part in enumerate(parts)}}


def _that_apply(scores: Mapping[Key, Any]) -> dict[Key, float]:
    return {key: float(value) for key, value in scores.items() if np.isfinite(value)}
