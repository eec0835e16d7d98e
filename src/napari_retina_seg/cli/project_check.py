"""``project check``: what is damaged and can be restored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_retina_seg.cli.console import Bar, UsageError, echo, interruptible
from napari_retina_seg.cli.project import MOST_OF_A_KIND, Author, Folder, open_project

if TYPE_CHECKING:
    from napari_retina_seg.project.files import IntegrityProblem


def check_command(
    folder: Folder,
    author: Author,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="First restore what can be: records with a flipped bit, indexes, and files whose"
            " content is found in unsaved work, in boundaries, or in --from. Close the project"
            " elsewhere before.",
        ),
    ] = False,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="PATH",
            exists=True,
            help="With --repair: a backup, an export, or other masks of this project.",
        ),
    ] = None,
) -> None:
    """Verify all records and the hash of every file; without --repair nothing is changed.

    The exit code is 1 if a record is damaged or a file is missing, truncated or altered, else 0.
    """
    if source is not None and not repair:
        raise UsageError("--from says where to look for lost files: give --repair too.")
    from napari_retina_seg.project.check import find_record_damage

    if repair:
        from napari_retina_seg.project.repair import repair_records

        for sentence in repair_records(folder):
            typer.echo(sentence)
    findings = find_record_damage(folder)
    if not findings:  # else it can't be opened
        with open_project(folder, author) as project, Bar(1) as bar, interruptible() as token:
            for sentence in project.repair(source) if repair else ():
                typer.echo(sentence)
            findings = bar.walk(project.iter_check(token), "Checking")
    serious = [finding for finding in findings if finding.serious]
    if not serious:
        typer.echo("All records and files of the project are intact.")
    _print_findings([*serious, *(finding for finding in findings if not finding.serious)])
    if serious:
        raise typer.Exit(1)


def _print_findings(findings: Sequence[IntegrityProblem]) -> None:
    counts: Counter[str] = Counter()
    for finding in findings:
        counts[finding.kind] += 1
        if counts[finding.kind] <= MOST_OF_A_KIND:
            echo(f"{finding.kind}: {finding.sentence}")
    for kind, number in counts.items():
        if number > MOST_OF_A_KIND:
            echo(f"{kind}: {number - MOST_OF_A_KIND} more.")
