"""Check one labelled image for problems."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from napari_retina_seg.datasets.labelled import LabelledImage, Labels
from napari_retina_seg.imaging.invalid_pixels import Mask, combine_valid, fill_invalid
from napari_retina_seg.imaging.modality import guess_modality
from napari_retina_seg.imaging.pixels import check_plane
from napari_retina_seg.imaging.preprocess import Plane
from napari_retina_seg.types.errors import ImageError, RetinaSegError
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import SCHEMES, LabelScheme


class Fault(StrEnum):
    """Kinds of faults of an image or its mask."""

    UNREADABLE = "unreadable image"
    BLANK = "blank image"
    MODALITY = "other modality"
    NO_MASK = "no readable mask"
    SIZE = "mask of another size"
    SCHEME = "other classes"
    VALUES = "unknown mask values"
    EMPTY = "empty mask"
    HEIGHTS = "boundaries that don't fit"
    FIELD = "field of view that doesn't fit"
    OTHER_MASK = "mask of another image"
    SHIFTED = "shifted mask"
    TURNED = "mask turned against its image"
    INVERTED = "inverted mask"


@dataclass(frozen=True)
class Finding:
    """A fault of an image; `sentence` names the file and what to do."""

    fault: Fault
    sentence: str


@dataclass(frozen=True, eq=False)
class Examination:
    """An image with its faults.

    Attributes
    ----------
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

    pixels: Plane | None
    valid: Mask | None
    labels: Labels | None
    modality: Modality
    findings: tuple[Finding, ...]

    def has(self, fault: Fault) -> bool:
        """Whether it has this fault."""
        return any(finding.fault is fault for finding in self.findings)


def examine(image: LabelledImage, scheme: LabelScheme, modality: Modality) -> Examination:
    """Read an image with its mask once, and find their faults.

    Parameters
    ----------
    image : LabelledImage
        Where they are.
    scheme : LabelScheme
        The classes that its mask may hold.
    modality : Modality
        What kind of picture it is to be.
    """
    findings: list[Finding] = []

    def find(fault: Fault, sentence: str) -> None:
        findings.append(Finding(fault, sentence))

    pixels = valid = labels = None
    looks = Modality.UNKNOWN
    try:
        pixels, valid = read_filled(image, modality)
    except (RetinaSegError, OSError) as error:
        find(Fault.UNREADABLE, _naming(image, error))
    if pixels is not None:
        looks = guess_modality(pixels)
        findings.extend(_examine_pixels(image, pixels, valid))
        if {looks, modality} == {Modality.OCT, Modality.FUNDUS}:
            find(
                Fault.MODALITY,
                f"{locate(image)} looks like {_KIND[looks]} among {KINDS[modality]}:"
                " remove it, or train on its modality separately.",
            )
    try:
        labels = image.labels()
    except (RetinaSegError, OSError) as error:
        find(Fault.NO_MASK, _naming(image, error))
    if image.scheme not in (None, scheme.name):
        find(
            Fault.SCHEME,
            f"The mask of {locate(image)} holds the classes of '{image.scheme}', not those of"
            f" '{scheme.name}': {advise_scheme(image)}.",
        )
    if labels is not None:
        findings.extend(_examine_mask(image, pixels, valid, labels, scheme))
    if pixels is not None:
        findings.extend(_examine_heights(image, pixels, scheme))
        findings.extend(_examine_field(image, pixels))
    return Examination(pixels, valid, labels, looks, tuple(findings))


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


_KIND = {Modality.OCT: "an OCT scan", Modality.FUNDUS: "a fundus photograph"}
KINDS = {Modality.OCT: "OCT scans", Modality.FUNDUS: "fundus photographs"}


def _naming(image: LabelledImage, error: Exception) -> str:
    """Return the error message, with the file name added if missing."""
    sentence = str(error)
    return sentence if image.path.name in sentence else f"{locate(image)}: {sentence}"


def locate(image: LabelledImage) -> str:
    """Name an image by its file, and by its name too where a file holds many."""
    alone = image.name.endswith(image.path.stem)
    return f"'{image.path}'" if alone else f"'{image.name}' of '{image.path}'"


def _examine_pixels(image: LabelledImage, pixels: Plane, valid: Mask | None) -> list[Finding]:
    if valid is not None and not valid.any():
        sentence = f"{locate(image)} holds no data, only padding: remove it."
        return [Finding(Fault.BLANK, sentence)]
    try:
        check_plane(pixels)
    except ImageError as error:
        sentence = str(error).replace("The image", locate(image), 1)
        return [Finding(Fault.BLANK, sentence)]
    return []


