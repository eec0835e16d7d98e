"""How sure a mean is: bootstrap intervals that resample patients, not images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_RESAMPLES = 2000
_LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval.

    Attributes
    ----------
    value : float
        The mean over the images.
    low, high : float or None
        The interval; None where all values are of one patient, who tells nothing of others.
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
    """Estimate a mean over images, and by how much it would vary with other patients.

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
        drawn = np.random.default_rng(seed).integers(0, len(names), (_RESAMPLES, len(names)))
        means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
        tail = 50 * (1 - _LEVEL)
        low, high = (float(limit) for limit in np.percentile(means, [tail, 100 - tail]))
    return Estimate(float(array.mean()), low, high, len(array), len(names))


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
