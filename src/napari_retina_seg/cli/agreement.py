"""``project agreement`` and ``project adjudicate``: two readers compared, and settled."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_retina_seg.cli.console import Bar, interruptible, say
from napari_retina_seg.cli.inputs import OverwriteReport, check_reports
from napari_retina_seg.cli.project import Author, Comment, Folder, Images, open_project

if TYPE_CHECKING:
    from rich.console import Console

    from napari_retina_seg.io.agreement_report import Table


def agreement_command(
    folder: Folder,
    author: Author,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Write a page, a table and JSON there."),
    ] = None,
    overwrite: OverwriteReport = False,
) -> None:
    """Compare first and second readings: Dice, kappa, boundaries, ICC and limits of agreement.

    A second reader can ask when no image is left to read.
    """
    from napari_retina_seg.io.agreement_report import (
        FILES,
        boundary_table,
        class_table,
        image_table,
        summary_table,
        write_agreement,
    )
    from napari_retina_seg.project.agreement import iter_agreement
    from napari_retina_seg.project.view import ProjectView

    if out is not None:
        check_reports(out, FILES, overwrite=overwrite)
    with (
        ProjectView(folder, author=author) as project,
        Bar(1) as bar,
        interruptible() as token,
    ):
        found = bar.walk(iter_agreement(project, token=token), "Comparing")
        left = project.second_gradings_left()
    from rich.console import Console

    console = Console()
    for make in (summary_table, class_table, boundary_table, image_table):
        _print(console, make(found))
    if left:
        say(f"Second gradings still to come: {left}.")
    if out is not None:
        for path in write_agreement(found, out):
            typer.echo(str(path.resolve()))


class Reader(StrEnum):
    """Whose mask becomes the final one."""

    FIRST = "first"
    SECOND = "second"


def adjudicate_command(
    folder: Folder,
    images: Images,
    take: Annotated[Reader, typer.Option(help="Whose reading is right.")],
    author: Author,
    comment: Comment = "",
) -> None:
    """Settle images that were read twice: one of both readings becomes the final version.

    To settle one with a mask of your own, use 'attach --adjudicated'.
    """
    from napari_retina_seg.core.errors import ProjectError
    from napari_retina_seg.project.agreement import adopt, check_adoptable

    with open_project(folder, author) as project:
        twice = {pair.image.id: pair for pair in project.double_gradings()}
        chosen = {}
        for image in map(project.find_image, images):
            if image.id not in twice:
                raise ProjectError(f"'{image.name}' was not read by two people: assign a reader.")
            pair = twice[image.id]
            chosen[image.id] = pair.first if take is Reader.FIRST else pair.second
        for number, reading in chosen.items():  # all, before the first is settled
            check_adoptable(project, number, reading)
        for number, reading in chosen.items():
            final = adopt(project, number, reading, comment=comment)
            name = twice[number].image.name
            typer.echo(f"'{name}' is {final.state}, as {reading.author} read it.")


def _print(console: Console, table: Table) -> None:
    from rich.table import Table as RichTable
    from rich.text import Text

    if not table.rows:
        return
    shown = RichTable(box=None, pad_edge=False, show_header=any(table.header))
    for number, name in enumerate(table.header):
        figures = bool(number and table.header[0])
        shown.add_column(Text(name), justify="right" if figures else "left", overflow="fold")
    for row in table.rows:
        shown.add_row(*map(Text, row))
    console.print(shown)
    console.print()