def _examine_mask(
    image: LabelledImage,
    pixels: Plane | None,
    valid: Mask | None,
    labels: Labels,
    scheme: LabelScheme,
) -> list[Finding]:
    findings = []
    if pixels is not None and labels.shape != pixels.shape[:2]:
        findings.append(
            Finding(
                Fault.SIZE,
                f"{locate(image)} has {_size(pixels.shape[:2])} px and its mask"
                f" {_size(labels.shape)}: export the mask at the size of its image.",
            )
        )
    values = np.unique(labels)
    unknown = values[values >= len(scheme)].tolist()
    if unknown:
        findings.append(
            Finding(
                Fault.VALUES,
                f"The mask of {locate(image)} holds {describe_values(unknown)}, which"
                f" '{scheme.name}' has no class for: {advise(values.tolist(), scheme)}.",
            )
        )
    fits = valid is not None and valid.shape == labels.shape
    if not (labels[valid] if fits else values).any():
        findings.append(
            Finding(
                Fault.EMPTY,
                f"The mask of {locate(image)} is background only: annotate or remove the image.",
            )
        )
    return findings


def _examine_heights(image: LabelledImage, pixels: Plane, scheme: LabelScheme) -> list[Finding]:
    if not scheme.surfaces or image.read_heights is None:
        return []
    expected = (len(scheme.surfaces), pixels.shape[1])
    try:
        shape = image.heights().shape
    except (RetinaSegError, OSError) as error:
        return [Finding(Fault.HEIGHTS, _naming(image, error))]
    if shape == expected:
        return []
    return [
        Finding(
            Fault.HEIGHTS,
            f"{locate(image)} has {shape[0]} boundaries of {shape[1]} columns: '{scheme.name}'"
            f" needs {expected[0]} of {expected[1]}.",
        )
    ]


def _examine_field(image: LabelledImage, pixels: Plane) -> list[Finding]:
    if image.read_field is None:
        return []
    try:
        shape = image.read_field().shape
    except (RetinaSegError, OSError) as error:
        return [Finding(Fault.FIELD, _naming(image, error))]
    if shape == pixels.shape[:2]:
        return []
    return [
        Finding(
            Fault.FIELD,
            f"{locate(image)} has {_size(pixels.shape[:2])} px and its field of view"
            f" {_size(shape)}: export the field at the size of its image.",
        )
    ]


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def describe_values(values: Collection[int]) -> str:
    """Name mask values, the first few if there are many."""
    shown = sorted(values)
    if len(shown) == 1:
        return f"the value {shown[0]}"
    if len(shown) > 8:
        return f"{len(shown)} values from {shown[0]} to {shown[-1]}"
    return f"the values {', '.join(map(str, shown[:-1]))} and {shown[-1]}"


def advise_scheme(image: LabelledImage) -> str:
    """Advise what to do with masks of another scheme."""
    return (
        f"take a model of '{image.scheme}', train one with --set scheme={image.scheme}, or say with"
        " --remap VALUE:CLASS which class each value is"
    )


def suggest_remap(values: Collection[int], scheme: LabelScheme) -> Mapping[int, int]:
    """Guess which classes are meant by mask values that the scheme does not know.

    Parameters
    ----------
    values : collection of int
        All values that the masks hold.
    scheme : LabelScheme
        The classes.

    Returns
    -------
    mapping
        From value to class: 255 is 1 where 0 and 255 were written for 0 and 1, and 0, 36, 73, …
        are 0, 1, 2, … where a mask was stretched to be seen. Empty if nothing can be guessed.
    """
    unknown = sorted(value for value in values if value >= len(scheme))
    if len(scheme) == 2 and len(unknown) == 1:
        return {unknown[0]: 1}
    ordered = sorted({0, *values})
    if unknown and len(ordered) == len(scheme) and np.ptp(np.diff(ordered)) <= 1:
        return {value: place for place, value in enumerate(ordered) if value != place}
    return {}


def advise(values: Collection[int], scheme: LabelScheme) -> str:
    """Advise how to fix masks with unknown values, with the exact option if possible."""
    remap = suggest_remap(values, scheme)
    if remap:
        options = " ".join(f"--remap {value}:{place}" for value, place in remap.items())
        return f"if that is what they mean, add {options}"
    if len(values) > 4 * len(scheme):
        return "it was saved with losses or smoothed, so export it again, as PNG and unsmoothed"
    others = [
        f"'{name}'"
        for name, other in SCHEMES.items()
        if max(values) < len(other) and bool(other.surfaces) == bool(scheme.surfaces)
    ]
    known = f", or choose the classes of {' or '.join(others)}" if others else ""
    return (
        f"export it with the values 0 to {len(scheme) - 1}, or say with --remap VALUE:CLASS which"
        f" class each is{known}"
    )
