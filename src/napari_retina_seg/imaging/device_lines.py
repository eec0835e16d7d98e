"""Layer lines of a device as a mask with boundaries."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from napari_retina_seg.imaging.surfaces import to_labels
from napari_retina_seg.types.acquisition import DeviceLines
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.labels import OCT_LAYERS, LabelClass, LabelScheme, Surface

DEVICE_SCHEME = "device-lines"
# Heidelberg calls a line as the layer above it; codes of DICOM CID 4273.
_CODES = {
    "ILM": "SCT:280677004",
    "RNFL": "DCM:128289",
    "GCL": "DCM:128290",
    "IPL": "DCM:128291",
    "INL": "DCM:128292",
    "OPL": "DCM:128293",
    "ELM": "SCT:76710003",
    "BM": "DCM:128300",
}
# Those of the layers, and then some of Paul Tol's muted palette
_COLORS = (*(one.color for one in OCT_LAYERS.classes[1:]), "#882255", "#117733", "#332288",
           "#999933", "#aa4499", "#88ccee", "#661100", "#6699cc", "#888888")  # fmt: skip


def draw_lines(lines: DeviceLines, rows: int) -> tuple[LabelScheme, Annotation] | None:
    """Draw the layers between the lines of a device.

    A layer is named after the lines that bound it, from the vitreous outwards. Columns in which a
    line is missing are ignored: what lies between the others is not known there.

    Parameters
    ----------
    lines : DeviceLines
        The lines.
    rows : int
        Of a B-scan.

    Returns
    -------
    tuple or None
        The scheme and the mask, whose boundaries are the lines in order of their mean heights;
        None if there is one line alone.
    """
    if not 2 <= len(lines.names) <= len(_COLORS) + 1:
        return None
    heights = lines.heights.reshape(-1, *lines.heights.shape[-2:])
    order = np.argsort(np.nanmean(heights, axis=(0, 2)))
    heights = heights[:, order]
    names = [lines.names[k] for k in order]
    is_whole = np.asarray(~np.isnan(heights).any(axis=1), bool)
    labels = np.stack(
        [
            np.where(known, to_labels(np.where(known, plane, 0), rows), np.uint8(0))
            for plane, known in zip(heights, is_whole, strict=True)
        ]
    )
    ignore = np.broadcast_to(~is_whole[:, np.newaxis], labels.shape)
    single = lines.heights.ndim == 2
    annotation = Annotation(
        labels[0] if single else labels,
        heights[0] if single else heights,
        None if is_whole.all() else np.array(ignore[0] if single else ignore),
    )
    return _scheme(names), annotation


def line_code(name: str) -> str | None:
    """Return the DICOM code of the surface that a device's line draws, if it is known."""
    return _CODES.get(name)


def _scheme(names: list[str]) -> LabelScheme:
    classes = [LabelClass(0, "Background", "BG", "#000000")]
    for value, (upper, lower) in enumerate(pairwise(names), 1):
        title = f"{upper} to {lower}"
        classes.append(LabelClass(value, title, title, _COLORS[value - 1], order=value))
    surfaces = tuple(Surface(name, line_code(name)) for name in names)
    return LabelScheme(DEVICE_SCHEME, tuple(classes), surfaces)
