"""Examine labelled images one after another: the pass behind check, training and evaluation."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from napari_retina_seg.datasets.findings import (
    KINDS,
    LOOKS,
    Finding,
    FindingKind,
    advise,
    advise_scheme,
    describe_values,
    locate,
)
from napari_retina_seg.datasets.labelled import LabelledImage, Labels
from napari_retina_seg.imaging.invalid_pixels import Mask, combine_valid, fill_invalid
from napari_retina_seg.imaging.modality import guess_modality
from napari_retina_seg.imaging.pixels import check_plane
from napari_retina_seg.imaging.preprocess import Plane
from napari_retina_seg.types.errors import ImageError, RetinaSegError
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import LabelScheme
from napari_retina_seg.types.progress import CancelToken, Progress

_Found = Iterator[tuple[FindingKind, str]]


@dataclass(frozen=True, eq=False)
class Examination:
    """An image with what was found in it.

    Attributes
    ----------
    image : LabelledImage
        Which one.
    pixels : array or None
        ``(rows, columns)`` or ``(rows, columns, 3)``; None if they can't be read. Those that hold
        no data have the value of their nearest neighbour that does.
    valid : array or None
        ``(rows, columns)`` bool: which pixels hold data; None if all do.
    labels : array or None
        ``(rows, columns)`` uint8 mask values; None if they can't be read.
    modality : Modality
        What the image looks like.
    findings : tuple of Finding
        Empty if it can be learnt from.
    """

    image: LabelledImage
    pixels: Plane | None
    valid: Mask | None
    labels: Labels | None
    modality: Modality
    findings: tuple[Finding, ...]

    def has(self, kind: FindingKind) -> bool:
        """Whether there is a finding of this kind."""
        return any(finding.kind is kind for finding in self.findings)


def iter_examine(
    images: Sequence[LabelledImage],
    scheme: LabelScheme,
    modality: Modality,
    receive: Callable[[Examination], None],
    token: CancelToken | None = None,
) -> Generator[Progress, None, None]:
    """Read every image with its mask once, hand it to `receive`, and release its pixels."""
    token = token or CancelToken()
    for done, image in enumerate(images):
        token.raise_if_cancelled()
        yield Progress(done, len(images), image.name)
        receive(examine(image, scheme, modality))


def examine(image: LabelledImage, scheme: LabelScheme, modality: Modality) -> Examination:
    """Read an image with its mask, and find their faults.

    Parameters
    ----------
    image : LabelledImage
        Where they are.
    scheme : LabelScheme
        The classes that its mask may hold.
    modality : Modality
        What kind of picture it is to be.
    """
    found: list[tuple[FindingKind, str]] = []
    pixels = valid = labels = None
    looks = Modality.UNKNOWN
    try:
        pixels, valid = read_filled(image, modality)
    except (RetinaSegError, OSError) as error:
        found.append((FindingKind.UNREADABLE, _naming(image, error)))
    else:
        looks = guess_modality(pixels)
        found += _examine_pixels(image, pixels, valid)
        if {looks, modality} == {Modality.OCT, Modality.FUNDUS}:
            sentence = f"{locate(image)} looks like {LOOKS[looks]} among {KINDS[modality]}:"
            advice = " remove it, or train on its modality separately."
            found.append((FindingKind.MODALITY, sentence + advice))
    try:
        labels = image.labels()
    except (RetinaSegError, OSError) as error:
        found.append((FindingKind.NO_MASK, _naming(image, error)))
    own = image.own_scheme
    if image.scheme not in (None, scheme.name) or (own and own.names != scheme.names):
        sentence = f"The mask of {locate(image)} holds the classes of '{image.scheme}', not those"
        advice = f" of '{scheme.name}': {advise_scheme(image)}."
        found.append((FindingKind.SCHEME, sentence + advice))
    if labels is not None:
        found += _examine_mask(image, pixels, valid, labels, scheme)
    if pixels is not None:
        found += _examine_heights(image, pixels, scheme)
        found += _examine_field(image, pixels)
    findings = tuple(Finding(kind, sentence, (image.full_name,)) for kind, sentence in found)
    return Examination(image, pixels, valid, labels, looks, findings)


def read_filled(image: LabelledImage, modality: Modality) -> tuple[Plane, Mask | None]:
    """Read an image and give pixels without data the values of their neighbours.

    Parameters
    ----------
    image : LabelledImage
        Which one.
    modality : Modality
        What kind of picture it is to be; see `find_invalid`.

    Returns
    -------
    tuple of array
        The pixels, and ``(rows, columns)`` bool which of them held data; None if all did.
    """
    pixels = image.pixels()
    valid = combine_valid(pixels, image.valid(), is_bscan=modality is Modality.OCT)
    return fill_invalid(pixels, valid), valid


def _naming(image: LabelledImage, error: Exception) -> str:
    """Return the error message, with the file name added if missing."""
    sentence = str(error)
    return sentence if image.path.name in sentence else f"{locate(image)}: {sentence}"


def _examine_pixels(image: LabelledImage, pixels: Plane, valid: Mask | None) -> _Found:
    if valid is not None and not valid.any():
        yield FindingKind.BLANK, f"{locate(image)} holds no data, only padding: remove it."
        return
    try:
        check_plane(pixels)
    except ImageError as error:
        yield FindingKind.BLANK, str(error).replace("The image", locate(image), 1)


def _examine_mask(
    image: LabelledImage,
    pixels: Plane | None,
    valid: Mask | None,
    labels: Labels,
    scheme: LabelScheme,
) -> _Found:
    if pixels is not None and labels.shape != pixels.shape[:2]:
        yield (
            FindingKind.SIZE,
            f"{locate(image)} has {_size(pixels.shape[:2])} px and its mask"
            f" {_size(labels.shape)}: export the mask at the size of its image.",
        )
    values = np.unique(labels)
    unknown = values[values >= len(scheme)].tolist()
    if unknown:
        yield (
            FindingKind.VALUES,
            f"The mask of {locate(image)} holds {describe_values(unknown)}, which"
            f" '{scheme.name}' has no class for: {advise(values.tolist(), scheme)}.",
        )
    fits = valid is not None and valid.shape == labels.shape
    if not (labels[valid] if fits else values).any():
        yield (
            FindingKind.EMPTY,
            f"The mask of {locate(image)} is background only: annotate or remove the image.",
        )


def _examine_heights(image: LabelledImage, pixels: Plane, scheme: LabelScheme) -> _Found:
    if not scheme.surfaces or image.read_heights is None:
        return
    expected = (len(scheme.surfaces), pixels.shape[1])
    try:
        shape = image.heights().shape
    except (RetinaSegError, OSError) as error:
        yield FindingKind.HEIGHTS, _naming(image, error)
        return
    if shape != expected:
        yield (
            FindingKind.HEIGHTS,
            f"{locate(image)} has {shape[0]} boundaries of {shape[1]} columns: '{scheme.name}'"
            f" needs {expected[0]} of {expected[1]}.",
        )


def _examine_field(image: LabelledImage, pixels: Plane) -> _Found:
    if image.read_field is None:
        return
    try:
        shape = image.read_field().shape
    except (RetinaSegError, OSError) as error:
        yield FindingKind.FIELD, _naming(image, error)
        return
    if shape != pixels.shape[:2]:
        yield (
            FindingKind.FIELD,
            f"{locate(image)} has {_size(pixels.shape[:2])} px and its field of view"
            f" {_size(shape)}: export the field at the size of its image.",
        )


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
