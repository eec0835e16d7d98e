"""`Evaluation`: scores of masks against a reference, by image and overall."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.fov import RIM, FieldOfView, FieldOrigin
from napari_retina_seg.metrics import lesions
from napari_retina_seg.metrics import segmentation as metrics
from napari_retina_seg.metrics.bootstrap import Estimate, bootstrap_difference, bootstrap_mean
from napari_retina_seg.metrics.calibration import Reliability, class_reliability
from napari_retina_seg.metrics.connectivity import centreline_dice, interruptions
from napari_retina_seg.metrics.measures import (
    Key,
    Scores,
    area_scores,
    columns_to_correct,
    height_scores_in_all_units,
    ranking_scores,
)
from napari_retina_seg.metrics.pooling import pool_areas, pool_heights, without_interval
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import DataError
from napari_retina_seg.types.labels import LabelScheme, vessel_values

_CASES = 4


@dataclass(frozen=True, eq=False)
class ScoredImage:
    """An image to score.

    Attributes
    ----------
    name, dataset, group : str
        The image; the data set it is from; the patient, unique among data sets.
    pixels : array
        ``(rows, columns)`` or ``(rows, columns, channels)``.
    inside : array or None
        ``(rows, columns)`` bool, what is scored; None if all of it counts.
    field : FieldOfView or None
        Of a photograph: where it shows retina.
    axial_um : float or None
        Height of a pixel in µm, where it is known.
    """

    name: str
    dataset: str
    group: str
    pixels: npt.NDArray[Any]
    inside: npt.NDArray[np.bool_] | None = None
    axial_um: float | None = None
    field: FieldOfView | None = None


@dataclass(frozen=True, eq=False)
class Case:
    """An image with both masks, for figures; without probabilities."""

    image: ScoredImage
    reference: Annotation
    drawn: Annotation
    dice: float


@dataclass(frozen=True)
class ImageScores:
    """The scores of one image; scores that do not apply are absent.

    The field of view was ``given``, ``found`` or is the ``whole image``; None but of photographs.
    """

    name: str
    dataset: str
    group: str
    scores: Scores
    field_origin: FieldOrigin | None = None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of masks against a reference.

    Attributes
    ----------
    name : str
        Who made the masks: a model or an expert.
    reference : str or None
        Whom they are compared with; None for the reference of the data set.
    scheme : LabelScheme
        What the masks show.
    images : tuple of ImageScores
        In the order in which they came.
    means : mapping
        Mean of each score over the images, with its interval over patients.
    pooled_estimates : mapping
        The scores of all pixels and columns together, with intervals where they add up.
    matrix : array
        ``(classes, classes)`` pixels of all images, reference in rows.
    reliability : Reliability or None
        How far the probabilities mean what they say; None where there are none.
    worst : tuple of Case
        The images of lowest Dice, worst first.
    images_with : mapping
        Number of images in whose reference each class and total is; empty for layers, and of two
        classes.
    """

    name: str
    reference: str | None
    scheme: LabelScheme
    images: tuple[ImageScores, ...]
    means: Mapping[Key, Estimate]
    pooled_estimates: Mapping[Key, Estimate]
    matrix: npt.NDArray[np.int64]
    reliability: Reliability | None
    worst: tuple[Case, ...]
    images_with: Mapping[str, int] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Title of the comparison."""
        return f"{self.name} against {self.reference or 'the reference'}"

    @property
    def pooled(self) -> Scores:
        """The scores of all pixels and columns together."""
        return {key: estimate.value for key, estimate in self.pooled_estimates.items()}

    @property
    def ranked(self) -> tuple[ImageScores, ...]:
        """The images by their Dice, worst first; those without one come last."""
        return worst_first(self.images)

    @property
    def field_origins(self) -> dict[FieldOrigin, int]:
        """Numbers of fields of view that were given, found, or whole images."""
        origins = [image.field_origin for image in self.images]
        return {origin: origins.count(origin) for origin in FieldOrigin if origin in origins}

    @property
    def field_note(self) -> str:
        """A sentence where the model draws less than is scored; empty where it does not."""
        if self.reliability is None or FieldOrigin.GIVEN not in self.field_origins:
            return ""
        return (
            "Fields of view that the data set gives are scored whole. The model draws nothing"
            f" along their rim, in {RIM:.1%} of the diameter, where the optics blur: what the"
            " reference has there counts as missed."
        )

    @property
    def dataset_means(self) -> dict[str, dict[Key, Estimate]]:
        """The means of each data set by itself."""
        names = dict.fromkeys(image.dataset for image in self.images)
        return {
            name: mean_scores(image for image in self.images if image.dataset == name)
            for name in names
        }


class Scored(Protocol):
    """Something that has scores."""

    @property
    def scores(self) -> Scores:
        """Of it."""


S = TypeVar("S", bound=Scored)


def worst_first(scored: Iterable[S]) -> tuple[S, ...]:
    """Sort by Dice; what has none comes last."""
    return tuple(sorted(scored, key=lambda one: one.scores.get(Key("dice"), np.inf)))


class _Difference(NamedTuple):
    """Predicted minus reference heights of an image, ``(boundaries, columns)``."""

    group: str
    in_px: npt.NDArray[Any]
    axial_um: float | None


class EvaluationAccumulator:
    """Scores images one by one, keeping only what the pooled scores need.

    Parameters
    ----------
    scheme : LabelScheme
        What all masks show.
    """

    def __init__(self, scheme: LabelScheme) -> None:
        self._scheme = scheme
        self._images: list[ImageScores] = []
        self._matrices: list[npt.NDArray[np.int64]] = []
        self._differences: list[_Difference] = []
        self._lesions: list[lesions.LesionFinding] = []
        self._ranking: metrics.Ranking | None = None
        self._reliability: Reliability | None = None
        self._worst: list[Case] = []

    def add(self, image: ScoredImage, reference: Annotation, drawn: Annotation) -> None:
        """Score one image.

        Parameters
        ----------
        image : ScoredImage
            The image.
        reference, drawn : Annotation
            The truth, and what is scored; masks of the image's size.
        """
        inside = np.ones(reference.labels.shape, bool) if image.inside is None else image.inside
        truth = reference.labels[inside]
        matrix = metrics.confusion(truth, drawn.labels[inside], len(self._scheme))
        self._matrices.append(matrix)
        scores = area_scores(matrix, self._scheme)
        scores |= self._rate_connectivity(inside, reference, drawn)
        rated = None if drawn.probabilities is None else drawn.probabilities[:, inside]
        if rated is not None:
            scores |= self._rate_probabilities(truth, rated)
        if lesions.has_lesions(self._scheme):
            self._lesions.append(lesions.LesionFinding.of(matrix, rated, self._scheme))
        if reference.boundaries is not None and drawn.boundaries is not None:
            difference = drawn.boundaries.astype(np.float64) - reference.boundaries
            difference[:, ~inside.any(axis=0)] = np.nan
            self._differences.append(_Difference(image.group, difference, image.axial_um))
            scores |= height_scores_in_all_units(difference, image.axial_um, self._scheme)
            scores |= columns_to_correct(difference)
        origin = None if image.field is None else image.field.origin
        self._images.append(ImageScores(image.name, image.dataset, image.group, scores, origin))
        dice = scores.get(Key("dice"))
        if dice is not None:
            seen = Annotation(drawn.labels, drawn.boundaries)
            self._keep_worst([Case(image, reference, seen, dice)])

    def merge(self, other: EvaluationAccumulator) -> None:
        """Add what another one scored, as if it had been scored here, after its own."""
        self._images += other._images
        self._matrices += other._matrices
        self._differences += other._differences
        self._lesions += other._lesions
        self._ranking = _sum(self._ranking, other._ranking)
        self._reliability = _sum(self._reliability, other._reliability)
        self._keep_worst(other._worst)

    def result(self, name: str, reference: str | None) -> Evaluation:
        """Return the evaluation.

        Parameters
        ----------
        name : str
            Who made the masks.
        reference : str or None
            Whom they were compared with.
        """
        groups = [image.group for image in self._images]
        return Evaluation(
            name=name,
            reference=reference,
            scheme=self._scheme,
            images=tuple(self._images),
            means=mean_scores(self._images),
            pooled_estimates={
                **pool_areas(self._matrices, groups, self._scheme),
                **self._pool_probabilities(),
                **self._pool_heights(),
                **lesions.pool_lesions(self._lesions, groups, self._scheme),
            },
            matrix=np.sum(self._matrices, axis=0),
            reliability=self._reliability,
            worst=tuple(self._worst),
            images_with=lesions.count_images(self._lesions, self._scheme),
        )

    def _pool_probabilities(self) -> dict[Key, Estimate]:
        scores: dict[Key, float] = {}
        if self._ranking is not None:
            scores |= ranking_scores(self._ranking)
        if self._reliability is not None:
            scores[Key("ece")] = self._reliability.expected_error()
        rated = [image.group for image in self._images if Key("ece") in image.scores]
        return without_interval(scores, rated)

    def _pool_heights(self) -> dict[Key, Estimate]:
        if not self._differences:
            return {}
        groups = [one.group for one in self._differences]
        in_px = [one.in_px for one in self._differences]
        pooled = pool_heights(in_px, groups, self._scheme, "px")
        in_um = [one.in_px * one.axial_um for one in self._differences if one.axial_um is not None]
        if len(in_um) == len(in_px):
            pooled |= pool_heights(in_um, groups, self._scheme, "um")
        return pooled

    def _rate_connectivity(
        self, inside: npt.NDArray[np.bool_], reference: Annotation, drawn: Annotation
    ) -> dict[Key, float]:
        values = list(vessel_values(self._scheme))
        if not values:
            return {}
        truth, found = (np.isin(mask.labels, values) for mask in (reference, drawn))
        if not (truth & inside).any():
            return {}
        return {
            Key("centreline_dice"): centreline_dice(truth, found, inside),
            Key("interruptions"): interruptions(truth, found, inside),
        }

    def _rate_probabilities(
        self, truth: npt.NDArray[np.uint8], probabilities: npt.NDArray[Any]
    ) -> dict[Key, float]:
        if not truth.size or not np.isfinite(probabilities).all():
            return {}
        scores: dict[Key, float] = {}
        if len(self._scheme) == 2:
            ranking = metrics.rank_probabilities(truth == 1, probabilities[1])
            self._ranking = _sum(self._ranking, ranking)
            scores |= ranking_scores(ranking)
        one = class_reliability(probabilities, truth)
        self._reliability = _sum(self._reliability, one)
        return scores | {Key("ece"): one.expected_error()}

    def _keep_worst(self, cases: list[Case]) -> None:
        self._worst = sorted([*self._worst, *cases], key=lambda case: case.dice)[:_CASES]


def _sum(first: Any, second: Any) -> Any:
    return second if first is None else first if second is None else first + second


def mean_scores(images: Iterable[ImageScores]) -> dict[Key, Estimate]:
    """Return the mean of each score over the images that have it, with its interval."""
    rows = list(images)
    groups = [row.group for row in rows]
    keys = dict.fromkeys(key for row in rows for key in row.scores)
    estimates = {key: bootstrap_mean(_column(rows, key), groups) for key in keys}
    return {key: estimate for key, estimate in estimates.items() if estimate is not None}


@dataclass(frozen=True)
class Comparison:
    """Two evaluations of the same images against the same reference, image by image.

    Attributes
    ----------
    first, second : Evaluation
        What is compared.
    differences : mapping
        Mean of the first's score minus the second's, for each score that both have.
    """

    first: Evaluation
    second: Evaluation
    differences: Mapping[Key, Estimate]


def compare(first: Evaluation, second: Evaluation) -> Comparison:
    """Compare two evaluations.

    Parameters
    ----------
    first, second : Evaluation
        Of the same images in the same order, against the same reference.

    Returns
    -------
    Comparison
        With paired differences and their intervals.

    Raises
    ------
    DataError
        If they are not of the same images or not against the same reference.
    """
    names = [[(row.dataset, row.name) for row in each.images] for each in (first, second)]
    if names[0] != names[1] or first.reference != second.reference:
        raise DataError(
            f"'{first.title}' and '{second.title}' can't be compared image by image: evaluate both"
            " on the same images against the same reference."
        )
    groups = [row.group for row in first.images]
    differences = {
        key: bootstrap_difference(_column(first.images, key), _column(second.images, key), groups)
        for key in first.means
        if key in second.means
    }
    return Comparison(first, second, {k: d for k, d in differences.items() if d is not None})


def _column(images: Sequence[ImageScores], key: Key) -> npt.NDArray[np.float64]:
    return np.array([image.scores.get(key, np.nan) for image in images])
