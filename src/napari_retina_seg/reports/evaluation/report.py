"""`Report`: evaluations in one report, and formatting of their figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from napari_retina_seg.metrics.bootstrap import Estimate
from napari_retina_seg.metrics.evaluation import Comparison, Evaluation
from napari_retina_seg.metrics.measures import MEASURES, Key
from napari_retina_seg.reports._files import format_number

HEADLINES = (
    "dice",
    "iou",
    "mcc",
    "auc",
    "average_precision",
    "boundary_error_px",
    "boundary_error_um",
)


@dataclass(frozen=True, eq=False)
class Report:
    """Content of an evaluation report.

    Attributes
    ----------
    title : str
        Heading of the page.
    main : Evaluation
        The one that is shown in detail.
    evaluations : tuple of Evaluation
        All that stand side by side, `main` among them.
    comparisons : tuple of Comparison
        Pairs, with their differences.
    about : mapping
        What was evaluated and how, each in a few words.
    warnings : tuple of str
        Sentences on what was left out.
    """

    title: str
    main: Evaluation
    evaluations: tuple[Evaluation, ...]
    comparisons: tuple[Comparison, ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def format_score(value: float | None, measure: str, *, signed: bool = False) -> str:
    """Write a score with the decimals of its measure; nothing if there is none."""
    if value is None:
        return ""
    return format_number(value, MEASURES[measure].decimals, signed=signed)


def interval(estimate: Estimate | None, measure: str, *, signed: bool = False) -> str:
    """Write the limits of an interval; nothing if there is none."""
    if estimate is None or estimate.low is None:
        return ""
    limits = (format_score(x, measure, signed=signed) for x in (estimate.low, estimate.high))
    return " to ".join(limits)


def with_interval(estimate: Estimate | None, measure: str) -> str:
    """Write a mean with its interval in brackets, as far as there are any."""
    if estimate is None:
        return ""
    value = format_score(estimate.value, measure)
    if estimate.low is None:
        return value
    return (
        f"{value} [{format_score(estimate.low, measure)}, {format_score(estimate.high, measure)}]"
    )


def used_measures(report: Report) -> set[str]:
    """Return the measures of which a report has a score."""
    return {
        key.measure for one in report.evaluations for key in (*one.means, *one.pooled_estimates)
    }


def whole_measures(evaluation: Evaluation) -> list[str]:
    """Return the measures of the whole image that an evaluation has, in their usual order."""
    return [name for name in MEASURES if Key(name) in evaluation.means]


LESION_COLUMNS = ("dice", "detection_auc", "area_error", "area_bias")


def lesion_rows(evaluation: Evaluation) -> list[list[str]]:
    """Return the pooled scores of each class that an image may or may not show.

    Returns
    -------
    list of list of str
        Class, images in whose reference it is, and the measures of `LESION_COLUMNS` with their
        intervals over patients; nothing for layers, or of two classes.
    """
    pooled, shown = evaluation.pooled_estimates, evaluation.images_with
    return [
        [
            part,
            str(shown[part]),
            *(with_interval(pooled.get(Key(name, part)), name) for name in LESION_COLUMNS),
        ]
        for part in shown
    ]
