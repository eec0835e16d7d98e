"""``evaluate``: score a model on images with expert masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from napari_retina_seg.cli.batch import choose_model
from napari_retina_seg.cli.cluster_options import opened_mapper, seen_by_workers
from napari_retina_seg.cli.console import (
    Bar,
    UsageError,
    as_cell,
    echo,
    interruptible,
)
from napari_retina_seg.cli.data_options import (
    Data,
    GroupPattern,
    Groups,
    Remap,
    SkipBad,
    read_options,
)
from napari_retina_seg.cli.inputs import OverwriteReport, check_reports
from napari_retina_seg.workflows.cluster_options import ClusterOptions, WorkerNeeds

if TYPE_CHECKING:
    from rich.console import Console

    from napari_retina_seg.datasets.labelled import LabelledImage
    from napari_retina_seg.metrics.bootstrap import Estimate
    from napari_retina_seg.metrics.evaluation import Comparison, Evaluation
    from napari_retina_seg.metrics.measures import Key
    from napari_retina_seg.models.registry import ModelFolder
    from napari_retina_seg.reports.evaluation import Report
    from napari_retina_seg.types.batches import Mapper
    from napari_retina_seg.types.progress import CancelToken

_FLATTERED = "Some of these images may be training images of the model, which inflates its scores."
_COLUMN = 25  # characters of a terminal's column: two figures side by side in 80


class ScoredSplit(StrEnum):
    """Which images of the data to score."""

    TEST = "test"
    VAL = "val"
    TRAIN = "train"
    ALL = "all"


class ScoredModel(NamedTuple):
    """The evaluations: in detail, side by side, and paired differences."""

    main: Evaluation
    evaluations: tuple[Evaluation, ...]
    comparisons: tuple[Comparison, ...]


def evaluate_command(
    model: Annotated[
        str, typer.Argument(help="Name of a model (see 'models') or path of a model folder.")
    ],
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the report.")],
    split: Annotated[
        ScoredSplit, typer.Option(help="Which images of the data.")
    ] = ScoredSplit.TEST,
    split_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The split file of a training run; by default the data set's own."
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Score against this expert's masks instead of the data set's reference, e.g."
            " second_observer. Also scores the model and this expert against the reference, and"
            " their difference: is the model as good as a second grader?",
        ),
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option(
            metavar="OTHER_MODEL",
            help="Score another model on the same images, and their difference.",
        ),
    ] = None,
    group_pattern: GroupPattern = None,
    groups: Groups = None,
    remap: Remap = None,
    skip_bad: SkipBad = False,
    overwrite: OverwriteReport = False,
    cluster: ClusterOptions | None = None,
) -> None:
    """Score a model on images with expert masks: a page, a table and JSON.

    Photographs are scored inside the field of view; intervals are over patients or eyes.
    """
    from napari_retina_seg.inference.backend import check_backend

    check_backend()
    models = [choose_model(name) for name in filter(None, (model, compare))]
    _check_alike(models)
    from napari_retina_seg.datasets.evaluation_images import (
        iter_validate_evaluation,
        select_for_evaluation,
    )
    from napari_retina_seg.datasets.layouts import read_data
    from napari_retina_seg.datasets.split import ungrouped_warning
    from napari_retina_seg.reports.evaluation import FILES, Report, write_report

    spec = models[0].spec
    found = read_data(
        seen_by_workers(data, cluster), options=read_options(group_pattern, groups, remap)
    )
    side = None if split is ScoredSplit.ALL else split.value
    chosen = select_for_evaluation(
        found, spec.scheme, spec.modality, side, split_file=split_file, reference=reference
    )
    check_reports(out, FILES, overwrite=overwrite)
    with Bar(1 + len(models) + bool(reference)) as bar, interruptible() as token:
        job = iter_validate_evaluation(
            chosen.images, spec.scheme, spec.modality, skip_bad=skip_bad, token=token
        )
        checked = bar.walk(job, "Checking the images")
        bar.finish()
        flattered = [_FLATTERED] if split in (ScoredSplit.TRAIN, ScoredSplit.ALL) else []
        guess = filter(None, [ungrouped_warning(checked.images)])
        warnings = (*chosen.warnings, *checked.warnings, *guess, *flattered)
        for message in warnings:
            bar.say(message)
        with opened_mapper(cluster, bar, WorkerNeeds(tuple(models))) as mapper:
            scored = _score(models, checked.images, reference, bar, token, mapper)
        bar.begin("Writing the report")
        names = " and ".join(_display_names(models))
        side_text = f"{split.value} of {split_file}" if split_file else split.value
        about = _about(models, checked.images, side_text)
        report = Report(f"Evaluation of {names}", *scored, about, warnings)
        written = write_report(report, out)
    _print_summary(report)
    for path in written:
        echo(str(path.resolve()))


def _check_alike(models: Sequence[ModelFolder]) -> None:
    """Refuse to compare models with different classes, or a model with itself."""
    first, other = models[0], models[-1]
    if len(models) == 1:
        return
    if first.path.resolve() == other.path.resolve():
        raise UsageError(f"'{first.name}' would be compared with itself: name another model.")
    ours, theirs = (
        ", ".join(label.abbreviation for label in model.spec.scheme.classes[1:]) for model in models
    )
    if ours != theirs or first.spec.modality is not other.spec.modality:
        raise UsageError(
            f"'{first.name}' draws {ours} and '{other.name}' draws {theirs}: only models with"
            " the same classes can be compared."
        )


def _display_names(models: Sequence[ModelFolder]) -> list[str]:
    """Return the names of the models, or their folders if the names are equal."""
    names = [model.name for model in models]
    if len(set(names)) == len(names):
        return names
    return [f"{model.name} ({model.path})" for model in models]


def _score(
    models: Sequence[ModelFolder],
    images: Sequence[LabelledImage],
    reference: str | None,
    bar: Bar,
    token: CancelToken,
    mapper: Mapper,
) -> ScoredModel:
    """Score the models, and the expert like a model."""
    from napari_retina_seg.inference.evaluate import iter_evaluate_against, iter_evaluate_reference
    from napari_retina_seg.metrics.evaluation import compare

    references = [None] if reference is None else [None, reference]
    against: list[list[Evaluation]] = [[] for _ in references]
    for model, name in zip(models, _display_names(models), strict=True):
        job = iter_evaluate_against(model, images, references, token=token, mapper=mapper)
        for one, others in zip(bar.walk(job, name), against, strict=True):
            others.append(replace(one, name=name))
        bar.finish()
    comparisons = [compare(against[-1][0], other) for other in against[-1][1:]]
    if reference is not None:
        scheme = models[0].spec.scheme
        human = bar.walk(iter_evaluate_reference(images, reference, scheme, token=token), reference)
        bar.finish()
        comparisons.append(compare(against[0][0], human))
        against[0].append(human)
    evaluations = tuple(one for each in against for one in each)
    return ScoredModel(against[-1][0], evaluations, tuple(comparisons))


def _about(
    models: Sequence[ModelFolder], images: Sequence[LabelledImage], side: str
) -> dict[str, str]:
    from napari_retina_seg import __version__

    counts = Counter(image.dataset for image in images)
    about = {
        f"model {name}": f"{model.path}, weights sha256 {model.spec.weights_sha256}"
        for model, name in zip(models, _display_names(models), strict=True)
    }
    return about | {
        "data": ", ".join(f"{name} ({count} images)" for name, count in counts.items()),
        "split": side,
        "program": f"napari-retina-seg {__version__}",
    }


def _print_summary(report: Report) -> None:
    from rich.console import Console

    from napari_retina_seg.reports.evaluation import how_sure

    console = Console()
    columns = [(one.title, one.means) for one in report.evaluations]
    by_dataset = report.main.dataset_means
    if len(by_dataset) > 1:
        columns += [(f"{report.main.title}, {name}", means) for name, means in by_dataset.items()]
    side_by_side = max(1, console.width // _COLUMN - 1)
    for start in range(0, len(columns), side_by_side):
        _print_scores(console, columns[start : start + side_by_side])
    for comparison in report.comparisons:
        _print_comparison(console, comparison)
    _print_lesions(console, report.main)
    for sentence in filter(None, (how_sure(report.main), report.main.field_note)):
        console.print(as_cell(sentence))


def _print_scores(console: Console, columns: Sequence[tuple[str, Mapping[Key, Estimate]]]) -> None:
    from rich.table import Table

    from napari_retina_seg.metrics.measures import MEASURES, Key
    from napari_retina_seg.reports.evaluation import with_interval

    table = Table("mean [95 % interval]", box=None, pad_edge=False)
    for title, _ in columns:
        table.add_column(as_cell(title), justify="right", overflow="fold")
    for name, measure in MEASURES.items():
        estimates = [means.get(Key(name)) for _, means in columns]
        if any(estimates):
            cells = (as_cell(with_interval(estimate, name)) for estimate in estimates)
            table.add_row(measure.label, *cells)
    table.add_row("images", *(str(means[Key("accuracy")].images) for _, means in columns))
    console.print(table)
    console.print()


def _print_lesions(console: Console, evaluation: Evaluation) -> None:
    from rich.table import Table

    from napari_retina_seg.metrics.measures import MEASURES
    from napari_retina_seg.reports.evaluation import LESION_COLUMNS, lesion_rows

    rows = lesion_rows(evaluation)
    if rows:
        labels = [MEASURES[name].label for name in LESION_COLUMNS]
        table = Table("all images together", "images with it", *labels, box=None, pad_edge=False)
        for row in rows:
            table.add_row(*map(as_cell, row))
        console.print(table)
        console.print()


def _print_comparison(console: Console, comparison: Comparison) -> None:
    from rich.table import Table

    from napari_retina_seg.metrics.measures import MEASURES, Key
    from napari_retina_seg.reports.evaluation import format_score, interval

    first, second = comparison.first.name, comparison.second.name
    table = Table(box=None, pad_edge=False)
    against = comparison.first.reference or "the reference"
    table.add_column(as_cell(f"{first} minus {second}, against {against}"), overflow="fold")
    table.add_column("difference", justify="right")
    table.add_column("95 % interval", justify="right")
    for name, measure in MEASURES.items():
        estimate = comparison.differences.get(Key(name))
        if estimate is not None:
            value = format_score(estimate.value, name, signed=True)
            table.add_row(measure.label, value, interval(estimate, name, signed=True))
    console.print(table)
    console.print()
