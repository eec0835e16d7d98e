"""Running a model over the images of a project."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np

from napari_retina_seg.inference.predict import iter_segment
from napari_retina_seg.inference.review_figures import find_review_figures
from napari_retina_seg.metrics.expected_gain import ReviewFigures, find_difference
from napari_retina_seg.models.registry import ModelFolder, ModelLike, load_model
from napari_retina_seg.project.images import read_unchanged
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import State
from napari_retina_seg.project.values import ProjectImage, VersionKind
from napari_retina_seg.project.versions import check_model
from napari_retina_seg.project.view import check_opened
from napari_retina_seg.types.batches import Mapper, Outcome, iter_in_turn
from napari_retina_seg.types.errors import RetinaSegError, UnfitImageError
from napari_retina_seg.types.image import RetinaImage
from napari_retina_seg.types.labels import LabelScheme
from napari_retina_seg.types.progress import (
    Cancelled,
    CancelToken,
    Progress,
    ProgressCallback,
    finish,
)
from napari_retina_seg.types.segmentation import Segmentation
from napari_retina_seg.workflows.cluster_options import WorkerNeeds


@dataclass(frozen=True)
class Predicted:
    """Result of running a model over images.

    Attributes
    ----------
    image_ids : tuple of int
        Images with a new prediction.
    skipped : tuple of int
        Images that have this model's prediction already.
    graded : tuple of int
        Images that were skipped because a person has worked on them.
    problems : tuple of str
        A sentence for each image that could not be read or segmented.
    unfit : tuple of str
        A sentence for each image skipped because the model is for another kind of image.
    warnings : tuple of str
        A sentence for each prediction with a warning.
    warned : tuple of int
        Images unlike the model's training data.
    model_warnings : tuple of str
        What the model's card warns of, if it predicted anything, whatever the images.
    """

    image_ids: tuple[int, ...]
    skipped: tuple[int, ...]
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    graded: tuple[int, ...] = ()
    warned: tuple[int, ...] = ()
    unfit: tuple[str, ...] = ()
    model_warnings: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether an image could not be segmented, or the model fits none of them."""
        nothing_fits = bool(self.unfit) and not (self.image_ids or self.skipped or self.graded)
        return bool(self.problems) or nothing_fits


