"""Find the corrected images of a project, to learn from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.datasets.labelled import LabelledImage, content_hash
from napari_retina_seg.io.formats.identity import pseudonymise
from napari_retina_seg.models.spec import ModelSpec
from napari_retina_seg.project.filters import Filters
from napari_retina_seg.project.store import clean_name
from napari_retina_seg.project.values import ProjectImage, Version
from napari_retina_seg.project.view import ProjectView
from napari_retina_seg.types.errors import DataError, RetinaSegError
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import LabelScheme
from napari_retina_seg.types.progress import CancelToken, Progress
from napari_retina_seg.workflows.corrections import CorrectedImage, Corrections
from napari_retina_seg.workflows.patients import PatientRule, require_patients
from napari_retina_seg.workflows.selection import find_subjects, source_of

DATASET = "project"


def iter_find_corrections(
    project: ProjectView,
    model: ModelSpec,
    rule: PatientRule | None,
    token: CancelToken,
) -> Generator[Progress, None, Corrections]:
    """Read all accepted and corrected masks of a project.

    Parameters
    ----------
    project : ProjectView
        The project.
    model : ModelSpec
        What is to learn from them.
    rule : PatientRule or None
        How to find the patients of images without one.
    token : CancelToken
        Stops it before the next image.

    Yields
    ------
    Progress
        Before each image.

    Returns
    -------
    Corrections
        What can't be read, or is another kind of image, is left out with a sentence.

    Raises
    ------
    DataError
        If the project has other classes than the model.
    ProjectError
        If the patients of images are not known.
    """
    _check_scheme(project.scheme, model)
    masks = find_subjects(project).masks
    fitting = [(image, truth) for image, truth in masks if _fits(image, model)]
    left_out = [
        f"#{image.id} is not {_KIND[model.modality]}: it is left out."
        for image, _ in masks
        if not _fits(image, model)
    ]
    patients = _find_patients([image for image, _ in fitting], rule)
    key = project.info.key
    found: list[CorrectedImage] = []
    for done, (image, truth) in enumerate(fitting):
        token.raise_if_cancelled()
        yield Progress(done, len(fitting), image.name)
        group = pseudonymise(patients[image.id], key)
        try:
            found += _pictures(project, image, truth, group, model.modality)
        except _UnknownClassError as error:
            left_out.append(f"#{image.id} is left out: {error}")
        except RetinaSegError:  # its text names the file, which may be named after a person
            left_out.append(
                f"#{image.id} is left out: its file or its mask can't be read; 'project check'"
                " says why."
            )
    return Corrections(
        project.scheme, tuple(found), tuple(left_out), _find_sources(project, patients, rule)
    )


def _find_sources(
    project: ProjectView, patients: Mapping[int, str], rule: PatientRule | None
) -> dict[str, frozenset[str]]:
    """Return the images of each patient, with those that are not corrected or were removed."""
    every = [*project.images(), *project.images(Filters(removed=True))]
    others = [image for image in every if image.id not in patients]
    named = (
        zip(others, rule.find([source_of(image) for image in others]), strict=True) if rule else ()
    )
    guessed = {image.id: patient for image, patient in named}
    found: dict[str, set[str]] = defaultdict(set)
    for image in every:
        known = (image.patient or "").strip() or guessed.get(image.id) or f"#{image.id}"
        patient = patients.get(image.id) or clean_name(known)
        found[pseudonymise(patient, project.info.key)].add(_source(project, image))
    return {patient: frozenset(images) for patient, images in found.items()}


def _source(project: ProjectView, image: ProjectImage) -> str:
    return pseudonymise(f"image #{image.id}", project.info.key)


_KIND = {Modality.OCT: "an OCT scan", Modality.FUNDUS: "a fundus photograph"}


class _UnknownClassError(DataError):
    """A mask holds a value that is none of the project's classes."""


def _fits(image: ProjectImage, model: ModelSpec) -> bool:
    return image.modality in (model.modality, Modality.UNKNOWN)


def _check_scheme(scheme: LabelScheme, model: ModelSpec) -> None:
    ours, theirs = ([one.name for one in each.classes] for each in (scheme, model.scheme))
    if ours != theirs:
        raise DataError(
            f"The project has the classes of '{scheme.name}' ({', '.join(ours[1:])}), and"
            f" '{model.name}' draws {', '.join(theirs[1:])}: name a model of the same classes with"
            " --model, or make one of an exported training folder with 'train fine-tune"
            f" --start-from {model.name} --set scheme=…'."
        )


def _find_patients(images: list[ProjectImage], rule: PatientRule | None) -> dict[int, str]:
    """Return the patient of each image by its number; one person in two spellings is one."""
    unknown = [image for image in images if not (image.patient or "").strip()]
    found = dict(
        zip(
            (image.id for image in unknown),
            require_patients(rule, map(source_of, unknown)),
            strict=True,
        )
    )
    return {
        image.id: clean_name((image.patient or "").strip() or found.get(image.id) or f"#{image.id}")
        for image in images
    }


def _pictures(
    project: ProjectView, image: ProjectImage, truth: Version, group: str, modality: Modality
) -> Iterator[CorrectedImage]:
    """Yield the picture, or the slices in which something is drawn."""
    pixels = project.read_image(image.id)
    drawn = project.annotation(image.id, truth.number)
    classes = len(project.scheme)
    if drawn.labels.max(initial=0) >= classes:
        raise _UnknownClassError(
            f"its mask holds the value {drawn.labels.max()}, which is no class."
        )
    for index in range(image.n_slices):
        labels = drawn.labels[index] if drawn.is_volume else drawn.labels
        if project.scheme.surfaces and not labels.any():
            continue  # a slice of a volume without a mask
        yield CorrectedImage(
            _labelled(project, image, truth, index, group, modality),
            content_hash(_plane(pixels.plane(index))),
            truth.mask or "",
            tuple(int(number) for number in np.bincount(labels.ravel(), minlength=classes)),
            _source(project, image),
        )


def _labelled(
    project: ProjectView,
    image: ProjectImage,
    truth: Version,
    index: int,
    group: str,
    modality: Modality,
) -> LabelledImage:
    """Return a picture whose pixels and mask are read when they are needed."""

    def part(name: str) -> npt.NDArray[Any] | None:
        drawn = project.annotation(image.id, truth.number)
        values: npt.NDArray[Any] | None = getattr(drawn, name)
        return values[index] if values is not None and drawn.is_volume else values

    def required(name: str) -> npt.NDArray[Any]:
        values = part(name)
        assert values is not None  # noqa: S101 - asked for only where there are some
        return values

    return LabelledImage(
        name=f"#{image.id}" if image.n_slices == 1 else f"#{image.id} slice {index + 1}",
        dataset=DATASET,
        group=group,
        modality=modality,
        path=image.path,
        read_pixels=lambda: _plane(project.read_image(image.id).plane(index)),
        read_labels=lambda: required("labels"),
        read_heights=(
            (lambda: required("boundaries").astype(np.float64)) if truth.boundaries else None
        ),
        read_ignored=(lambda: required("ignore")) if truth.questionable else None,
        read_valid=lambda: project.read_image(image.id).valid_plane(index),
        read_spacing=lambda: image.spacing,
        scheme=project.scheme.name,
        layout="a project",
    )


def _plane(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a plane without transparency, as exports write it."""
    return plane[..., :3] if plane.ndim == 3 else plane
