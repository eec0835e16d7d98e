"""Decode a network's output to labels and boundaries on the image's own grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging import surfaces
from napari_retina_seg.imaging.continuity import blind_ends, make_continuous
from napari_retina_seg.imaging.preprocess import Geometry
from napari_retina_seg.models.spec import (
    ModelSpec,
    SurfacePostprocessing,
    ThresholdPostprocessing,
)
from napari_retina_seg.types.annotation import Annotation

Mask = npt.NDArray[np.bool_]


def decode(
    output: npt.NDArray[np.float32], geometry: Geometry, spec: ModelSpec, *, probabilities: bool
) -> Annotation:
    """Turn ``(*working, outputs)`` probabilities into a mask on the image's grid.

    Pixels without data are background, and columns without any data have no boundaries. Layers
    that were drawn through columns which showed something else, or nothing, are ignored there.
    """
    result = _decode(output, geometry, spec, probabilities)
    if geometry.valid is None:
        return result
    labels = np.where(geometry.valid, result.labels, np.uint8(0))
    boundaries = result.boundaries
    if boundaries is not None:
        boundaries = np.where(geometry.valid.any(axis=0), boundaries, np.float32(np.nan))
    ignore = ~geometry.valid if result.ignore is None else ~geometry.valid | result.ignore
    return Annotation(labels, boundaries, ignore, result.probabilities)


def without_blind_ends(mask: Annotation, pixels: npt.NDArray[np.generic]) -> Annotation:
    """Take layers out of a B-scan's outer columns in which the image shows none."""
    if mask.boundaries is None:
        return mask
    blind = blind_ends(pixels, mask.labels)
    if not blind.any():
        return mask
    labels, boundaries = mask.labels.copy(), mask.boundaries.copy()
    labels[:, blind], boundaries[:, blind] = 0, np.nan
    ignore = None if mask.ignore is None else mask.ignore & ~(blind & (mask.labels > 0))
    return replace(mask, labels=labels, boundaries=boundaries, ignore=ignore)


def _decode(
    output: npt.NDArray[np.float32], geometry: Geometry, spec: ModelSpec, probabilities: bool
) -> Annotation:
    planes = np.moveaxis(output, -1, 0)
    if len(planes) == 1:
        planes = np.concatenate([1 - planes, planes])
    after = spec.postprocessing
    if isinstance(after, SurfacePostprocessing):
        boundaries, drawn, doubtful = _surfaces(planes, geometry, after)
        labels = surfaces.to_labels(boundaries, geometry.grid[0])
        labels[:, ~drawn] = 0
        boundaries[:, ~drawn] = np.nan
        kept = _restore(planes, geometry).astype(np.float16) if probabilities else None
        left_open = (labels > 0) & doubtful if doubtful.any() else None
        return Annotation(labels, boundaries, left_open, kept)
    restored = _restore(planes, geometry) if probabilities else None
    kept = None if restored is None else restored.astype(np.float16)
    if isinstance(after, ThresholdPostprocessing):
        labels = geometry.restore_mask(planes[1], after.threshold)
        return Annotation(labels, probabilities=kept)
    if restored is None:
        restored = _restore(planes, geometry)
    return Annotation(restored.argmax(axis=0).astype(np.uint8), probabilities=kept)


def _restore(planes: npt.NDArray[np.float32], geometry: Geometry) -> npt.NDArray[np.float32]:
    return np.stack(
        [geometry.restore(plane, outside=float(k == 0)) for k, plane in enumerate(planes)]
    )


def _surfaces(
    planes: npt.NDArray[np.float32], geometry: Geometry, after: SurfacePostprocessing
) -> tuple[npt.NDArray[np.float32], Mask, Mask]:
    """Return heights on the image's grid, and in which of its columns are layers, and in doubt."""
    heights, drawn = surfaces.decode(planes), surfaces.drawn_columns(planes[0])
    whole = make_continuous(planes, heights, drawn)
    heights, drawn = whole.heights, whole.drawn
    if drawn.any() and not drawn.all():  # what is no layer must not bend those beside it
        heights = heights[:, surfaces.nearest_column(drawn)]
    heights = surfaces.smooth(heights, after.smoothing)
    on_grid = surfaces.resample(heights, from_grid=geometry.working, to_grid=geometry.grid)
    columns = (2 * np.arange(geometry.grid[1]) + 1) * len(drawn) // (2 * geometry.grid[1])
    on_grid = surfaces.connect(on_grid, geometry.grid[0])
    return on_grid, drawn[columns], whole.doubtful[columns]
