"""Look at every image before a training begins, so that nothing stops it after hours."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

from napari_retina_seg.core.errors import DataError
from napari_retina_seg.core.image import Modality
from napari_retina_seg.core.labels import LabelScheme
from napari_retina_seg.core.progress import CancelToken, Progress
from napari_retina_seg.data.examine import Examination, Fault, examine
from napari_retina_seg.data.labelled import LabelledImage

# What is wrong with a file rather than with how the data and the model were chosen.
_SKIPPABLE = (
    Fault.UNREADABLE,
    Fault.BLANK,
    Fault.NO_MASK,
    Fault.SIZE,
    Fault.HEIGHTS,
    Fault.FIELD,
)
_FATAL = (Fault.MODALITY, Fault.SCHEME, Fault.VALUES)


@dataclass(frozen=True)
class Vetted:
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


def vet(
    images: Sequence[LabelledImage],
    scheme: LabelScheme,
    modality: Modality,
    *,
    skip_bad: bool = False,
    token: CancelToken | None = None,
) -> Generator[Progress, None, Vetted]:
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
    Vetted
        The images, and what was left out.

    Raises
    ------
    DataError
        If a file can't be read or does not pair up (unless `skip_bad`), a mask has the classes
        of another scheme or values of no class, an image is of another modality, all masks are
        empty, or there are fewer than two images.
    """
    token = token or CancelToken()
    kept: list[LabelledImage] = []
    skipped: list[str] = []
    empty = 0
    for done, image in enumerate(images, start=1):
        token.raise_if_cancelled()
        examination = _look(image, scheme, modality)
        bad = _bad(examination)
        if bad is None:
            kept.append(replace(image, modality=modality))
            empty += examination.has(Fault.EMPTY)
        elif skip_bad:
            skipped.append(bad)
        else:
            raise DataError(f"{bad.rstrip('.')}; --skip-bad leaves such images out.")
        yield Progress(done, len(images), image.name)
    _check_number(kept, skipped)
    if empty == len(kept):
        raise DataError(
            f"All {empty} masks are background only: there is nothing to learn. Check that they"
            f" hold the classes of '{scheme.name}'."
        )
    return Vetted(tuple(kept), tuple(skipped))


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


def _bad(examination: Examination) -> str | None:
    """Return why an image can't be used, if so."""
    sentences = (one.sentence for one in examination.findings if one.fault in _SKIPPABLE)
    return next(sentences, None)


def _check_number(kept: Sequence[LabelledImage], skipped: Sequence[str]) -> None:
    if not kept:
        reason = (
            f"none of {len(skipped)} can be used. {skipped[0]}"
            if skipped
            else "choose a folder that holds some."
        )
        raise DataError(f"There are no images to learn from: {reason}")
    if len(kept) == 1:
        raise DataError(
            f"There is one image only, '{kept[0].path}': training needs at least two, of two"
            " patients, to learn from one and watch the other."
        )
