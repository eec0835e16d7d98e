"""Pixel size of a layer in µm, for any units and transforms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pint
from napari.utils.transforms import CompositeAffine

from napari_retina_seg.types.image import Length, Origin, Spacing
from napari_retina_seg.types.pixel_size import PIXEL_UM, SLICE_UM, plausible_um

_TRANSFORM = ("scale", "rotate", "shear")
_UNCHANGED = 1e-5  # relative; napari computes in float64, files may hold float32


def grid_of(spacing: Spacing, axes: int) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """Return scale and units of a layer; planes are in µm only if both sizes are known."""
    plane = [spacing.axial.um, spacing.lateral.um]
    known = None not in plane
    sizes = [spacing.slice.um if known else None, *(plane if known else [None, None])][-axes:]
    scale = tuple(1.0 if size is None else size for size in sizes)
    return scale, tuple("pixel" if size is None else "um" for size in sizes)


def pixel_sizes(attributes: Mapping[str, Any]) -> tuple[float | None, ...]:
    """Return the pixel size along each axis of a layer, in µm.

    Parameters
    ----------
    attributes : mapping
        ``scale``, ``rotate``, ``shear``, ``affine`` and ``units`` of a layer, as napari passes them
        to writers. All of these are applied: the size is that in world coordinates.

    Returns
    -------
    tuple of float or None
        None along an axis in pixels.
    """
    units = [_um_per(unit) for unit in attributes["units"]]
    count = len(units)
    own = CompositeAffine(**{name: attributes[name] for name in _TRANSFORM}).affine_matrix
    world = np.asarray(attributes["affine"], float)
    edges = world[:count, :count] @ own[:count, :count]
    return tuple(_length(edge, units) for edge in edges.T)


def sizes_of(layer: Any) -> tuple[float | None, ...]:
    """Return `pixel_sizes` of a layer in the viewer."""
    known = {name: getattr(layer, name) for name in (*_TRANSFORM, "units")}
    return pixel_sizes(known | {"affine": layer.affine.affine_matrix})


def spacing_of(sizes: Sequence[float | None], stated: Spacing) -> Spacing:
    """Return the spacing of a layer's last three axes.

    Parameters
    ----------
    sizes : sequence of float or None
        Sizes of the layer's axes, in µm.
    stated : Spacing
        Sizes from the file or the user: an unchanged size keeps its origin, any other was set by
        the user. An implausible size counts as unknown.
    """
    axes = min(len(sizes), 3)
    known = (stated.slice, stated.axial, stated.lateral)
    units = grid_of(stated, axes)[1]
    limits = (SLICE_UM, PIXEL_UM, PIXEL_UM)[-axes:]
    lengths = [Length()] * (3 - axes)
    for um, length, unit, limit in zip(sizes[-axes:], known[-axes:], units, limits, strict=True):
        if um is None:
            lengths.append(length if unit == "pixel" else Length())
        elif length.um is not None and np.isclose(um, length.um, rtol=_UNCHANGED, atol=0):
            lengths.append(length)
        elif plausible_um(um, limit) is None:
            lengths.append(Length())
        else:
            lengths.append(Length(um, Origin.USER))
    if axes == 2:
        lengths[0] = stated.slice
    return Spacing(*lengths)


def _length(edge: np.ndarray, units: Sequence[float | None]) -> float | None:
    parts = [
        (part, unit)
        for part, unit in zip(edge.tolist(), units, strict=True)
        if abs(part) > 1e-9 * np.abs(edge).max()
    ]
    if any(unit is None for _, unit in parts):
        return None
    return float(np.hypot.reduce([part * unit for part, unit in parts], initial=0)) or None


def _um_per(unit: Any) -> float | None:
    known = pint.get_application_registry().Unit(str(unit))
    if not known.is_compatible_with("um"):
        return None
    return float((1.0 * known).to("um").magnitude)
