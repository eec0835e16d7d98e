"""Layers of measurements: the thickness map, the ETDRS grid, numbered vessel segments."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Layer, Shapes

from napari_retina_seg._napari.acquisitions import EnFaceInfo
from napari_retina_seg._napari.layer_sizes import grid_of
from napari_retina_seg._napari.layers import (
    AXES,
    KEY,
    find_image_of,
    have_same_image,
    is_made_from,
    unwrap_proxy,
)
from napari_retina_seg.measurement.etdrs import RADII_UM
from napari_retina_seg.measurement.measurements import Measurements
from napari_retina_seg.measurement.registration import en_face_affine
from napari_retina_seg.measurement.skeleton import paint_segments
from napari_retina_seg.measurement.units import UM
from napari_retina_seg.workflows.comparing import FOLLOW_UP, ScanComparison

_THICKNESS, _DIFFERENCE = "thickness map", "difference map"
_LINE_UM = 30.0
_OPACITY = 0.75  # of what lies on the en-face image, which stays visible
_GAP = 0.08  # of a B-scan's height, between it and the map below it


@dataclass(frozen=True, eq=False)
class MeasureInfo:
    """Describes a layer of measurements, in ``metadata["retina_seg"]``; no image to segment."""

    image: str
    kind: str
    mask: str
    image_layer: weakref.ref[Image] | None = None


def find_face(layers: Iterable[Layer], image: Image | None) -> Image | None:
    """Return the en-face image that belongs to an image with B-scans, if it is open."""
    if image is None:
        return None
    faces = (each for each in layers if isinstance(each.metadata.get(KEY), EnFaceInfo))
    return next((each for each in faces if is_made_from(each, image)), None)


def thickness_map(
    found: Measurements, band: str, name: str, image: Image | None, face: Image | None = None
) -> Image:
    """Return the en-face map of a band: on the en-face image, or below the B-scans.

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
    face : Image or None
        Its en-face image; without one, or if it is not known where the B-scans lie on it, the map
        lies below the B-scans and has their scale.
    """
    thickness = found.thickness
    if thickness is None:
        raise ValueError("There is no thickness.")
    values = thickness.values[thickness.index(band)]
    seen = values[np.isfinite(values)]
    limits = tuple(np.percentile(seen, (1, 99)).tolist()) if seen.size else (0.0, 1.0)
    layer = Image(
        values,
        name=f"{name} · {band} [{thickness.unit}]",
        colormap="viridis",
        contrast_limits=(limits[0], max(limits[1], limits[0] + 1e-3)),
        metadata={KEY: _info(found, _THICKNESS, name, image)},
        **_place(found, face, (1.0, 1.0)),
    )
    return _with_scale(layer)


def difference_maps(
    compared: ScanComparison,
    found: Measurements,
    band: str,
    name: str,
    image: Image | None,
    face: Image | None = None,
) -> list[Image]:
    """Return the map of the difference in a band where the thickness lies, and its error below."""
    difference = compared.maps.get(band)
    if difference is None:
        return []
    place = _place(found, face, (1.0, 1.0))
    size = np.abs(difference.difference[np.isfinite(difference.difference)])
    limit = max(float(np.percentile(size, 99)), 1e-3)
    what = "change" if compared.kind == FOLLOW_UP else "OD − OS"
    maps = [
        Image(
            difference.difference,
            name=f"{name} · {band} {what} [{UM}]",
            colormap="PiYG",
            contrast_limits=(-limit, limit),
            metadata={KEY: _info(found, _DIFFERENCE, name, image)},
            **place,
        )
    ]
    if difference.error is not None:
        rows = np.array(maps[0].extent.world)[:, 0]
        below = np.eye(3)
        below[0, 2] = np.ptp(rows) * (1 + _GAP)
        maps.append(
            Image(
                difference.error,
                name=f"{name} · {band} error of the {what} [{UM}]",
                colormap="viridis",
                contrast_limits=(0.0, limit),
                metadata={KEY: _info(found, _DIFFERENCE, name, image)},
                **(place | {"affine": below @ place["affine"]}),
            )
        )
    return [_with_scale(layer) for layer in maps]


def _with_scale(layer: Image) -> Image:
    """Show which colour of a map stands for which number, where no B-scan lies."""
    layer.colorbar.position = "bottom_right"
    layer.colorbar.visible = True
    return layer


def etdrs_grid(
    found: Measurements, name: str, image: Image | None, face: Image | None = None
) -> Shapes:
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
        metadata={KEY: _info(found, "ETDRS grid", name, image)},
        **_place(found, face, (spacing.slice.um, spacing.lateral.um)),
    )


def segment_layer(found: Measurements, name: str, image: Image | None, mask: Layer) -> Labels:
    """Return the vessels, each segment with its number of the table, on the mask's grid."""
    painted: npt.NDArray[Any] = np.stack(
        [paint_segments((one.path for one in each.segments), each.mask) for each in found.vessels]
    )
    layer = Labels(
        painted.reshape(np.shape(mask.data)),
        name=f"{name} · segments",
        opacity=0.9,
        metadata={KEY: _info(found, "segments", name, image)},
        scale=mask.scale,
        translate=mask.translate,
        affine=mask.affine.affine_matrix,
        units=mask.units,
        axis_labels=mask.axis_labels,
    )
    layer.editable = False
    return layer


