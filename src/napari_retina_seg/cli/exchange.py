"""``project export`` and ``project import``: exchange masks with other programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_retina_seg.cli.console import Bar, echo, interruptible, say
from napari_retina_seg.cli.data_options import Remap, read_options
from napari_retina_seg.cli.patient_options import (
    EachImageItsOwnPatient,
    PatientsFromFolder,
    PatientsFromName,
    PatientTable,
    patient_rule,
)
from napari_retina_seg.cli.project import Author, Folder, open_project
from napari_retina_seg.project.account import current_username
from napari_retina_seg.project.states import MASK_COUNTS, State
from napari_retina_seg.types.counts import count
from napari_retina_seg.workflows.export_options import Format, Identities

if TYPE_CHECKING:
    from napari_retina_seg.workflows.exporting import Exported

_MOST = 20  # sentences of a kind


def _parse_state(text: str) -> State:
    try:
        return State(text)
    except ValueError:
        known = ", ".join(f"'{state}'" for state in State)
        raise typer.BadParameter(f"There is no state '{text}': choose one of {known}.") from None


class Eye(StrEnum):
    """Side of the eye."""

    RIGHT = "OD"
    LEFT = "OS"


_Day = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="First or last day of saving, inclusive."
    ),
]


def export_command(
    folder: Folder,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="New folder for the masks.")],
    format: Annotated[Format, typer.Option("--format", "-f", help="File format.")],
    author: Author,
    state: Annotated[
        list[State] | None,
        typer.Option(
            metavar="STATE",
            parser=_parse_state,
            help="Only images that are e.g. accepted; may be repeated.",
        ),
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
            help="Also unreviewed predictions, in a separate folder.",
        ),
    ] = False,
    identities: Annotated[
        Identities,
        typer.Option(
            help="'hide' replaces patients' names, and names of images that were not confirmed (see"
            " 'project names'), by pseudonyms; 'pseudonyms' replaces all names; 'keep' keeps them."
        ),
    ] = Identities.HIDE,
    patients_from_name: PatientsFromName = None,
    patients: PatientTable = None,
    patients_from_folder: PatientsFromFolder = False,
    each_image_its_own_patient: EachImageItsOwnPatient = False,
    with_images: Annotated[
        bool,
        typer.Option(
            "--with-images",
            help="Also export the images, as 8-bit PNG beside the masks, slice by slice: for coco,"
            " coco-polygons, vgg and cvat; labelme always includes them.",
        ),
    ] = False,
) -> None:
    """Export masks that count as truth, with classes, pixel sizes and authors.

    The folder appears when all of it is written.
    """
    from napari_retina_seg.types.image import Laterality
    from napari_retina_seg.workflows.exporting import iter_export
    from napari_retina_seg.workflows.selection import Selection, find_subjects

    selection = Selection(
        states=frozenset(state or MASK_COUNTS),
        drawn_by=drawn_by,
        since=since and since.date(),
        until=until and until.date(),
        patient=patient,
        eye=Laterality(eye.value) if eye else None,
        predictions=predictions,
    )
    rule = patient_rule(
        patients_from_name,
        patients,
        each_image=each_image_its_own_patient,
        folder=patients_from_folder,
    )
    with open_project(folder, author) as project, Bar(1) as bar, interruptible() as token:
        if format.has_images:
            expected = find_subjects(project).predict_split(selection, rule)
            if expected:
                say(expected)
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
    """Print what was exported and what was not; exit with 1 if something failed."""
    print_some(done.problems)
    if done.pseudonyms and identities is Identities.HIDE:
        say(
            f"Images renamed to pseudonyms: {done.pseudonyms}, since no one confirmed that their"
            " names tell nothing of the patient: 'project names' lists and confirms them."
        )
    for message in (*done.warnings, *filter(None, [format.advice])):
        say(message)
    unreviewed = f" and {count(done.predictions, 'prediction')}" if done.predictions else ""
    failed = f", {len(done.problems)} failed" if done.problems else ""
    echo(f"{count(done.masks, 'mask')}{unreviewed} exported to '{out}'{failed}.")
    if done.problems:
        raise typer.Exit(1)


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
        typer.Option(metavar="NAME", help="Who drew the masks whose files do not state it."),
    ] = None,
    second_grading: Annotated[
        bool, typer.Option("--second-grading", help="The masks are second gradings.")
    ] = False,
    remap: Remap = None,
) -> None:
    """Import masks from other programs, in any export format.

    Images are found by their hash if the file states it, else by name.
    """
    values = read_options(None, None, remap).remap
    from napari_retina_seg.workflows.importing import iter_import_masks

    with (
        open_project(folder, author or current_username()) as project,
        Bar(1) as bar,
        interruptible() as token,
    ):
        job = iter_import_masks(
            project, source, author=author, second_grading=second_grading, remap=values, token=token
        )
        done = bar.walk(job, "Importing")
    print_some(done.identifiers)
    print_some(done.problems)
    if done.unannotated:
        say(
            f"{count(len(done.unannotated), 'image')} without a mask in the file (not annotated,"
            f" or boxes only) stay unchanged, e.g. '{done.unannotated[0]}'."
        )
    if done.ungradable:
        say(f"{count(done.ungradable, 'image')} marked as ungradable.")
    by = Counter(version.author for version in done.versions if version.mask is not None)
    names = ", ".join(f"{number} by {name}" for name, number in by.items())
    echo(
        f"{by.total()} imported{f' ({names})' if names else ''}, {done.known} known"
        f" already, {len(done.problems)} failed."
    )
    if done.problems:
        raise typer.Exit(1)


def print_some(sentences: Sequence[str]) -> None:
    """Print the first of many messages."""
    for sentence in sentences[:_MOST]:
        say(sentence)
    if len(sentences) > _MOST:
        say(f"… and {len(sentences) - _MOST} more.")
