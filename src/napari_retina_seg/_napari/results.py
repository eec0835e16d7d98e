"""From a `Segmentation` to napari layers on the grid of the image it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Image, Labels
from napari.utils.colormaps import DirectLabelColormap
from napari.utils.transforms import CompositeAffine

from napari_retina_seg._napari.layers import KEY, Position, finest
from napari_retina_seg.core.labels import LabelScheme
from napari_retina_seg.core.segmentation import Provenance, Segmentation

_CLEAR = "transparent"


@dataclass(frozen=True, eq=False)
class MaskInfo:
    """What a Labels layer of ours shows; ``metadata["retina_seg"]``.

    Attributes
    ----------
    image : str
        Name of the image layer it was made from.
    scheme : LabelScheme
        What the values mean.
    provenance : Provenance
        How it came about.
    prediction : array
        The mask as the model drew it, read-only; the layer's own data may be painted.
    boundaries : array or None
        float32 heights in px, if the scheme has surfaces.
    index : int or None
        The slice that was segmented; None for all.
    """

    image: str
    scheme: LabelScheme
    provenance: Provenance
    prediction: np.ndarray
    boundaries: np.ndarray | None
    index: int | None


@dataclass(frozen=True)
class MapInfo:
    """What a map of ours shows, ``metadata["retina_seg"]``; a map is no image to segment."""

    image: str
    provenance: Provenance
    kind: str


@dataclass(frozen=True)
class Target:
    """An image layer, and which part of it was segmented.

    Attributes
    ----------
    layer : Image
        Whose grid the results lie on; it may have left the viewer meanwhile.
    at : Position
        Leading indices, and the slice.
    whole : bool
        Whether all slices were segmented, or the one of `at`.
    """

    layer: Image
    at: Position
    whole: bool

    @property
    def index(self) -> int | None:
        """The one slice of a volume that was segmented."""
        return self.at.index if self.layer.ndim > 2 and not self.whole else None

    def fill(self, plane: np.ndarray) -> np.ndarray:
        """Give ``(rows, columns)`` or ``(slices, rows, columns)`` the layer's own axes.

        One slice becomes a volume that is 0 elsewhere.
        """
        if self.index is not None:
            volume = np.zeros(finest(self.layer).shape[: self.layer.ndim][-3:], plane.dtype)
            volume[self.index] = plane
            plane = volume
        return plane.reshape((1,) * len(self.at.leading) + plane.shape)

    def grid(self, stacked: bool = False) -> dict[str, Any]:
        """Return where the results lie; `stacked` ones have one more axis in front."""
        layer = self.layer
        physical = CompositeAffine(
            scale=layer.scale, translate=layer.translate, rotate=layer.rotate, shear=layer.shear
        )
        corner = np.zeros(layer.ndim)
        corner[: len(self.at.leading)] = self.at.leading
        physical.translate = physical(corner)
        world, units, axes = layer.affine, tuple(layer.units), tuple(layer.axis_labels)
        if stacked:
            physical, world = physical.expand_dims([0]), world.expand_dims([0])
            units, axes = ("pixel", *units), ("class", *axes)
        return {
            "scale": physical.scale,
            "translate": physical.translate,
            "rotate": physical.rotate,
            "shear": physical.shear,
            "affine": world.affine_matrix,
            "units": units,
            "axis_labels": axes,
        }


def colormap(scheme: LabelScheme, hidden: frozenset[int] = frozenset()) -> DirectLabelColormap:
    """Return the colours of a scheme, without those of the classes that are hidden."""
    colors: dict[int | None, str] = {None: _CLEAR, 0: _CLEAR}
    for label in scheme.classes[1:]:
        colors[label.value] = _CLEAR if label.value in hidden else label.color
    return DirectLabelColormap(color_dict=colors)


def mask_layer(segmentation: Segmentation, target: Target) -> Labels:
    """Return the mask as a Labels layer that may be painted."""
    scheme, provenance = segmentation.scheme, segmentation.provenance
    prediction = segmentation.labels.view()
    prediction.flags.writeable = False
    info = MaskInfo(
        image=target.layer.name,
        scheme=scheme,
        provenance=provenance,
        prediction=prediction,
        boundaries=segmentation.boundaries,
        index=target.index,
    )
    features = pd.DataFrame(
        {"index": range(len(scheme)), "class": [_long_name(label) for label in scheme.classes]}
    )
    layer = Labels(
        np.array(target.fill(segmentation.labels)),
        name=f"{target.layer.name} · {provenance.model}",
        colormap=colormap(scheme),
        features=features,
        metadata={KEY: info},
        **target.grid(),
    )
    layer.selected_label = 1
    return layer


def uncertainty_layer(segmentation: Segmentation, target: Target) -> Image:
    """Return the normalised entropy of the class probabilities as an Image layer, 0 … 1."""
    return _map_layer(
        target.fill(segmentation.uncertainty()), "uncertainty", segmentation, target, "inferno"
    )


def probability_layer(segmentation: Segmentation, target: Target) -> Image:
    """Return the class probabilities as one Image layer, 0 … 1.

    Two classes need one map, that of the second; more get a slider in front, whose position is
    the class value.
    """
    values = np.asarray(segmentation.probabilities)
    two = len(segmentation.scheme) == 2
    planes = [
        target.fill(np.asarray(values[..., k, :, :], np.float32))
        for k in range(1 if two else 0, len(segmentation.scheme))
    ]
    stacked = planes[0] if two else np.stack(planes)
    return _map_layer(stacked, "probabilities", segmentation, target, "viridis", not two)


def _map_layer(
    values: np.ndarray,
    kind: str,
    segmentation: Segmentation,
    target: Target,
    colors: str,
    stacked: bool = False,
) -> Image:
    provenance = segmentation.provenance
    return Image(
        values,
        rgb=False,
        name=f"{target.layer.name} · {provenance.model} · {kind}",
        colormap=colors,
        contrast_limits=(0, 1),
        opacity=0.6,
        metadata={KEY: MapInfo(target.layer.name, provenance, kind)},
        **target.grid(stacked),
    )


def _long_name(label: Any) -> str:
    same = label.name == label.abbreviation or label.value == 0
    return label.name if same else f"{label.name} ({label.abbreviation})"
