"""Tasks of the Agreement dock: compare all gradings, and read those of one image."""

from __future__ import annotations

from dataclasses import dataclass

from napari_retina_seg._napari.job import JobResult, JobStatus, Steps, as_result
from napari_retina_seg._napari.project_row import ProjectRef
from napari_retina_seg.metrics.agreement import Agreement
from napari_retina_seg.project.values import DoubleGrading
from napari_retina_seg.project.view import ProjectView
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.errors import ProjectError, TooEarlyError
from napari_retina_seg.types.image import RetinaImage
from napari_retina_seg.types.labels import LabelScheme
from napari_retina_seg.types.progress import CancelToken
from napari_retina_seg.workflows.agreement import iter_agreement


@dataclass(frozen=True, eq=False)
class Compared(JobResult):
    """Result of a comparison; without agreement if it is too early to compare."""

    agreement: Agreement | None = None


@dataclass(frozen=True, eq=False)
class Case:
    """An image with both of its gradings."""

    pair: DoubleGrading
    scheme: LabelScheme
    pixels: RetinaImage
    first: Annotation
    second: Annotation


def compare(where: ProjectRef, token: CancelToken) -> Steps:
    """Compare the gradings of a project; every failure becomes a `JobResult`."""
    return (yield from as_result(_compare(where, token), "The gradings could not be compared"))


def _compare(where: ProjectRef, token: CancelToken) -> Steps:
    with ProjectView(where.folder, author=where.author) as project:
        try:
            agreement = yield from iter_agreement(project, token=token)
        except TooEarlyError as error:
            return Compared(JobStatus.SUCCEEDED, str(error))
        left = project.second_gradings_left()
    parts = [f"{count(len(agreement.images), 'image')} graded by two people."]
    if left:
        parts.append(f"Second gradings still to come: {left}.")
    sentence = " ".join(parts)
    return Compared(JobStatus.SUCCEEDED, sentence, agreement=agreement)


def read_case(where: ProjectRef, number: int) -> Case:
    """Read an image of a project and both of its gradings.

    Raises
    ------
    ProjectError
        If it was not graded twice, must not be seen yet, or is missing or damaged.
    """
    with ProjectView(where.folder, author=where.author) as project:
        pair = next((each for each in project.double_gradings() if each.image.id == number), None)
        if pair is None:
            raise ProjectError(f"Image #{number} of this project was not graded twice.")
        first, second = (project.annotation(number, version) for version in pair.numbers)
        return Case(pair, project.scheme, project.read_image(number), first, second)
