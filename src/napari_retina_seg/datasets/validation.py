"""Look at every image before the work begins, so that nothing stops it after hours."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

from napari_retina_seg.datasets.examine import Examination, iter_examine
from napari_retina_seg.datasets.findings import FATAL, FindingKind
from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.types.errors import DataError
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import LabelScheme
from napari_retina_seg.types.progress import CancelToken, Progress


@dataclass(frozen=True)
class ValidImages:
    """Images that can be used.

    Attributes
    ----------
    images : tuple of LabelledImage
        In the order in which they came.
    skipped : tuple of str
        A sentence for each image that was left out, with its file.
    empty : int
        How many of `images` have masks of background only.
    """

    images: tuple[LabelledImage, ...]
    skipped: tuple[str, ...]
    empty: int


def iter_filter_valid(
    images: Sequence[LabelledImage],
    scheme: LabelScheme,
    modality: Modality,
    *,
    skip_bad: bool = False,
    token: CancelToken | None = None,
) -> Generator[Progress, None, ValidImages]:
    """Read every image with its mask, once, and part those that can be used from the others.

    Parameters
    ----------
    images : sequence of LabelledImage
        What is to be learnt from or scored.
    scheme : LabelScheme
        The classes that masks may hold.
    modality : Modality
        What kind of picture the network is for.
    skip_bad : bool
        Leave out what can't be read, has no mask, or a mask of another size.
    token : CancelToken, optional
        Stops it at the next image.

    Yields
    ------
    Progress
        Before each image.

    Returns
    -------
    ValidImages
        The images, and what was left out. Masks may be empty.

    Raises
    ------
    DataError
        If an image can't be used (unless `skip_bad`), is of another modality, or its mask has the
        classes of another scheme or values of no class.
    """
    for image in images:
        _check_modality(image, scheme, modality)
    kept: list[LabelledImage] = []
    skipped: list[str] = []
    empty = 0

    def sort(examination: Examination) -> None:
        nonlocal empty
        findings = examination.findings
        fatal = [one for one in findings if one.kind in FATAL]
        bad = [one for one in findings if one.kind is not FindingKind.EMPTY]
        if fatal:
            raise DataError(fatal[0].sentence)
        if bad and not skip_bad:
            sentence = bad[0].sentence.rstrip(".")
            raise DataError(f"{sentence}; --skip-bad leaves such images out.")
        if bad:
            skipped.append(bad[0].sentence)
        else:
            kept.append(examination.image)
            empty += bool(findings)

    yield from iter_examine(images, scheme, modality, sort, token)
    return ValidImages(tuple(kept), tuple(skipped), empty)


def iter_validate(
    images: Sequence[LabelledImage],
    scheme: LabelScheme,
    modality: Modality,
    *,
    skip_bad: bool = False,
    token: CancelToken | None = None,
) -> Generator[Progress, None, ValidImages]:
    """Make sure that images can be learnt from; see `iter_filter_valid`.

    Returns
    -------
    ValidImages
        Their modality is the one that was asked for.

    Raises
    ------
    DataError
        Moreover if all masks are empty, or there are fewer than two images.
    """
    valid = yield from iter_filter_valid(images, scheme, modality, skip_bad=skip_bad, token=token)
    _check_number(valid)
    if valid.empty == len(valid.images):
        raise DataError(
            f"All {valid.empty} masks are background only: there is nothing to learn. Check that"
            f" they hold the classes of '{scheme.name}'."
        )
    return replace(valid, images=tuple(replace(one, modality=modality) for one in valid.images))


def _check_modality(image: LabelledImage, scheme: LabelScheme, modality: Modality) -> None:
    if image.modality not in (modality, Modality.UNKNOWN):
        raise DataError(
            f"'{image.path}' is of the data set {image.dataset}, whose images are"
            f" {image.modality.value}: '{scheme.name}' needs {modality.value}."
        )


def _check_number(valid: ValidImages) -> None:
    if not valid.images:
        reason = (
            f"none of {len(valid.skipped)} can be used. {valid.skipped[0]}"
            if valid.skipped
            else "choose a folder that holds some."
        )
        raise DataError(f"There are no images to learn from: {reason}")
    if len(valid.images) == 1:
        raise DataError(
            f"There is one image only, '{valid.images[0].path}': training needs at least two, of"
            " two patients, to learn from one and watch the other."
        )
