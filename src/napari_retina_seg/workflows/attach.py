"""Read masks from other programs and map their values to the classes of the project."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from napari_retina_seg.io.masks import read_class_values, read_mask
from napari_retina_seg.types.annotation import IGNORE, Annotation
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.labels import LabelScheme


def read_annotation(path: Path, scheme: LabelScheme, remap: Mapping[int, int]) -> Annotation:
    """Read the mask of an image or volume from any file that `read_image` reads.

    Parameters
    ----------
    path : Path
        The mask: class values, grey or with a palette.
    scheme : LabelScheme
        The classes it must hold.
    remap : mapping
        Values and the classes they stand for, e.g. ``{255: 1}``.

    Returns
    -------
    Annotation
        The mask; questionable where a mask of this program says that there is no data.

    Raises
    ------
    ProjectError
        If it was saved with another scheme, or has values that are not classes of this one.
    ReadError
        If it can't be read, or is a colour image.
    """
    known = read_mask(path)
    if known is not None and known[1] != scheme:
        raise ProjectError(
            f"The mask '{path}' was saved with the scheme '{known[1].name}', the project's is"
            f" '{scheme.name}': attach it to a project with the same scheme."
        )
    values = read_class_values(path) if known is None else known[0]
    says_ignore = known is not None and len(scheme) <= IGNORE and IGNORE not in remap
    ignored = values == IGNORE if says_ignore else None
    labels = values.copy() if ignored is None else np.where(ignored, np.uint8(0), values)
    for value, label in remap.items():
        labels[values == value] = label
    strange = sorted({float(value) for value in np.unique(labels)} - set(range(len(scheme))))
    if strange:
        listed = ", ".join(f"{value:g}" for value in strange[:5])
        raise ProjectError(
            f"The mask '{path}' has the values {listed}: the classes of '{scheme.name}' are 0 to"
            f" {len(scheme) - 1}. Say what each value stands for, as in 255:1."
        )
    questionable = ignored if ignored is not None and ignored.any() else None
    return Annotation(labels.astype(np.uint8), ignore=questionable)
