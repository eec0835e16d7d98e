"""Segment images with a frozen network that is cached in memory, one job at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg import __version__
from napari_retina_seg.imaging.fov import FieldOfView
from napari_retina_seg.imaging.invalid_pixels import fill_invalid
from napari_retina_seg.imaging.plausibility import LIMITED, Limits, check_limits
from napari_retina_seg.imaging.preprocess import Prepared, find_field, prepare_plane
from napari_retina_seg.inference.decode import decode, without_blind_ends
from napari_retina_seg.inference.plausibility import check_plane, join_checks, measure_plane
from napari_retina_seg.inference.predictor import (
    Array,
    Device,
    Predictor,
    describe_device,
    load_predictor,
)
from napari_retina_seg.inference.slice_jobs import SliceItem, SliceWorkers, iter_slices
from napari_retina_seg.io.inputs import ImageLike, as_image
from napari_retina_seg.models.limits import read_limits
from napari_retina_seg.models.registry import ModelFolder, ModelLike, default_model, load_model
from napari_retina_seg.models.spec import ModelSpec
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ImageError, UnfitImageError
from napari_retina_seg.types.image import Modality, RetinaImage
from napari_retina_seg.types.labels import LabelScheme
from napari_retina_seg.types.progress import CancelToken, Progress, ProgressCallback, finish
from napari_retina_seg.types.segmentation import Check, Provenance, Segmentation


def iter_segment(
    image: RetinaImage,
    model: ModelFolder,
    *,
    index: int | None = None,
    probabilities: bool = False,
    field: FieldOfView | None = None,
    token: CancelToken | None = None,
    workers: SliceWorkers | None = None,
) -> Generator[Progress, None, Segmentation]:
    """Segment an image step by step; see `segment`.

    Parameters
    ----------
    image : RetinaImage
        What to segment; lazy pixels are read slice by slice.
    model : ModelFolder
        With which model.
    index : int, optional
        Only this slice; by default the whole image or volume, in which slices with nothing to
        see are skipped.
    probabilities : bool
        Keep the class probabilities (they need twice `classes` the memory of the mask).
    field : FieldOfView, optional
        Where a photograph shows retina, if it is known; by default it is found in the pixels.
    token : CancelToken, optional
        Stops the work before the next slice or tile.
    workers : SliceWorkers, optional
        Where the slices are segmented; by default here. What they find is the same.

    Yields
    ------
    Progress
        Before each slice and tile.

    Returns
    -------
    Segmentation
        On the image's own grid.

    Raises
    ------
    ModelError
        If the model is broken or takes other images.
    ImageError
        If there is nothing to segment.
    Cancelled
        If it was cancelled through `token`.
    """
    token = token or CancelToken()
    check_fit(image, model)
    indices = range(image.n_slices) if index is None else [index]
    yield Progress(0, len(indices), f"Loading {model.name}")
    open_image = workers.open_image if workers is not None else lambda: image
    job = _SliceJob(open_image, model, probabilities, field)
    planes: dict[int, _Plane] = {}

    def keep(item: SliceItem, plane: _Plane) -> None:
        planes[item.index] = plane

    yield from iter_slices(job, image, indices, keep, token, workers)
    found = list(planes.values())
    if found[-1].error is not None and not any(plane.mask for plane in found):
        raise found[-1].error
    token.raise_if_cancelled()
    fired = {i: plane.fired for i, plane in planes.items() if plane.fired is not None}
    checks = yield from _join_checks(job, image, fired, token)
    yield Progress(len(indices), len(indices), "Done")
    stack = image.is_volume and index is None
    provenance = _provenance(image, model, found)
    drawn = _collect([plane.mask for plane in found], stack, provenance, model.spec.scheme)
    unchecked = LIMITED if job.limits is None else ()
    warnings = model.spec.warnings
    return replace(drawn, checks=checks, unchecked=unchecked, model_warnings=warnings)


@dataclass(frozen=True, eq=False)
class _Plane:
    """What became of a slice: its mask, or why there is none; `fired` if it could be checked."""

    device: Device
    seconds: float
    mask: Annotation | None = None
    fired: dict[str, str] | None = None
    error: ImageError | None = None


@dataclass(frozen=True, eq=False)
class _SliceJob:
    """Segments a slice in the process in which it is first used."""

    open_image: Callable[[], RetinaImage]
    model: ModelFolder
    probabilities: bool
    field: FieldOfView | None

    def __call__(self, item: SliceItem, token: CancelToken) -> Generator[Progress, None, _Plane]:
        image, predictor, fired = self.open_image(), self.predictor, None
        started = time.perf_counter()
        mask, failure = None, None
        try:
            plane = yield from _run(predictor, image, item.index, token, self.field)
            fired = check_plane(*plane, self.model.spec, self.limits)
            pixels, prepared, output = plane
            mask = decode(
                output, prepared.geometry, self.model.spec, probabilities=self.probabilities
            )
            mask = without_blind_ends(mask, pixels)
        except ImageError as error:
            mask, failure = None, error
        return _Plane(self.device, time.perf_counter() - started, mask, fired, failure)

    @cached_property
    def predictor(self) -> Predictor:
        return load_predictor(self.model)

    @cached_property
    def limits(self) -> Limits | None:
        return read_limits(self.model)

    @cached_property
    def device(self) -> Device:
        return describe_device()


def segment(
    image: ImageLike,
    model: ModelLike | None = None,
    *,
    index: int | None = None,
    probabilities: bool = False,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Segmentation:
    """Segment an image, all slices of a volume, or one of them.

    Parameters
    ----------
    image : RetinaImage, str, Path or array
        What `read_image` returns, the path of such a file, or an array of shape
        ``(rows, columns)`` or ``(slices, rows, columns)``, with a last axis of 3 or 4 for colour.
    model : str, Path or ModelFolder, optional
        Name of a model, path of a model folder, or what `load_model` returns; by default the
        first that fits the image.
    index : int, optional
        Only this slice of a volume.
    probabilities : bool
        Keep the class probabilities, for `Segmentation.uncertainty`.
    progress : callable, optional
        Called with a `Progress` before each slice and tile.
    cancel : CancelToken, optional
        Stops the work before the next slice or tile.

    Returns
    -------
    Segmentation
        Labels and, for layers, boundaries on the image's own grid, in px.

    Raises
    ------
    ModelError
        If there is no such model, it is broken, or it takes another kind of image.
    ReadError
        If the file can't be read.
    ImageError
        If there is nothing to segment.
    Cancelled
        If `cancel` was used.

    Examples
    --------
    >>> import napari_retina_seg as rs
    >>> result = rs.segment("scan.png", "oct-layers")
    >>> result.labels.shape, result.labels.dtype
    ((160, 192), dtype('uint8'))
    >>> result.boundaries.shape
    (8, 192)
    >>> result.scheme.names[1]
    'Retinal nerve fibre layer'
    """
    image = as_image(image)
    folder = default_model(image.modality) if model is None else load_model(model)
    job = iter_segment(image, folder, index=index, probabilities=probabilities, token=cancel)
    return finish(job, progress)


def warm(model: ModelFolder) -> None:
    """Load a model and run it once, so that the first segmentation is fast."""
    predictor = load_predictor(model)
    rows, columns = model.spec.architecture.multiple
    predictor.run(np.zeros((rows * 4, columns * 4, model.spec.architecture.channels), np.float32))


def check_fit(image: RetinaImage, model: ModelFolder) -> None:
    """Raise `UnfitImageError` if a model is for another modality than the image's."""
    wanted = model.spec.modality
    if Modality.UNKNOWN not in (image.modality, wanted) and image.modality is not wanted:
        raise UnfitImageError(
            f"'{model.name}' segments {_NAMES[wanted]}, but '{image.name}' is marked as"
            f" {_ONE[image.modality]}: choose another model, or change the image's modality."
        )


