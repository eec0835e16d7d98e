"""The job of the Measure dock: it gets a snapshot of the mask, never layers."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.layers import Image, Labels

from napari_retina_seg._napari.job import JobResult, JobStatus, Steps, as_result
from napari_retina_seg._napari.layers import (
    KEY,
    find_image_of,
    finest,
    have_same_image,
    is_image,
    retina_image,
)
from napari_retina_seg._napari.masks.annotations import (
    MaskSnapshot,
    corrected_slices,
    prediction_of,
    take_snapshot,
    up_to_date,
)
from napari_retina_seg._napari.measure.marks import marks_of, volume_of
from napari_retina_seg._napari.results import MapInfo, MaskInfo
from napari_retina_seg.measurement.measurements import Measurements
from napari_retina_seg.measurement.units import MeasureError
from napari_retina_seg.reports.measurements import iter_save_report
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.image import Laterality, Modality, RetinaImage
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
    mask : MaskSnapshot
        What it was when the job began; all else is worked out in the job's thread.
    info : MaskInfo
        Its classes, and the prediction that it was made from.
    options : MeasureOptions
        What the user stated.
    probabilities : array-like or None
        Class probabilities that it was made from.
    """

    name: str
    image: RetinaImage
    mask: MaskSnapshot
    info: MaskInfo
    options: MeasureOptions
    probabilities: Any = None

    @cached_property
    def is_unchanged(self) -> bool:
        """Whether all of it is as a model drew it, boundaries between pixels included."""
        made = prediction_of(self.info, self.mask.labels.shape)
        if made is None or self.info.provenance is None:
            return False
        return not corrected_slices(self.mask.labels, self.mask.boundaries, made).any()

    @property
    def origin(self) -> str:
        """How the mask came about."""
        if self.info.provenance is None:
            return "drawn or corrected by hand"
        return MODEL if self.is_unchanged else "model, corrected by hand"

    def annotation(self) -> Annotation:
        """Return the mask, with what is to be ignored and, as a model drew it, probabilities."""
        mask, info = up_to_date(self.mask.annotation()), self.info
        if info.ignore is not None and info.ignore.shape == mask.labels.shape:
            # A painted pixel counts: somebody looked at it.
            painted = info.prediction is not None and info.prediction.shape == info.ignore.shape
            ignore = info.ignore & (mask.labels == info.prediction) if painted else info.ignore
            mask = replace(mask, ignore=ignore if mask.ignore is None else mask.ignore | ignore)
        if self.probabilities is None or not self.is_unchanged:
            return mask  # of a line by hand they say nothing
        shape = mask.labels.shape
        shares = np.asarray(self.probabilities).reshape(len(info.scheme), *shape)
        return replace(mask, probabilities=shares if len(shape) == 2 else np.moveaxis(shares, 0, 1))


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
    stated = marks_of(mask if image is None else image, volume_of(viewer, mask, image).leading)
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
    """Describe a measurement for a thread; of what can be edited it gets a copy.

    Raises
    ------
    RetinaSegError
        If the mask is of several volumes or its classes are unknown.
    """
    snapshot = take_snapshot(viewer, mask)
    info: MaskInfo = mask.metadata[KEY]
    picture = _picture(viewer, mask, snapshot, image)
    warning = " ".join(filter(None, [info.warning, *info.model_warnings]))
    options = replace(options, model=info.provenance, warning=warning)
    shares = _probabilities(viewer, mask, snapshot.labels.shape)
    return MeasureTask(mask.name, picture, snapshot, info, options, shares)


def _probabilities(viewer: napari.Viewer, mask: Labels, shape: tuple[int, ...]) -> Any:
    """Return the class probabilities that a mask was made from, if their layer is open."""
    info: MaskInfo = mask.metadata[KEY]
    for layer in viewer.layers:
        known = layer.metadata.get(KEY)
        if not isinstance(known, MapInfo) or known.kind != "probabilities":
            continue
        fits = np.prod(layer.data.shape) == len(info.scheme) * np.prod(shape)
        if fits and known.provenance == info.provenance and have_same_image(layer, mask):
            return layer.data
    return None


def _picture(
    viewer: napari.Viewer, mask: Labels, snapshot: MaskSnapshot, image: Image | None
) -> RetinaImage:
    info: MaskInfo = mask.metadata[KEY]
    if image is not None:
        picture = retina_image(image, volume_of(viewer, mask, image))
        expected = (picture.n_slices, *picture.grid) if picture.is_volume else picture.grid
        if expected == snapshot.labels.shape:
            return picture
    modality = Modality.OCT if info.scheme.surfaces else Modality.UNKNOWN
    return RetinaImage(
        snapshot.labels, modality=modality, spacing=info.spacing, name=info.image or "mask"
    )


def measure(task: MeasureTask, other: tuple[MeasureTask, Kind] | None, token: CancelToken) -> Steps:
    """Measure in steps, and compare with another scan; the result is a `MeasureResult`."""
    return as_result(_measure(task, other, token), f"Measuring '{task.name}'")


def _iter(task: MeasureTask, token: CancelToken) -> Generator[Progress, None, Measurements]:
    options = replace(task.options, mask_from=task.origin)
    return iter_measure(
        task.image, task.annotation(), options, scheme=task.info.scheme, token=token
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
    doubts = (*filter(None, [task.options.warning]), *found.notes)
    message = " ".join((message, *doubts))
    return MeasureResult(
        status=JobStatus.SUCCEEDED,
        message=message,
        doubtful=bool(doubts),
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
