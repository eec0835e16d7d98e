"""Compare the gradings of a project, and show those of one image in read-only layers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from napari_retina_seg._napari.job import JobResult, JobStatus, Steps
from napari_retina_seg._napari.layers import Position, image_fields, image_layers
from napari_retina_seg._napari.masks.compare import Comparison, show_difference
from napari_retina_seg._napari.masks.linked_layers import mask_of
from napari_retina_seg._napari.project_row import ProjectRef
from napari_retina_seg._napari.results import ImagePart, MaskInfo, mask_options
from napari_retina_seg.metrics.agreement import Agreement
from napari_retina_seg.project.states import State
from napari_retina_seg.project.values import DoubleGrading
from napari_retina_seg.project.view import ProjectView
from napari_retina_seg.reports.agreement import write_agreement
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.errors import ProjectError, TooEarlyError
from napari_retina_seg.types.image import RetinaImage
from napari_retina_seg.types.labels import LabelScheme
from napari_retina_seg.types.progress import CancelToken
from napari_retina_seg.types.text import displayed
from napari_retina_seg.workflows.agreement import iter_agreement, rename_images
from napari_retina_seg.workflows.export_options import Identities

_NAMED = 3  # images in a message


@dataclass(frozen=True, eq=False)
class Compared(JobResult):
    """Result of a comparison; without agreement if it is too early to compare."""

    agreement: Agreement | None = None


@dataclass(frozen=True, eq=False)
class GradedCase:
    """An image with both of its gradings."""

    pair: DoubleGrading
    scheme: LabelScheme
    pixels: RetinaImage
    first: Annotation
    second: Annotation


def compare(where: ProjectRef, token: CancelToken) -> Steps:
    """Compare the gradings of a project; returns `Compared`."""
    with ProjectView(where.folder, author=where.author) as project:
        try:
            agreement = yield from iter_agreement(project, token=token)
        except TooEarlyError as error:
            return Compared(JobStatus.SUCCEEDED, str(error))
        left = project.second_gradings_left()
        alone = [pair.image.name for pair in project.double_gradings() if _is_graded_once(pair)]
    parts = [f"{count(len(agreement.images), 'image')} graded by two people."]
    if left:
        parts.append(f"Second gradings still to come: {left}.")
    if alone:
        names = ", ".join(f"'{name}'" for name in alone[:_NAMED])
        more = f" and {len(alone) - _NAMED} more" if len(alone) > _NAMED else ""
        parts.append(
            f"Only one of the two could grade {names}{more}: adjudicate in the Review dock, filter"
            " 'Graded twice'."
        )
    sentence = " ".join(parts)
    doubtful = bool(agreement.open_gradings)
    return Compared(JobStatus.SUCCEEDED, sentence, doubtful=doubtful, agreement=agreement)


def _is_graded_once(pair: DoubleGrading) -> bool:
    """Whether one of the two called the image ungradable, which is not settled yet."""
    is_due = pair.image.state is State.GRADED_TWICE
    return is_due and (pair.first.mask is None) is not (pair.second.mask is None)


def write_report(
    where: ProjectRef, agreement: Agreement, folder: Path, identities: Identities
) -> tuple[Path, ...]:
    """Write the report of a comparison, with the names that exports have.

    Raises
    ------
    RetinaSegError
        If the project can't be read, or a file can't be written.
    """
    with ProjectView(where.folder, author=where.author) as project:
        reported = rename_images(agreement, project, identities)
    return write_agreement(reported, folder)


def read_case(where: ProjectRef, number: int) -> GradedCase:
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
        return GradedCase(pair, project.scheme, project.read_image(number), first, second)


class CaseLayers:
    """The layers of one case; showing the next replaces them, and all others are hidden."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._layers: list[Layer] = []
        self._hidden: list[Layer] = []

    def show(self, case: GradedCase) -> None:
        """Show the image, both gradings, and where the second differs from the first."""
        self.clear()
        self._hidden = [layer for layer in self._viewer.layers if layer.visible]
        for layer in self._hidden:
            layer.visible = False
        image = self._viewer.add_layer(Layer.create(*image_layers(case.pixels)[0]))
        self._layers = [image]
        gradings = (
            ("second", case.pair.second.author, case.second),
            ("first", case.pair.first.author, case.first),
        )
        for place, author, annotation in gradings:
            name = displayed(f"{image.name} · {place} grader, {author}")
            mask = _mask(image, annotation, name, case.scheme)
            self._layers.append(self._viewer.add_layer(mask))
        second, first = self._layers[1:]
        second.visible = False
        other = Comparison.with_labels("the second grader", case.second.labels)
        show_difference(self._viewer, first, other)
        self._viewer.layers.selection.active = first
        self._viewer.reset_view()

    def clear(self) -> None:
        """Remove the layers and those linked to them, and show the hidden ones again."""
        for layer in list(self._viewer.layers):
            if layer in self._layers or mask_of(layer) in self._layers:
                self._viewer.layers.remove(layer)
        for layer in self._hidden:
            layer.visible = True
        self._layers, self._hidden = [], []


def _mask(image: Image, annotation: Annotation, name: str, scheme: LabelScheme) -> Labels:
    info = MaskInfo(
        scheme=scheme,
        boundaries=annotation.boundaries,
        questionable=annotation.ignore,
        **image_fields(image),
    )
    target = ImagePart(image, Position(), True)
    layer = Labels(annotation.labels, name=name, **mask_options(info), **target.grid())
    layer.editable = False
    return layer
