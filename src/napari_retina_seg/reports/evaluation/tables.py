"""Evaluations as CSV and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from napari_retina_seg.metrics.bootstrap import Estimate
from napari_retina_seg.metrics.calibration import Reliability
from napari_retina_seg.metrics.evaluation import Comparison, Evaluation
from napari_retina_seg.metrics.measures import MEASURES, Key, class_names
from napari_retina_seg.reports._files import column_name, in_order, nested, to_csv, to_json
from napari_retina_seg.reports.evaluation.report import Report, used_measures


def report_csv(report: Report) -> str:
    """Return a row per image and evaluation, and a column per score, empty where it is absent."""
    keys = list(dict.fromkeys(key for one in report.evaluations for key in in_order(one.means)))
    who = ("scored", "reference", "dataset", "group", "image", "field_of_view")
    rows = (
        (
            one.name,
            one.reference,
            row.dataset,
            row.group,
            row.name,
            row.field_origin,
            *map(row.scores.get, keys),
        )
        for one in report.evaluations
        for row in one.images
    )
    return to_csv([*who, *map(column_name, keys)], rows)


def report_json(report: Report) -> str:
    """Return all figures: scores are nested as measure, then part, ``all`` for the whole."""
    used = used_measures(report)
    content = {
        "title": report.title,
        "about": dict(report.about),
        "remarks": [*report.warnings, *filter(None, [report.main.field_note])],
        "measures": {name: asdict(MEASURES[name]) for name in MEASURES if name in used},
        "evaluations": [_evaluation(one) for one in report.evaluations],
        "comparisons": [_comparison(one) for one in report.comparisons],
    }
    return to_json(content)


def _evaluation(one: Evaluation) -> dict[str, Any]:
    return {
        "scored": one.name,
        "reference": one.reference,
        "images": len(one.images),
        "groups": len({row.group for row in one.images}),
        "mean": _means(one.means),
        "mean_by_dataset": {name: _means(means) for name, means in one.dataset_means.items()},
        "pooled": _means(one.pooled_estimates),
        "confusion": {"classes": class_names(one.scheme), "pixels": one.matrix.tolist()},
        "reliability": _reliability(one.reliability),
        "per_image": [
            {
                "dataset": row.dataset,
                "group": row.group,
                "image": row.name,
                "field_of_view": row.field_origin,
                "scores": nested(row.scores),
            }
            for row in one.images
        ],
    }


def _comparison(one: Comparison) -> dict[str, Any]:
    return {
        "first": one.first.name,
        "second": one.second.name,
        "reference": one.first.reference,
        "difference": _means(one.differences),
    }


def _means(means: Mapping[Key, Estimate]) -> dict[str, dict[str, Any]]:
    return nested({key: _estimate(means[key]) for key in in_order(means)})


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {name: value for name, value in asdict(estimate).items() if value is not None}


def _reliability(reliability: Reliability | None) -> list[dict[str, Any]] | None:
    """Return the bins that hold anything."""
    if reliability is None:
        return None
    edges = reliability.edges
    columns = (
        edges[:-1],
        edges[1:],
        reliability.counts,
        reliability.mean_confidence,
        reliability.frequency,
    )
    names = ("from", "to", "predictions", "mean_probability", "came_true")
    return [
        dict(zip(names, map(float, row), strict=True))
        for row in zip(*columns, strict=True)
        if row[2] > 0
    ]
