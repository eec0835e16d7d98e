"""Thickness by the device's own lines, beside that of a mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.device_lines import DEVICE_SCHEME, line_code
from napari_retina_seg.measurement.bands import Band
from napari_retina_seg.measurement.thickness import Thickness
from napari_retina_seg.measurement.units import length_of
from napari_retina_seg.types.acquisition import DeviceLines
from napari_retina_seg.types.labels import LabelScheme


@dataclass(frozen=True, eq=False)
class DeviceThickness:
    """One layer or total, in the columns where both the mask and the device show it.

    Attributes
    ----------
    band : Band
        What was measured.
    ours, device : array
        ``(columns,)``, of all B-scans, in `unit`.
    unit : str
        ``µm`` or ``px``.
    slices : int
        Number of B-scans that they come from.
    """

    band: Band
    ours: npt.NDArray[Any]
    device: npt.NDArray[Any]
    unit: str
    slices: int


def compare_with_device(
    thickness: Thickness, scheme: LabelScheme, lines: DeviceLines
) -> tuple[DeviceThickness, ...]:
    """Pair thicknesses with those between the device's lines of the same anatomical surfaces.

    Parameters
    ----------
    thickness : Thickness
        Of the mask.
    scheme : LabelScheme
        Its scheme, whose surfaces have codes. One drawn from the device's lines gives none: it
        would be compared with itself.
    lines : DeviceLines
        What the file has, of the same B-scans.

    Returns
    -------
    tuple of DeviceThickness
        Of layers and totals both of whose surfaces the device has a line for, and whose columns
        are at least two.
    """
    if scheme.name == DEVICE_SCHEME:
        return ()
    heights = lines.heights.reshape(-1, *lines.heights.shape[-2:])
    by_code = {line_code(name): heights[:, k] for k, name in enumerate(lines.names)}
    by_code.pop(None, None)
    factor, unit = length_of(thickness.spacing.axial)
    found: dict[tuple[int, int], DeviceThickness] = {}  # a layer may be a total, too
    for k, band in enumerate(thickness.bands):
        upper, lower = (
            by_code.get(scheme.surfaces[index].code) for index in (band.upper, band.lower)
        )
        if upper is None or lower is None:
            continue
        device, ours = (lower - upper) * factor, thickness.values[k]
        seen = np.isfinite(device) & np.isfinite(ours)
        if seen.sum() >= 2:
            used = int(seen.any(axis=1).sum())
            pair = DeviceThickness(band, ours[seen], device[seen], unit, used)
            found[band.upper, band.lower] = pair
    return tuple(found.values())
