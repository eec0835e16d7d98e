"""Layers of measurements: the thickness map, the ETDRS grid, numbered vessel segments."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Layer, Shapes

from napari_retina_seg._napari.layer_sizes import grid_of
from napari_retina_seg._napari.layers import KEY, unwrap_proxy
from napari_retina_seg.measurement.etdrs import RADII_UM
from napari_retina_seg.measurement.measurements import Measurements
from napari_retina_seg.measurement.units import UM
from napari_retina_seg.measurement.vessels import paint_segments

_LINE_UM = 30.0
_GAP = 0.08  # of a B-scan's height, between it and the map below it


@dataclass(frozen=True, eq=False)
class MeasureInfo:
    """Describes a layer of measurements, in ``metadata["retina_seg"]``; no image to segment."""

    image: str
    kind: str
    image_layer: weakref.ref[Image] | None = None


def thickness_map(found: Measurements, band: str, name: str, image: Image | None) -> Image:
    """Return the en-face map of a band, below the B-scans and on their scale.

    Parameters
    ----------
    found : Measurements
        Of a volume.
    band : str
        Abbreviation of the layer or total.
    name : str
        Name of the mask.
    image : Image or None
        The image layer it was made from.
    """
    thickness = found.thickness
    if thickness is None:
        raise ValueError("There is no thickness.")
    values = thickness.values[thickness.index(band)]
    seen = values[np.isfinite(values)]
    limits = tuple(np.percentile(seen, (1, 99)).tolist()) if seen.size else (0.0, 1.0)
    return Image(
        values,
        name=f"{name} · {band} [{thickness.unit}]",
        colormap="viridis",
        contrast_limits=(limits[0], max(limits[1], limits[0] + 1e-3)),
        metadata={KEY: _info(found, "thickness map", image)},
        **_en_face(found),
    )


def etdrs_grid(found: Measurements, name: str, image: Image | None) -> Shapes:
    """Return circles and dividers of the ETDRS grid, over the map."""
    fovea, spacing = found.fovea, found.image.spacing
    if fovea is None or spacing.slice.um is None or spacing.lateral.um is None:
        raise ValueError("There is no grid.")
    # In µm: lines are as wide as they are in the layer's own pixels, which are far from square.
    centre = np.array([fovea.slice * spacing.slice.um, fovea.column * spacing.lateral.um])
    corners = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]])
    shapes: list[Any] = [(centre + corners * r, "ellipse") for r in RADII_UM]
    diagonals = np.array([RADII_UM[0], RADII_UM[2]])[:, np.newaxis] / np.sqrt(2)
    shapes += [(centre + diagonals * corner, "line") for corner in corners]
    return Shapes(
        [points for points, _ in shapes],
        shape_type=[kind for _, kind in shapes],
        name=f"{name} · ETDRS grid",
        edge_color="white",
        face_color="transparent",
        edge_width=_LINE_UM,
        metadata={KEY: _info(found, "ETDRS grid", image)},
        **(_en_face(found) | {"scale": (1.0, 1.0)}),
    )


def segment_layer(found: Measurements, name: str, image: Image | None, mask: Layer) -> Labels:
    """Return the vessels, each segment with its number of the table, on the mask's grid."""
    painted: npt.NDArray[Any] = np.stack([paint_segments(each) for each in found.vessels])
    layer = Labels(
        painted.reshape(np.shape(mask.data)),
        name=f"{name} · segments",
        opacity=0.9,
        metadata={KEY: _info(found, "segments", image)},
        scale=mask.scale,
        translate=mask.translate,
        affine=mask.affine.affine_matrix,
        units=mask.units,
        axis_labels=mask.axis_labels,
    )
    layer.editable = False
    return layer


def _info(found: Measurements, kind: str, image: Image | None) -> MeasureInfo:
    link = None if image is None else weakref.ref(unwrap_proxy(image))
    return MeasureInfo(found.image.name, kind, link)


def _en_face(found: Measurements) -> dict[str, Any]:
    """Return scale, units and place of a map of slices and columns: below the B-scans."""
    spacing = found.image.spacing
    scale, units = grid_of(spacing, 3)
    between, lateral = spacing.slice.um, spacing.lateral.um
    if units[-1] == "um" and between is not None and lateral is not None:
        size, unit = (between, lateral), "um"
    else:
        size, unit = (scale[1], scale[2]), units[-1]
    top = found.image.grid[0] * scale[1] * (1 + _GAP)
    return {
        "scale": size,
        "units": (unit, unit),
        "translate": (top, 0.0),
        "axis_labels": ("row", "column"),
    }


def has_map(found: Measurements) -> bool:
    """Whether there is a map: thickness of several slices."""
    return found.thickness is not None and found.thickness.values.shape[1] > 1


def has_grid(found: Measurements) -> bool:
    """Whether an ETDRS grid was measured."""
    return bool(found.etdrs) and found.thickness is not None and found.thickness.unit == UM


def is_map_of(layer: Layer, name: str) -> bool:
    """Whether a layer is a thickness map of a mask."""
    info = layer.metadata.get(KEY)
    is_map = isinstance(info, MeasureInfo) and info.kind == "thickness map"
    return is_map and layer.name.startswith(f"{name} · ")
