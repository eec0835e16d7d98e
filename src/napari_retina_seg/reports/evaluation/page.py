"""The HTML page of an evaluation."""

from __future__ import annotations

from napari_retina_seg.metrics.evaluation import Comparison, Evaluation
from napari_retina_seg.metrics.measures import AREA_MEASURES, MEASURES, Key, class_names
from napari_retina_seg.reports._html import Page
from napari_retina_seg.reports.evaluation.plots import (
    case_caption,
    case_png,
    confusion_png,
    reliability_png,
)
from napari_retina_seg.reports.evaluation.report import (
    HEADLINES,
    LESION_COLUMNS,
    Report,
    format_score,
    interval,
    lesion_rows,
    used_measures,
    whole_measures,
    with_interval,
)
from napari_retina_seg.types.labels import class_totals

_FEW = 10  # patients, below which percentile intervals cover less than they say


def report_page(report: Report) -> str:
    """Return the page as HTML, with all tables and pictures in it."""
    page = Page(report.title)
    _add_about(page, report)
    _add_summary(page, report)
    for comparison in report.comparisons:
        _add_comparison(page, comparison)
    main = report.main
    page.heading(f"In detail: {main.title}")
    _add_measures(page, main)
    _add_datasets(page, main)
    if len(main.scheme) > 2:
        _add_classes(page, main)
    _add_lesions(page, main)
    _add_heights(page, main)
    page.heading("Confusion", 3)
    page.figure(
        confusion_png(main.matrix, main.scheme),
        "Where the pixels of each class of the reference went, all images together.",
    )
    _add_calibration(page, main)
    _add_cases(page, main)
    _add_images(page, main)
    _add_definitions(page, report)
    return page.html()


def _add_about(page: Page, report: Report) -> None:
    about = dict(report.about)
    origins = report.main.field_origins
    if origins:
        about["field of view"] = ", ".join(f"{name}: {n}" for name, n in origins.items())
    if about:
        page.table(["evaluated", ""], about.items())
    for message in report.warnings:
        page.paragraph(message)


def _add_summary(page: Page, report: Report) -> None:
    names = [
        name for name in HEADLINES if any(Key(name) in one.means for one in report.evaluations)
    ]
    page.heading("Summary")
    page.table(
        ["scored", "against", "images", "patients", *(MEASURES[name].label for name in names)],
        [
            [
                one.name,
                one.reference or "the reference",
                len(one.images),
                len({row.group for row in one.images}),
                *(with_interval(one.means.get(Key(name)), name) for name in names),
            ]
            for one in report.evaluations
        ],
    )
    page.paragraph(how_sure(report.main))
    if report.main.field_note:
        page.paragraph(report.main.field_note)


def how_sure(one: Evaluation) -> str:
    """Explain the intervals, and why there may be none."""
    groups = len({row.group for row in one.images})
    if groups == 1:
        return (
            "Means over the images. All are of one patient or eye, so no interval can be given:"
            " the variation between patients is unknown."
        )
    few = " Of so few they are too narrow rather than too wide." if groups < _FEW else ""
    return (
        f"Means over the images, in brackets their 95 % bootstrap intervals; the {groups} patients"
        f" or eyes are resampled, each with all of its images.{few}"
    )


def _add_comparison(page: Page, comparison: Comparison) -> None:
    first, second = comparison.first, comparison.second
    page.heading(f"{first.name} compared with {second.name}")
    rows = []
    for name in whole_measures(first):
        difference = comparison.differences.get(Key(name))
        if difference is not None:
            rows.append(
                [
                    MEASURES[name].label,
                    format_score(first.means[Key(name)].value, name),
                    format_score(second.means[Key(name)].value, name),
                    format_score(difference.value, name, signed=True),
                    interval(difference, name, signed=True),
                ]
            )
    page.table(["", first.name, second.name, "difference", "95 % interval"], rows)
    page.paragraph(
        f"Differences are {first.name} minus {second.name}, image by image, both against"
        f" {first.reference or 'the reference'}; the interval is over patients or eyes."
    )


