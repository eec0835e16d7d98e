"""Show where a mask differs from another one, in a layer that can be blinked."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Labels

from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.masks.linked_layers import (
    LinkKind,
    linked_layer,
    mask_of,
    show_linked_layer,
)
from napari_retina_seg._napari.results import MaskInfo
from napari_retina_seg.imaging.difference import EXTRA, MISSED, OTHER, SAME, difference
from napari_retina_seg.types.errors import RetinaSegError

PREDICTION = "the prediction"

# Blue, red and violet, which colour-blind people can tell apart.
COLORS = {MISSED: "#3d9bff", EXTRA: "#ff2d4b", OTHER: "#e08cff"}
# Dims everything else: red would be lost on a red photograph, and all three among class colours.
_VEIL = "#00000099"


def show_difference(
    viewer: ViewerModel,
    layer: Labels,
    other_labels: npt.NDArray[np.integer],
    name: str,
    value: int | None = None,
) -> Labels:
    """Show where another mask differs from one that is taken as the ground truth.

    Parameters
    ----------
    layer : Labels
        The ground truth: what the other mask misses is blue, what it has in excess is red.
    other_labels : array
        Class values on the same grid; leading axes of length 1 don't matter.
    name : str
        Description of the other mask.
    value : int, optional
        The class to compare; by default all, with differing classes in violet.

    Returns
    -------
    Labels
        The layer of the difference; `blink` hides and shows it.

    Raises
    ------
    RetinaSegError
        If the grids differ.
    """
    truth = np.asarray(layer.data)
    own, others = truth.shape[-other_labels.ndim :], other_labels.shape
    if own != others or truth.size != other_labels.size:
        raise RetinaSegError(
            f"'{layer.name}' has the shape {truth.shape} and {name} {others}: compare masks of one"
            " image."
        )
    found = difference(truth, other_labels.reshape(truth.shape), value)
    shown = show_linked_layer(viewer, layer, LinkKind.DIFFERENCE, found, {SAME: _VEIL, **COLORS})
    shown.name = f"{layer.name} · difference to {name}"
    shown.opacity = 1.0
    shown.editable = False
    return shown


def predicted(layer: Labels) -> npt.NDArray[np.integer] | None:
    """Return the prediction that a mask started from, or None if there was none.

    Returns
    -------
    array or None
        Class values of the mask's shape; slices without prediction equal the mask.
    """
    info = layer.metadata.get(KEY)
    if not isinstance(info, MaskInfo) or info.prediction is None:
        return None
    if info.index is None:
        return info.prediction.reshape(layer.data.shape)
    drawn = np.array(layer.data)
    drawn[..., info.index, :, :] = info.prediction
    return drawn


def blink(viewer: ViewerModel) -> bool:
    """Hide the difference, or show it again; the shortcut.

    Without one, the difference to the prediction is shown.

    Returns
    -------
    bool
        Whether there is a difference layer.
    """
    active = viewer.layers.selection.active
    mask = mask_of(active) or active
    if not isinstance(mask, Labels):
        return False
    shown = linked_layer(viewer, mask, LinkKind.DIFFERENCE)
    if shown is not None:
        shown.visible = not shown.visible
        return True
    drawn = predicted(mask)
    if drawn is None:
        return False
    show_difference(viewer, mask, drawn, PREDICTION)
    return True
