"""What a check finds in training data: one `Finding` each, in words that say what to do."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import SCHEMES, LabelScheme

LOOKS = {Modality.OCT: "an OCT scan", Modality.FUNDUS: "a fundus photograph"}
KINDS = {Modality.OCT: "OCT scans", Modality.FUNDUS: "fundus photographs"}
_MOST_NAMED = 8  # values that are named one by one


class FindingKind(StrEnum):
    """What is found: first in one image or its mask, then in a data set."""

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

    TOO_FEW_IMAGES = "too few images"
    TOO_FEW_GROUPS = "too few groups"
    SPLIT_GROUP = "group in several splits"
    SPLIT_PATIENT = "one patient in several splits"
    NO_TRAINING_DATA = "no training data"
    LEAK = "leak across splits"
    COPIES_ACROSS_GROUPS = "copies across groups"
    COPIES_IN_SPLIT = "copies in one split"
    COPIES_IN_GROUP = "copies in one group"
    NO_MASK_OF_CLASS = "class in no mask"
    NO_TRAINING_MASK_OF_CLASS = "class in no training mask"
    UNKNOWN_PATIENTS = "patients not known"


# What no image is left out for: the data and the model were chosen wrongly.
FATAL = frozenset({FindingKind.MODALITY, FindingKind.SCHEME, FindingKind.VALUES})


@dataclass(frozen=True)
class Finding:
    """A problem of training data, or a note.

    Attributes
    ----------
    kind : FindingKind
        What is wrong.
    sentence : str
        What is wrong, which file, and what to do.
    images : tuple of str
        All images that it is about, ``dataset/name``.
    serious : bool
        Whether it would stop or spoil a training; else it is worth knowing.
    """

    kind: FindingKind
    sentence: str
    images: tuple[str, ...]
    serious: bool = True


def locate(image: LabelledImage) -> str:
    """Name an image by its file, and by its name too where a file holds many."""
    alone = image.name.endswith(image.path.stem)
    return f"'{image.path}'" if alone else f"'{image.name}' of '{image.path}'"


def describe_values(values: Collection[int]) -> str:
    """Name mask values, the first and the last if there are many."""
    shown = sorted(values)
    if len(shown) == 1:
        return f"the value {shown[0]}"
    if len(shown) > _MOST_NAMED:
        return f"{len(shown)} values from {shown[0]} to {shown[-1]}"
    return f"the values {', '.join(map(str, shown[:-1]))} and {shown[-1]}"


def advise_scheme(image: LabelledImage) -> str:
    """Advise what to do with masks of another scheme."""
    known = image.own_scheme is None
    train = f"with --set scheme={image.scheme}" if known else "by a recipe with these classes"
    return (
        f"take a model of '{image.scheme}', train one {train}, or say with"
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
