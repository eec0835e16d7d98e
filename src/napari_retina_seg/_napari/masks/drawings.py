"""Convert between mask layers and the `Drawing` that a project stores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Labels

from napari_retina_seg._napari.layers import KEY, finest
from napari_retina_seg._napari.masks.questionable import questionable_of
from napari_retina_seg._napari.results import MaskInfo
from napari_retina_seg.editing.consistency import reconcile
from napari_retina_seg.project.drawing import Drawing
from napari_retina_seg.types.errors import ProjectError


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Copy of a mask, taken in the main thread and processed in another.

    Attributes
    ----------
    labels : array
        uint8, ``(rows, columns)`` or ``(slices, rows, columns)``.
    heights : array or None
        The last known lines, possibly outdated; None if the scheme has no surfaces.
    questionable : array or None
        bool of the labels' shape.
    """

    labels: npt.NDArray[np.uint8]
    heights: npt.NDArray[np.float32] | None
    questionable: npt.NDArray[np.bool_] | None

    def drawing(self) -> Drawing:
        """Return it as a `Drawing`, with lines made consistent with the labels."""
        heights = self.heights
        if heights is not None:
            heights = reconcile(heights, self.labels)
        return Drawing(self.labels, heights, self.questionable)

    def shows_same(self, other: Snapshot) -> bool:
        """Whether two snapshots are equal."""
        return all(
            _same(getattr(self, name), getattr(other, name))
            for name in ("labels", "heights", "questionable")
        )


def take_snapshot(viewer: ViewerModel, layer: Labels) -> Snapshot:
    """Copy a mask with its lines and questionable regions.

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
    return Snapshot(
        labels=data.reshape(shape).astype(np.uint8, copy=True),
        heights=_heights(info, shape),
        questionable=None if questionable is None else questionable.reshape(shape),
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


def _same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
