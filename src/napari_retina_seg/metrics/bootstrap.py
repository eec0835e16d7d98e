"""Bootstrap confidence intervals that resample patients, not images."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

K = TypeVar("K", bound=Hashable)

_RESAMPLES = 2000
_LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A score with its 95 % interval.

    Attributes
    ----------
    value : float
        The mean over the images, or the score of all together.
    low, high : float or None
        The interval; None where it is undefined, as for one patient, who says nothing about
        others.
    images, groups : int
        How many images and patients have a value.
    """

    value: float
    low: float | None
    high: float | None
    images: int
    groups: int


def bootstrap_mean(
    values: npt.NDArray[np.float64] | Sequence[float], groups: Sequence[str], *, seed: int = 0
) -> Estimate | None:
    """Estimate a mean over images with a bootstrap interval over patients.

    Whole patients are drawn with replacement, with all their images, since images of one patient
    are alike (cluster bootstrap, percentile interval; Davison and Hinkley 1997, § 3.8).

    Parameters
    ----------
    values : array
        A value per image; NaN where there is none.
    groups : sequence of str
        Patient of each image.
    seed : int
        Of the draws; the same values give the same interval.

    Returns
    -------
    Estimate or None
        None if no image has a value.

    Raises
    ------
    ValueError
        If there is not one group for each value.
    """
    array = np.asarray(values, np.float64)
    if array.shape != (len(groups),):
        raise ValueError(f"Expected a group for each of {array.shape} values, got {len(groups)}.")
    known = np.isfinite(array)
    if not known.any():
        return None
    array = array[known]
    names, member = np.unique(np.asarray(groups)[known], return_inverse=True)
    low, high = None, None
    if len(names) > 1:
        sums, counts = np.bincount(member, weights=array), np.bincount(member)
        times = _draw(len(names), seed)
        low, high = _limits((times @ sums) / (times @ counts))
    return Estimate(float(array.mean()), low, high, len(array), len(names))


def _draw(patients: int, seed: int) -> npt.NDArray[np.float64]:
    """Return how many times each patient is drawn, ``(resamples, patients)``."""
    drawn = np.random.default_rng(seed).integers(0, patients, (_RESAMPLES, patients))
    places = drawn + patients * np.arange(_RESAMPLES)[:, np.newaxis]
    times = np.bincount(places.ravel(), minlength=_RESAMPLES * patients)
    return times.reshape(_RESAMPLES, patients).astype(np.float64)


def _limits(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    tail = 50 * (1 - _LEVEL)
    low, high = np.percentile(values[np.isfinite(values)], [tail, 100 - tail])
    return float(low), float(high)


def bootstrap_sums(
    sums: npt.NDArray[Any],
    groups: Sequence[str],
    score: Callable[[npt.NDArray[np.float64]], Mapping[K, npt.NDArray[np.float64]]],
    *,
    seed: int = 0,
) -> dict[K, Estimate]:
    """Estimate pooled scores with a bootstrap interval over patients.

    Parameters
    ----------
    sums : array
        ``(images, ...)``: of each image what adds up over images, e.g. its confusion matrix.
    groups : sequence of str
        Patient of each image.
    score : callable
        Makes scores, each ``(n,)``, of ``(n, ...)`` totals; NaN where there is none.
    seed : int
        Of the draws.

    Returns
    -------
    dict
        By the names that `score` gives; what all images together have no score for is left out.
        Draws without a score, e.g. of a class that few patients have, do not count.
    """
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    totals = np.zeros((len(names), *sums.shape[1:]))
    np.add.at(totals, member, sums)
    drawn = score(np.tensordot(_draw(len(names), seed), totals, 1)) if len(names) > 1 else {}
    estimates = {}
    for name, (value,) in score(totals.sum(axis=0, keepdims=True)).items():
        if np.isfinite(value):
            low, high = _limits(drawn[name]) if name in drawn else (None, None)
            estimates[name] = Estimate(float(value), low, high, len(groups), len(names))
    return estimates


def bootstrap_auc(
    positive: npt.NDArray[np.bool_],
    likelihood: npt.NDArray[np.float64],
    groups: Sequence[str],
    *,
    seed: int = 0,
) -> Estimate | None:
    """Estimate the chance that an image with a finding is rated above one without.

    The area under the ROC curve (Mann and Whitney 1947), ties counting half, with a bootstrap
    interval over patients.

    Parameters
    ----------
    positive : array
        ``(images,)`` bool: which show it.
    likelihood : array
        ``(images,)``: how they are rated.
    groups : sequence of str
        Patient of each image.
    seed : int
        Of the draws.

    Returns
    -------
    Estimate or None
        None if all images show it, or none does.
    """
    if positive.all() or not positive.any():
        return None
    of_positive, of_negative = likelihood[positive, np.newaxis], likelihood[~positive]
    outranks = (of_positive > of_negative) + 0.5 * (of_positive == of_negative)
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    low, high = None, None
    if len(names) > 1:
        times = _draw(len(names), seed)[:, member]
        with np.errstate(invalid="ignore"):
            pairs = times[:, positive].sum(axis=1) * times[:, ~positive].sum(axis=1)
            drawn = ((times[:, positive] @ outranks) * times[:, ~positive]).sum(axis=1) / pairs
        low, high = _limits(drawn)
    return Estimate(float(outranks.mean()), low, high, len(positive), len(names))


def bootstrap_difference(
    first: npt.NDArray[np.float64] | Sequence[float],
    second: npt.NDArray[np.float64] | Sequence[float],
    groups: Sequence[str],
    *,
    seed: int = 0,
) -> Estimate | None:
    """Estimate the mean of `first` minus `second`, image by image.

    Parameters
    ----------
    first, second : array
        Values of the same images in the same order; where either is NaN the pair is left out.
    groups : sequence of str
        Patient of each image.
    seed : int
        Of the draws.

    Returns
    -------
    Estimate or None
        As of `bootstrap_mean`; a difference whose interval holds no 0 is hardly one of these
        patients only.
    """
    difference = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    return bootstrap_mean(difference, groups, seed=seed)
