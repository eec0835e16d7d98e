"""Scores of all images together, with intervals over patients where they add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.metrics.bootstrap import Estimate, bootstrap_sums
from napari_retina_seg.metrics.measures import (
    Key,
    area_arrays,
    height_arrays,
    height_scores,
    height_sums,
)
from napari_retina_seg.types.labels import LabelScheme

_Array = npt.NDArray[Any]


def pool_areas(
    matrices: Sequence[_Array], groups: Sequence[str], scheme: LabelScheme
) -> dict[Key, Estimate]:
    """Score all pixels together.

    Parameters
    ----------
    matrices : sequence of array
        ``(classes, classes)`` pixels of each image, reference in rows.
    groups : sequence of str
        Patient of each image.
    scheme : LabelScheme
        What all masks show.
    """
    return bootstrap_sums(np.stack(matrices), groups, lambda sums: area_arrays(sums, scheme))


def pool_heights(
    differences: Sequence[_Array], groups: Sequence[str], scheme: LabelScheme, unit: str
) -> dict[Key, Estimate]:
    """Score all columns together; percentiles do not add up and have no interval.

    Parameters
    ----------
    differences : sequence of array
        Predicted minus reference heights of each image, ``(boundaries, columns)``, NaN where
        either is unknown.
    groups : sequence of str
        Patient of each image.
    scheme : LabelScheme
        Names of the boundaries and layers.
    unit : str
        ``px`` or ``um``, that of `differences`.
    """
    together = height_scores(np.concatenate(differences, axis=1), scheme, unit)
    sums = np.stack([height_sums(difference) for difference in differences])
    means = bootstrap_sums(sums, groups, lambda total: height_arrays(total, scheme, unit))
    return without_interval(together, groups) | means


def without_interval(scores: Mapping[Key, float], groups: Sequence[str]) -> dict[Key, Estimate]:
    """Return scores of all images together of which nothing says how sure they are.

    Parameters
    ----------
    scores : mapping
        The scores.
    groups : sequence of str
        Patient of each image.
    """
    images, patients = len(groups), len(set(groups))
    return {key: Estimate(value, None, None, images, patients) for key, value in scores.items()}
