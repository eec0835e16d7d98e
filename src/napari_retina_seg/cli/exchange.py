"""``project export`` and ``project import``: masks to other programs and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_retina_seg.cli.console import Bar, UsageError, interruptible, say
from napari_retina_seg.cli.data_options import Remap, read_options
from napari_retina_seg.cli.project import Author, Folder, open_project
from napari_retina_seg.core.errors import ProjectError
from napari_retina_seg.core.words import count
from napari_retina_seg.project.account import current_username
from napari_retina_seg.project.formats import Format, Identities
from napari_retina_seg.project.states import MASK_COUNTS, State

if TYPE_CHECKING:
    from napari_retina_seg.project.exporting import Exported
    from napari_retina_seg.project.patients import PatientRule

_MOST = 20  # sentences of a kind


class Eye(StrEnum):
    """Of a person."""

    RIGHT = "OD"
    LEFT = "OS"


_Day = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="First or last day of saving, included."
    ),
]


def export_command(
    folder: Folder,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="New folder for the masks.")],
    format: Annotated[Format, typer.Option("--format", "-f", help="For which program.")],
    author: Author,
    state: Annotated[
        list[State] | None,
        typer.Option(metavar="STATE", help="Only images that are e.g. accepted; may be repeated."),
    ] = None,
    drawn_by: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only masks by this person.")
    ] = None,
    since: _Day = None,
    until: _Day = None,
    patient: Annotated[
        str | None, typer.Option(metavar="ID", help="Only images of this patient.")
    ] = None,
    eye: Annotated[Eye | None, typer.Option(help="Only right (OD) or left (OS) eyes.")] = None,
    predictions: Annotated[
        bool,
        typer.Option(
            "--predictions",
            help="Also what a model drew and nobody has reviewed, in a folder by itself.",
        ),
    ] = False,
    identities: Annotated[
        Identities,
        typer.Option(
            help="'hide' gives patients, and images whose names may tell who the patient is,"
            " pseudonyms; 'pseudonyms' does so with all; 'keep' leaves names as they are."
        ),
    ] = Identities.HIDE,
    patients_from_name: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="Finds in an image's name the patient whom the project does not know, e.g."
            " '^([^_]+)_'; for formats with images, which are divided by patient.",
        ),
    ] = None,
    patients: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            exists=True,
            dir_okay=False,
            help="A table of name,patient: whose images they are.",
        ),
    ] = None,
    patients_from_folder: Annotated[
        bool,
        typer.Option(
            "--patients-from-folder",
            help="The folder that an image lies in is named after its patient.",
        ),
    ] = False,
    each_image_its_own_patient: Annotated[
        bool,
        typer.Option(
            "--each-image-its-own-patient",
            help="No two images of unknown patients are of the same one.",
        ),
    ] = False,
    with_images: Annotated[
        bool,
        typer.Option(
            "--with-images",
            help="Also the images, as PNG of 8 bits beside the masks, slice by slice: for coco,"
            " coco-polygons, vgg and cvat; labelme has them always.",
        ),
    ] = False,
) -> None:
    """Write masks that count as truth for other programs, with classes, sizes and who made them.

    The folder appears when all of it is written.
    """
    from napari_retina_seg.core.image import Laterality
    from napari_retina_seg.project.exporting import iter_export
    from napari_retina_seg.project.selection import Selection

    selection = Selection(
        states=frozenset(state or MASK_COUNTS),
        drawn_by=drawn_by,
        since=since and since.date(),
        until=until and until.date(),
        patient=patient,
        eye=Laterality(eye.value) if eye else None,
        predictions=predictions,
    )
    rule = _patient_rule(
        patients_from_name,
        patients,
        each_image=each_image_its_own_patient,
        folder=patients_from_folder,
    )
    with open_project(folder, author) as project, Bar(1) as bar, interruptible() as token:
        job = iter_export(
            project,
            out,
            format,
            selection=selection,
            identities=identities,
            patients=rule,
            with_images=with_images,
            token=token,
        )
        done = bar.walk(job, "Exporting")
    _report_export(done, out, format, identities)


def _report_export(done: Exported, out: Path, format: Format, identities: Identities) -> None:
    """Say what was exported and what was not; end with 1 if something failed."""
    say_some(done.problems)
    if done.pseudonyms and identities is Identities.HIDE:
        say(
            f"Pseudonyms there: {done.pseudonyms}, of images whose names may tell who the patient"
            " is; '--identities keep' leaves names as they are."
        )
    for message in (*done.warnings, *filter(None, [format.advice])):
        say(message)
    unreviewed = f" and {count(done.predictions, 'prediction')}" if done.predictions else ""
    failed = f", {len(done.problems)} failed" if done.problems else ""
    typer.echo(f"{count(done.masks, 'mask')}{unreviewed} exported to '{out}'{failed}.")
    if done.problems:
        raise typer.Exit(1)


def _patient_rule(
    pattern: str | None, table: Path | None, *, each_image: bool, folder: bool
) -> PatientRule | None:
    from napari_retina_seg.project.patients import PatientRule

    if pattern is None and table is None and not (each_image or folder):
        return None
    try:
        return PatientRule(pattern, table, each_image, folder)
    except ProjectError as error:
        raise UsageError(
            "--patients-from-name, --patients, --patients-from-folder,"
            f" --each-image-its-own-patient: {error}"
        ) from error


def import_command(
    folder: Folder,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE", exists=True, help="A file with masks, or a folder of such files."
        ),
    ],
    author: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who drew the masks whose files do not say it."),
    ] = None,
    second_read: Annotated[
        bool, typer.Option("--second-read", help="They are second readings.")
    ] = False,
    remap: Remap = None,
) -> None:
    """File masks that people drew elsewhere, in any format that is exported.

    Images are found by their hash where the file says it, else by their names.
    """
    values = read_options(None, None, remap).remap
    from napari_retina_seg.project.importing import iter_import_masks

    with (
        open_project(folder, author or current_username()) as project,
        Bar(1) as bar,
        interruptible() as token,
    ):
        job = iter_import_masks(
            project, source, author=author, second_read=second_read, remap=values, token=token
        )
        done = bar.walk(job, "Importing")
    say_some(done.identifiers)
    say_some(done.problems)
    if done.unannotated:
        say(
            f"{count(len(done.unannotated), 'image')} without a mask there (not annotated, or boxes"
            f" only): left as they are, e.g. '{done.unannotated[0]}'."
        )
    by = Counter(version.author for version in done.versions)
    names = ", ".join(f"{number} by {name}" for name, number in by.items())
    typer.echo(
        f"{len(done.versions)} imported{f' ({names})' if names else ''}, {done.known} there"
        f" already, {len(done.problems)} failed."
    )
    if done.problems:
        raise typer.Exit(1)


def say_some(sentences: Sequence[str]) -> None:
    """Say the first of many sentences."""
    for sentence in sentences[:_MOST]:
        say(sentence)
    if len(sentences) > _MOST:
        say(f"… and {len(sentences) - _MOST} more.")