_NAMES = {Modality.OCT: "OCT scans", Modality.FUNDUS: "fundus photographs"}
_ONE = {Modality.OCT: "an OCT scan", Modality.FUNDUS: "a fundus photograph"}


def prepare_slice(
    image: RetinaImage, spec: ModelSpec, index: int, field: FieldOfView | None = None
) -> tuple[npt.NDArray[Any], Prepared]:
    """Return a plane, filled where it holds no data, and the network's input for it.

    Parameters
    ----------
    image : RetinaImage
        The image or volume.
    spec : ModelSpec
        What the model is. Of a photograph the field of view is known, whatever the preprocessing:
        nothing is drawn outside.
    index : int
        The slice; 0 for a single image.
    field : FieldOfView, optional
        Where a photograph shows retina, if it is known; by default it is found in the pixels.

    Raises
    ------
    ImageError
        If there is nothing to see in it, or it does not fit the model.
    """
    plane = image.plane(index)
    try:
        prepared = prepare_plane(
            spec.preprocessing, plane, image.spacing, valid=image.valid_plane(index), field=field
        )
    except ImageError as error:
        where = f", slice {index}" if image.is_volume else ""
        raise type(error)(f"'{image.name}'{where}: {error}") from error
    plane = fill_invalid(plane, prepared.geometry.valid)
    if prepared.geometry.field is None and spec.modality is Modality.FUNDUS:
        seen = replace(prepared.geometry, field=find_field(plane))
        prepared = replace(prepared, geometry=seen)
    return plane, prepared


