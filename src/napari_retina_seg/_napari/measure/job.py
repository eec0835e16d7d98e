"""The job of the Measure dock: it gets copies of pixels and mask, never layers."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import napari
import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels

from napari_retina_seg._napari.job import JobResult, JobStatus, Steps, as_result
from napari_retina_seg._napari.layers import (
    KEY,
    find_image_of,
    finest,
    have_same_image,
    is_image,
    position,
    retina_image,
)
from napari_retina_seg._napari.masks.annotations import copy_annotation, up_to_date
from napari_retina_seg._napari.measure.marks import marks_of
from napari_retina_seg._napari.results import MapInfo, MaskInfo
from napari_retina_seg.measurement.measurements import Measurements
from napari_retina_seg.measurement.units import MeasureError
from napari_retina_seg.reports.measurements import iter_save_report
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.image import Laterality, Modality, RetinaImage
from napari_retina_seg.types.labels import LabelScheme
from napari_retina_seg.types.progress import CancelToken, Progress
from napari_retina_seg.workflows.comparing import (
    FOLLOW_UP,
    Kind,
    ScanComparison,
    asymmetry,
    follow_up,
)
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
    compared: ScanComparison | None = field(default=None)


def make_other_task(
    viewer: napari.Viewer, mask: Labels, kind: Kind, eye: Laterality | None
) -> MeasureTask:
    """Copy the mask that another one is compared with; see `make_task`.

    `eye` is that of the other one, if the user stated it: it says which eye this is, if neither
    its file nor the user does.
    """
    image = image_of(viewer, mask)
    stated = marks_of(mask if image is None else image)
    options = MeasureOptions(laterality=stated.eye, fovea=stated.now.fovea)
    task = make_task(viewer, mask, image, options)
    if eye is not None and stated.eye is None and task.image.laterality is Laterality.UNKNOWN:
        this = eye if kind == FOLLOW_UP else eye.fellow
        task = replace(task, options=replace(task.options, laterality=this))
    return task


def image_of(viewer: napari.Viewer, mask: Labels) -> Image | None:
    """Return the image of a mask; of a mask that names none the only one of its size.

    Pixel sizes, eye and marks of another image would be taken for its own.
    """
    images = [each for each in viewer.layers if is_image(each) and _have_same_grid(each, mask)]
    found = find_image_of(mask, images)
    if found is None and len(images) == 1 and not mask.metadata[KEY].image:
        return images[0]
    return found


def _have_same_grid(image: Image, mask: Labels) -> bool:
    shape = finest(image).shape
    return bool(shape[image.ndim - 2 : image.ndim] == mask.data.shape[-2:])


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
        if same:  # of a line by hand they say nothing
            shares = _probabilities(viewer, mask, annotation.labels.shape)
            annotation = replace(annotation, probabilities=shares)
    options = replace(options, mask_from=origin, model=made, warning=info.warning)
    return MeasureTask(mask.name, picture, annotation, info.scheme, options)


def _probabilities(
    viewer: napari.Viewer, mask: Labels, shape: tuple[int, ...]
) -> npt.NDArray[Any] | None:
    """Return the class probabilities that a mask was made from, if their layer is open."""
    info: MaskInfo = mask.metadata[KEY]
    for layer in viewer.layers:
        known = layer.metadata.get(KEY)
        if not isinstance(known, MapInfo) or known.kind != "probabilities":
            continue
        values = np.asarray(layer.data)
        fits = values.size == len(info.scheme) * np.prod(shape)
        if fits and known.provenance == info.provenance and have_same_image(layer, mask):
            planes = values.reshape(len(info.scheme), *shape)
            return planes if len(shape) == 2 else np.moveaxis(planes, 0, 1)
    return None


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


def measure(task: MeasureTask, other: tuple[MeasureTask, Kind] | None, token: CancelToken) -> Steps:
    """Measure in steps, and compare with another scan; the result is a `MeasureResult`."""
    return as_result(_measure(task, other, token), f"Measuring '{task.name}'")


def _iter(task: MeasureTask, token: CancelToken) -> Generator[Progress, None, Measurements]:
    return iter_measure(
        task.image, up_to_date(task.mask), task.options, scheme=task.scheme, token=token
    )


def _compare(
    found: Measurements, other: tuple[MeasureTask, Kind], token: CancelToken
) -> Generator[Progress, None, tuple[Measurements, ScanComparison | None]]:
    """Add the table of a comparison, or why there is none."""
    task, kind = other
    try:
        second = yield from _iter(task, token)
        compared = (follow_up if kind == FOLLOW_UP else asymmetry)(found, second)
    except MeasureError as error:
        return replace(found, notes=(*found.notes, f"Not compared: {error}")), None
    tables, notes = (*found.tables, compared.table), (*found.notes, *compared.notes)
    return replace(found, tables=tables, notes=notes), compared


def _measure(
    task: MeasureTask, other: tuple[MeasureTask, Kind] | None, token: CancelToken
) -> Steps:
    found, compared = (yield from _iter(task, token)), None
    if other is not None:
        found, compared = yield from _compare(found, other, token)
    unit = "µm" if found.image.spacing.axial.um else "px"
    done = "measured"
    if other is not None and compared is not None:
        done += f" and compared with '{other[0].name}'"
    message = f"'{task.name}' is {done}, in {unit}."
    if unit == "px":
        message += " The pixel size is not known: enter it in the Segment dock."
    message = " ".join((message, *found.notes))
    return MeasureResult(
        status=JobStatus.SUCCEEDED,
        message=message,
        doubtful=bool(found.notes),
        found=found,
        compared=compared,
    )


def save_report(found: Measurements, path: Path, token: CancelToken) -> Steps:
    """Write the report in steps; see `save_measurement_report`."""
    return as_result(_save_report(found, path, token), f"Saving '{path.name}'")


def _save_report(found: Measurements, path: Path, token: CancelToken) -> Steps:
    yield from iter_save_report([found], path, token)
    message = f"Saved in '{path.parent}': '{path.name}'."
    return JobResult(status=JobStatus.SUCCEEDED, message=message)
