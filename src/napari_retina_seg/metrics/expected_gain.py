"""Which images to correct next: those from which a model can be expected to learn most.

An image counts for more the less sure the model is of it, the more two masks of it differ, the less
plausible its mask is, and the less it looks like what was corrected already. So that no two of the
next images teach the same, an image counts for less the more it resembles one that comes before it,
and the more images of its patient come before it: a greedy choice of the farthest, weighted by
gain (Gonzalez 1985, Theor Comput Sci 38: 293; Sener and Savarese 2018, ICLR).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_retina_seg.metrics.segmentation import confusion, scores

Labels = npt.NDArray[np.uint8]
Array = npt.NDArray[np.float64]

_WEIGHTS = {"uncertain": 2.0, "differs": 2.0, "implausible": 1.0, "unlike": 1.0}
# What counts as much at least: without it, a set of sure masks would be ordered by noise.
_LEAST = {"uncertain": 0.02, "differs": 0.02, "implausible": 0.02, "unlike": 2.0}
_HIGH = 90  # percentile of a figure from which on it counts in full
_BASE = 0.1  # what an image counts if nothing speaks for it
_STANDS_OUT = 0.5  # of what counts in full, from which on it is named as a reason
NO_PREDICTION = "no prediction with probabilities yet"
LEAST_LEARNT = 3  # corrected images that show what is known
_ALIKE = 0.2  # what is left of an image's gain that is just like one before it
_FARTHEST = 5.0  # standard deviations: one odd figure alone does not decide
_SAID = 0.005  # a share that would be shown as 0 % is no reason
_EMPTY = 1e-9
_SAMPLE = 200  # images of which the usual distance is found
_DIVERSE = 200  # images that are chosen one by one; those after them are sorted by their gain


@dataclass(frozen=True)
class ReviewFigures:
    """What a prediction and its image say about how much a correction would teach.

    Attributes
    ----------
    uncertain : float
        Share that the model is not sure of, 0 … 1: of layers of the columns, else of the pixels
        that are drawn.
    implausible : float
        Share of the columns in which the layers can't be as they are drawn, 0 … 1.
    place : str
        What is wrong at the first such place; empty if there is none.
    differs : float or None
        How much another mask of the image differs: 1 less the mean Dice of the classes. None if
        there is none to compare with.
    differs_from : str
        Which mask that is, in words that follow "unlike".
    features : tuple of float
        What image and mask look like; as many for each image of a project.
    """

    uncertain: float
    implausible: float = 0.0
    place: str = ""
    differs: float | None = None
    differs_from: str = ""
    features: tuple[float, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """An image that may be corrected next.

    Attributes
    ----------
    id : int
        Its number.
    group : str
        Patient, or whatever images are alike in; images of one group are spread.
    uncertainty : float or None
        Mean uncertainty of its prediction; None if it has none with probabilities.
    figures : ReviewFigures or None
        What else is known of it.
    warned : bool
        Whether a check found it unlike what the model learnt from.
    """

    id: int
    group: str
    uncertainty: float | None
    figures: ReviewFigures | None = None
    warned: bool = False


@dataclass(frozen=True)
class Suggestion:
    """The place of an image in the order.

    Attributes
    ----------
    id : int
        Its number.
    gain : float
        Expected gain, 0 … 1; never larger than that of an image before it; -1 where nothing is
        known.
    reason : str
        Why it is there, in words.
    """

    id: int
    gain: float
    reason: str


@dataclass(frozen=True)
class Corrected:
    """An image that was corrected.

    Attributes
    ----------
    group : str
        As `Candidate.group`.
    features : tuple of float
        As `ReviewFigures.features`; empty if they are not known.
    """

    group: str
    features: tuple[float, ...] = ()


_UNKNOWN = ReviewFigures(np.nan, np.nan)


def find_difference(one: Labels, other: Labels, classes: int) -> float:
    """Return how much two masks differ: 1 less the mean Dice of the classes but background.

    Parameters
    ----------
    one, other : array
        Class values, of equal shape.
    classes : int
        Number of classes.
    """
    dice = scores(confusion(one, other, classes)).dice[1:]
    known = dice[~np.isnan(dice)]
    return float(1 - known.mean()) if len(known) else 0.0


def suggest(
    candidates: Sequence[Candidate], corrected: Sequence[Corrected], *, layered: bool
) -> tuple[Suggestion, ...]:
    """Order images by what their correction can be expected to teach.

    Parameters
    ----------
    candidates : sequence of Candidate
        Images that were not corrected yet.
    corrected : sequence of Corrected
        Those that were.
    layered : bool
        Whether the classes are layers, of which columns are uncertain, not pixels.

    Returns
    -------
    tuple of Suggestion
        All candidates, the most instructive first; those without a prediction last.
    """
    known = [one for one in candidates if one.uncertainty is not None]
    waiting = (one for one in candidates if one.uncertainty is None)
    last = tuple(Suggestion(one.id, -1.0, NO_PREDICTION) for one in waiting)
    if not known:
        return last
    places, learnt = _standardise(known, corrected)
    parts = _parts(known, places, learnt)
    counts = Counter(one.group for one in corrected)
    found = []
    for index, gain, like in _spread(known, _weigh(parts), places, counts):
        reasons = _reasons(known[index], {name: each[index] for name, each in parts.items()})
        words = [_WORDS[name](known[index], layered) for name in reasons]
        if like is not None:
            words.append(f"like #{known[like].id}, which comes before")
        found.append(Suggestion(known[index].id, gain, "; ".join(words)))
    return (*found, *last)


def _standardise(known: Sequence[Candidate], corrected: Sequence[Corrected]) -> tuple[Array, Array]:
    """Return the features of both, each of the same weight; NaN where they are not known."""
    found = [one.figures.features if one.figures else () for one in known]
    found += [one.features for one in corrected]
    length = Counter(map(len, filter(None, found))).most_common(1)
    size = length[0][0] if length else 1
    unknown = np.full(size, np.nan)
    rows = np.array([one if len(one) == size else unknown for one in found], np.float64)
    rows[~np.isfinite(rows).all(axis=1)] = np.nan
    sure = rows[~np.isnan(rows[:, 0])]
    if len(sure):
        # Of most of the images, as quartiles are, it would be noise if they are one volume's.
        spread = np.maximum(sure.std(axis=0), _EMPTY)
        rows = np.clip((rows - sure.mean(axis=0)) / spread, -_FARTHEST, _FARTHEST) / np.sqrt(size)
    learnt = rows[len(known) :]
    return rows[: len(known)], learnt[~np.isnan(learnt[:, 0])]


def _parts(known: Sequence[Candidate], places: Array, learnt: Array) -> dict[str, Array]:
    """Return each figure of all images, 1 where it counts in full, NaN where it is not known."""
    figures = [_UNKNOWN if one.figures is None else one.figures for one in known]
    uncertain = _scale(_column([one.uncertain for one in figures]), "uncertain")
    mean = _scale(_column([one.uncertainty for one in known]), "uncertain")
    unlike = _scale(_distance(places, learnt), "unlike")
    warned = np.array([one.warned for one in known])
    return {
        "uncertain": np.where(np.isnan(uncertain), mean, uncertain),
        "differs": _scale(_column([one.differs for one in figures]), "differs"),
        "implausible": _scale(_column([one.implausible for one in figures]), "implausible"),
        "unlike": np.where(warned, 1.0, unlike),
    }


def _column(values: Sequence[float | None]) -> Array:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _scale(values: Array, name: str) -> Array:
    sure = values[~np.isnan(values)]
    high = max(_LEAST[name], float(np.percentile(sure, _HIGH))) if len(sure) else 1.0
    return np.asarray(np.clip(values / high, 0, 1), np.float64)


def _distance(places: Array, learnt: Array) -> Array:
    """Return how far images are from the nearest corrected one, by how far those are apart."""
    if len(learnt) < LEAST_LEARNT:
        return np.zeros(len(places))
    sample = learnt[:: max(1, len(learnt) // _SAMPLE)]
    among = np.array([np.sort(_distances(learnt, one[np.newaxis])[:, 0])[1] for one in sample])
    nearest = np.full(len(places), np.inf)
    for start in range(0, len(learnt), _SAMPLE):  # all at once could need gigabytes
        some = _distances(places, learnt[start : start + _SAMPLE])
        nearest = np.minimum(nearest, some.min(axis=1))
    return np.asarray(nearest / max(float(np.median(among)), _EMPTY), np.float64)


def _distances(places: Array, others: Array) -> Array:
    """Return how far each place is from each other one, ``(places, others)``."""
    squares = (places**2).sum(axis=1)[:, np.newaxis] + (others**2).sum(axis=1)
    return np.asarray(np.sqrt(np.maximum(squares - 2 * places @ others.T, 0)), np.float64)


def _weigh(parts: dict[str, Array]) -> Array:
    """Return the weighted mean of the figures; what is not known of an image is like elsewhere."""
    total, weights = np.zeros(len(next(iter(parts.values())))), 0.0
    for name, values in parts.items():
        sure = values[~np.isnan(values)]
        if len(sure):
            total += _WEIGHTS[name] * np.where(np.isnan(values), sure.mean(), values)
            weights += _WEIGHTS[name]
    return np.asarray(_BASE + (1 - _BASE) * total / weights, np.float64)


def _spread(
    known: Sequence[Candidate], gains: Array, places: Array, counts: Counter[str]
) -> list[tuple[int, float, int | None]]:
    """Choose one image after another: index, gain by then, and which chosen one it resembles."""
    names = sorted({one.group for one in known})
    number = {name: index for index, name in enumerate(names)}
    groups = np.array([number[one.group] for one in known])
    before = np.array([counts[name] for name in names], np.float64)
    usual = _usual_distance(places)
    left = np.ones(len(known))  # of the gain, beside images that were chosen
    nearest = np.full(len(known), -1)
    waiting = np.ones(len(known), bool)
    chosen: list[tuple[int, float, int | None]] = []

    def note(index: int, value: float) -> None:
        like = int(nearest[index]) if left[index] < _STANDS_OUT else None
        chosen.append((index, round(value, 6), like))

    for _ in range(min(len(known), _DIVERSE)):
        values = np.where(waiting, gains * left / (1 + before[groups]), -1)
        best = int(values.argmax())
        note(best, float(values[best]))
        waiting[best] = False
        before[groups[best]] += 1
        apart = _distances(places, places[best : best + 1])[:, 0]
        share = np.clip(np.nan_to_num(apart / usual, nan=1), _ALIKE, 1)
        nearest[share < left] = best
        left = np.minimum(left, share)
    values = gains * left / (1 + before[groups])
    after = np.flatnonzero(waiting)
    for index in after[np.argsort(-values[after], kind="stable")]:
        note(int(index), float(values[index]))
    return chosen


def _usual_distance(places: Array) -> float:
    """Return the mean distance of two images, to which those of one volume add next to nothing."""
    sure = places[~np.isnan(places[:, 0])]
    sample = sure[:: max(1, len(sure) // _SAMPLE)]
    apart = _distances(sample, sample)[np.triu_indices(len(sample), 1)]
    return max(float(np.mean(apart)), _EMPTY) if len(apart) else 1.0


def _reasons(one: Candidate, parts: dict[str, float]) -> list[str]:
    """Return what stands out, the weightiest first; what the model is unsure of if nothing does."""
    found = [name for name, value in parts.items() if value >= _STANDS_OUT and _is_said(one, name)]
    found.sort(key=lambda name: -_WEIGHTS[name] * parts[name])
    return found or ["uncertain"]


def _is_said(one: Candidate, name: str) -> bool:
    """Whether there is something to say, which may be little among images that are all well."""
    if name == "uncertain" or one.figures is None:
        return name in ("uncertain", "unlike")
    value = {"differs": one.figures.differs, "implausible": one.figures.implausible}.get(name, 1.0)
    return value is not None and value >= _SAID


def _uncertain(one: Candidate, layered: bool) -> str:
    if one.figures is None:
        return f"mean uncertainty {one.uncertainty or 0:.2f}"
    if one.figures.uncertain < _SAID:
        return "the model is sure of its mask"
    of = "columns" if layered else "the drawn pixels"
    return f"uncertain in {one.figures.uncertain:.0%} of {of}"


def _differs(one: Candidate, layered: bool) -> str:
    del layered
    figures = one.figures
    return "" if figures is None else f"{figures.differs or 0:.0%} unlike {figures.differs_from}"


def _implausible(one: Candidate, layered: bool) -> str:
    del layered
    figures = one.figures
    return "" if figures is None else f"{figures.place} ({figures.implausible:.0%} of columns)"


def _unlike(one: Candidate, layered: bool) -> str:
    del layered
    return "unlike what the model learnt from" if one.warned else "unlike the corrected images"


_WORDS: dict[str, Callable[[Candidate, bool], str]] = {
    "uncertain": _uncertain,
    "differs": _differs,
    "implausible": _implausible,
    "unlike": _unlike,
}
