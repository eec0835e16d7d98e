"""Layers linked to a mask: questionable regions, differences, previews, lasso."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import DirectLabelColormap

from napari_retina_seg._napari.layers import KEY, insert_unselected, unwrap_proxy
from napari_retina_seg._napari.masks.edits import change

GRID = ("scale", "translate", "rotate", "shear", "units", "axis_labels")
_COLORS = {1: "#ffffff"}
_OPACITY = 0.5


class LinkKind(Enum):
    """Kind of a linked layer; the value is the end of its name."""

    QUESTIONABLE = "questionable"
    DIFFERENCE = "difference"
    PREVIEW = "preview"
    LASSO = "lasso"
    MARKS = "marks"


@dataclass(frozen=True)
class LinkedLayerInfo:
    """The mask that a layer is linked to, in ``metadata["retina_seg"]``.

    Attributes
    ----------
    kind : LinkKind
        Kind of the layer.
    mask : weak reference
        To the mask.
    """

    kind: LinkKind
    mask: weakref.ref[Labels]

    @property
    def image(self) -> str:
        """Name of the image layer, as of the mask."""
        mask = self.mask()
        return "" if mask is None else str(getattr(mask.metadata.get(KEY), "image", ""))

    @property
    def image_layer(self) -> weakref.ref[Image] | None:
        """Reference to the image layer, as of the mask."""
        mask = self.mask()
        return None if mask is None else getattr(mask.metadata.get(KEY), "image_layer", None)


def linked_layer(viewer: ViewerModel, mask: Labels, kind: LinkKind) -> Labels | None:
    """Return the linked layer of a mask, or None."""
    for layer in viewer.layers:
        known = layer.metadata.get(KEY)
        ours = isinstance(known, LinkedLayerInfo) and known.kind is kind
        if ours and known.mask() is unwrap_proxy(mask):
            return layer
    return None


def mask_of(layer: Layer | None) -> Labels | None:
    """Return the mask that a layer is linked to, or None."""
    known = None if layer is None else layer.metadata.get(KEY)
    return known.mask() if isinstance(known, LinkedLayerInfo) else None


def show_linked_layer(
    viewer: ViewerModel,
    mask: Labels,
    kind: LinkKind,
    values: npt.NDArray[np.uint8],
    colors: dict[int, str],
) -> Labels:
    """Add a linked layer above its mask, or update the existing one.

    The selection is kept.

    Parameters
    ----------
    values : array
        uint8 of the mask's shape; 0 is clear.
    colors : dict
        A colour for each other value.
    """
    layer = linked_layer(viewer, mask, kind)
    if layer is not None:
        if layer.editable:
            change(layer, values)  # setting data would invalidate the undo history
        else:
            layer.data = values
        layer.visible = True
        return layer
    shown: dict[int | None, str] = dict(colors.items())
    shown[None] = shown[0] = "transparent"
    layer = Labels(
        values,
        name=f"{mask.name} · {kind.value}",
        colormap=DirectLabelColormap(color_dict=shown),
        metadata={KEY: LinkedLayerInfo(kind, weakref.ref(unwrap_proxy(mask)))},
        affine=mask.affine.affine_matrix,
        **{name: getattr(mask, name) for name in GRID},
    )
    insert_unselected(viewer.layers, layer, viewer.layers.index(mask) + 1)
    return layer


def remove_linked_layer(viewer: ViewerModel, mask: Labels, kind: LinkKind) -> None:
    """Remove a linked layer from the viewer, if there is one."""
    layer = linked_layer(viewer, mask, kind)
    if layer is not None:
        viewer.layers.remove(layer)


def questionable_of(viewer: ViewerModel, layer: Labels) -> npt.NDArray[np.bool_] | None:
    """Return the questionable regions of a mask.

    Returns
    -------
    array or None
        bool of the mask's shape, a copy; None if nothing is marked.
    """
    marks = linked_layer(viewer, layer, LinkKind.QUESTIONABLE)
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
    marks = show_linked_layer(viewer, layer, LinkKind.QUESTIONABLE, values, _COLORS)
    marks.opacity = _OPACITY
    marks.selected_label = 1
    return marks
