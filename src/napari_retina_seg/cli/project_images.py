"""``project``: second graders, removal and kind of images."""

from __future__ import annotations

from typing import Annotated

import typer

from napari_retina_seg.cli.batch import ImageKind
from napari_retina_seg.cli.console import echo, say
from napari_retina_seg.cli.project import Author, Folder, Images, open_project


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