def _run(
    predictor: Predictor,
    image: RetinaImage,
    index: int,
    token: CancelToken,
    field: FieldOfView | None = None,
) -> Generator[Progress, None, tuple[npt.NDArray[Any], Prepared, Array]]:
    """Return the plane and the network's input, as `prepare_slice` does, and its output."""
    plane, prepared = prepare_slice(image, predictor.model.spec, index, field)
    output = yield from predictor.iter_predict(prepared.tensor, token)
    return plane, prepared, output


def _join_checks(
    job: _SliceJob,
    image: RetinaImage,
    fired: dict[int, dict[str, str]],
    token: CancelToken,
) -> Generator[Progress, None, tuple[Check, ...]]:
    """Merge the failed checks of the planes; test implausible scans for being upside down."""
    checks = join_checks(tuple(fired.values()), tuple(fired))
    doubtful = next((i for i, names in fired.items() if "uncertainty" in names), None)
    if not any(check.name == "uncertainty" for check in checks) or doubtful is None:
        return checks
    spec = job.model.spec
    if job.limits is None or not spec.scheme.surfaces:
        return checks
    plane, valid = image.plane(doubtful), image.valid_plane(doubtful)
    turned = np.ascontiguousarray(plane[::-1])
    prepared = spec.preprocessing.prepare(
        turned, image.spacing, valid=None if valid is None else valid[::-1]
    )
    output = yield from job.predictor.iter_predict(prepared.tensor, token)
    if check_limits(measure_plane(turned, prepared, output, spec), job.limits):
        return checks
    return (Check("orientation", "the scan seems to be upside down"), *checks)


def _collect(
    results: list[Annotation | None], stack: bool, provenance: Provenance, scheme: LabelScheme
) -> Segmentation:
    pattern = next(result for result in results if result is not None)
    whole = [result or _blank(pattern) for result in results]

    def join(arrays: list[npt.NDArray[Any] | None]) -> Any:
        present = [array for array in arrays if array is not None]
        if not present:
            return None
        return np.stack(present) if stack else present[0]

    return Segmentation(
        labels=join([result.labels for result in whole]),
        scheme=scheme,
        provenance=provenance,
        boundaries=join([result.boundaries for result in whole]),
        probabilities=join([result.probabilities for result in whole]),
        skipped=tuple(i for i, result in enumerate(results) if result is None),
        ignore=_join_ignored(whole, stack),
    )


def _join_ignored(results: list[Annotation], stack: bool) -> npt.NDArray[np.bool_] | None:
    if all(result.ignore is None for result in results):
        return None
    planes = [
        np.zeros(result.labels.shape, bool) if result.ignore is None else result.ignore
        for result in results
    ]
    return np.stack(planes) if stack else planes[0]


def _blank(pattern: Annotation) -> Annotation:
    """Return the result for a slice that shows nothing: no data, background, and no heights."""
    boundaries, probabilities = pattern.boundaries, pattern.probabilities
    if probabilities is not None:
        probabilities = np.zeros_like(probabilities)
        probabilities[0] = 1
    return Annotation(
        np.zeros_like(pattern.labels),
        None if boundaries is None else np.full_like(boundaries, np.nan),
        np.ones(pattern.labels.shape, bool),
        probabilities,
    )


def _provenance(image: RetinaImage, model: ModelFolder, planes: Sequence[_Plane]) -> Provenance:
    device = planes[-1].device
    return Provenance(
        source=image.source,
        model=model.name,
        weights_sha256=model.spec.weights_sha256,
        version=__version__,
        device=device.name,
        precision=device.precision,
        seconds=sum(plane.seconds for plane in planes),
    )
