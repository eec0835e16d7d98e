"""Rules that assign patients to images without one, for exports of training sets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_retina_seg.datasets.layouts.options import read_groups
from napari_retina_seg.io.names import image_name
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.errors import DataError, ProjectError
from napari_retina_seg.types.file_names import name_key


@dataclass(frozen=True)
class ImageSource:
    """What the patient of an image can be found from.

    Attributes
    ----------
    name : str
        Name of the image.
    folder : str or None
        Name of the folder of its file; None if it is a copy in the project's own.
    """

    name: str
    folder: str | None = None


@dataclass(frozen=True)
class PatientRule:
    r"""How the patients of images without one are found; exactly one of the four is set.

    Attributes
    ----------
    pattern : str or None
        Regular expression that finds the patient in an image's name: its first group, or the
        whole match, e.g. ``^(\d+)_`` for ``017_left_3``.
    table : Path or None
        CSV with the columns ``name`` and ``patient`` (or ``group``), a row for each image.
    each_image : bool
        Whether each image is of another patient.
    folder : bool
        Whether the folder of an image is named after its patient.

    Raises
    ------
    ProjectError
        If there is not exactly one, or the pattern is not a regular expression.
    """

    pattern: str | None = None
    table: Path | None = None
    each_image: bool = False
    folder: bool = False

    def __post_init__(self) -> None:
        choices = (self.pattern is not None, self.table is not None, self.each_image, self.folder)
        if sum(choices) != 1:
            raise ProjectError(
                "Patients come from the images' names, from their folders, from a table, or each"
                " image is its own patient: choose one of these."
            )
        try:
            re.compile(self.pattern or "")
        except re.error as error:
            raise ProjectError(
                f"The pattern '{self.pattern}' is not a regular expression: {error}."
            ) from error

    @property
    def description(self) -> str:
        """Description of the rule for the export's record, without names of patients."""
        if self.each_image:
            return "Some patients are not known: each of their images counts as its own patient."
        source = "a table"
        if self.table is None:
            source = "the names of their folders" if self.folder else "the images' names"
        return f"Patients unknown to the project were found in {source}."

    def find(self, images: Sequence[ImageSource]) -> tuple[str | None, ...]:
        """Return the patient of each image, in their order; None where the rule finds none.

        Raises
        ------
        DataError
            If the table can't be read.
        """
        if self.folder:
            return tuple(image.folder for image in images)
        if self.table is not None:
            listed = {_plain(name): who for name, who in read_groups(self.table).items()}
            return tuple(_look_up(listed, image.name) for image in images)
        if self.pattern is None:
            return (None,) * len(images)
        pattern = re.compile(self.pattern)
        found = (pattern.search(image.name) for image in images)
        return tuple(
            (one[1] if pattern.groups else one[0]) or None if one else None for one in found
        )


def rule_options(rule: PatientRule | None) -> tuple[str, ...]:
    """Return the options of a command that stand for a rule; none for None."""
    if rule is None:
        return ()
    if rule.pattern is not None:
        return ("--patients-from-name", rule.pattern)
    if rule.table is not None:
        return ("--patients", str(rule.table.absolute()))
    return ("--patients-from-folder",) if rule.folder else ("--each-image-its-own-patient",)


def require_patients(
    rule: PatientRule | None, unknown: Iterable[ImageSource]
) -> tuple[str | None, ...]:
    """Return the patients of images that have none in the project.

    Parameters
    ----------
    rule : PatientRule or None
        The rule.
    unknown : iterable of ImageSource
        The images.

    Returns
    -------
    tuple of str or None
        In the order of the images; None for one that is its own patient.

    Raises
    ------
    ProjectError
        If no rule is given, or it finds no patient for an image.
    """
    images = tuple(unknown)
    if not images:
        return ()
    if rule is None:
        raise ProjectError(
            f"The patients of {count(len(images), 'image')} are not known, e.g. of"
            f" '{images[0].name}', so that one could be in training and test set. Give a pattern"
            " that finds the patient in a name (--patients-from-name) or a table (--patients), or"
            " say that the images' folders are named after the patients (--patients-from-folder)"
            " or that each image is its own patient (--each-image-its-own-patient)."
        )
    try:
        found = rule.find(images)
    except DataError as error:
        raise ProjectError(str(error)) from error
    missing = [image.name for image, who in zip(images, found, strict=True) if who is None]
    if missing and not rule.each_image:
        where = f"The pattern '{rule.pattern}'"
        if rule.pattern is None:
            where = f"The table '{rule.table}'" if rule.table else "The name of the folder"
        more = f" nor for {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ProjectError(
            f"{where} finds no patient for the image '{missing[0]}'{more}: complete it, so that no"
            " patient is in two splits."
        )
    return found


def _look_up(listed: Mapping[str, str], name: str) -> str | None:
    return listed.get(_plain(name)) or None


def _plain(name: str) -> str:
    """Return a normalised name without the suffix of an image file."""
    return name_key(image_name(Path(name.strip())))
