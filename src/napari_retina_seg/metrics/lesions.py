"""Scores of lesions: whether they are found in an image, and how large they are drawn.

They are of a class by itself, or of several together, such as all kinds of fluid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_retina_seg.metrics.bootstrap import Estimate, bootstrap_auc, bootstrap_sums
from napari_retina_seg.metrics.measures import Key, class_names
from napari_retina_seg.types.labels import LabelScheme, class_totals, vessel_values

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LesionFinding:
    """What an image shows of each class and total, and what was found of it.

    Attributes
    ----------
    reference, drawn : array
        ``(parts,)`` px.
    likelihood : array or None
        ``(parts,)`` largest probability of a pixel; None without probabilities.
    """

    reference: Array
    drawn: Array
    likelihood: Array | None = None

    @classmethod
    def of(
        cls,
        matrix: npt.NDArray[np.int64],
        probabilities: npt.NDArray[np.floating] | None,
        scheme: LabelScheme,
    ) -> LesionFinding:
        """Sum up an image.

        Parameters
        ----------
        matrix : array
            ``(classes, classes)`` pixels, reference in rows.
        probabilities : array or None
            ``(classes, pixels)``.
        scheme : LabelScheme
            The classes.
        """
        members = [list(values) for values in lesion_parts(scheme).values()]
        reference, drawn = (matrix.sum(axis=axis, dtype=np.float64) for axis in (1, 0))
        likelihood = None
        if probabilities is not None and probabilities.size:
            likelihood = np.array(
                [probabilities[part].sum(axis=0, dtype=np.float32).max() for part in members]
            )
        in_reference = np.array([reference[part].sum() for part in members])
        return cls(in_reference, np.array([drawn[part].sum() for part in members]), likelihood)


def has_lesions(scheme: LabelScheme) -> bool:
    """Whether an image may show some of the classes of a scheme and not others."""
    return len(scheme) > 2 and not scheme.surfaces and not vessel_values(scheme)


def lesion_parts(scheme: LabelScheme) -> dict[str, tuple[int, ...]]:
    """Return the values of each class but background, and of each total, by their names."""
    names = class_names(scheme)
    return {names[k]: (k,) for k in range(1, len(scheme))} | class_totals(scheme)


def count_images(findings: Sequence[LesionFinding], scheme: LabelScheme) -> dict[str, int]:
    """Count the images in whose reference each class and total is; nothing without findings."""
    if not findings:
        return {}
    shown = np.sum([one.reference > 0 for one in findings], axis=0)
    return dict(zip(lesion_parts(scheme), map(int, shown), strict=True))


def pool_lesions(
    findings: Sequence[LesionFinding], groups: Sequence[str], scheme: LabelScheme
) -> dict[Key, Estimate]:
    """Score the lesions of all images together, with intervals over patients.

    Parameters
    ----------
    findings : sequence of LesionFinding
        Of each image.
    groups : sequence of str
        Patient of each image.
    scheme : LabelScheme
        The classes.

    Returns
    -------
    dict
        ``detection_auc``, ``area_error`` and ``area_bias`` of each class and total that some image
        shows; no AUC of what all images show, nor of what is in none. Empty without findings.
    """
    if not findings:
        return {}
    parts = list(lesion_parts(scheme))
    reference, drawn = (
        np.array([getattr(one, name) for one in findings]) for name in ("reference", "drawn")
    )
    difference = drawn - reference
    sums = np.stack([np.abs(difference), difference, reference], axis=1)

    def score(total: Array) -> dict[Key, Array]:
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = total[:, :2] / np.where(total[:, 2:] > 0, total[:, 2:], np.nan)
        return {
            Key(name, part): shares[:, k, column]
            for k, name in enumerate(("area_error", "area_bias"))
            for column, part in enumerate(parts)
        }

    estimates = bootstrap_sums(sums, groups, score)
    likelihood = [one.likelihood for one in findings if one.likelihood is not None]
    rated = np.array([one.likelihood is not None for one in findings])
    patients = list(np.asarray(groups)[rated])
    for column, part in enumerate(parts):
        values = np.array([each[column] for each in likelihood])
        auc = bootstrap_auc(reference[rated, column] > 0, values, patients)
        if auc is not None:
            estimates[Key("detection_auc", part)] = auc
    return estimates
