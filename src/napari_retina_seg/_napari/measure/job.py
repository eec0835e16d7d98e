"""The job of the Measure dock: it gets copies of pixels and mask, never layers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import napari
import numpy as np
from napari.layers import Image, Labels

from napari_retina_seg._napari.job import JobResult, JobStatus, Steps, as_result
from napari_retina_seg._napari.layers import KEY, position, retina_image
from napari_retina_seg._napari.masks.annotations import copy_annotation, up_to_date
from napari_retina_seg._napari.results import MaskInfo
from napari_retina_seg.measurement.measurements import Measurements
from napari_retina_seg.reports.measurements import iter_save_report
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.image import Modality, RetinaImage
from napari_retina_seg.types.labels import LabelScheme
from napari_retina_seg.types.progress import CancelToken
from napari_retina_seg.workflows.measuring import MODEL, MeasureOptions, iter_measure


@dataclass(frozen=True, eq=False)
class MeasureTask:
    """What to measure.

    Attributes
    ----------
    name : str
        Of the mask.
    image : RetinaImage
        Its image; of a mask whose image is not open the mask itself.
    mask : Annotation
        A copy.
    scheme : LabelScheme
        Its classes.
    options : MeasureOptions
        What the user stated.
    """

    name: str
    image: RetinaImage
    mask: Annotation
    scheme: LabelScheme
    options: MeasureOptions


@dataclass(frozen=True, eq=False, kw_only=True)
class MeasureResult(JobResult):
    """Measurements, if the job succeeded."""

    found: Measurements | None = field(default=None)


def make_task(
    viewer: napari.Viewer, mask: Labels, image: Image | None, options: MeasureOptions
) -> MeasureTask:
    """Copy a mask and its image for a thread.

    Raises
    ------
    RetinaSegError
        If the mask is of several volumes or its classes are unknown.
    """
    info: MaskInfo = mask.metadata[KEY]
    annotation = copy_annotation(viewer, mask)
    if info.ignore is not None and info.ignore.shape == annotation.labels.shape:
        known = annotation.ignore
        # A painted pixel counts: somebody looked at it.
        painted = info.prediction is not None and info.prediction.shape == info.ignore.shape
        ignore = info.ignore & (annotation.labels == info.prediction) if painted else info.ignore
        annotation = replace(annotation, ignore=ignore if known is None else known | ignore)
    picture = _picture(viewer, annotation, image, info)
    origin = "drawn or corrected by hand"
    made = info.provenance
    if made is not None:
        same = info.prediction is not None and np.array_equal(
            np.squeeze(info.prediction), np.squeeze(annotation.labels)
        )
        origin = MODEL if same else "model, corrected by hand"
    options = replace(options, mask_from=origin, model=made, warning=info.warning)
    return MeasureTask(mask.name, picture, annotation, info.scheme, options)


def _picture(
    viewer: napari.Viewer, mask: Annotation, image: Image | None, info: MaskInfo
) -> RetinaImage:
    if image is not None:
        at = position(image, viewer.dims.point, viewer.layers.extent.units)
        picture = retina_image(image, at)
        expected = (picture.n_slices, *picture.grid) if picture.is_volume else picture.grid
        if expected == mask.labels.shape:
            return picture
    modality = Modality.OCT if info.scheme.surfaces else Modality.UNKNOWN
    return RetinaImage(
        mask.labels, modality=modality, spacing=info.spacing, name=info.image or "mask"
    )


def measure(task: MeasureTask, token: CancelToken) -> Steps:
    """Measure in steps; the result is a `MeasureResult`."""
    return as_result(_measure(task, token), f"Measuring '{task.name}'")


def _measure(task: MeasureTask, token: CancelToken) -> Steps:
    found = yield from iter_measure(
        task.image, up_to_date(task.mask), task.options, scheme=task.scheme, token=token
    )
    unit = "µm" if found.image.spacing.axial.um else "px"
    message = f"'{task.name}' is measured, in {unit}."
    if unit == "px":
        message += " The pixel size is not known: enter it in the Segment dock."
    message = " ".join((message, *found.notes))
    return MeasureResult(
        status=JobStatus.SUCCEEDED, message=message, doubtful=bool(found.notes), found=found
    )


def save_report(found: Measurements, path: Path, token: CancelToken) -> Steps:
    """Write the report in steps; see `save_measurement_report`."""
    return as_result(_save_report(found, path, token), f"Saving '{path.name}'")


def _save_report(found: Measurements, path: Path, token: CancelToken) -> Steps:
    yield from iter_save_report([found], path, token)
    message = f"Saved in '{path.parent}': '{path.name}'."
    return JobResult(status=JobStatus.SUCCEEDED, message=message)
