"""Explain tasks for a thread: maps for the viewer, or panels in a file."""

from __future__ import annotations

import logging
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_retina_seg._napari.engine_tasks import load_engine, with_engine
from napari_retina_seg._napari.job import JobResult, JobStatus, Steps
from napari_retina_seg.imaging.explanation import ExplainRequest, Explanation
from napari_retina_seg.imaging.target import Point
from napari_retina_seg.inference.target_layers import TargetLayer
from napari_retina_seg.models.registry import ModelFolder
from napari_retina_seg.saliency.explainer import Explained, iter_draw, iter_explain
from napari_retina_seg.saliency.slice_explainer import ForwardCache
from napari_retina_seg.saliency.split_network import find_target_layer, list_all_layers
from napari_retina_seg.saliency.split_network import list_target_layers as _list_target_layers
from napari_retina_seg.saliency.split_network import warm as _warm
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.image import RetinaImage
from napari_retina_seg.types.progress import CancelToken, Progress

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExplainTask:
    """Request to explain an image: values only, no layers.

    Attributes
    ----------
    image : RetinaImage
        The image to explain.
    model : ModelFolder
        The model.
    request : ExplainRequest
        Classes, target, layer and method.
    index : int or None
        The slice; None for all.
    last : ForwardCache
        Cache of the forward pass.
    as_drawn : bool
        Whether to explain the predicted class at the target point.
    """

    image: RetinaImage
    model: ModelFolder
    request: ExplainRequest
    index: int | None
    last: ForwardCache
    as_drawn: bool = False

    @property
    def title(self) -> str:
        """Title in napari's activity dock."""
        return f"Explaining '{self.model.name}' on '{self.image.name}'"


@dataclass(frozen=True)
class SaveTask(ExplainTask):
    """Request to explain one plane and save the figure, with the maps next to it.

    Attributes
    ----------
    path : Path
        File of the figure.
    colors : str
        Name of the colour map.
    shared : bool
        Whether all classes have one scale.
    known : Explanation or None
        Known maps of some or all classes.
    """

    path: Path = Path()
    colors: str = "turbo"
    shared: bool = False
    known: Explanation | None = None


def is_same_image(one: RetinaImage, other: RetinaImage) -> bool:
    """Whether two images share the same pixels in memory, spacing and modality."""
    if (one.spacing, one.modality) != (other.spacing, other.modality):
        return False
    if isinstance(one.pixels, np.ndarray) and isinstance(other.pixels, np.ndarray):
        return bool(one.pixels.__array_interface__ == other.pixels.__array_interface__)
    return one.pixels is other.pixels


def explain(task: ExplainTask, token: CancelToken) -> Steps:
    """Explain; the maps are delivered with the steps."""
    return (yield from with_engine(_explain(task, token), task.image.name, task.model.name))


def save(task: SaveTask, token: CancelToken) -> Steps:
    """Explain, and write panels and maps."""
    return (yield from with_engine(_save(task, token), task.image.name, task.model.name))


@dataclass(frozen=True)
class TargetLayers:
    """The layers of a model that can be explained, or why there are none.

    Attributes
    ----------
    model : ModelFolder
        The model.
    layers : tuple of TargetLayer
        Those that stand for a resolution.
    all_layers : tuple of TargetLayer
        All, in the order of the network.
    recommended : TargetLayer or None
        One of `layers`.
    disabled_reason : str
        Why there are none.
    """

    model: ModelFolder
    layers: tuple[TargetLayer, ...] = ()
    all_layers: tuple[TargetLayer, ...] = ()
    recommended: TargetLayer | None = None
    disabled_reason: str = ""


def list_target_layers(model: ModelFolder) -> TargetLayers:
    """List the layers of a model that can be explained; takes seconds the first time."""
    try:
        load_engine()
        layers = _list_target_layers(model)
        recommended = find_target_layer(layers, model.name)
        return TargetLayers(model, layers, list_all_layers(model), recommended)
    except RetinaSegError as error:
        return TargetLayers(model, disabled_reason=str(error))
    except Exception as error:
        log.exception("listing the layers of '%s' failed", model.name)
        message = f"The layers of '{model.name}' can't be listed: {error}."
        return TargetLayers(model, disabled_reason=message)


def warm(model: ModelFolder, layer: str) -> None:
    """Prepare a network for its first request, which reports an error if this fails."""
    try:
        _warm(model, layer)
    except Exception:
        log.exception("preparing '%s' failed", model.name)


def _explain(task: ExplainTask, token: CancelToken) -> Steps:
    request, target = task.request, task.request.target
    if task.as_drawn and isinstance(target, Point):
        drawn = yield from iter_draw(
            task.image, task.model, request, index=task.index or 0, last=task.last, token=token
        )
        request = replace(request, values=(int(drawn[target.row, target.column]),))
    skipped = yield from iter_explain(
        task.image, task.model, request, index=task.index, last=task.last, token=token
    )
    if not skipped:
        return JobResult(JobStatus.SUCCEEDED)
    return JobResult(
        JobStatus.SUCCEEDED,
        f"{len(skipped)} of {task.image.n_slices} slices were skipped: they are empty or"
        " have no target.",
    )


def _save(task: SaveTask, token: CancelToken) -> Steps:
    from napari_retina_seg.reports.explanation import save_maps, save_panels

    found = [] if task.known is None else [task.known]
    known = set() if task.known is None else set(task.known.values)
    missing = tuple(value for value in range(len(task.model.spec.scheme)) if value not in known)
    request = replace(task.request, values=missing)
    for step in _run(task, request, token) if missing else ():
        if isinstance(step, Explained):
            found.append(step.explanation)
        yield Progress(step.done, step.total, step.message)
    explanation = _joined(found)
    yield Progress(0, 1, f"Writing {task.path.name}")
    token.raise_if_cancelled()
    save_panels(
        explanation,
        task.image.plane(explanation.index),
        task.path,
        colors=task.colors,
        shared=task.shared,
    )
    maps = save_maps(explanation, task.path.parent, task.path.stem)
    return JobResult(
        JobStatus.SUCCEEDED, f"'{task.path.name}' and {len(maps)} maps in {task.path.parent}."
    )


def _run(
    task: ExplainTask, request: ExplainRequest, token: CancelToken
) -> Generator[Progress, None, tuple[int, ...]]:
    index = task.index or 0
    return iter_explain(task.image, task.model, request, index=index, last=task.last, token=token)


def _joined(parts: list[Explanation]) -> Explanation:
    """Merge explanations of several classes, in the order of their mask values."""
    maps = {
        value: plane for part in parts for value, plane in zip(part.values, part.maps, strict=True)
    }
    values = tuple(sorted(maps))
    return replace(
        parts[0],
        maps=np.stack([maps[value] for value in values]),
        values=values,
        untargeted=tuple(sorted(value for part in parts for value in part.untargeted)),
    )
