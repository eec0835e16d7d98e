"""Inter-rater agreement: kappa, ICC and limits of agreement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_LEVEL = 0.95
_LIMITS = 1.96  # standard deviations to either side of a mean between which 95 % lie


def cohens_kappa(matrix: npt.NDArray[Any]) -> float:
    """Agreement on classes beyond what chance would give (Cohen 1960, Educ Psychol Meas 20: 37).

    Parameters
    ----------
    matrix : array
        ``(classes, classes)`` counts, one person's classes in rows, the other's in columns.

    Returns
    -------
    float
        1 if they agree on all, 0 if as by chance; NaN if both use one class only, or there is
        nothing.
    """
    total = matrix.sum()
    if not total:
        return float("nan")
    shares = matrix / total
    observed = float(np.trace(shares))
    by_chance = float(shares.sum(axis=0) @ shares.sum(axis=1))
    return (observed - by_chance) / (1 - by_chance) if by_chance < 1 else float("nan")


@dataclass(frozen=True)
class Icc:
    """An intraclass correlation with its 95 % interval; None where it is undefined."""

    value: float
    low: float | None
    high: float | None


def icc(ratings: npt.NDArray[Any]) -> Icc | None:
    """Intraclass correlation ICC(2,1): two-way random effects, absolute agreement, one rating.

    With the mean squares between subjects (B), between raters (J) and of what is left (E), of n
    subjects and k raters, it is (B - E) / (B + (k - 1) E + k (J - E) / n); the interval is that
    of Shrout and Fleiss 1979, Psychol Bull 86: 420, page 424.

    Parameters
    ----------
    ratings : array
        ``(subjects, raters)``, in any unit.

    Returns
    -------
    Icc or None
        None for fewer than two subjects, or if all ratings are the same.
    """
    n, k = ratings.shape
    if n < 2:
        return None
    values = ratings.astype(np.float64)
    mean = values.mean()
    subjects, raters = values.mean(axis=1) - mean, values.mean(axis=0) - mean
    rest = values - mean - subjects[:, np.newaxis] - raters
    between = k * float(subjects @ subjects) / (n - 1)
    judges = n * float(raters @ raters) / (k - 1)
    error = float((rest**2).sum()) / ((n - 1) * (k - 1))
    total = between + (k - 1) * error + k * (judges - error) / n
    if total <= 0:
        return None
    value = (between - error) / total
    low, high = _icc_limits(value, (between, judges, error), n, k)
    return Icc(value, low, high)


def _icc_limits(
    value: float, squares: tuple[float, float, float], n: int, k: int
) -> tuple[float | None, float | None]:
    from scipy import stats

    between, judges, error = squares
    if error <= 1e-12 * between:  # without error there is nothing to reckon an interval from
        return None, None
    ratio = judges / error
    spread = n * (1 + (k - 1) * value) - k * value
    freedom = (k - 1) * (n - 1) * (k * value * ratio + spread) ** 2
    freedom /= (n - 1) * k**2 * value**2 * ratio**2 + spread**2
    tail = (1 + _LEVEL) / 2
    above = float(stats.f.ppf(tail, n - 1, freedom))
    below = float(stats.f.ppf(tail, freedom, n - 1))
    others = k * judges + (k * n - k - n) * error
    low = n * (between - above * error) / (above * others + n * between)
    high = n * (below * between - error) / (others + n * below * between)
    return low, high


@dataclass(frozen=True)
class BlandAltman:
    """Bias and limits of agreement of two graders, in the unit of the measurements.

    Attributes
    ----------
    bias : float
        Mean of the second's minus the first's.
    bias_low, bias_high : float
        Its 95 % interval.
    deviation : float
        Standard deviation of the differences.
    low, high : float
        Limits of agreement: 95 % of the differences lie between them.
    """

    bias: float
    bias_low: float
    bias_high: float
    deviation: float
    low: float
    high: float


def bland_altman(differences: npt.NDArray[Any]) -> BlandAltman | None:
    """Compare measurements of the same things (Bland and Altman 1986, Lancet 327: 307).

    Parameters
    ----------
    differences : array
        ``(things,)``, what the second person measured more than the first.

    Returns
    -------
    BlandAltman or None
        None for fewer than two things.
    """
    from scipy import stats

    n = len(differences)
    if n < 2:
        return None
    values = differences.astype(np.float64)
    bias, deviation = float(values.mean()), float(values.std(ddof=1))
    margin = float(stats.t.ppf((1 + _LEVEL) / 2, n - 1)) * deviation / n**0.5
    return BlandAltman(
        bias=bias,
        bias_low=bias - margin,
        bias_high=bias + margin,
        deviation=deviation,
        low=bias - _LIMITS * deviation,
        high=bias + _LIMITS * deviation,
    )
