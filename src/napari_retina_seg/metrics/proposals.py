"""How far gradings depart from the model's masks that they began with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_retina_seg.metrics.bootstrap import Estimate, bootstrap_mean
from napari_retina_seg.metrics.evaluation import ImageScores, mean_scores
from napari_retina_seg.metrics.interrater import cohens_kappa
from napari_retina_seg.metrics.measures import Key, area_scores
from napari_retina_seg.metrics.segmentation import confusion
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.labels import LabelScheme


@dataclass(frozen=True)
class ProposalMatch:
    """A grading compared with the model's mask that it began with.

    Attributes
    ----------
    is_changed : bool
        Whether the grader changed a pixel or a boundary.
    dice, kappa : float or None
        Agreement of grader and model; None if neither mask shows a class.
    """

    is_changed: bool
    dice: float | None
    kappa: float | None


Matches = tuple[ProposalMatch | None, ProposalMatch | None]
"""Of the first and the second grading; None for one that began without a model's mask."""


@dataclass(frozen=True, eq=False)
class ProposalSummary:
    """What two graders made of the model's masks.

    Where neither changed the model's mask, the two gradings agree because they are that mask.

    Attributes
    ----------
    images : int
        Number of images that were compared.
    started : tuple of int
        How many gradings of the first and of the second grader began with a model's mask.
    changed : tuple of int
        How many of those each grader changed.
    unchanged : int
        Images in which neither grader changed anything.
    means : mapping
        Mean scores of the two graders over all other images, with intervals over patients.
    dice, kappa : tuple of Estimate or None
        Agreement of each grader with the model; None if no grading began with its mask.
    """

    images: int
    started: tuple[int, int]
    changed: tuple[int, int]
    unchanged: int
    means: Mapping[Key, Estimate]
    dice: tuple[Estimate | None, Estimate | None]
    kappa: tuple[Estimate | None, Estimate | None]


def match_proposal(grading: Annotation, proposal: Annotation, scheme: LabelScheme) -> ProposalMatch:
    """Compare a grading with the model's mask that it began with.

    Parameters
    ----------
    grading, proposal : Annotation
        Of equal size.
    scheme : LabelScheme
        What both show.
    """
    matrix = confusion(proposal.labels, grading.labels, len(scheme))
    kappa = cohens_kappa(matrix)
    return ProposalMatch(
        is_changed=_is_changed(grading, proposal),
        dice=area_scores(matrix, scheme).get(Key("dice")),
        kappa=kappa if np.isfinite(kappa) else None,
    )


def summarise_proposals(images: Sequence[tuple[ImageScores, Matches]]) -> ProposalSummary:
    """Summarise what two graders made of the model's masks.

    Parameters
    ----------
    images : sequence of (ImageScores, Matches)
        The agreement of the two graders on each image, and of each of them with the model.
    """
    unchanged = [are_unchanged(matches) for _, matches in images]
    found = [[pair[grader] for _, pair in images] for grader in (0, 1)]
    known = [[one for one in matches if one is not None] for matches in found]
    groups = [scores.group for scores, _ in images]
    first, second = (_means(matches, groups) for matches in found)
    return ProposalSummary(
        images=len(images),
        started=(len(known[0]), len(known[1])),
        changed=(sum(one.is_changed for one in known[0]), sum(one.is_changed for one in known[1])),
        unchanged=sum(unchanged),
        means=mean_scores(
            scores for (scores, _), same in zip(images, unchanged, strict=True) if not same
        ),
        dice=(first[0], second[0]),
        kappa=(first[1], second[1]),
    )


def are_unchanged(matches: Matches) -> bool:
    """Whether both gradings are the model's masks that they began with."""
    return all(one is not None and not one.is_changed for one in matches)


def _is_changed(grading: Annotation, proposal: Annotation) -> bool:
    if not np.array_equal(grading.labels, proposal.labels):
        return True
    lines = grading.boundaries, proposal.boundaries
    if lines[0] is None or lines[1] is None:
        return False
    return not np.allclose(lines[0], lines[1], equal_nan=True)


def _means(
    matches: Sequence[ProposalMatch | None], groups: Sequence[str]
) -> tuple[Estimate | None, Estimate | None]:
    dice = [None if one is None else one.dice for one in matches]
    kappa = [None if one is None else one.kappa for one in matches]
    return bootstrap_mean(_column(dice), groups), bootstrap_mean(_column(kappa), groups)


def _column(values: Sequence[float | None]) -> npt.NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], np.float64)