def _add_measures(page: Page, one: Evaluation) -> None:
    several = len(one.scheme) > 2
    page.table(
        ["", "mean", "95 % interval", "pooled", "95 % interval of the pooled", "images"],
        [
            [
                MEASURES[name].label,
                format_score(one.means[Key(name)].value, name),
                interval(one.means[Key(name)], name),
                format_score(one.pooled.get(Key(name)), name),
                interval(one.pooled_estimates.get(Key(name)), name),
                one.means[Key(name)].images,
            ]
            for name in whole_measures(one)
        ],
        caption="Pooled: all pixels and columns of all images together. What does not add up over"
        " patients (percentiles, areas under curves, calibration) has no interval then.",
    )
    if several:
        page.paragraph(
            "Of several classes, boundaries or layers these are means over them, background"
            " included. A class that neither mask of an image holds counts for its specificity"
            " only; one that is missed or invented altogether has 0."
        )


def _add_datasets(page: Page, one: Evaluation) -> None:
    datasets = one.dataset_means
    if len(datasets) == 1:
        return
    names = [name for name in HEADLINES if Key(name) in one.means]
    page.heading("By data set", 3)
    page.table(
        ["", "images", *(MEASURES[name].label for name in names)],
        [
            [
                dataset,
                sum(row.dataset == dataset for row in one.images),
                *(with_interval(means.get(Key(name)), name) for name in names),
            ]
            for dataset, means in datasets.items()
        ],
    )


def _add_classes(page: Page, one: Evaluation) -> None:
    names = ["accuracy", *AREA_MEASURES]
    page.heading("By class", 3)
    page.table(
        [
            "",
            "Dice (F1) with its 95 % interval",
            *(MEASURES[n].label for n in names if n != "dice"),
        ],
        [
            [
                part,
                with_interval(one.means.get(Key("dice", part)), "dice"),
                *(_mean(one, name, part) for name in names if name != "dice"),
            ]
            for part in (*class_names(one.scheme), *class_totals(one.scheme))
        ],
        caption="Means over the images, each class against all others.",
    )


def _add_lesions(page: Page, one: Evaluation) -> None:
    rows = lesion_rows(one)
    if rows:
        page.heading("What an image may or may not show", 3)
        page.table(
            ["", "images with it", *(MEASURES[name].label for name in LESION_COLUMNS)],
            rows,
            caption="All images together, in brackets 95 % intervals over patients. Of a class in"
            " few images these say little.",
        )


def _mean(one: Evaluation, name: str, part: str) -> str:
    estimate = one.means.get(Key(name, part))
    return "" if estimate is None else format_score(estimate.value, name)


def _add_heights(page: Page, one: Evaluation) -> None:
    layers = class_names(one.scheme)[1:]
    for of, parts in (
        ("boundary", [surface.name for surface in one.scheme.surfaces]),
        ("thickness", layers),
    ):
        names = [name for name in whole_measures(one) if name.startswith(of)]
        if not names:
            continue
        page.heading("Boundaries" if of == "boundary" else "Thickness of the layers", 3)
        page.table(
            ["", *(MEASURES[name].label for name in names)],
            [
                [part or "mean", *(with_interval(one.means.get(Key(n, part)), n) for n in names)]
                for part in (*parts, "")
            ],
            caption="Means over the images. Bias: positive is too deep, or too thick.",
        )


def _add_calibration(page: Page, one: Evaluation) -> None:
    if one.reliability is None:
        return
    page.heading("Calibration", 3)
    error = format_score(one.reliability.expected_error(), "ece")
    page.figure(
        reliability_png(one.reliability, one.scheme),
        f"Reliability diagram; expected calibration error {error}, all images together.",
    )


def _add_cases(page: Page, one: Evaluation) -> None:
    if one.worst:
        page.heading("The worst cases", 3)
    for case in one.worst:
        page.figure(case_png(case, one.scheme), case_caption(case, one.scheme))


def _add_images(page: Page, one: Evaluation) -> None:
    names = whole_measures(one)
    page.heading("Every image, worst first", 3)
    page.table(
        ["data set", "image", "patient", *(MEASURES[name].label for name in names)],
        [
            [
                row.dataset,
                row.name,
                row.group.removeprefix(f"{row.dataset}/"),
                *(format_score(row.scores.get(Key(name)), name) for name in names),
            ]
            for row in one.ranked
        ],
    )


def _add_definitions(page: Page, report: Report) -> None:
    used = used_measures(report)
    page.heading("What the measures are")
    page.table(
        ["measure", "definition"],
        [[m.label, m.definition] for name, m in MEASURES.items() if name in used],
    )
