"""Show where a mask differs from another one, in a layer that can be blinked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from weakref import ref

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Labels

from napari_retina_seg._napari.layers import KEY, unwrap_proxy
from napari_retina_seg._napari.masks.linked_layers import (
    LinkedLayerInfo,
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


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a mask is compared with.

    Attributes
    ----------
    name : str
        Description of the other mask.
    read : callable
        Returns its class values as they are now, on the same grid; leading axes of length 1 don't
        matter. None if there are none any more.
    value : int or None
        The class to compare; None for all, with differing classes in violet.
    """

    name: str
    read: Callable[[], npt.NDArray[np.integer] | None]
    value: int | None = None

    @classmethod
    def with_labels(cls, name: str, labels: npt.NDArray[np.integer]) -> Comparison:
        """Compare with a mask that does not change."""
        return cls(name, lambda: labels)

    @classmethod
    def with_prediction(cls, mask: Labels, value: int | None = None) -> Comparison:
        """Compare with the prediction that a mask started from."""
        return cls(PREDICTION, partial(predicted, mask), value)


@dataclass(frozen=True)
class DifferenceInfo(LinkedLayerInfo):
    """The mask that a difference is linked to, and what that is compared with."""

    other: Comparison


def show_difference(viewer: ViewerModel, layer: Labels, other: Comparison) -> Labels | None:
    """Show where another mask differs from one that is taken as the ground truth.

    Parameters
    ----------
    layer : Labels
        The ground truth: what the other mask misses is blue, what it has in excess is red.
    other : Comparison
        The other mask.

    Returns
    -------
    Labels or None
        The layer of the difference, which `blink` hides and shows, and `redraw_difference` brings
        up to date; None if the other mask is gone.

    Raises
    ------
    RetinaSegError
        If the grids differ.
    """
    truth, labels = np.asarray(layer.data), other.read()
    if labels is None:
        return None
    if truth.shape[-labels.ndim :] != labels.shape or truth.size != labels.size:
        raise RetinaSegError(
            f"'{layer.name}' has the shape {truth.shape} and {other.name} {labels.shape}: compare"
            " masks of one image."
        )
    found = difference(truth, labels.reshape(truth.shape), other.value)
    shown = show_linked_layer(viewer, layer, LinkKind.DIFFERENCE, found, {SAME: _VEIL, **COLORS})
    shown.metadata[KEY] = DifferenceInfo(LinkKind.DIFFERENCE, ref(unwrap_proxy(layer)), other)
    shown.name = f"{layer.name} · difference to {other.name}"
    shown.opacity = 1.0
    shown.editable = False
    return shown


def compared_with(viewer: ViewerModel, mask: Labels) -> Comparison | None:
    """Return what a mask is compared with now, or None."""
    shown = linked_layer(viewer, mask, LinkKind.DIFFERENCE)
    info = None if shown is None else shown.metadata[KEY]
    return info.other if isinstance(info, DifferenceInfo) else None


def redraw_difference(viewer: ViewerModel, mask: Labels) -> None:
    """Bring the visible difference of a mask up to date after a change."""
    shown, other = linked_layer(viewer, mask, LinkKind.DIFFERENCE), compared_with(viewer, mask)
    if shown is not None and shown.visible and other is not None:
        show_difference(viewer, mask, other)


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
    return show_difference(viewer, mask, Comparison.with_prediction(mask)) is not None