def predict_images(
    project: Project,
    model: ModelLike,
    image_ids: Sequence[int] | None = None,
    *,
    reviewed: bool = False,
    mirrored: bool = False,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Predicted:
    """Run a model over the images of a project; save its masks with their probabilities.

    Parameters
    ----------
    project : Project
        The project.
    model : str, Path or ModelFolder
        Name of a model, path of a model folder, or what `load_model` returns.
    image_ids : sequence of int, optional
        Which images; by default of all. Those that have the same model's prediction already
        are skipped.
    reviewed : bool
        Also predict images that a person has worked on; human versions are not changed.
    mirrored : bool
        Also segment each image mirrored left to right: how much the two masks differ counts in
        the order by expected gain. It takes twice as long.
    progress : callable, optional
        Called with a `Progress` before each image, slice and tile.
    cancel : CancelToken, optional
        Stops it before the next image, slice or tile; predictions that were kept stay.

    Returns
    -------
    Predicted
        One image that can't be segmented does not stop the others.

    Raises
    ------
    ProjectError
        If the model has other classes, or the project can't be written.
    ModelError
        If there is no such model, or it is broken.
    Cancelled
        If `cancel` was used.

    Examples
    --------
    >>> import napari_retina_seg as rs
    >>> with rs.Project.create("study", scheme="oct-layers", author="Ann") as project:
    ...     added = project.add_images("scan.png")
    ...     rs.predict_images(project, "oct-layers").image_ids
    (1,)
    """
    check_opened(project)
    if image_ids is None:
        image_ids = [image.id for image in project.images()]
    job = iter_predict_images(
        project,
        load_model(model),
        image_ids,
        reviewed=reviewed,
        mirrored=mirrored,
        token=cancel,
    )
    return finish(job, progress)


def find_worker_needs(
    project: Project, model: ModelFolder, image_ids: Sequence[int]
) -> WorkerNeeds:
    """Return what workers have to have to run a model over images: it, and the first file."""
    paths = (project.image(image_id).path for image_id in image_ids[:1])
    return WorkerNeeds((model,), reads=tuple(path for path in paths if path.exists()))


def iter_predict_images(
    project: Project,
    model: ModelFolder,
    image_ids: Sequence[int],
    *,
    reviewed: bool = False,
    mirrored: bool = False,
    token: CancelToken | None = None,
    mapper: Mapper = iter_in_turn,
) -> Generator[Progress, None, Predicted]:
    """Run a model over images step by step; see `predict_images`.

    Parameters
    ----------
    project : Project
        The project.
    model : ModelFolder
        The model.
    image_ids : sequence of int
        Which images. Those that have the same model's prediction already are skipped.
    reviewed : bool
        Also predict images that a person has worked on; human versions are not changed.
    mirrored : bool
        Also segment each image mirrored, to compare; it takes twice as long.
    token : CancelToken, optional
        Stops it before the next image, slice or tile; predictions that were kept stay.
    mapper : Mapper
        Where the images are segmented; this process saves the masks.

    Yields
    ------
    Progress
        Number of images done, and the current step.

    Returns
    -------
    Predicted
        One image that can't be segmented, or that the model does not fit, does not stop the others.

    Raises
    ------
    ProjectError
        If the model has other classes, or the project can't be written.
    ModelError
        If the model is broken.
    Cancelled
        If `token` was cancelled.
    """
    token = token or CancelToken()
    check_model(model.name, model.spec.scheme, project.scheme)
    model.check_weights()
    run = _Run(project, model, reviewed, token)
    job = partial(_predict, model, project.scheme, mirrored)
    try:
        for step in mapper(job, run.iter_wanted(image_ids), run.keep, token):
            yield Progress(run.done, len(image_ids), step.message)
    except Cancelled:
        run.rank()
        raise Cancelled(
            f"Cancelled after {run.done} of {len(image_ids)} images: the predictions made so"
            " far are kept."
        ) from None
    run.rank()
    yield Progress(len(image_ids), len(image_ids), "Done")
    return Predicted(
        image_ids=tuple(run.image_ids),
        skipped=tuple(run.skipped),
        problems=tuple(run.problems),
        warnings=tuple(run.warnings),
        graded=tuple(run.graded),
        warned=tuple(run.warned),
        unfit=tuple(run.unfit),
        model_warnings=model.spec.warnings if run.image_ids else (),
    )


@dataclass
class _Run:
    """State of a prediction run over several images."""

    project: Project
    model: ModelFolder
    reviewed: bool
    token: CancelToken
    done: int = 0
    has_ranking_changed: bool = False
    image_ids: list[int] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    graded: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    warned: list[int] = field(default_factory=list)
    unfit: list[str] = field(default_factory=list)

    def iter_wanted(self, image_ids: Sequence[int]) -> Iterator[ProjectImage]:
        """Yield the images to be predicted."""
        for image_id in image_ids:
            self.token.raise_if_cancelled()
            image = self.project.image(image_id)
            if self._is_skipped(image):
                self.done += 1
            else:
                yield image

    def keep(self, outcome: Outcome[ProjectImage, _Prediction]) -> None:
        """Save a prediction, or keep the reason why there is none."""
        image = outcome.item
        self.done += 1
        try:
            segmentation, figures = outcome.get()
        except UnfitImageError as error:
            self.unfit.append(_sentence(image, error))
            return
        except (RetinaSegError, OSError, MemoryError) as error:
            self.problems.append(_sentence(image, error))
            return
        # Someone may have begun to work on it meanwhile, without waiting for a prediction.
        if self._is_skipped(self.project.image(image.id)):
            return
        self.project.add_prediction(image.id, segmentation, figures)
        self.has_ranking_changed = True
        self.image_ids.append(image.id)
        if segmentation.checks:
            self.warned.append(image.id)
        if segmentation.message:
            self.warnings.append(f"'{image.name}': {segmentation.message}")

    def _is_skipped(self, image: ProjectImage) -> bool:
        """Whether the image needs no prediction; the reason is kept."""
        if self._has_prediction(image):
            self._add_missing_figures(image)
            self.skipped.append(image.id)
            return True
        if image.state is not State.UNREVIEWED and not self.reviewed:
            self.graded.append(image.id)
            return True
        return False

    def rank(self) -> None:
        """Work out the order by expected gain, if anything was predicted."""
        if self.has_ranking_changed:
            self.project.rank_images()

    def _add_missing_figures(self, image: ProjectImage) -> None:
        """Work out the figures of a prediction by an earlier version of the program."""
        number = self._without_figures.get(image.id)
        if number is None or self.project.read_only:
            return
        try:
            pixels = self.project.read_image(image.id)
            drawn = replace(
                self.project.annotation(image.id, number),
                probabilities=self.project.probabilities(image.id, number),
            )
        except (RetinaSegError, OSError, MemoryError) as error:
            self.problems.append(_sentence(image, error))
            return
        figures = find_review_figures(pixels, drawn, self.project.scheme)
        self.project.add_review_figures(image.id, number, figures)
        self.has_ranking_changed = True

    @cached_property
    def _without_figures(self) -> dict[int, int]:
        return self.project.predictions_without_figures()

    def _has_prediction(self, image: ProjectImage) -> bool:
        return any(
            version.kind is VersionKind.PREDICTION
            and version.weights_sha256 == self.model.spec.weights_sha256
            for version in self.project.history(image.id)
        )


_Prediction = tuple[Segmentation, ReviewFigures]


def _predict(
    model: ModelFolder,
    scheme: LabelScheme,
    mirrored: bool,
    image: ProjectImage,
    token: CancelToken,
) -> Generator[Progress, None, _Prediction]:
    """Segment an image, wherever its file can be read."""
    yield Progress(0, 1, image.name)
    pixels = read_unchanged(image)
    job = iter_segment(pixels, model, probabilities=True, token=token)
    segmentation = yield from _named(job, image.name)
    figures = find_review_figures(pixels, segmentation, scheme)
    if mirrored:
        job = iter_segment(_mirror(pixels), model, token=token)
        other = np.flip((yield from _named(job, image.name)).labels, -1)
        differs = find_difference(other, segmentation.labels, len(segmentation.scheme))
        figures = replace(figures, differs=differs, differs_from="the mask of its mirror image")
    return segmentation, figures


def _mirror(image: RetinaImage) -> RetinaImage:
    """Return an image turned left to right."""
    turned = np.s_[..., ::-1, :] if image.color else np.s_[..., ::-1]
    valid = None if image.valid is None else np.flip(image.valid, -1)
    return replace(image, pixels=image.pixels[turned], valid=valid)


def _named(
    job: Generator[Progress, None, Segmentation], name: str
) -> Generator[Progress, None, Segmentation]:
    """Pass on the progress within an image, with its name."""
    while True:
        try:
            step = next(job)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        is_over = step.done == step.total
        message = "" if is_over or step.message in ("", name) else f": {step.message}"
        yield replace(step, message=f"{name}{message}")


def _sentence(image: ProjectImage, error: Exception) -> str:
    if isinstance(error, MemoryError):
        return f"'{image.name}' needs more memory than is available: close other programs."
    if isinstance(error, OSError):
        return f"'{image.name}' can't be read: {error.strerror or error}."
    return str(error) if f"'{image.name}'" in str(error) else f"'{image.name}': {error}"
