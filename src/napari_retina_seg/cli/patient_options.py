"""Options that say which patient an image is of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_retina_seg.cli.console import UsageError
from napari_retina_seg.types.errors import ProjectError

if TYPE_CHECKING:
    from napari_retina_seg.workflows.patients import PatientRule

PatientsFromName = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX",
        help="Pattern that finds an unknown patient in an image's name, e.g. '^([^_]+)_'; where"
        " images are divided by patient.",
    ),
]
PatientTable = Annotated[
    Path | None,
    typer.Option(
        metavar="CSV",
        exists=True,
        dir_okay=False,
        help="CSV with the columns name,patient: the patient of each image.",
    ),
]
PatientsFromFolder = Annotated[
    bool,
    typer.Option(
        "--patients-from-folder", help="The folder of each image is named after its patient."
    ),
]
EachImageItsOwnPatient = Annotated[
    bool,
    typer.Option(
        "--each-image-its-own-patient",
        help="Each image without a patient is from a different patient.",
    ),
]


def patient_rule(
    pattern: str | None, table: Path | None, *, each_image: bool, folder: bool
) -> PatientRule | None:
    """Return how the patients of images without one are found, if it was said."""
    from napari_retina_seg.workflows.patients import PatientRule

    if pattern is None and table is None and not (each_image or folder):
        return None
    try:
        return PatientRule(pattern, table, each_image, folder)
    except ProjectError as error:
        raise UsageError(
            "--patients-from-name, --patients, --patients-from-folder,"
            f" --each-image-its-own-patient: {error}"
        ) from error
