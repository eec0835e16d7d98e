"""``project``: second graders, removal and kind of images."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from napari_retina_seg.cli.batch import ImageKind
from napari_retina_seg.cli.console import as_cell, echo, say
from napari_retina_seg.cli.project import Author, Folder, Images, Json, open_project, to_json
from napari_retina_seg.project.states import UNFINISHED, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_retina_seg.project.project import Project
    from napari_retina_seg.project.values import ProjectImage


class QueueOrder(StrEnum):
    """Orders of the queue by the names of the command line."""

    ADDED = "added"
    UNCERTAIN = "uncertain"
    GAIN = "gain"


def queue_command(
    folder: Folder,
    author: Author,
    order: Annotated[
        QueueOrder,
        typer.Option(
            help="As they were added, by uncertainty, or by what their correction is expected to"
            " teach a model, with the reason."
        ),
    ] = QueueOrder.ADDED,
    state: Annotated[
        list[State] | None,
        typer.Option(
            help="Only images of this state; may be repeated. By default unfinished ones."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    as_json: Json = False,
) -> None:
    """List images: those that are left to do, or those of given states.

    The order by gain is worked out anew: what the model is unsure of, where models differ, what is
    implausible or unlike the corrected images, and not many images of one patient or volume.
    """
    from napari_retina_seg.project.filters import Filters, Order

    orders = dict(zip(QueueOrder, Order, strict=True))
    filters = Filters(states=frozenset(state) if state else UNFINISHED)
    with open_project(folder, author) as project:
        if order is QueueOrder.GAIN:
            _rank(project)
        images = project.queue(filters, orders[order], limit=limit)
    if as_json:
        typer.echo(to_json([_described(image) for image in images]))
    else:
        _print_queue(images, why=order is QueueOrder.GAIN)


def _rank(project: Project) -> None:
    if project.read_only:
        say("The project can't be written: the order is as it was last worked out.")
        return
    sentence = project.rank_images().sentence
    if sentence:
        say(sentence)


def _described(image: ProjectImage) -> dict[str, object]:
    return {
        "id": image.id,
        "name": image.name,
        "state": image.state.value,
        "uncertainty": image.uncertainty,
        "gain": image.gain,
        "reason": image.reason,
        "warning": image.warning,
    }


def _print_queue(images: Sequence[ProjectImage], *, why: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    if not images:
        say("No image matches.")
        return
    names = ("", "image", "state", "uncertain", *["why it is here"] * why)
    table = Table(*names, box=None, pad_edge=False)
    for image in images:
        uncertain = "" if image.uncertainty is None else f"{image.uncertainty:.3f}"
        cells = [f"#{image.id}", image.name, str(image.state), uncertain]
        cells += [image.reason] * why
        table.add_row(*(as_cell(cell, fold=True) for cell in cells))
    Console().print(table)


def assign_command(
    folder: Folder,
    images: Images,
    grader: Annotated[
        list[str],
        typer.Option(
            metavar="NAME",
            help="Second grader, to whom the first grading is hidden; repeat it to deal the images"
            " to several people.",
        ),
    ],
    author: Author,
) -> None:
    """Assign second graders to images, dealt evenly if there are several."""
    with open_project(folder, author) as project:
        found = {image.id: image.name for image in map(project.find_image, images)}
        result = project.assign_second_graders(tuple(found), grader)
    for image_id, name in result.assigned:
        echo(f"{name} is the second grader of '{found[image_id]}'.")
    for sentence in result.problems:
        say(sentence)
    if result.problems:
        raise typer.Exit(1)


def remove_command(
    folder: Folder,
    images: Images,
    author: Author,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; kept with the removal.")] = "",
) -> None:
    """Remove images from the project; nothing is deleted, and 'restore' undoes it."""
    with open_project(folder, author) as project:
        found = {image.id: image.name for image in map(project.find_image, images)}
        for image_id in project.remove_images(tuple(found), reason):
            echo(f"Removed '{found[image_id]}'; 'project restore' undoes it.")


def restore_command(folder: Folder, images: Images, author: Author) -> None:
    """Restore images that were removed."""
    with open_project(folder, author) as project:
        found = {image.id: image.name for image in map(project.find_image, images)}
        for image_id in project.restore_images(tuple(found)):
            echo(f"Restored '{found[image_id]}'.")


def modality_command(
    folder: Folder,
    images: Images,
    kind: Annotated[ImageKind, typer.Option("--to", help="The right kind of image.")],
    author: Author,
) -> None:
    """Correct the kind of images, which is guessed when they are added."""
    from napari_retina_seg.types.image import Modality

    with open_project(folder, author) as project:
        found = {image.id: image.name for image in map(project.find_image, images)}
        project.set_modality(tuple(found), Modality(kind.value))
    for name in found.values():
        echo(f"'{name}' is of kind {kind.value}.")