def _info(found: Measurements, kind: str, mask: str, image: Image | None) -> MeasureInfo:
    link = None if image is None else weakref.ref(unwrap_proxy(image))
    return MeasureInfo(found.image.name, kind, mask, link)


def _place(found: Measurements, face: Image | None, step: tuple[float, float]) -> dict[str, Any]:
    """Return where a map lies; from slice to slice and column to column it counts by `step`."""
    affine = None if face is None else en_face_affine(found.image)
    counted = np.diag([1 / step[0], 1 / step[1], 1])
    if face is None or affine is None:
        below, unit = _below(found)
        return {"affine": below @ counted, "units": (unit, unit), "axis_labels": AXES[-2:]}
    corners = [np.append(face.data_to_world(corner), 1) for corner in ((0, 0), (1, 0), (0, 1))]
    to_world = np.stack([corners[1] - corners[0], corners[2] - corners[0], corners[0]], axis=1)
    return {
        "affine": to_world @ affine @ counted,
        "units": face.units,
        "axis_labels": face.axis_labels,
        "opacity": _OPACITY,
    }


def _below(found: Measurements) -> tuple[npt.NDArray[np.float64], str]:
    """Return place and unit of a map of slices and columns below the B-scans."""
    spacing = found.image.spacing
    scale, units = grid_of(spacing, 3)
    between, lateral = spacing.slice.um, spacing.lateral.um
    if units[-1] == "um" and between is not None and lateral is not None:
        size, unit = (between, lateral), "um"
    else:
        size, unit = (scale[1], scale[2]), units[-1]
    matrix = np.diag([*size, 1.0])
    matrix[0, 2] = found.image.grid[0] * scale[1] * (1 + _GAP)
    return matrix, unit


def hide_scan(layers: Iterable[Layer], mask: Labels) -> None:
    """Hide all layers of a scan, which lie where those of another one do."""
    image = find_image_of(mask, layers)
    for layer in layers:
        if layer in (mask, image) or have_same_image(layer, mask):
            layer.visible = False


def has_grid(found: Measurements) -> bool:
    """Whether an ETDRS grid was measured."""
    return bool(found.etdrs) and found.thickness is not None and found.thickness.unit == UM


def is_map_of(layer: Layer, name: str) -> bool:
    """Whether a layer is a map of the mask of a name: its thickness, or a difference."""
    info = layer.metadata.get(KEY)
    is_map = isinstance(info, MeasureInfo) and info.kind in (_THICKNESS, _DIFFERENCE)
    return is_map and info.mask == name
