"""The work of the Agreement dock: reading all readings, and those of one image."""

from __future__ import annotations

from dataclasses import dataclass

from napari_retina_seg._napari.job import JobResult, JobStatus, Steps, as_result
from napari_retina_seg._napari.project_row import Where
from napari_retina_seg.core.errors import ProjectError, TooEarlyError
from napari_retina_seg.core.image import RetinaImage
from napari_retina_seg.core.labels import LabelScheme
from napari_retina_seg.core.progress import CancelToken
from napari_retina_seg.core.two_graders import Agreement
from napari_retina_seg.core.words import count
from napari_retina_seg.project.agreement import iter_agreement
from napari_retina_seg.project.drawing import Drawing
from napari_retina_seg.project.values import DoubleGrading
from napari_retina_seg.project.view import ProjectView


@dataclass(frozen=True, eq=False)
class Compared(JobResult):
    """How the comparison ended, and what was found; None if it is too early to compare."""

    agreement: Agreement | None = None


@dataclass(frozen=True, eq=False)
class Case:
    """An image with both of its readings, to be looked at."""

    pair: DoubleGrading
    scheme: LabelScheme
    pixels: RetinaImage
    first: Drawing
    second: Drawing


def compare(where: Where, token: CancelToken) -> Steps:
    """Compare the readings of a project; every way in which that can fail is an outcome."""
    return (yield from as_result(_compare(where, token), "The readings could not be compared"))


def _compare(where: Where, token: CancelToken) -> Steps:
    with ProjectView(where.folder, author=where.author) as project:
        try:
            agreement = yield from iter_agreement(project, token=token)
        except TooEarlyError as error:
            return Compared(JobStatus.SUCCEEDED, str(error))
        left = project.second_gradings_left()
    parts = [f"{count(len(agreement.images), 'image')} that two people read."]
    if left:
        parts.append(f"Second readings that are still to come: {left}.")
    sentence = " ".join(parts)
    return Compared(JobStatus.SUCCEEDED, sentence, agreement=agreement)


def read_case(where: Where, number: int) -> Case:
    """Read an image of a project and what its two readers drew.

    Raises
    ------
    ProjectError
        If it was not read twice, must not be seen, or something is missing or damaged.
    """
    with ProjectView(where.folder, author=where.author) as project:
        pair = next((each for each in project.double_gradings() if each.image.id == number), None)
        if pair is None:
            raise ProjectError(f"Image #{number} of this project was not read twice.")
        first, second = (project.drawing(number, version) for version in pair.numbers)
        return Case(pair, project.scheme, project.read_image(number), first, second)
