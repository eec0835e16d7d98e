"""Convert the arguments of public functions to images and paths."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.io import read_image
from napari_retina_seg.types.image import RetinaImage

ImageLike = RetinaImage | str | Path | npt.NDArray[Any]
PathsLike = str | Path | Sequence[str | Path]


def as_image(source: ImageLike) -> RetinaImage:
    """Return an image as it is, read from a file, or made from an array as from a ``.npy`` file.

    Parameters
    ----------
    source : RetinaImage, str, Path or array
        An array is ``(rows, columns)`` or ``(slices, rows, columns)``, with a last axis of 3 or 4
        for colour. Its pixel sizes are unknown; a `RetinaImage` can state them.

    Returns
    -------
    RetinaImage
        With a modality that was guessed from the pixels, where nothing states it.

    Raises
    ------
    ReadError
        If the file can't be read, or the array's shape is not an image's.
    ImageError
        If the array holds no numbers.

    Examples
    --------
    >>> import numpy as np
    >>> as_image(np.zeros((3, 64, 80), np.uint8)).n_slices
    3
    """
    if isinstance(source, RetinaImage):
        return source
    if isinstance(source, (str, Path)):
        return read_image(source)
    from napari_retina_seg.io.images.arrays import image_from_array

    return image_from_array(np.asarray(source))


def as_paths(source: PathsLike) -> list[Path]:
    """Return one path or several as a list of paths.

    Examples
    --------
    >>> as_paths("scan.png") == as_paths(["scan.png"])
    True
    """
    return [Path(source)] if isinstance(source, (str, Path)) else [Path(path) for path in source]
