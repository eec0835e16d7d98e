"""Plain names for methods and layers in the Explain dock; the technical ones are in tooltips."""

from __future__ import annotations

from collections.abc import Sequence

from napari_retina_seg.imaging.cam import Method
from napari_retina_seg.inference.target_layers import TargetLayer

METHOD_NAMES = {
    Method.GRAD_CAM: "Where key features show",
    Method.GRAD_CAM_PLUS_PLUS: "Key features, however small",
    Method.HIRES_CAM: "Where the evidence lies",
    Method.LAYER_CAM: "Supporting evidence only",
}
METHOD_DESCRIPTIONS = {
    Method.GRAD_CAM: "weighs each feature by its mean gradient, and shows where in the image it is;"
    " it can light up outside the class",
    Method.GRAD_CAM_PLUS_PLUS: "as Grad-CAM, but all contributing positions count equally",
    Method.HIRES_CAM: "weighs each cell by its own gradient, without averaging",
    Method.LAYER_CAM: "as HiResCAM, but with positive gradients only",
}
FINE, MEDIUM, COARSE = "Fine", "Medium", "Coarse"


def name_depths(
    layers: Sequence[TargetLayer], recommended: TargetLayer
) -> tuple[tuple[str, TargetLayer], ...]:
    """Choose up to three layers, and call them fine, medium and coarse.

    Parameters
    ----------
    layers : sequence of TargetLayer
        Those that stand for a resolution, from the network's input to its output.
    recommended : TargetLayer
        One of them: medium, if there are finer and coarser ones.

    Returns
    -------
    tuple of (str, TargetLayer)
        Fine is the decoder layer after the recommended one, coarse the coarsest layer of all.
    """
    at = layers.index(recommended)
    coarsest = max(layers, key=_area)
    chosen = dict.fromkeys([*layers[at + 1 : at + 2], recommended, coarsest])
    ordered = sorted(chosen, key=_area)
    names = {1: (MEDIUM,), 2: (FINE, COARSE), 3: (FINE, MEDIUM, COARSE)}[len(ordered)]
    return tuple(zip(names, ordered, strict=True))


def describe_layer(target_layer: TargetLayer) -> str:
    """Describe a layer by its position, its name in Keras and its grid."""
    rows, columns = target_layer.stride
    position = "" if target_layer.name == target_layer.layer else f"{target_layer.name}, "
    return f"{position}{target_layer.layer}: cells of {rows} × {columns} px"


def _area(target_layer: TargetLayer) -> int:
    return target_layer.stride[0] * target_layer.stride[1]
