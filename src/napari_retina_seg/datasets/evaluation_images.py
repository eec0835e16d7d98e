"""Select the images of data sets for an evaluation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_retina_seg.datasets.binary_masks import read_as_binary
from napari_retina_seg.datasets.findings import KINDS
from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.split import read_split
from napari_retina_seg.datasets.validation import iter_filter_valid
from napari_retina_seg.types.errors import DataError
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import LabelScheme
from napari_retina_seg.types.progress import CancelToken, Progress


@dataclass(frozen=True)
class EvaluationImages:
    """Images to score.

    Attributes
    ----------
    images : tuple of LabelledImage
        In the order in which they came.
    warnings : tuple of str
        A sentence on whatever was left out.
    """

    images: tuple[LabelledImage, ...]
    warnings: tuple[str, ...] = ()


def select_for_evaluation(
    images: Sequence[LabelledImage],
    scheme: LabelScheme,
    modality: Modality,
    split: str | None,
    *,
    split_file: Path | None = None,
    reference: str | None = None,
) -> EvaluationImages:
    """Select the images of one split and modality that have one expert's masks.

    Parameters
    ----------
    images : sequence of LabelledImage
        All images of the data.
    scheme : LabelScheme
        The classes that their masks are to hold.
    modality : Modality
        The kind; images of unknown kind are taken for it.
    split : str or None
        ``train``, ``val`` or ``test``; None for all.
    split_file : Path, optional
        Which image is on which side, as a training wrote it; by default the data set says so.
    reference : str, optional
        Expert whose masks are needed besides the reference.

    Raises
    ------
    DataError
        If no image is left, or the file can't be read or is of other images.
    """
    if split_file is not None:
        sides = read_split(split_file, images).sides
        images = [
            replace(image, split=side) for side, members in sides.items() for image in members
        ]
    images, notices = read_as_binary(images, scheme)
    steps = [EvaluationImages(images, notices), _of_modality(images, modality)]
    steps.append(_of_split(steps[-1].images, split))
    if reference is not None:
        steps.append(_with_reference(steps[-1].images, reference))
    return EvaluationImages(steps[-1].images, tuple(r for step in steps for r in step.warnings))


def _of_split(images: Sequence[LabelledImage], split: str | None) -> EvaluationImages:
    if split is None:
        return EvaluationImages(tuple(images))
    chosen = tuple(image for image in images if image.split == split)
    if not chosen:
        there = Counter(image.split for image in images if image.split)
        known = " and ".join(f"{count} for {side}" for side, count in there.items())
        raise DataError(
            f"There are no images for {split}: the data have {known or 'no split'}. Choose another"
            " --split ('all' takes every image), or give the --split-file of a training."
        )
    lost = sum(image.split is None for image in images)
    message = f"{lost} images are in no split and are left out; --split all takes them in."
    return EvaluationImages(chosen, (message,) if lost else ())


def _of_modality(images: Sequence[LabelledImage], modality: Modality) -> EvaluationImages:
    chosen = tuple(
        replace(image, modality=modality)
        for image in images
        if image.modality in (modality, Modality.UNKNOWN)
    )
    others = sorted({image.dataset for image in images} - {image.dataset for image in chosen})
    wanted = KINDS[modality]
    if not chosen:
        raise DataError(
            f"The model is for {wanted}, but there are none in {', '.join(others)}: choose another"
            " model, or other data."
        )
    message = f"{', '.join(others)} holds no {wanted} and is left out."
    return EvaluationImages(chosen, (message,) if others else ())


def _with_reference(images: Sequence[LabelledImage], name: str) -> EvaluationImages:
    chosen = tuple(image for image in images if name in image.references)
    if not chosen:
        known = ", ".join(sorted({other for image in images for other in image.references}))
        raise DataError(
            f"No image has a mask by '{name}': besides the reference there is {known or 'none'}."
        )
    lost = len(images) - len(chosen)
    message = f"{lost} of {len(images)} images have no mask by {name} and are left out."
    return EvaluationImages(chosen, (message,) if lost else ())


def iter_validate_evaluation(
    images: Sequence[LabelledImage],
    scheme: LabelScheme,
    modality: Modality,
    *,
    skip_bad: bool = False,
    token: CancelToken | None = None,
) -> Generator[Progress, None, EvaluationImages]:
    """Validate every image before the first is scored; see `iter_filter_valid`.

    Unlike for learning, one image is enough, and all masks may be empty.

    Returns
    -------
    EvaluationImages
        The images, and a sentence for each that was left out.

    Raises
    ------
    DataError
        Moreover if no image can be scored.
    """
    valid = yield from iter_filter_valid(images, scheme, modality, skip_bad=skip_bad, token=token)
    if not valid.images:
        raise DataError(f"None of {len(images)} images can be scored. {valid.skipped[0]}")
    warnings = tuple(f"Left out: {sentence}" for sentence in valid.skipped)
    return EvaluationImages(valid.images, warnings)
