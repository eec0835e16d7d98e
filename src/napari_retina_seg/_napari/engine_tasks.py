"""Tasks that run a network in a background thread."""

from __future__ import annotations

import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_retina_seg._napari._compat import engine_freeze, isolated_dlopen
from napari_retina_seg._napari.job import JobResult, JobStatus, Steps
from napari_retina_seg.models.registry import ModelFolder
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.image import RetinaImage
from napari_retina_seg.types.progress import CancelToken, Progress
from napari_retina_seg.types.segmentation import Segmentation

log = logging.getLogger(__name__)

_LOADING = threading.Lock()


def load_engine() -> None:
    """Import TensorFlow isolated from the graphics driver; takes seconds the first time.

    TensorFlow's bindings (pybind11) keep the Python state of the thread that imports them for as
    long as that thread lives, and would read freed memory if a thread of Qt or of another plugin
    outlived its state. So a thread that does nothing else imports them, and ends.
    """
    with _LOADING:
        if "tensorflow" not in sys.modules:
            with ThreadPoolExecutor(1) as loader:
                loader.submit(_import_isolated).result()
        engine_freeze.on_engine_loaded()


def _import_isolated() -> None:
    with isolated_dlopen():
        from napari_retina_seg.inference.predictor import import_engine

        import_engine()


def with_engine(steps: Steps, image: str, model: str) -> Steps:
    """Load the engine, then run steps; explain a lack of memory by the size of the image.

    Raises
    ------
    RetinaSegError
        If there is not enough memory.
    """
    try:
        yield Progress(0, 0, f"Loading {model}, which takes a while the first time")
        load_engine()
        return (yield from steps)
    except MemoryError as error:
        raise RetinaSegError(
            f"Not enough memory for '{image}': close other layers, or choose one slice."
        ) from error


def warm_model(model: ModelFolder) -> None:
    """Load a model in advance; errors are reported by the first segmentation."""
    try:
        load_engine()
        from napari_retina_seg.inference.predict import warm

        warm(model)
    except Exception:
        log.debug("preparing '%s' failed", model.name, exc_info=True)


@dataclass(frozen=True)
class SegmentTask:
    """Request to segment an image: values only, no layers.

    Attributes
    ----------
    image : RetinaImage
        The image.
    model : ModelFolder
        The model.
    index : int or None
        The slice; None for all.
    probabilities, uncertainty : bool
        Whether the result includes them.
    """

    image: RetinaImage
    model: ModelFolder
    index: int | None
    probabilities: bool
    uncertainty: bool = False

    @property
    def title(self) -> str:
        """Title in napari's activity dock."""
        return f"Segmenting '{self.image.name}' with '{self.model.name}'"


@dataclass(frozen=True, eq=False, kw_only=True)
class SegmentResult(JobResult):
    """Result of a `SegmentTask`.

    Attributes
    ----------
    segmentation : Segmentation
        The mask.
    probabilities : bool
        Whether a layer of the probabilities was requested.
    uncertainty : array or None
        float32 of the labels' shape, if requested.
    """

    segmentation: Segmentation
    probabilities: bool = False
    uncertainty: npt.NDArray[np.float32] | None = None


def segment(task: SegmentTask, token: CancelToken) -> Steps:
    """Segment an image; returns a `SegmentResult`."""
    return (yield from with_engine(_segment(task, token), task.image.name, task.model.name))


def _segment(task: SegmentTask, token: CancelToken) -> Steps:
    from napari_retina_seg.inference.predict import iter_segment

    segmentation = yield from iter_segment(
        task.image,
        task.model,
        index=task.index,
        probabilities=task.probabilities or task.uncertainty,
        token=token,
    )
    return SegmentResult(
        JobStatus.SUCCEEDED,
        segmentation=segmentation,
        probabilities=task.probabilities,
        uncertainty=segmentation.uncertainty() if task.uncertainty else None,
    )
