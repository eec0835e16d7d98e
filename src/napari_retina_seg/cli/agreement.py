"""``project agreement`` and ``project adjudicate``: compare two graders, and settle differences."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_retina_seg.cli.console import Bar, as_cell, echo, interruptible, say
from napari_retina_seg.cli.inputs import OverwriteReport, check_reports
from napari_retina_seg.cli.project import Author, Comment, Folder, Images, open_project
from napari_retina_seg.workflows.export_options import Identities

if TYPE_CHECKING:
    from rich.console import Console

    from napari_retina_seg.reports.agreement import Table


def agreement_command(
    folder: Folder,
    author: Author,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Folder for a report: HTML, CSV and JSON."),
    ] = None,
    identities: Annotated[
        Identities,
        typer.Option(help="Names of images and patients in the report, as in 'project export'."),
    ] = Identities.HIDE,
    overwrite: OverwriteReport = False,
) -> None:
    """Compare first and second gradings: Dice, kappa, boundaries, ICC and limits of agreement.

    A second grader can run this once all second gradings are final.
    """
    from napari_retina_seg.project.view import ProjectView
    from napari_retina_seg.reports.agreement import (
        FILES,
        boundary_table,
        caution,
        class_table,
        image_table,
        summary_table,
        write_agreement,
    )
    from napari_retina_seg.workflows.agreement import iter_agreement, rename_images

    if out is not None:
        check_reports(out, FILES, overwrite=overwrite)
    with (
        ProjectView(folder, author=author) as project,
        Bar(1) as bar,
        interruptible() as token,
    ):
        found = bar.walk(iter_agreement(project, token=token), "Comparing")
        left = project.second_gradings_left()
        reported = rename_images(found, project, identities)
    from rich.console import Console

    console = Console()
    for make in (summary_table, class_table, boundary_table, image_table):
        _print(console, make(found))
    if warning := caution(found):
        say(warning)
    if left:
        say(f"Second gradings still open: {left}.")
    if out is not None:
        for path in write_agreement(reported, out):
            echo(str(path.resolve()))


class Grader(StrEnum):
    """The grader whose mask becomes the final one."""

    FIRST = "first"
    SECOND = "second"


def adjudicate_command(
    folder: Folder,
    images: Images,
    take: Annotated[Grader, typer.Option(help="The grading to keep.")],
    author: Author,
    comment: Comment = "",
) -> None:
    """Adjudicate images that were graded twice: one grading becomes the final version.

    To adjudicate with a mask of your own, use 'attach --adjudicated'.
    """
    from napari_retina_seg.types.errors import ProjectError
    from napari_retina_seg.workflows.agreement import adopt, check_adoptable

    with open_project(folder, author) as project:
        twice = {pair.image.id: pair for pair in project.double_gradings()}
        chosen = {}
        for image in map(project.find_image, images):
            if image.id not in twice:
                raise ProjectError(f"'{image.name}' was not graded twice: assign a second grader.")
            pair = twice[image.id]
            chosen[image.id] = pair.first if take is Grader.FIRST else pair.second
        for number, grading in chosen.items():  # check all before the first is changed
            check_adoptable(project, number, grading)
        for number, grading in chosen.items():
            final = adopt(project, number, grading, comment=comment)
            name = twice[number].image.name
            echo(f"'{name}' is {final.state}, as graded by {grading.author}.")


def _print(console: Console, table: Table) -> None:
    from rich.table import Table as RichTable

    if not table.rows:
        return
    shown = RichTable(box=None, pad_edge=False, show_header=any(table.header))
    for number, name in enumerate(table.header):
        figures = bool(number and table.header[0])
        shown.add_column(as_cell(name), justify="right" if figures else "left", overflow="fold")
    for row in table.rows:
        shown.add_row(*map(as_cell, row))
    console.print(shown)
    console.print()
