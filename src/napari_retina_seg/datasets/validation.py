"""Look at every image before the work begins, so that nothing stops it after hours."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

from napari_retina_seg.datasets.examine import Examination, Fault, examine
from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.types.errors import DataError
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import LabelScheme
from napari_retina_seg.types.progress import CancelToken, Progress

# What no image is left out for: the data and the model were chosen wrongly.
_FATAL = (Fault.MODALITY, Fault.SCHEME, Fault.VALUES)
_HARMLESS = (Fault.EMPTY,)


@dataclass(frozen=True)
class FilteredImages:
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
) -> Generator[Progress, None, FilteredImages]:
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
        After each image.

    Returns
    -------
    FilteredImages
        The images, and what was left out.

    Raises
    ------
    DataError
        If an image can't be used (unless `skip_bad`), is of another modality, or its mask has the
        classes of another scheme or values of no class.
    """
    token = token or CancelToken()
    kept: list[LabelledImage] = []
    skipped: list[str] = []
    empty = 0
    for done, image in enumerate(images, start=1):
        token.raise_if_cancelled()
        examination = _look(image, scheme, modality)
        bad = [one for one in examination.findings if one.fault not in _HARMLESS]
        if not bad:
            kept.append(image)
            empty += examination.has(Fault.EMPTY)
        elif skip_bad:
            skipped.append(bad[0].sentence)
        else:
            sentence = bad[0].sentence.rstrip(".")
            raise DataError(f"{sentence}; --skip-bad leaves such images out.")
        yield Progress(done, len(images), image.name)
    return FilteredImages(tuple(kept), tuple(skipped), empty)


@dataclass(frozen=True)
class ValidatedImages:
    """Images that can be learnt from.

    Attributes
    ----------
    images : tuple of LabelledImage
        Their modality is the one that was asked for.
    skipped : tuple of str
        A sentence for each image that was left out, with its file.
    """

    images: tuple[LabelledImage, ...]
    skipped: tuple[str, ...] = ()


def iter_validate(
    images: Sequence[LabelledImage],
    scheme: LabelScheme,
    modality: Modality,
    *,
    skip_bad: bool = False,
    token: CancelToken | None = None,
) -> Generator[Progress, None, ValidatedImages]:
    """Read every image with its mask, once, and make sure that they can be learnt from.

    Parameters
    ----------
    images : sequence of LabelledImage
        What is to be learnt from, watched and tested.
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
        After each image.

    Returns
    -------
    ValidatedImages
        The images, and what was left out.

    Raises
    ------
    DataError
        If a file can't be read or does not pair up (unless `skip_bad`), a mask has the classes
        of another scheme or values of no class, an image is of another modality, all masks are
        empty, or there are fewer than two images.
    """
    sifted = yield from iter_filter_valid(images, scheme, modality, skip_bad=skip_bad, token=token)
    _check_number(sifted)
    if sifted.empty == len(sifted.images):
        raise DataError(
            f"All {sifted.empty} masks are background only: there is nothing to learn. Check that"
            f" they hold the classes of '{scheme.name}'."
        )
    kept = tuple(replace(image, modality=modality) for image in sifted.images)
    return ValidatedImages(kept, sifted.skipped)


def _look(image: LabelledImage, scheme: LabelScheme, modality: Modality) -> Examination:
    if image.modality not in (modality, Modality.UNKNOWN):
        raise DataError(
            f"'{image.path}' is of the data set {image.dataset}, whose images are"
            f" {image.modality.value}: '{scheme.name}' needs {modality.value}."
        )
    examination = examine(image, scheme, modality)
    for finding in examination.findings:
        if finding.fault in _FATAL:
            raise DataError(finding.sentence)
    return examination


def _check_number(sifted: FilteredImages) -> None:
    if not sifted.images:
        reason = (
            f"none of {len(sifted.skipped)} can be used. {sifted.skipped[0]}"
            if sifted.skipped
            else "choose a folder that holds some."
        )
        raise DataError(f"There are no images to learn from: {reason}")
    if len(sifted.images) == 1:
        raise DataError(
            f"There is one image only, '{sifted.images[0].path}': training needs at least two, of"
            " two patients, to learn from one and watch the other."
        )
