"""Save a mask from the window: the same file that the command line writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from napari.utils.notifications import show_error

from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.results import MaskInfo
from napari_retina_seg.core.errors import RetinaSegError, WriteError
from napari_retina_seg.io.masks import save_mask


def write_mask(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a mask of ours as palette PNG or TIFF; what can't be is a sentence on the screen.

    Parameters
    ----------
    path : str
        Ends in ``.png``, ``.tif`` or ``.tiff``.
    data : array
        The Labels layer's values.
    attributes : dict
        The layer's state; its metadata says which classes the values are.

    Returns
    -------
    list of str
        The file, or nothing.
    """
    try:
        known = attributes.get("metadata", {}).get(KEY)
        if not isinstance(known, MaskInfo):
            raise WriteError(
                f"'{attributes.get('name', 'The layer')}' is no mask of a model here: save it with"
                " napari's own writer."
            )
        values = np.asarray(data)
        leading = tuple(axis for axis in range(values.ndim - 3) if values.shape[axis] == 1)
        save_mask(Path(path), _in_scheme(values.squeeze(leading), known), known.scheme)
    except RetinaSegError as error:
        show_error(str(error))
        return []
    return [path]


def _in_scheme(values: np.ndarray, known: MaskInfo) -> np.ndarray:
    """Return uint8 values, all of which have a name."""
    largest = int(values.max(initial=0))
    if largest >= len(known.scheme):
        raise WriteError(
            f"The mask holds the value {largest}, but '{known.scheme.name}' has the classes 0 to"
            f" {len(known.scheme) - 1}: paint those pixels with a class of the legend first."
        )
    return values.astype(np.uint8)
