"""`Proof`: whether a new model may take the place of the one in use."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean

import numpy as np

from napari_retina_seg.metrics.bootstrap import Estimate
from napari_retina_seg.metrics.evaluation import Comparison, Evaluation, mean_scores
from napari_retina_seg.metrics.measures import Key, class_names
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.labels import LabelScheme

LEAST_TESTED = 5  # patients; chance makes all of them better in 1 of 32 useless candidates
HARM = 0.005  # Dice that a model may lose in a class, or on the images of the one before
_CASES = 4
_DICE = Key("dice")
_LOWER_IS_BETTER = frozenset({"boundary_error_px", "columns_to_correct"})


class Verdict(StrEnum):
    """What an interval says of a difference."""

    BETTER = "better"
    WORSE = "worse"
    INCONCLUSIVE = "no difference shown"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class ScoreDifference:
    """The difference of two models in one score.

    Attributes
    ----------
    name : str
        The class, the boundary or the score.
    key : Key
        Which score.
    candidate, current : float or None
        Means over the images that have it of both; None where no image has.
    difference : Estimate or None
        Candidate minus current, with its paired 95 % interval over patients.
    only_candidate, only_current : int
        Images that have it of one model only. A class has no Dice where neither mask shows it, so
        that in these images that model alone draws a class that is not there.
    """

    name: str
    key: Key
    candidate: float | None
    current: float | None
    difference: Estimate | None
    only_candidate: int = 0
    only_current: int = 0

    @property
    def verdict(self) -> Verdict:
        """What the interval says; without one nothing is known."""
        one = self.difference
        if one is None or one.low is None or one.high is None:
            return Verdict.UNKNOWN
        better, worse = one.low > 0, one.high < 0
        if self.key.measure in _LOWER_IS_BETTER:
            better, worse = worse, better
        if better:
            return Verdict.BETTER
        return Verdict.WORSE if worse else Verdict.INCONCLUSIVE


@dataclass(frozen=True)
class ImageChange:
    """An image with the Dice of both models."""

    name: str
    group: str
    candidate: float
    current: float

    @property
    def gain(self) -> float:
        """What the candidate gains."""
        return self.candidate - self.current


@dataclass(frozen=True, eq=False)
class Proof:
    """A candidate compared with the model in use.

    Attributes
    ----------
    comparison : Comparison
        Of the candidate with the model in use, on patients that neither has seen.
    reference : Comparison or None
        The same on images of another kind than those that the candidate learnt from: what the
        model in use was good at before. None if there are none.
    """

    comparison: Comparison
    reference: Comparison | None = None

    @property
    def scheme(self) -> LabelScheme:
        """The classes."""
        return self.comparison.first.scheme

    @property
    def overall(self) -> ScoreDifference:
        """The mean Dice."""
        return _score_difference("all", _DICE, self.comparison)

    @property
    def classes(self) -> tuple[ScoreDifference, ...]:
        """The Dice of each class but background."""
        return _by_class(self.comparison)

    @property
    def boundaries(self) -> tuple[ScoreDifference, ...]:
        """The error of each boundary, and the share of columns to correct; lower is better."""
        keys = [(one.name, Key("boundary_error_px", one.name)) for one in self.scheme.surfaces]
        if keys:
            keys.append(("columns to correct", Key("columns_to_correct")))
        return tuple(_score_difference(name, key, self.comparison) for name, key in keys)

    @property
    def harm(self) -> tuple[ScoreDifference, ...]:
        """What the candidate lost on the reference, or may have lost.

        That is more than `HARM` in the mean, significantly more than it in a class, and what is
        not known there.
        """
        if self.reference is None:
            return ()
        whole = _score_difference("all", _DICE, self.reference)
        found = [whole] if _loss(whole) > HARM else []
        classes = _by_class(self.reference) if len(self.scheme) > 2 else ()
        possible = (Verdict.WORSE, Verdict.UNKNOWN)
        lost = (one for one in classes if one.verdict in possible and _loss(one) > HARM)
        return (*found, *lost)

    @property
    def images(self) -> tuple[ImageChange, ...]:
        """The images that both models have a Dice of, by what the candidate gains."""
        pairs = zip(self.comparison.first.images, self.comparison.second.images, strict=True)
        changes = (
            ImageChange(one.name, one.group, one.scores[_DICE], other.scores[_DICE])
            for one, other in pairs
            if _DICE in one.scores and _DICE in other.scores
        )
        return tuple(sorted(changes, key=lambda change: -change.gain))

    @property
    def patients(self) -> int:
        """Number of patients on whom both models were tested."""
        return len({image.group for image in self.comparison.first.images})

    @property
    def objections(self) -> tuple[str, ...]:
        """A sentence for each thing that speaks against the candidate; empty if it is proven."""
        return tuple(self._iter_objections())

    @property
    def is_proven(self) -> bool:
        """Whether the candidate is shown to be better in the mean, and is worse nowhere."""
        return not self.objections

    def _iter_objections(self) -> Iterator[str]:
        gain = self.overall
        if self.patients < LEAST_TESTED:
            yield too_few_patients(self.patients)
        if gain.verdict is not Verdict.BETTER:
            value = "unknown" if gain.difference is None else _range(gain.difference)
            yield (
                f"That the mean Dice is higher than that of the model in use is not shown: {value}."
            )
        yield from filter(None, map(_objection, (*self.classes, *self.boundaries)))
        for one in self.harm:
            part = "" if one.name == "all" else f" for {one.name}"
            if one.difference is None:
                yield f"On the reference images nothing is known of Dice{part}."
            else:
                yield f"On the reference images Dice changed{part} by {_range(one.difference)}."


def too_few_patients(tested: int) -> str:
    """Say why the test of a few patients proves nothing.

    Parameters
    ----------
    tested : int
        Number of patients.
    """
    return (
        f"It is tested on {count(tested, 'patient')}: of models that are no better, 1 in"
        f" {2**tested} is better on all of so few by chance, so {LEAST_TESTED} are needed."
    )


def join_evaluations(name: str, parts: Sequence[Evaluation]) -> Evaluation:
    """Return the evaluations of several models as one, as of the folds of a cross-validation.

    Parameters
    ----------
    name : str
        What they are together.
    parts : sequence of Evaluation
        Of different images, against the same reference.

    Returns
    -------
    Evaluation
        Without pooled scores and reliability, since the models' probabilities differ.
    """
    images = tuple(image for part in parts for image in part.images)
    worst = sorted((case for part in parts for case in part.worst), key=lambda case: case.dice)
    return Evaluation(
        name=name,
        reference=parts[0].reference,
        scheme=parts[0].scheme,
        images=images,
        means=mean_scores(images),
        pooled_estimates={},
        matrix=np.sum([part.matrix for part in parts], axis=0),
        reliability=None,
        worst=tuple(worst[:_CASES]),
    )


def _by_class(comparison: Comparison) -> tuple[ScoreDifference, ...]:
    names = class_names(comparison.first.scheme)[1:]
    if len(names) == 1:
        return (_score_difference(names[0], _DICE, comparison),)
    return tuple(_score_difference(name, Key("dice", name), comparison) for name in names)


def _score_difference(name: str, key: Key, comparison: Comparison) -> ScoreDifference:
    pairs = list(zip(comparison.first.images, comparison.second.images, strict=True))
    both = [
        (one.scores[key], other.scores[key])
        for one, other in pairs
        if key in one.scores and key in other.scores
    ]
    candidate, current = map(fmean, zip(*both, strict=True)) if both else (None, None)
    return ScoreDifference(
        name,
        key,
        candidate,
        current,
        comparison.differences.get(key),
        only_candidate=sum(key in a.scores and key not in b.scores for a, b in pairs),
        only_current=sum(key in b.scores and key not in a.scores for a, b in pairs),
    )


def _objection(one: ScoreDifference) -> str:
    """Say what speaks against a candidate in a class or at a boundary; empty if nothing does."""
    if one.difference is None:
        return f"No test image shows {one.name}, so that nothing is known of it."
    if one.verdict is Verdict.UNKNOWN:
        return f"{one.name} is shown by too few patients for an interval."
    is_dice = one.key.measure == _DICE.measure
    value = f"{_range(one.difference)}{' in Dice' if is_dice else ''}"
    if one.verdict is Verdict.WORSE:
        return f"{one.name} became worse: {value}."
    if is_dice and _loss(one) > HARM:
        return f"{one.name} may have become worse: {value}, and no more than {HARM:g} may be lost."
    return ""


def _loss(one: ScoreDifference) -> float:
    """Return the loss in Dice; what is not known may be any."""
    return math.inf if one.difference is None else -one.difference.value


def _range(one: Estimate) -> str:
    value = f"{one.value:+.4f}"
    return value if one.low is None else f"{value} ({one.low:+.4f} to {one.high:+.4f})"
