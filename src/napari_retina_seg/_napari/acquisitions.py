"""What a device's file holds besides its B-scans, as layers beside them."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

from napari.layers import Image
from napari.types import LayerDataTuple

from napari_retina_seg._napari.layer_sizes import grid_of
from napari_retina_seg._napari.layers import AXES, KEY, image_layers
from napari_retina_seg._napari.results import MaskInfo, mask_options
from napari_retina_seg.imaging.device_lines import draw_lines
from napari_retina_seg.types.acquisition import EnFace
from napari_retina_seg.types.image import Laterality, RetinaImage
from napari_retina_seg.types.text import displayed

_GAP = 0.05  # of its width, between the en-face image and the B-scans
_MOST_DRAWN = 2**27  # px of a volume whose lines are drawn as a mask


@dataclass(frozen=True, eq=False)
class EnFaceInfo:
    """Describes an en-face layer, in ``metadata["retina_seg"]``; it is not segmented.

    Attributes
    ----------
    image : str
        Name of the layer with the B-scans.
    face : EnFace
        Where they lie on it.
    image_layer : weak reference or None
        To the layer with the B-scans.
    """

    image: str
    face: EnFace
    image_layer: weakref.ref[Image] | None = None


def acquisition_layers(image: RetinaImage) -> list[LayerDataTuple]:
    """Return the layers of an image: its pixels first, then the device's lines and the en face.

    The lines are a hidden mask, which can be shown, compared and corrected as any other. The
    en-face image lies to the left of the B-scans.
    """
    layers = image_layers(image)
    acquisition = image.acquisition
    if acquisition is None:
        return layers
    options = layers[0][1]
    if acquisition.lines is not None and _size(image) <= _MOST_DRAWN:
        layers += _line_layers(image, options)
    if acquisition.en_face is not None:
        layers.append(_face_layer(image, acquisition.en_face))
    return layers


def _line_layers(image: RetinaImage, options: dict[str, Any]) -> list[LayerDataTuple]:
    acquisition = image.acquisition
    lines = None if acquisition is None else acquisition.lines
    drawn = None if lines is None else draw_lines(lines, image.grid[0])
    if drawn is None:
        return []
    scheme, mask = drawn
    info = MaskInfo(
        options["name"],
        scheme,
        boundaries=mask.boundaries,
        ignore=mask.ignore,
        spacing=image.spacing,
        placement=image.placement,
    )
    grid = {name: options[name] for name in ("scale", "units", "axis_labels")}
    name = f"{options['name']} · device lines"
    return [(mask.labels, {"name": name, "visible": False, **mask_options(info), **grid}, "labels")]


def _face_layer(image: RetinaImage, face: EnFace) -> LayerDataTuple:
    scale, units = grid_of(face.spacing, 2)
    eye = "" if image.laterality is Laterality.UNKNOWN else f" ({image.laterality})"
    shown = displayed(image.name)
    width = face.pixels.shape[1] * scale[1]
    return (
        face.pixels,
        {
            "name": f"{shown} · en face{eye}",
            "rgb": face.pixels.ndim == 3,
            "scale": scale,
            "units": units,
            "axis_labels": AXES[-2:],
            "translate": (0.0, -(1 + _GAP) * width),
            "metadata": {KEY: EnFaceInfo(shown, face)},
        },
        "image",
    )


def _size(image: RetinaImage) -> int:
    return image.n_slices * image.grid[0] * image.grid[1]
