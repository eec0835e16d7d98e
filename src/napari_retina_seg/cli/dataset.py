"""``dataset``: check training data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_retina_seg.cli.cluster_options import on_workers, opened_mapper, seen_by_workers
from napari_retina_seg.cli.console import Bar, as_cell, echo, interruptible
from napari_retina_seg.cli.data_options import (
    GroupPattern,
    Groups,
    Remap,
    named_scheme,
    read_options,
)
from napari_retina_seg.cli.inputs import OverwriteReport, check_reports, free_folder
from napari_retina_seg.cli.limits import opens_files
from napari_retina_seg.types.text import displayed
from napari_retina_seg.workflows.cluster_options import ClusterOptions

if TYPE_CHECKING:
    from rich.console import Console

    from napari_retina_seg.datasets.checked import DatasetCheck
    from napari_retina_seg.datasets.findings import Finding

_FOLDER = "dataset-check"
_MOST_OF_A_KIND = 5

app = typer.Typer(no_args_is_help=True, help="Check training data.")


@app.callback()
def dataset_command() -> None:
    """Check training data."""


@app.command("check")
@opens_files
@on_workers
def check_command(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR...",
            exists=True,
            file_okay=False,
            help="Data sets, or folders whose subfolders are data sets.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help=f"Folder for the report; by default {_FOLDER}."
        ),
    ] = None,
    scheme: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Classes of the masks, or a TOML file with them; by default those that the data"
            " name, or those usual for the modality.",
        ),
    ] = None,
    group_pattern: GroupPattern = None,
    groups: Groups = None,
    remap: Remap = None,
    overwrite: OverwriteReport = False,
    cluster: ClusterOptions | None = None,
) -> None:
    """Read every image and mask; report contents, distribution and problems.

    The exit code is 1 if a problem would stop or spoil a training, else 0.
    """
    classes = named_scheme(scheme) if scheme else None
    options = read_options(group_pattern, groups, remap)
    from napari_retina_seg.datasets.layouts import read_data
    from napari_retina_seg.reports.dataset import FILES, write_report

    images = read_data(seen_by_workers(folders, cluster), options=options)
    folder = out or free_folder(_FOLDER)
    check_reports(folder, FILES, overwrite=overwrite)
    with Bar(1) as bar, interruptible() as token:
        from napari_retina_seg.datasets.check import iter_check_dataset

        with opened_mapper(cluster, bar, starts_engine=False) as mapper:
            check = bar.walk(iter_check_dataset(images, classes, token, mapper), "Reading")
        bar.begin("Writing the report")
        written = write_report(check, folder)
    _print_summary(check)
    for path in written:
        echo(str(path.resolve()))
    if any(finding.serious for finding in check.findings):
        raise typer.Exit(1)


def _print_summary(check: DatasetCheck) -> None:
    """Print the problems, the notes and the contents."""
    from rich.console import Console

    console = Console()
    serious = [one for one in check.findings if one.serious]
    if not serious:
        console.print("No problem found that would stop or spoil a training.", style="green")
    _print_findings(console, serious, "bold red")
    _print_findings(console, [one for one in check.findings if not one.serious], "bold yellow")
    console.print(_table(check))


def _print_findings(console: Console, findings: Sequence[Finding], style: str) -> None:
    from rich.text import Text

    counts: Counter[str] = Counter()
    for finding in findings:
        counts[finding.kind] += 1
        if counts[finding.kind] <= _MOST_OF_A_KIND:
            # One line each at any terminal width, to be searched and copied.
            line = Text.assemble((finding.kind.value, style), ": ", displayed(finding.sentence))
            console.print(line, soft_wrap=True)
    for kind, number in counts.items():
        if number > _MOST_OF_A_KIND:
            more = f": {number - _MOST_OF_A_KIND} more, listed in the report."
            console.print(Text.assemble((kind, style), more), soft_wrap=True)


def _table(check: DatasetCheck) -> object:
    from rich.table import Table

    caption = "Classes: share of the pixels in %."
    table = Table(box=None, pad_edge=False, caption=caption, caption_justify="left")
    table.add_column("split")
    labels = check.scheme.classes
    for name in ("images", "groups", *(label.abbreviation for label in labels)):
        table.add_column(as_cell(name), justify="right")
    for split in check.splits:
        images, areas = check.of_split(split), check.areas(split)
        groups = {checked.image.full_group for checked in images}
        shares = (f"{100 * pixels / max(1, areas.sum()):.2g}" for pixels in areas)
        table.add_row(split, str(len(images)), str(len(groups)), *shares)
    return table
