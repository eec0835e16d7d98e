"""Open retinal images: napari's way into `napari_retina_seg.io`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from napari.types import LayerDataTuple
from napari.utils.notifications import show_error

from napari_retina_seg._napari.layers import image_layers
from napari_retina_seg._napari.results import MaskInfo, mask_options
from napari_retina_seg.core.errors import ReadError, RetinaSegError
from napari_retina_seg.core.image import RetinaImage
from napari_retina_seg.core.labels import LabelScheme
from napari_retina_seg.io import SUFFIXES, read_image
from napari_retina_seg.io.masks import read_mask

PathOrPaths = str | Path | Sequence[str | Path]

_NOTHING: list[LayerDataTuple] = [(None,)]  # napari's sign for a file that made no layers


def get_reader(path: PathOrPaths) -> Callable[[PathOrPaths], list[LayerDataTuple]] | None:
    """Return the function that reads a path, or None if its suffix is not one of ours.

    Parameters
    ----------
    path : str, Path, or list of them
        Several paths are files to stack into one volume.
    """
    paths = _as_paths(path)
    ours = all(each.is_dir() or each.suffix.lower() in SUFFIXES for each in paths)
    return read if paths and ours else None


def read(path: PathOrPaths) -> list[LayerDataTuple]:
    """Read one file, or several into a volume.

    A file that can't be read becomes one sentence on the screen and no layer: an exception would
    become a traceback, and would keep napari from opening the files after it.
    """
    try:
        mask = read_mask(Path(path)) if isinstance(path, str | Path) else None
        if mask is not None:
            return [_mask(Path(path), *mask)]
        images = [read_image(each) for each in _as_paths(path)]
        return image_layers(images[0] if len(images) == 1 else _stack(images))
    except RetinaSegError as error:
        # The toast shows one line: the folder would push the reason out of sight.
        folders = sorted({str(each.parent) + os.sep for each in _as_paths(path)}, key=len)
        sentence = str(error)
        for folder in reversed(folders):
            sentence = sentence.replace(folder, "")
        show_error(sentence)
        return _NOTHING


def _as_paths(path: PathOrPaths) -> list[Path]:
    return [Path(path)] if isinstance(path, str | Path) else [Path(each) for each in path]


def _mask(path: Path, labels: np.ndarray, scheme: LabelScheme) -> LayerDataTuple:
    """Take up a mask again: its classes are named, and can be corrected further."""
    return labels, {"name": path.stem, **mask_options(MaskInfo("", scheme))}, "labels"


def _stack(images: list[RetinaImage]) -> RetinaImage:
    first = images[0]
    for other in images:
        if other.is_volume:
            raise ReadError(f"'{other.name}' is a volume itself: open it without stacking.")
        if other.pixels.shape != first.pixels.shape or other.color != first.color:
            raise ReadError(
                f"'{other.name}' has the shape {other.pixels.shape} and '{first.name}'"
                f" {first.pixels.shape}: files of one shape can be stacked, open these one by one."
            )
    valid = None
    if any(image.valid is not None for image in images):
        everything = np.ones(first.grid, bool)
        valid = np.stack([everything if one.valid is None else one.valid for one in images])
    return RetinaImage(
        pixels=np.stack([np.asarray(image.pixels) for image in images]),
        color=first.color,
        modality=first.modality,
        spacing=first.spacing,
        laterality=first.laterality,
        name=first.name,
        source=first.source,
        valid=valid,
        warnings=tuple(dict.fromkeys(words for one in images for words in one.warnings)),
    )
