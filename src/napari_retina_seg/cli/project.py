"""``project``: annotation projects on the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_retina_seg.cli.batch import PixelSizeOption, find_spacing
from napari_retina_seg.cli.console import (
    Bar,
    UsageError,
    echo,
    interruptible,
    say,
)
from napari_retina_seg.cli.data_options import GroupPattern, Remap, named_scheme, read_options
from napari_retina_seg.cli.history_table import print_history
from napari_retina_seg.cli.inputs import expand
from napari_retina_seg.cli.limits import opens_files
from napari_retina_seg.project.account import current_username
from napari_retina_seg.project.states import GradingRound
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.text import displayed_json

if TYPE_CHECKING:
    from napari_retina_seg.project.project import Project
    from napari_retina_seg.project.values import Status

MOST_OF_A_KIND = 20  # findings that are printed

_FORMER_OPTIONS = {"second-read": "second-grading", "reader": "grader"}


def current_option(name: str) -> str:
    """Return the present name of an option, with a notice if it was renamed."""
    current = _FORMER_OPTIONS.get(name)
    if current is None:
        return name
    say(f"The option '--{name}' is now called '--{current}'.")
    return current


app = typer.Typer(
    no_args_is_help=True,
    help="Manage images, masks and their authors in a project.",
    context_settings={"token_normalize_func": current_option},
)


Folder = Annotated[Path, typer.Argument(metavar="PROJECT", help="The project's folder.")]
Author = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        default_factory=current_username,
        help="Your name; by default that of your account.",
    ),
]
Image = Annotated[
    str, typer.Argument(metavar="IMAGE", help="Name of an image, its number (#12), or its file.")
]
Images = Annotated[
    list[str], typer.Argument(metavar="IMAGES", help="Names, numbers (#12) or files of images.")
]
_JSON = "Output JSON, with states as stored: 'second read' is 'graded twice'."
Json = Annotated[bool, typer.Option("--json", help=_JSON)]
Comment = Annotated[str, typer.Option(metavar="TEXT", help="Saved with the version.")]


@app.callback()
def project_command() -> None:
    """Manage images, all versions of their masks and their authors in a project."""


@app.command("create")
def create_command(
    folder: Folder,
    scheme: Annotated[
        str,
        typer.Option(metavar="NAME", help="Classes of the masks, or a TOML file with them."),
    ],
    author: Author,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Where its records are kept, for people on several computers: an empty PostgreSQL"
            " database, postgresql://host/name. By default in the folder.",
        ),
    ] = None,
    files: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Where its masks are kept, for people without a common folder: an object store,"
            " s3://bucket/study. By default in the folder.",
        ),
    ] = None,
) -> None:
    """Create a project."""
    classes = named_scheme(scheme)
    from napari_retina_seg.project.project import Project

    with Project.create(folder, scheme=classes, author=author, database=database, files=files):
        echo(f"Created a project of '{classes.name}' in '{folder}'.")


@app.command("add")
@opens_files
def add_command(
    folder: Folder,
    files: Annotated[
        list[str], typer.Argument(metavar="FILES", help="Images, folders of images, or patterns.")
    ],
    author: Author,
    copy: Annotated[
        bool,
        typer.Option(
            "--copy", help="Copy the files into the project; by default they are referenced."
        ),
    ] = False,
    group_pattern: GroupPattern = None,
    pixel_size: PixelSizeOption = None,
) -> None:
    """Add images; files whose content is known already are reported."""
    patient_of = _patient_of(group_pattern)
    spacing = find_spacing(pixel_size)
    inputs = expand(files)
    series = inputs.group()
    paths = list(dict.fromkeys(file for image in series for file in image.files))
    with open_project(folder, author) as project, Bar(1) as bar, interruptible() as token:
        job = project.iter_add_images(
            paths, copy=copy, patient_of=patient_of, spacing=spacing, token=token
        )
        added = bar.walk(job, "Adding")
    apart = [image.message for image in series if image.message]
    for sentence in (*inputs.problems, *inputs.warnings, *apart, *added.problems, *added.warnings):
        say(sentence)
    from napari_retina_seg.project.misfits import describe_misfits

    misfits = describe_misfits(project.scheme, added.images)
    if misfits:
        say(misfits)
    if inputs.masks:
        say(inputs.masks)
    if added.duplicates:
        path, image = added.duplicates[0]
        others = len(added.duplicates) - 1
        more = f" So are {others} more." if others > 1 else " So is 1 more." if others else ""
        say(f"'{path}' is in the project already, as '{image.name}' (#{image.id}).{more}")
    gone = [image.name for _, image in added.duplicates if image.removal is not None]
    if gone:
        more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        say(f"'{gone[0]}'{more} had been removed: 'project restore' brings them back.")
    for image, identifying in added.identifiers[:MOST_OF_A_KIND]:
        say(f"'{image.name}' may identify the patient: {', '.join(identifying)}.")
    if added.identifiers:
        say(
            f"Possible patient identifiers in {len(added.identifiers)} of {len(added.images)}"
            " new files; exports remove them by default."
        )
    known = f", {len(added.duplicates)} known already" if added.duplicates else ""
    failed = len(inputs.problems) + len(added.problems)
    failures = f", {failed} failed" if failed else ""
    echo(f"{len(added.images)} added{known}{failures}.")
    if failed:
        raise typer.Exit(1)


@app.command("status")
def status_command(folder: Folder, author: Author, as_json: Json = False) -> None:
    """Show images by state, who works on what, and unsaved work that can be recovered."""
    with open_project(folder, author) as project:
        status = project.status()
        if as_json:
            typer.echo(to_json({"scheme": project.scheme.name, **asdict(status)}))
        else:
            _print_status(project, status)


@app.command("history")
def history_command(folder: Folder, image: Image, author: Author, as_json: Json = False) -> None:
    """Show the versions of an image."""
    with open_project(folder, author) as project:
        found = project.find_image(image)
        versions = project.history(found.id)
        if as_json:
            typer.echo(to_json([asdict(version) for version in versions]))
        else:
            print_history(found, versions, project.removals(found.id))


@app.command("accept")
@opens_files
def accept_command(
    folder: Folder,
    images: Images,
    author: Author,
    comment: Comment = "",
) -> None:
    """Accept the newest predictions of images: they count as your gradings."""
    with open_project(folder, author) as project:
        found = [project.find_image(image) for image in images]
        for image in found:
            version = project.accept(image.id, comment=comment)
            echo(f"Accepted {version.model}'s mask of '{image.name}' by {version.author}.")


@app.command("attach")
@opens_files
def attach_command(
    folder: Folder,
    image: Image,
    mask: Annotated[
        Path,
        typer.Argument(metavar="MASK", exists=True, dir_okay=False, help="Image of class values."),
    ],
    author: Annotated[str, typer.Option(metavar="NAME", help="Who drew it.")],
    second_grading: Annotated[
        bool, typer.Option("--second-grading", help="The author is the second grader.")
    ] = False,
    adjudicated: Annotated[
        bool, typer.Option("--adjudicated", help="The mask adjudicates two gradings.")
    ] = False,
    remap: Remap = None,
    comment: Comment = "",
) -> None:
    """Attach a mask from another program; it must fit the image's grid and the scheme."""
    values = read_options(None, None, remap).remap
    grading = _grading_round(second_grading=second_grading, adjudicated=adjudicated)
    from napari_retina_seg.workflows.attach import read_annotation

    with open_project(folder, author) as project:
        found = project.find_image(image)
        annotation = read_annotation(mask, project.scheme, values)
        version = project.attach(
            found.id, annotation, author=author, grading=grading, comment=comment
        )
    echo(f"Attached '{mask}' to '{found.name}' as version {version.number}.")


