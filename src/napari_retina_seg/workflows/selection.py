"""Select the masks to export, and the names to export them under."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from napari_retina_seg.project.states import MASK_COUNTS, UNFINISHED, State
from napari_retina_seg.project.store import clean_name, same_person
from napari_retina_seg.project.values import ProjectImage, Version, VersionKind
from napari_retina_seg.project.view import ProjectView
from napari_retina_seg.types.choices import member, members
from napari_retina_seg.types.errors import ProjectError, RetinaSegError
from napari_retina_seg.types.image import Laterality
from napari_retina_seg.types.progress import CancelToken, Progress
from napari_retina_seg.workflows.naming import Names
from napari_retina_seg.workflows.patients import ImageSource, PatientRule, require_patients


@dataclass(frozen=True)
class Selection:
    """Which masks to export; by default all that count as truth.

    Attributes
    ----------
    states : frozenset of State
        States of the images.
    drawn_by : str or None
        Only masks by this person.
    since, until : date or None
        Only masks saved on this day or later, and on this day or earlier, by the local clock.
    patient : str or None
        Only of this patient, or other group whose images stay together.
    eye : Laterality or None
        Only right eyes, left eyes, or eyes of unknown side.
    predictions : bool
        Also the newest predictions of unfinished images, marked as such.

    Raises
    ------
    ProjectError
        If masks of one of the states never count as truth.
    """

    states: frozenset[State] = MASK_COUNTS
    drawn_by: str | None = None
    since: date | None = None
    until: date | None = None
    patient: str | None = None
    eye: Laterality | None = None
    predictions: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "states", members(State, self.states, "state", ProjectError))
        if self.eye is not None:
            object.__setattr__(self, "eye", member(Laterality, self.eye, "eye", ProjectError))
        strange = sorted(self.states - MASK_COUNTS)
        if strange:
            raise ProjectError(
                f"Masks of images that are {strange[0]} don't count as truth: choose"
                f" {', '.join(str(state) for state in State if state in MASK_COUNTS)}."
            )

    def wants(self, image: ProjectImage) -> bool:
        """Whether an image is wanted, regardless of its state."""
        same = self.patient is None or same_person(self.patient, image.patient)
        return same and self.eye in (None, image.laterality)

    def takes(self, version: Version) -> bool:
        """Whether a person's version is wanted, regardless of its image's state."""
        day = version.created_at.astimezone().date()
        return (
            (self.drawn_by is None or same_person(version.author, self.drawn_by))
            and (self.since is None or day >= self.since)
            and (self.until is None or day <= self.until)
        )


@dataclass(frozen=True)
class Subjects:
    """The patients and eyes of a project's images, as far as known.

    Attributes
    ----------
    patients : tuple of str
        Patients, or other groups whose images stay together, sorted; each in one spelling.
    eyes : tuple of Laterality
        Right, left and unknown, in this order; nothing if all are unknown.
    masks : tuple of (ProjectImage, Version)
        The images whose masks count as truth, with these masks.
    """

    patients: tuple[str, ...] = ()
    eyes: tuple[Laterality, ...] = ()
    masks: tuple[tuple[ProjectImage, Version], ...] = ()

    def unknown(self, selection: Selection) -> tuple[ImageSource, ...]:
        """Return the images of a training set whose patients are unknown.

        Parameters
        ----------
        selection : Selection
            The masks to export.

        Returns
        -------
        tuple of ImageSource
            Empty for an export of a single image: there is nothing to split.
        """
        chosen = self._choose(selection)
        if len(chosen) < 2:
            return ()
        return tuple(source_of(image) for image in chosen if not has_patient(image))

    def predict_split(self, selection: Selection, rule: PatientRule | None) -> str:
        """Say which splits of a training set will be empty; empty if that is not known yet.

        Parameters
        ----------
        selection : Selection
            The masks to export.
        rule : PatientRule or None
            How to find unknown patients.
        """
        chosen = self._choose(selection)
        unknown = [source_of(image) for image in chosen if not has_patient(image)]
        try:
            found = require_patients(rule, unknown) if len(chosen) > 1 else (None,) * len(unknown)
        except RetinaSegError:  # the export reports it
            return ""
        people = {clean_name(str(image.patient)) for image in chosen if has_patient(image)}
        people |= {clean_name(who) for who in found if who is not None}
        return (
            warn_of_empty_splits(len(people) + sum(who is None for who in found)) if chosen else ""
        )

    def _choose(self, selection: Selection) -> list[ProjectImage]:
        return [
            image
            for image, version in self.masks
            if image.state in selection.states
            and selection.wants(image)
            and selection.takes(version)
        ]


def warn_of_empty_splits(patients: int) -> str:
    """Say which splits of a training set with a number of patients are empty."""
    if patients > 1:
        return "There is no test set: images are divided into training and validation only."
    return (
        "Validation and test are empty: all images are of one patient, and the images of a patient"
        " stay together. Training needs two patients or more."
    )


def find_subjects(project: ProjectView) -> Subjects:
    """List the patients and eyes of a project."""
    patients: dict[str, str] = {}
    eyes: set[Laterality] = set()
    masks = []
    for image in project.images():
        spelling = (image.patient or "").strip()
        if spelling:
            patients.setdefault(clean_name(spelling), spelling)
        eyes.add(image.laterality)
        with contextlib.suppress(
            ProjectError
        ):  # the export reports which masks are excluded, and why
            truth = project.truth(image.id) if image.state in MASK_COUNTS else None
            if truth is not None and truth.mask is not None:
                masks.append((image, truth))
    known = tuple(eye for eye in Laterality if eye in eyes)
    sides = known if eyes != {Laterality.UNKNOWN} else ()
    return Subjects(tuple(sorted(patients.values())), sides, tuple(masks))


def source_of(image: ProjectImage) -> ImageSource:
    """Return the name and folder of an image; a copy in the project has no folder."""
    return ImageSource(image.name, None if image.is_copy else image.path.parent.name or None)


def has_patient(image: ProjectImage) -> bool:
    """Whether the project knows the patient of an image."""
    return bool((image.patient or "").strip())


@dataclass(frozen=True)
class ExportItem:
    """A mask to export.

    Attributes
    ----------
    image : ProjectImage
        Its image.
    version : Version
        The version that holds it.
    name : str
        Exported name of the image.
    group : str
        Exported name of its patient.
    is_hidden : bool
        Whether the name is a pseudonym.
    """

    image: ProjectImage
    version: Version
    name: str
    group: str
    is_hidden: bool

    @property
    def is_prediction(self) -> bool:
        """Whether it is an unreviewed prediction."""
        return self.version.kind is VersionKind.PREDICTION


def iter_choose(
    project: ProjectView, selection: Selection, names: Names, token: CancelToken
) -> Generator[Progress, None, tuple[tuple[ExportItem, ...], tuple[str, ...]]]:
    """Select masks and name them (slow).

    Returns
    -------
    tuple
        The masks, and a sentence for each image whose mask may not be exported.
    """
    found: list[tuple[ProjectImage, Version]] = []
    problems: list[str] = []
    total = project.status().images
    for done, image in enumerate(project.images()):
        token.raise_if_cancelled()
        yield Progress(done, total, "Choosing")
        try:
            version = _find_version(project, image, selection)
        except ProjectError as error:
            problems.append(str(error))
            continue
        if version is not None:
            found.append((image, version))
    images = [image for image, _ in found]
    chosen = tuple(
        ExportItem(image, version, name, _group(image, name, names), names.hides(image.id))
        for (image, version), name in zip(found, names.choose(images), strict=True)
    )
    return chosen, tuple(problems)


def _find_version(
    project: ProjectView, image: ProjectImage, selection: Selection
) -> Version | None:
    if not selection.wants(image):
        return None
    if image.state in selection.states:
        truth = project.truth(image.id)
        if truth is not None and truth.mask is not None and selection.takes(truth):
            return truth
    if selection.predictions and image.state in UNFINISHED:
        versions = project.history(image.id)
        drawn = [version for version in versions if version.kind is VersionKind.PREDICTION]
        return drawn[-1] if drawn else None
    return None


def add_patients(
    chosen: Sequence[ExportItem], rule: PatientRule | None, names: Names
) -> tuple[ExportItem, ...]:
    """Add the patients of images that have none in the project.

    Parameters
    ----------
    chosen : sequence of ExportItem
        Masks exported with their images, to be split by patient.
    rule : PatientRule or None
        How to find unknown patients.
    names : Names
        What patients are called.

    Raises
    ------
    ProjectError
        If no rule is given, or it finds no patient for one; a single image can't
        be split.
    """
    if len(chosen) < 2 and rule is None:
        return tuple(chosen)
    unknown = [one.image for one in chosen if not has_patient(one.image)]
    patients = require_patients(rule, map(source_of, unknown))
    found = {image.id: who for image, who in zip(unknown, patients, strict=True)}
    spellings: dict[str, str] = {}  # one person in two spellings is one patient
    named = []
    for one in chosen:
        who = (one.image.patient or "").strip() or found.get(one.image.id)
        if who is not None:
            who = spellings.setdefault(clean_name(who), who)
        named.append(one if who is None else replace(one, group=names.group(who)))
    return tuple(named)


def _group(image: ProjectImage, name: str, names: Names) -> str:
    return names.group(str(image.patient)) if has_patient(image) else name
