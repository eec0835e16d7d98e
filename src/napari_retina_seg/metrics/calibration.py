"""Calibration of probabilities: reliability diagram and expected calibration error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Reliability:
    """Reliability diagram with bins of equal width; the counts of images add up.

    Attributes
    ----------
    counts : array
        ``(bins,)`` predictions in each bin.
    confidence, correct : array
        ``(bins,)`` sums of their probabilities, and how many came true.
    """

    counts: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    correct: npt.NDArray[np.int64]

    def __add__(self, other: Reliability) -> Reliability:
        return Reliability(
            self.counts + other.counts,
            self.confidence + other.confidence,
            self.correct + other.correct,
        )

    @property
    def edges(self) -> npt.NDArray[np.float64]:
        """``(bins + 1,)`` limits of the bins."""
        return np.linspace(0, 1, len(self.counts) + 1)

    @property
    def mean_confidence(self) -> npt.NDArray[np.float64]:
        """``(bins,)`` mean probability; NaN for an empty bin."""
        with np.errstate(invalid="ignore"):
            return self.confidence / self.counts

    @property
    def frequency(self) -> npt.NDArray[np.float64]:
        """``(bins,)`` observed frequency; NaN for an empty bin."""
        with np.errstate(invalid="ignore"):
            return self.correct / self.counts

    def expected_error(self) -> float:
        """Return the expected calibration error (ECE), 0 … 1; NaN if nothing was counted.

        The gap between probability and frequency, as a mean over all predictions: Naeini et al.
        2015.
        """
        total = int(self.counts.sum())
        return float(np.abs(self.correct - self.confidence).sum() / total) if total else np.nan


def reliability(
    probability: npt.NDArray[Any], came_true: npt.NDArray[np.bool_], bins: int = 10
) -> Reliability:
    """Sort predictions into bins by their probability.

    Parameters
    ----------
    probability : array
        0 … 1; what lies beyond by rounding is clipped.
    came_true : array of bool
        Whether each prediction was right, same shape.
    bins : int
        Number of bins; an edge belongs to the bin above it, 1 to the last.

    Returns
    -------
    Reliability
        Counts and sums per bin.
    """
    values = np.clip(probability.astype(np.float64).ravel(), 0, 1)
    place = np.minimum((values * bins).astype(np.intp), bins - 1)
    return Reliability(
        counts=np.bincount(place, minlength=bins),
        confidence=np.asarray(np.bincount(place, values, bins), np.float64),
        correct=np.bincount(place[came_true.ravel()], minlength=bins),
    )


def class_reliability(
    probabilities: npt.NDArray[Any], reference: npt.NDArray[Any], bins: int = 10
) -> Reliability:
    """Compare the probabilities of classes with the observed frequencies.

    Of two classes the probability of class 1 is compared with the share of its pixels; of more,
    the probability of the likeliest class with the share where it is right (Guo et al. 2017).

    Parameters
    ----------
    probabilities : array
        ``(classes, pixels)``.
    reference : array
        ``(pixels,)`` class values.
    bins : int
        Number of bins.

    Returns
    -------
    Reliability
        Counts and sums per bin.
    """
    if len(probabilities) == 2:
        return reliability(probabilities[1], reference == 1, bins)
    return reliability(probabilities.max(axis=0), probabilities.argmax(axis=0) == reference, bins)
