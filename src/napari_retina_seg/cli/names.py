"""``project names``: what images are called in exports, and whose names may leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from napari_retina_seg.cli.console import Bar, UsageError, echo, interruptible
from napari_retina_seg.cli.project import Author, Folder, open_project
from napari_retina_seg.types.counts import count

if TYPE_CHECKING:
    from napari_retina_seg.workflows.naming import NameChange


def names_command(
    folder: Folder,
    author: Author,
    images: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[IMAGES]", help="Names, numbers (#12) or files of images; by default all."
        ),
    ] = None,
    confirm: Annotated[
        bool,
        typer.Option(
            "--confirm",
            help="Confirm that these names do not identify a patient, so that exports may keep"
            " them; without IMAGES, those made only of a study's words and short numbers.",
        ),
    ] = False,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Undo --confirm: use pseudonyms again.")
    ] = False,
) -> None:
    """Show what images are called in exports, and confirm names that are harmless.

    Exports give every image a pseudonym unless its name was confirmed. That is remembered in the
    project, with who confirmed it and when.
    """
    if confirm and withdraw:
        raise UsageError("Give either --confirm or --withdraw, not both.")
    from napari_retina_seg.workflows.naming import iter_name_changes

    with open_project(folder, author) as project, Bar(1) as bar, interruptible() as token:
        chosen = {project.find_image(image).id for image in images or ()}
        changes = bar.walk(iter_name_changes(project, token), "Looking for patients' names")
        listed = [one for one in changes if not chosen or one.image.id in chosen]
        if confirm:
            taken = [one for one in listed if chosen or not one.is_suspicious]
            project.confirm_names(one.image.id for one in taken)
        elif withdraw:
            taken = [one for one in listed if one.confirmed]
            project.withdraw_names(one.image.id for one in taken)
    if confirm:
        echo(f"{count(len(taken), 'name')} confirmed, {len(listed) - len(taken)} left out.")
    elif withdraw:
        echo(f"{count(len(taken), 'name')} withdrawn.")
    else:
        for one in listed:
            echo(_describe(one))


def _describe(change: NameChange) -> str:
    by = change.confirmed
    why = f" (confirmed by {by.author}, {by.created_at:%Y-%m-%d})" if by else ""
    warning = " (may identify the patient)" if change.is_suspicious else ""
    return f"'{change.image.name}' → '{change.exported}'{why}{warning}"
