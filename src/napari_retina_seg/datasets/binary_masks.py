"""Masks of one class that are written as 0 and 255, as image editors do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from napari_retina_seg.datasets.labelled import LabelledImage, Labels
from napari_retina_seg.types.annotation import IGNORE
from napari_retina_seg.types.errors import DataError, RetinaSegError
from napari_retina_seg.types.labels import LabelScheme

_GLANCES = 24  # masks of a data set that are read to find its values


def read_as_binary(
    images: Sequence[LabelledImage], scheme: LabelScheme
) -> tuple[tuple[LabelledImage, ...], tuple[str, ...]]:
    """Let 255 be class 1 in data sets of one class whose masks hold nothing but 0 and 255.

    That is judged by up to 24 masks of a data set. Where one of them holds another value, or the
    data set states its classes or pixels to be ignored, 255 stays what it is.

    Parameters
    ----------
    images : sequence of LabelledImage
        All images of one or several data sets, before they are divided: their masks are read until
        one holds another value.
    scheme : LabelScheme
        The classes that the masks are to hold.

    Returns
    -------
    tuple of tuple
        The images in the same order, and a sentence for each data set that is read so. A mask of
        such a data set that holds another value is refused when it is read.
    """
    if len(scheme) != 2:
        return tuple(images), ()
    datasets = dict.fromkeys(image.dataset for image in images)
    binary = [
        name
        for name in datasets
        if _holds_only_extremes([image for image in images if image.dataset == name])
    ]
    name = scheme.classes[1].name
    sentences = tuple(
        f"The masks of '{dataset}' hold only 0 and {IGNORE}: {IGNORE} is read as {name}."
        for dataset in binary
    )
    read = (_as_binary(image) if image.dataset in binary else image for image in images)
    return tuple(read), sentences


def _holds_only_extremes(images: Sequence[LabelledImage]) -> bool:
    if any(image.scheme is not None or image.read_ignored is not None for image in images):
        return False
    found: set[int] = set()
    for image in images[:: -(-len(images) // _GLANCES)]:
        try:
            found.update(np.unique(image.labels()).tolist())
        except (RetinaSegError, OSError):
            continue  # reported when the image is examined
        if not found <= {0, IGNORE}:
            return False
    return IGNORE in found


def _as_binary(image: LabelledImage) -> LabelledImage:
    return replace(
        image,
        read_labels=partial(_read_binary, image, None),
        references={name: partial(_read_binary, image, name) for name in image.references},
    )


def _read_binary(image: LabelledImage, reference: str | None) -> Labels:
    labels = image.labels(reference)
    if not np.isin(labels, (0, IGNORE)).all():
        raise DataError(
            f"The mask of '{image.path}' holds other values than 0 and {IGNORE}, which stand for"
            " background and the one class in other masks of its data set: write all masks with the"
            " same values."
        )
    return np.where(labels == IGNORE, 1, labels).astype(np.uint8)
