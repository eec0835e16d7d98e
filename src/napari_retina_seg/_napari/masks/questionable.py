"""Questionable regions of a mask, marked in a linked layer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Labels

from napari_retina_seg._napari.masks.linked_layers import Kind, linked_layer, show_linked_layer

_COLORS = {1: "#ffffff"}
_OPACITY = 0.5


def questionable_of(viewer: ViewerModel, layer: Labels) -> npt.NDArray[np.bool_] | None:
    """Return the questionable regions of a mask.

    Returns
    -------
    array or None
        bool of the mask's shape, a copy; None if nothing is marked.
    """
    marks = linked_layer(viewer, layer, Kind.QUESTIONABLE)
    if marks is None or not np.any(marks.data):
        return None
    return np.asarray(marks.data) != 0


def show_questionable(
    viewer: ViewerModel, layer: Labels, array: npt.NDArray[np.bool_] | None
) -> Labels:
    """Show the questionable regions of a mask in a layer that can be painted.

    Parameters
    ----------
    array : array or None
        bool of the mask's shape; None for nothing yet.
    """
    values = np.zeros(layer.data.shape, np.uint8) if array is None else array.astype(np.uint8)
    marks = show_linked_layer(viewer, layer, Kind.QUESTIONABLE, values, _COLORS)
    marks.opacity = _OPACITY
    marks.selected_label = 1
    return marks
