"""Copy mask layers to the `Annotation` that a project stores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Labels

from napari_retina_seg._napari.layers import KEY, finest
from napari_retina_seg._napari.masks.linked_layers import LinkKind, linked_layer
from napari_retina_seg._napari.results import MaskInfo
from napari_retina_seg.editing.consistency import reconcile
from napari_retina_seg.imaging.surfaces import Heights
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError


def up_to_date(annotation: Annotation) -> Annotation:
    """Return it with boundaries made consistent with its labels."""
    if annotation.boundaries is None:
        return annotation
    return replace(annotation, boundaries=reconcile(annotation.boundaries, annotation.labels))


@dataclass(frozen=True, eq=False)
class MaskSnapshot:
    """A mask as it was, of which no edit changes anything; what is worked out is so in any thread.

    Attributes
    ----------
    labels : array
        ``(rows, columns)`` or ``(slices, rows, columns)``: a copy.
    boundaries : array or None
        The last known lines, which may be older than the mask; NaN where none are known.
    questionable : array or None
        Shape of the labels, not 0 in questionable regions: a copy.
    """

    labels: npt.NDArray[np.uint8]
    boundaries: npt.NDArray[np.float32] | None
    questionable: npt.NDArray[np.integer[Any]] | None

    def annotation(self) -> Annotation:
        """Return the mask with its lines and questionable regions."""
        marks = None if self.questionable is None else self.questionable != 0
        if marks is not None and not marks.any():
            marks = None
        return Annotation(labels=self.labels, boundaries=self.boundaries, ignore=marks)


def copy_annotation(viewer: ViewerModel, layer: Labels) -> Annotation:
    """Copy a mask with its lines, which may be older than it, and questionable regions.

    Raises
    ------
    ProjectError
        If the layer is not a mask of this plugin, or has more than one volume.
    """
    return take_snapshot(viewer, layer).annotation()


def take_snapshot(viewer: ViewerModel, layer: Labels) -> MaskSnapshot:
    """Copy what can be edited of a mask, and nothing else; see `copy_annotation`."""
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
    marks = linked_layer(viewer, layer, LinkKind.QUESTIONABLE)
    return MaskSnapshot(
        labels=data.reshape(shape).astype(np.uint8, copy=True),
        boundaries=all_lines(info, info.boundaries, shape),
        questionable=None if marks is None else np.array(marks.data).reshape(shape),
    )


def prediction_of(info: MaskInfo, shape: tuple[int, ...]) -> Annotation | None:
    """Return the prediction that a mask was made from, on its grid; None if there was none.

    Slices without a prediction are empty. Lines are None where those of the model are not known.
    """
    drawn, known = info.prediction, info.predicted_boundaries
    if drawn is not None and drawn.size == np.prod(shape):
        labels = drawn.reshape(shape).astype(np.uint8, copy=False)
    elif drawn is not None and info.index is not None:
        labels = np.zeros(shape, np.uint8)
        labels[info.index] = drawn
    else:
        return None
    return Annotation(labels, None if known is None else all_lines(info, known, shape))


def corrected_slices(
    labels: npt.NDArray[Any], boundaries: Heights | None, prediction: Annotation | None
) -> npt.NDArray[np.bool_]:
    """Return which slices of a mask are not as predicted, ``(slices,)``.

    Labels don't show that a boundary was moved by less than a pixel: boundaries do.

    Parameters
    ----------
    labels : array
        ``(rows, columns)`` or ``(slices, rows, columns)``.
    boundaries : array or None
        Its last known lines, as `all_lines` returns them.
    prediction : Annotation or None
        What it was made from, on its grid; None for an empty mask.
    """
    planes = labels.reshape(-1, *labels.shape[-2:])
    if prediction is None:
        return np.asarray(planes.any(axis=(1, 2)))
    before = prediction.labels.reshape(planes.shape)
    changed = np.array([(one != two).any() for one, two in zip(planes, before, strict=True)])
    if boundaries is None or prediction.boundaries is None:
        return changed
    lines = boundaries.reshape(-1, *boundaries.shape[-2:])
    drawn = prediction.boundaries.reshape(lines.shape)
    for index in np.flatnonzero(~changed):
        if not np.array_equal(lines[index], drawn[index], equal_nan=True):
            # Where lines do not draw the mask, they are derived from it as soon as they are shown.
            own, model = (reconcile(each[index], planes[index]) for each in (lines, drawn))
            changed[index] = not np.array_equal(own, model, equal_nan=True)
    return changed


def all_lines(
    info: MaskInfo, known: Heights | None, shape: tuple[int, ...]
) -> npt.NDArray[np.float32] | None:
    """Return lines of a mask for all its slices; NaN where none are known."""
    surfaces = len(info.scheme.surfaces)
    if not surfaces:
        return None
    heights = np.full((*shape[:-2], surfaces, shape[-1]), np.nan, np.float32)
    if known is None:
        return heights
    if info.index is not None and known.ndim < heights.ndim:
        heights[info.index] = known
    else:
        heights[...] = known.reshape(heights.shape)
    return heights