@app.command("ungradable")
def ungradable_command(
    folder: Folder,
    images: Images,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Reason, saved with the image.")],
    author: Author,
) -> None:
    """Mark images as ungradable, with a reason."""
    with open_project(folder, author) as project:
        for image in [project.find_image(image) for image in images]:
            project.mark_ungradable(image.id, reason)
            echo(f"'{image.name}' is ungradable: {reason}")


@app.command("reopen")
def reopen_command(
    folder: Folder,
    image: Image,
    author: Author,
    version: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER", help="Version to continue; by default the newest final one."
        ),
    ] = None,
    comment: Comment = "",
) -> None:
    """Reopen a finished image, or settle a conflict by choosing a version."""
    with open_project(folder, author) as project:
        found = project.find_image(image)
        new = project.reopen(found.id, version, comment=comment)
        begun = "nothing" if new.parent is None else f"version {new.parent}"
        echo(f"'{found.name}' is in progress again, from {begun}.")


def open_project(folder: Path, author: str) -> Project:
    """Open a project to change it."""
    from napari_retina_seg.project.project import Project

    return Project(folder, author=author)


def _grading_round(*, second_grading: bool, adjudicated: bool) -> GradingRound:
    if second_grading and adjudicated:
        raise UsageError("Give either --second-grading or --adjudicated, not both.")
    if adjudicated:
        return GradingRound.ADJUDICATION
    return GradingRound.SECOND if second_grading else GradingRound.FIRST


def _patient_of(pattern: str | None) -> Callable[[str], str | None] | None:
    if pattern is None:
        return None
    compiled = re.compile(read_options(pattern, None, None).group_pattern or "")

    def find(name: str) -> str | None:
        found = compiled.search(name)
        return found and (found[1] if compiled.groups else found[0])

    return find


def to_json(value: Any) -> str:
    """Return what a command prints as JSON."""
    return displayed_json(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def _print_status(project: Project, status: Status) -> None:
    echo(
        f"{count(status.images, 'image')} of '{project.scheme.name}'"
        f" in {count(status.versions, 'version')}" + (", read-only" if project.read_only else "")
    )
    for state, number in status.states.items():
        if number:
            echo(f"  {state}: {number}")
    if status.removed:
        echo(f"  removed (not counted above): {status.removed}")
    if status.conflicts:
        echo(f"  in conflict (reopen one version to settle): {status.conflicts}")
    for lease in status.leases:
        name = project.image(lease.image_id).name
        echo(f"'{name}' is being worked on by {lease.holder}.")
    for slot in status.autosaves:
        name = project.image(slot.image_id).name
        echo(
            f"Unsaved work of {slot.author} on '{name}' from"
            f" {slot.saved_at.astimezone():%Y-%m-%d %H:%M}: the window offers to recover it."
        )
