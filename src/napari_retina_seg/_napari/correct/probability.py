"""The model's probability of a class on one plane, from a layer or computed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import napari
import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, Signal

from napari_retina_seg._napari.engine_tasks import SegmentResult, SegmentTask, segment
from napari_retina_seg._napari.job import JobResult
from napari_retina_seg._napari.job_dock import JobRow
from napari_retina_seg._napari.layers import (
    KEY,
    Position,
    have_same_image,
    is_volume,
    modality,
    retina_image,
    unwrap_proxy,
)
from napari_retina_seg._napari.masks.active_mask import ActiveMask
from napari_retina_seg._napari.masks.edits import PlaneIndex
from napari_retina_seg._napari.results import MapInfo, MaskInfo
from napari_retina_seg.models.registry import ModelFolder, current_name, default_model, find_model
from napari_retina_seg.models.spec import ThresholdPostprocessing
from napari_retina_seg.types.errors import ModelError, RetinaSegError

Plane = npt.NDArray[np.floating]
_HALF = 0.5


@dataclass(frozen=True, eq=False)
class _Known:
    """Probabilities of all classes on one plane, as computed by a job."""

    mask: Labels
    where: PlaneIndex
    planes: npt.NDArray[np.floating]  # (classes, rows, columns)


class Probability(QObject):
    """Finds the probability of a class; a job computes it if no layer has it.

    Parameters
    ----------
    viewer, active : napari.Viewer, ActiveMask
        The viewer, and the mask that is corrected.
    work : JobRow
        Runs the job.

    Signals
    -------
    done : (JobResult)
        The job ended; if it succeeded, `find` now returns the plane.
    """

    done = Signal(object)

    def __init__(self, viewer: napari.Viewer, active: ActiveMask, work: JobRow) -> None:
        super().__init__()
        self._viewer, self._active_mask, self._work = viewer, active, work
        self._known: _Known | None = None
        self._requested: tuple[Labels, PlaneIndex] | None = None
        work.done.connect(self._on_done)

    def find(self, value: int) -> Plane | None:
        """Return the probability of a class on the current plane, if known.

        Returns
        -------
        array or None
            ``(rows, columns)``, 0 to 1.
        """
        active, known = self._active_mask, self._known
        place = (unwrap_proxy(active.labels), active.where)
        if known is not None and (known.mask, known.where) == place:
            return known.planes[value]
        for layer in self._viewer.layers:
            found = _of_layer(layer, active, value)
            if found is not None:
                return found
        return None

    def disabled_reason(self) -> str:
        """Return why no model can be run; empty if one can."""
        if self._active_mask.image is None:
            return "The image of this mask is not open: open it to run a model."
        try:
            self._model()
        except RetinaSegError as error:
            return str(error)
        return ""

    @property
    def threshold(self) -> float:
        """The model's own threshold; 0.5 if it has none or the model is unknown."""
        if self.disabled_reason():
            return _HALF
        after = self._model().spec.postprocessing
        return after.threshold if isinstance(after, ThresholdPostprocessing) else _HALF

    def compute(self) -> None:
        """Run the model on the current plane; `done` follows."""
        active, image = self._active_mask, self._active_mask.image
        where = active.where
        at = Position(where[:-1], where[-1]) if where else Position()
        index = at.index if is_volume(image) else None
        self._requested = (unwrap_proxy(active.labels), where)
        task = SegmentTask(retina_image(image, at), self._model(), index, probabilities=True)
        self._work.start(partial(segment, task), task.title)

    def cleanup(self) -> None:
        """Stop the job; emit nothing more."""
        self._work.abandon()
        self._known = None

    def _model(self) -> ModelFolder:
        """Return the model that made the mask, or the default for its image and classes."""
        info: MaskInfo = self._active_mask.labels.metadata[KEY]
        drawn_by = "" if info.provenance is None else info.provenance.model
        try:
            model = find_model(current_name(drawn_by))
        except RetinaSegError:
            model = default_model(modality(self._active_mask.image))
        if model.spec.scheme.names != info.scheme.names:
            raise ModelError(
                f"'{model.name}' has other classes than '{info.scheme.name}': add the model that"
                " made this mask."
            )
        return model

    def _on_done(self, outcome: JobResult) -> None:
        found = outcome.segmentation.probabilities if isinstance(outcome, SegmentResult) else None
        if found is not None and self._requested is not None:
            self._known = _Known(*self._requested, found.reshape(found.shape[-3:]))
        self.done.emit(outcome)


def _of_layer(layer: Image, active: ActiveMask, value: int) -> Plane | None:
    """Return the plane of a layer with the probabilities of this mask's model, or None."""
    known, info = layer.metadata.get(KEY), active.labels.metadata[KEY]
    if not isinstance(known, MapInfo) or known.kind != "probabilities" or not info.provenance:
        return None
    if not have_same_image(layer, active.labels):
        return None
    if known.provenance.model != info.provenance.model:
        return None
    values = layer.data[value] if len(info.scheme) > 2 else layer.data
    slices = values.shape[-3] if values.ndim > 2 else 1
    where = active.where
    if len(where) and slices > 1:
        values = values[..., where[-1], :, :]
    elif len(where) and info.index != where[-1] and active.labels.data.shape[-3] > 1:
        return None  # it is of another slice
    plane = np.asarray(values).reshape(values.shape[-2:])
    return plane if plane.shape == active.plane.shape else None
