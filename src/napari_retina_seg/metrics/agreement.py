"""`Agreement`: inter-grader agreement, by image and overall."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.surfaces import stacked_heights
from napari_retina_seg.metrics.bootstrap import Estimate
from napari_retina_seg.metrics.evaluation import (
    ImageScores,
    mean_scores,
    worst_first,
)
from napari_retina_seg.metrics.interrater import (
    BlandAltman,
    Icc,
    bland_altman,
    cohens_kappa,
    icc,
)
from napari_retina_seg.metrics.measures import (
    Key,
    Scores,
    area_scores,
    height_scores_in_all_units,
)
from napari_retina_seg.metrics.proposals import (
    Matches,
    ProposalSummary,
    match_proposal,
    summarise_proposals,
)
from napari_retina_seg.metrics.segmentation import confusion
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.labels import LabelScheme

_Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class GradedImage:
    """An image with two gradings.

    Attributes
    ----------
    number : int
        Of the image in its project.
    name, group : str
        The image, and its patient.
    first, second : str
        The graders.
    axial_um : float or None
        Height of a pixel in µm, where it is known.
    """

    number: int
    name: str
    group: str
    first: str
    second: str
    axial_um: float | None = None


@dataclass(frozen=True, eq=False)
class ImageAgreement:
    """Agreement of the two gradings of one image.

    Attributes
    ----------
    image : GradedImage
        Which image, and who graded it.
    scores : mapping
        As of an evaluation of the second grading against the first, and ``kappa``.
    sizes : array
        ``(2, classes - 1)``: what each grader measured of each class, in the unit of
        `Agreement.sizes`.
    matches : tuple of ProposalMatch or None
        Agreement of each grading with the model's mask that it began with.
    """

    image: GradedImage
    scores: Scores
    sizes: _Array
    matches: Matches

    @property
    def dice(self) -> float | None:
        """Over the classes; None if both masks are empty."""
        return self.scores.get(Key("dice"))


@dataclass(frozen=True)
class BoundaryDifference:
    """Difference of a boundary between the second and the first grader.

    Attributes
    ----------
    name : str
        Of the boundary.
    bias, absolute : float
        Mean over all columns of all images, positive where the second is deeper; and without sign.
    low, high : float
        95 % limits: the mean less and plus 1.96 standard deviations of the columns.
    columns : int
        In which both have it.
    """

    name: str
    bias: float
    absolute: float
    low: float
    high: float
    columns: int


@dataclass(frozen=True, eq=False)
class SizeAgreement:
    """Agreement on the size of a class; each image is one measurement.

    Attributes
    ----------
    name : str
        Of the class.
    first, second : array
        ``(images,)`` in the order of `Agreement.images`; NaN where either grader lacks it.
    icc : Icc or None
        ICC(2,1); None for fewer than two images.
    bland_altman : BlandAltman or None
        Bias and limits of agreement.
    """

    name: str
    first: _Array
    second: _Array
    icc: Icc | None
    bland_altman: BlandAltman | None


@dataclass(frozen=True)
class Gradability:
    """Numbers of images that both, one or neither of the graders called gradable."""

    both: int = 0
    only_first: int = 0
    only_second: int = 0
    neither: int = 0


@dataclass(frozen=True, eq=False)
class Agreement:
    """Agreement of two graders.

    Attributes
    ----------
    scheme : LabelScheme
        What the masks show.
    images : tuple of ImageAgreement
        Those that both could grade, worst Dice first.
    means : mapping
        Mean of each score over the images, with its interval over patients.
    boundaries, boundaries_um : tuple of BoundaryDifference
        In px; in µm if the pixel size of every image is known, else empty.
    size : str
        What is measured of a class: ``mean thickness`` or ``area``.
    unit : str
        Of the sizes: ``µm``, ``px``, or ``% of the image``.
    sizes : tuple of SizeAgreement
        Of each class but background.
    gradability : Gradability
        Who could grade how many images.
    proposals : ProposalSummary
        What the graders changed of the model's masks, and their agreement where they did.
    open_gradings : int
        Gradings in which layers are missing, out of order, in pieces, or jump.
    """

    scheme: LabelScheme
    images: tuple[ImageAgreement, ...]
    means: Mapping[Key, Estimate]
    boundaries: tuple[BoundaryDifference, ...]
    boundaries_um: tuple[BoundaryDifference, ...]
    size: str
    unit: str
    sizes: tuple[SizeAgreement, ...]
    gradability: Gradability
    proposals: ProposalSummary
    open_gradings: int = 0


class _Row(NamedTuple):
    """What an image adds to the whole; differences and thicknesses in px."""

    image: GradedImage
    scores: Scores
    difference: _Array
    sizes: _Array
    matches: Matches


class AgreementAccumulator:
    """Compares gradings image by image, keeping only what the overall figures need.

    Parameters
    ----------
    scheme : LabelScheme
        What all masks show.
    """

    def __init__(self, scheme: LabelScheme) -> None:
        self._scheme = scheme
        self._rows: list[_Row] = []

    def add(
        self,
        image: GradedImage,
        first: Annotation,
        second: Annotation,
        proposals: tuple[Annotation | None, Annotation | None] = (None, None),
    ) -> None:
        """Compare the two gradings of an image, of equal size.

        Parameters
        ----------
        image : GradedImage
            Which image, and who graded it.
        first, second : Annotation
            The gradings.
        proposals : tuple of Annotation or None
            The model's masks that they began with; None for a grading drawn from nothing.
        """
        scheme = self._scheme
        matrix = confusion(first.labels, second.labels, len(scheme))
        scores = area_scores(matrix, scheme) | _kappas(first, second, len(scheme))
        difference = np.empty((0, 0))
        sizes = np.stack([_shares(each.labels, len(scheme)) for each in (first, second)])
        if scheme.surfaces:
            heights = [_heights(each, len(scheme.surfaces)) for each in (first, second)]
            difference = heights[1] - heights[0]
            scores |= height_scores_in_all_units(difference, image.axial_um, scheme)
            sizes = _thicknesses(heights[0], heights[1])
        one, other = (
            None if proposal is None else match_proposal(grading, proposal, scheme)
            for grading, proposal in zip((first, second), proposals, strict=True)
        )
        self._rows.append(_Row(image, scores, difference, sizes, (one, other)))

    def result(self, gradability: Gradability) -> Agreement:
        """Return the agreement.

        Parameters
        ----------
        gradability : Gradability
            Of all images, those that were not compared among them.
        """
        rows = worst_first(self._rows)
        layered = bool(self._scheme.surfaces)
        in_um = layered and bool(rows) and all(row.image.axial_um is not None for row in rows)
        images = tuple(_in_unit(row, in_um) for row in rows)
        thickness_unit = "µm" if in_um else "px"
        scores = [ImageScores(one.image.name, "", one.image.group, one.scores) for one in images]
        matches = (one.matches for one in images)
        return Agreement(
            scheme=self._scheme,
            images=images,
            means=mean_scores(scores),
            boundaries=self._boundaries(rows, in_um=False),
            boundaries_um=self._boundaries(rows, in_um=True) if in_um else (),
            size="mean thickness" if layered else "area",
            unit=thickness_unit if layered else "% of the image",
            sizes=self._sizes(images),
            gradability=gradability,
            proposals=summarise_proposals(list(zip(scores, matches, strict=True))),
        )

    def _boundaries(self, rows: tuple[_Row, ...], *, in_um: bool) -> tuple[BoundaryDifference, ...]:
        if not rows:
            return ()
        factors = [(row.image.axial_um or 1.0) if in_um else 1.0 for row in rows]
        differences = [row.difference * factor for row, factor in zip(rows, factors, strict=True)]
        names = [surface.name for surface in self._scheme.surfaces]
        together = np.concatenate(differences, axis=1)
        return tuple(map(_summarise, names, together))

    def _sizes(self, images: tuple[ImageAgreement, ...]) -> tuple[SizeAgreement, ...]:
        if not images:
            return ()
        measured = np.stack([one.sizes for one in images])  # (images, 2, classes - 1)
        result = []
        for k, label in enumerate(self._scheme.classes[1:]):
            pairs = measured[:, :, k]
            known = pairs[np.isfinite(pairs).all(axis=1)]
            compared = bland_altman(np.diff(known)[:, 0])
            size = SizeAgreement(label.abbreviation, pairs[:, 0], pairs[:, 1], icc(known), compared)
            result.append(size)
        return tuple(result)


def _kappas(first: Annotation, second: Annotation, classes: int) -> dict[Key, float]:
    sure = np.ones(first.labels.shape, bool)
    for grading in (first, second):
        if grading.ignore is not None:
            sure &= ~grading.ignore
    every = cohens_kappa(confusion(first.labels, second.labels, classes))
    scores = {Key("kappa"): every, Key("kappa_sure"): every}
    if not sure.all():
        matrix = confusion(first.labels[sure], second.labels[sure], classes)
        scores[Key("kappa_sure")] = cohens_kappa(matrix)
    return {key: score for key, score in scores.items() if np.isfinite(score)}


def _shares(labels: npt.NDArray[np.uint8], classes: int) -> _Array:
    """Return what percentage of the image each class has, without background."""
    return 100 * np.bincount(labels.ravel(), minlength=classes)[1:] / labels.size


def _heights(grading: Annotation, boundaries: int) -> _Array:
    """Return heights with the columns of all slices in one row, ``(boundaries, columns)``."""
    labels = grading.labels.reshape(-1, *grading.labels.shape[-2:])
    if grading.boundaries is None:
        planes = [stacked_heights(plane, boundaries) for plane in labels]
    else:
        planes = list(grading.boundaries.reshape(-1, boundaries, labels.shape[-1]))
    return np.concatenate(planes, axis=1).astype(np.float64)


def _thicknesses(first: _Array, second: _Array) -> _Array:
    """Return the mean thickness of each layer over the columns where both graders have it."""
    layers = np.stack([np.diff(first, axis=0), np.diff(second, axis=0)])
    known = np.isfinite(layers).all(axis=0)
    sums = np.where(known, layers, 0).sum(axis=-1)
    with np.errstate(invalid="ignore"):
        means: _Array = sums / known.sum(axis=-1)
    return means


def _in_unit(row: _Row, in_um: bool) -> ImageAgreement:
    factor = (row.image.axial_um or 1.0) if in_um else 1.0
    return ImageAgreement(row.image, row.scores, row.sizes * factor, row.matches)


def _summarise(name: str, difference: _Array) -> BoundaryDifference:
    known = difference[np.isfinite(difference)]
    found = bland_altman(known)
    if found is None:
        nan = float("nan")
        return BoundaryDifference(name, nan, nan, nan, nan, known.size)
    absolute = float(np.abs(known).mean())
    return BoundaryDifference(name, found.bias, absolute, found.low, found.high, known.size)
