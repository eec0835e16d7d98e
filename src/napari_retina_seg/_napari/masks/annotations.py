"""Copy mask layers to the `Annotation` that a project stores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Labels

from napari_retina_seg._napari.layers import KEY, finest
from napari_retina_seg._napari.masks.linked_layers import questionable_of
from napari_retina_seg._napari.results import MaskInfo
from napari_retina_seg.editing.consistency import reconcile
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError


def up_to_date(annotation: Annotation) -> Annotation:
    """Return it with boundaries made consistent with its labels."""
    if annotation.boundaries is None:
        return annotation
    return replace(annotation, boundaries=reconcile(annotation.boundaries, annotation.labels))


def copy_annotation(viewer: ViewerModel, layer: Labels) -> Annotation:
    """Copy a mask with its lines, which may be older than it, and questionable regions.

    Raises
    ------
    ProjectError
        If the layer is not a mask of this plugin, or has more than one volume.
    """
    info = layer.metadata.get(KEY)
    if not isinstance(info, MaskInfo):
        raise ProjectError(f"'{layer.name}' is not a mask with known classes: select one that is.")
    data = np.asarray(finest(layer))
    shape = data.shape[-3:] if data.ndim > 2 else data.shape
    if data.size != np.prod(shape):
        raise ProjectError(
            f"'{layer.name}' has several volumes (shape {data.shape}): a project stores the mask"
            " of one image."
        )
    questionable = questionable_of(viewer, layer)
    return Annotation(
        labels=data.reshape(shape).astype(np.uint8, copy=True),
        boundaries=_heights(info, shape),
        ignore=None if questionable is None else questionable.reshape(shape),
    )


def _heights(info: MaskInfo, shape: tuple[int, ...]) -> npt.NDArray[np.float32] | None:
    """Return the last known lines of all slices; NaN where none are known."""
    surfaces = len(info.scheme.surfaces)
    if not surfaces:
        return None
    heights = np.full((*shape[:-2], surfaces, shape[-1]), np.nan, np.float32)
    known = info.boundaries
    if known is None:
        return heights
    if info.index is not None and known.ndim < heights.ndim:
        heights[info.index] = known
    else:
        heights[...] = known.reshape(heights.shape)
    return heights
