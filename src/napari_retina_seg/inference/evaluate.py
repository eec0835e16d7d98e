"""Score a model, or an expert, against the masks of a data set."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from napari_retina_seg.datasets.evaluation_images import (
    iter_validate_evaluation,
    select_for_evaluation,
)
from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts import ReadOptions, read_data
from napari_retina_seg.datasets.split import ungrouped_warning
from napari_retina_seg.imaging import surfaces
from napari_retina_seg.imaging.fov import FieldOrigin
from napari_retina_seg.imaging.invalid_pixels import combine_valid, fill_invalid
from napari_retina_seg.imaging.preprocess import find_field
from napari_retina_seg.inference.predict import iter_segment
from napari_retina_seg.io.inputs import PathsLike, as_paths
from napari_retina_seg.metrics.evaluation import (
    Evaluation,
    EvaluationAccumulator,
    ScoredImage,
)
from napari_retina_seg.models.registry import ModelFolder, ModelLike, load_model
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.batches import Mapper, Outcome, iter_in_turn
from napari_retina_seg.types.errors import DataError
from napari_retina_seg.types.image import Modality, RetinaImage
from napari_retina_seg.types.labels import LabelScheme
from napari_retina_seg.types.progress import CancelToken, Progress, ProgressCallback, finish
from napari_retina_seg.types.segmentation import Segmentation
from napari_retina_seg.types.splits import SplitName

T = TypeVar("T")

OnMask = Callable[[LabelledImage, Annotation], None]


def evaluate(
    model: ModelLike,
    data: PathsLike,
    *,
    split: SplitName | None = "test",
    split_file: str | Path | None = None,
    reference: str | None = None,
    options: ReadOptions | None = None,
    skip_bad: bool = False,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Evaluation:
    """Score a model on images with expert masks.

    Photographs are scored inside the field of view; what a data set marks as to be ignored, and
    pixels without data, do not count. Intervals are over patients or eyes. What is left out, or
    had to be guessed, is reported as a `UserWarning`.

    Parameters
    ----------
    model : str, Path or ModelFolder
        Name of a model, path of a model folder, or what `load_model` returns.
    data : str, Path, or sequence of them
        Data sets, or folders of data sets.
    split : {"test", "val", "train"} or None
        Which images of the data; None for all. Scores on images that a model learnt from
        flatter it.
    split_file : str or Path, optional
        The ``split.json`` of a training; by default the data set's own split.
    reference : str, optional
        Score against the masks of this expert; by default the reference of the data set.
    options : ReadOptions, optional
        Patients of the images, and the meaning of other mask values.
    skip_bad : bool
        Leave out files that can't be read, instead of refusing all.
    progress : callable, optional
        Called with a `Progress` before each image.
    cancel : CancelToken, optional
        Stops the work before the next image or tile.

    Returns
    -------
    Evaluation
        Its `means` are over the images.

    Raises
    ------
    DataError
        If there are no such images, or one can't be scored.
    ModelError
        If there is no such model, or it is broken.
    Cancelled
        If `cancel` was used.

    Examples
    --------
    >>> import napari_retina_seg as rs
    >>> patients = rs.ReadOptions(group_pattern="^([^_]+)_")
    >>> scores = rs.evaluate("oct-layers", "my-data", split=None, options=patients)
    >>> len(scores.images)
    3
    """
    folder = load_model(model)
    spec = folder.spec
    found = read_data(as_paths(data), options=options)
    file = None if split_file is None else Path(split_file)
    chosen = select_for_evaluation(
        found, spec.scheme, spec.modality, split, split_file=file, reference=reference
    )
    checking = iter_validate_evaluation(
        chosen.images, spec.scheme, spec.modality, skip_bad=skip_bad, token=cancel
    )
    checked = finish(checking, progress)
    messages = *chosen.warnings, *checked.warnings, ungrouped_warning(checked.images)
    for message in filter(None, messages):
        warnings.warn(message, stacklevel=2)
    job = iter_evaluate(folder, checked.images, reference=reference, token=cancel)
    return finish(job, progress)


def iter_evaluate(
    model: ModelFolder,
    images: Sequence[LabelledImage],
    *,
    reference: str | None = None,
    token: CancelToken | None = None,
    on_mask: OnMask | None = None,
) -> Generator[Progress, None, Evaluation]:
    """Score a model step by step: segment every image as a user would, on its own grid.

    Of photographs only the field of view counts: that of the data set, which the model is given,
    too, or else the one that is found in the pixels, less its blurred rim.
    What a data set says is to be ignored does not count, nor do boundaries in its columns, nor
    pixels without data.
    Layers are scored by their boundaries, too: the expert's heights if there are any, else those
    of the expert's mask where its layers are stacked; the model's own, or where it draws none,
    those that its probabilities support best.

    Parameters
    ----------
    model : ModelFolder
        What to score.
    images : sequence of LabelledImage
        With masks of the model's classes.
    reference : str, optional
        Which expert's masks are the truth; by default the reference of the data set.
    token : CancelToken, optional
        Stops the work before the next image or tile.
    on_mask : callable, optional
        Called with each image and the mask that the model draws.

    Yields
    ------
    Progress
        Before each image.

    Returns
    -------
    Evaluation
        What does not apply, as the AUC of many classes, is absent.

    Raises
    ------
    DataError
        If there are no images, or a mask has another size or other classes.
    ModelError
        If the model is broken or takes other images.
    Cancelled
        If it was cancelled through `token`.
    """
    job = iter_evaluate_against(model, images, [reference], token=token, on_mask=on_mask)
    (evaluation,) = yield from job
    return evaluation


def iter_evaluate_against(
    model: ModelFolder,
    images: Sequence[LabelledImage],
    references: Sequence[str | None],
    *,
    token: CancelToken | None = None,
    on_mask: OnMask | None = None,
    mapper: Mapper = iter_in_turn,
) -> Generator[Progress, None, tuple[Evaluation, ...]]:
    """Segment every image once and score the masks against several experts; see `evaluate`.

    With a `mapper` of a `Cluster` its workers do so, and this process adds up the scores.

    Returns
    -------
    tuple of Evaluation
        One for each reference.
    """
    token = token or CancelToken()
    _check_number(images)
    scheme = model.spec.scheme
    accumulators = [EvaluationAccumulator(scheme) for _ in references]

    def add(outcome: Outcome[LabelledImage, _Scored]) -> None:
        scored = outcome.get()
        for scores, one in zip(accumulators, scored.scores, strict=True):
            scores.merge(one)
        if on_mask is not None and scored.drawn is not None:
            on_mask(outcome.item, scored.drawn)

    job = partial(_score_image, model, tuple(references), on_mask is not None)
    for step in mapper(job, images, add, token):
        yield Progress(step.done, len(images), step.message)
    yield Progress(len(images), len(images), "Done")
    return tuple(
        scores.result(model.name, reference)
        for scores, reference in zip(accumulators, references, strict=True)
    )


class _Scored(NamedTuple):
    """The scores of one image against each reference, and the mask if it is asked for."""

    scores: tuple[EvaluationAccumulator, ...]
    drawn: Annotation | None


def _score_image(
    model: ModelFolder,
    references: tuple[str | None, ...],
    keeps_mask: bool,
    image: LabelledImage,
    token: CancelToken,
) -> Generator[Progress, None, _Scored]:
    step = Progress(0, 1, image.name)
    yield step
    token.raise_if_cancelled()
    scheme = model.spec.scheme
    opened = _open(image)
    truths = [_truth(image, opened.pixels, reference, scheme) for reference in references]
    scored = _scored_image(image, opened)
    job = iter_segment(opened, model, probabilities=True, field=scored.field, token=token)
    drawn = _drawn((yield from _within(step, job)), scheme)
    found = tuple(EvaluationAccumulator(scheme) for _ in references)
    for scores, truth in zip(found, truths, strict=True):
        scores.add(scored, truth, drawn)
    return _Scored(found, drawn if keeps_mask else None)


def iter_evaluate_reference(
    images: Sequence[LabelledImage],
    name: str,
    scheme: LabelScheme,
    *,
    token: CancelToken | None = None,
) -> Generator[Progress, None, Evaluation]:
    """Score another expert's masks against the reference, as if the expert were a model.

    Parameters
    ----------
    images : sequence of LabelledImage
        Each with a mask by the expert.
    name : str
        Which expert, e.g. ``second_observer``.
    scheme : LabelScheme
        What the masks show.
    token : CancelToken, optional
        Stops the work before the next image.

    Yields
    ------
    Progress
        Before each image.

    Returns
    -------
    Evaluation
        Without what needs probabilities.

    Raises
    ------
    DataError
        If there are no images, one has no mask by the expert, or one of another size or classes.
    """
    token = token or CancelToken()
    _check_number(images)
    scores = EvaluationAccumulator(scheme)
    for done, image in enumerate(images):
        yield Progress(done, len(images), image.name)
        token.raise_if_cancelled()
        opened = _open(image)
        truth = _truth(image, opened.pixels, None, scheme)
        drawn = _truth(image, opened.pixels, name, scheme)
        scores.add(_scored_image(image, opened), truth, drawn)
    yield Progress(len(images), len(images), "Done")
    return scores.result(name, None)


def _check_number(images: Sequence[LabelledImage]) -> None:
    if not images:
        raise DataError("There are no images to evaluate: choose another data set or split.")


def _within(step: Progress, job: Generator[Progress, None, T]) -> Generator[Progress, None, T]:
    """Run a job that is one step of a longer one."""
    while True:
        try:
            next(job)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        yield step


def _open(image: LabelledImage) -> RetinaImage:
    pixels = image.pixels()
    return RetinaImage(
        pixels,
        color=pixels.ndim == 3,
        modality=image.modality,
        spacing=image.spacing(),
        name=image.name,
        source=str(image.path),
        valid=image.valid(),
    )


def _scored_image(image: LabelledImage, opened: RetinaImage) -> ScoredImage:
    pixels = opened.plane()
    valid = combine_valid(pixels, opened.valid, is_bscan=image.modality is Modality.OCT)
    field = image.given_field()
    if field is not None:
        _check_size(image, "field of view", field.pixels, pixels)
    elif image.modality is Modality.FUNDUS:
        field = find_field(fill_invalid(pixels, valid))
    inside = None
    if field is not None:
        inside = field.mask() if field.origin is FieldOrigin.GIVEN else field.core
    ignored = image.ignored()
    if ignored is not None and ignored.any():
        _check_size(image, "mask", ignored, pixels)
        inside = ~ignored if inside is None else inside & ~ignored
    if valid is not None:
        inside = valid if inside is None else inside & valid
    axial_um = opened.spacing.axial.um
    return ScoredImage(image.name, image.dataset, image.full_group, pixels, inside, axial_um, field)


def _truth(
    image: LabelledImage, pixels: npt.NDArray[Any], reference: str | None, scheme: LabelScheme
) -> Annotation:
    labels = image.labels(reference)
    _check_size(image, "mask", labels, pixels)
    if labels.max(initial=0) >= len(scheme):
        raise DataError(
            f"The mask of '{image.path}' holds the value {labels.max()}, but '{scheme.name}' has"
            f" the classes 0 to {len(scheme) - 1}: choose another model, or say which class each"
            " value is."
        )
    if not scheme.surfaces:
        return Annotation(labels)
    boundaries = len(scheme.surfaces)
    if reference is None and image.read_heights is not None:
        heights = image.heights()
        if heights.shape == (boundaries, labels.shape[1]):
            return Annotation(labels, heights.astype(np.float32))
    heights = surfaces.stacked_heights(labels, boundaries)
    ignored = image.ignored()
    if ignored is not None:
        heights[:, ignored.any(axis=0)] = np.nan  # a layer may end where it is questionable
    return Annotation(labels, heights.astype(np.float32))


def _check_size(
    image: LabelledImage, what: str, drawn: npt.NDArray[Any], pixels: npt.NDArray[Any]
) -> None:
    if drawn.shape != pixels.shape[:2]:
        raise DataError(
            f"'{image.path}' has {pixels.shape[0]} × {pixels.shape[1]} px and its {what}"
            f" {' × '.join(map(str, drawn.shape))}: export the {what} at the size of its image."
        )


def _drawn(segmentation: Segmentation, scheme: LabelScheme) -> Annotation:
    heights: npt.NDArray[Any] | None = segmentation.boundaries
    if heights is None and scheme.surfaces and segmentation.probabilities is not None:
        heights = surfaces.decode(segmentation.probabilities)
    return Annotation(segmentation.labels, heights, probabilities=segmentation.probabilities)
