"""Apply the `dataset.json` of an exported training folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.io.formats.contents import Contents, Picture
from napari_retina_seg.types.annotation import IGNORE
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.file_names import composed
from napari_retina_seg.types.labels import SCHEMES, LabelScheme

_Read = Callable[[], npt.NDArray[Any]]


def read_contents(folder: Path) -> Contents | None:
    """Return the content of a folder's `dataset.json`; None if this program did not write it."""
    try:
        return Contents.read(folder)
    except ReadError:  # other programs have a dataset.json of their own
        return None


def describe(images: Iterable[LabelledImage], contents: Contents) -> list[LabelledImage]:
    """Add groups, classes and ignored values to the images in the file."""
    pictures = {composed(picture.name): picture for picture in contents.pictures}
    described = []
    for image in images:
        picture = pictures.get(composed(image.name))
        if picture is not None and 0 <= picture.record < len(contents.records):
            known = with_ignored(image, contents.records[picture.record].scheme)
            guessed = is_guessed(picture, contents)
            described.append(replace(known, group=picture.group, group_guessed=guessed))
        else:
            described.append(image)
    return described


def is_guessed(picture: Picture, contents: Contents) -> bool:
    """Whether the patient is unknown: then the group has the name of the image."""
    return picture.group == contents.records[picture.record].name


def with_ignored(image: LabelledImage, scheme: LabelScheme) -> LabelledImage:
    """Return an image whose masks use `IGNORE` for ignored pixels."""
    own = None if SCHEMES.get(scheme.name) == scheme else scheme
    image = replace(image, scheme=scheme.name, own_scheme=own)
    if len(scheme) > IGNORE:
        return image
    return replace(
        image,
        read_labels=partial(_without_ignored, image.read_labels),
        read_ignored=partial(_find_ignored, image.read_labels),
    )


def _without_ignored(read: _Read) -> npt.NDArray[Any]:
    values = read()
    return np.where(values == IGNORE, values.dtype.type(0), values)


def _find_ignored(read: _Read) -> npt.NDArray[np.bool_]:
    return np.asarray(read() == IGNORE)
