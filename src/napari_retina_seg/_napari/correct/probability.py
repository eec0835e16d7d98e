"""The model's probability of a class on one plane, from a layer or computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, Signal

from napari_retina_seg._napari.correct.mask_follower import MaskFollower
from napari_retina_seg._napari.job import Job, JobResult, JobStatus, Task, work
from napari_retina_seg._napari.layers import KEY, Position, is_volume, modality, retina_image
from napari_retina_seg._napari.masks.edits import Where, unwrap_proxy
from napari_retina_seg._napari.results import MapInfo, MaskInfo
from napari_retina_seg.models.registry import ModelFolder, default_model, find_model
from napari_retina_seg.models.spec import ThresholdPostprocessing
from napari_retina_seg.types.errors import ModelError, RetinaSegError

if TYPE_CHECKING:
    import napari

Plane = npt.NDArray[np.floating]
_HALF = 0.5


@dataclass(frozen=True, eq=False)
class _Known:
    """Probabilities of all classes on one plane, as computed by a job."""

    mask: Labels
    where: Where
    planes: npt.NDArray[np.floating]  # (classes, rows, columns)


class Probability(QObject):
    """Finds the probability of a class; a job computes it if no layer has it.

    Signals
    -------
    progressed : (Progress, str)
        Progress of the job.
    done : (JobResult)
        The job ended; if it succeeded, `find` now returns the plane.
    """

    progressed = Signal(object, str)
    done = Signal(object)

    def __init__(self, viewer: napari.Viewer, follower: MaskFollower) -> None:
        super().__init__()
        self._viewer, self._follower = viewer, follower
        self._known: _Known | None = None
        self._asked: tuple[Labels, Where] | None = None
        self._job: Job | None = None

    @property
    def is_running(self) -> bool:
        """Whether a job is running."""
        return self._job is not None

    def find(self, value: int) -> Plane | None:
        """Return the probability of a class on the current plane, if known.

        Returns
        -------
        array or None
            ``(rows, columns)``, 0 to 1.
        """
        follower, known = self._follower, self._known
        mine = known is not None and known.mask is unwrap_proxy(follower.mask)
        if mine and known.where == follower.where:
            return known.planes[value]
        for layer in self._viewer.layers:
            found = _of_layer(layer, follower, value)
            if found is not None:
                return found
        return None

    def disabled_reason(self) -> str:
        """Return why no model can be run; empty if one can."""
        if self._follower.image is None:
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

    def ask(self) -> None:
        """Run the model on the current plane; `done` follows."""
        follower, image = self._follower, self._follower.image
        where = follower.where
        at = Position(where[:-1], where[-1]) if where else Position()
        index = at.index if is_volume(image) else None
        self._asked = (unwrap_proxy(follower.mask), where)
        task = Task(retina_image(image, at), self._model(), index, probabilities=True)
        self._job = Job(work, task, self)
        self._job.progressed.connect(self.progressed)
        self._job.done.connect(self._on_done)
        self._job.start()

    def cancel(self) -> None:
        """Request cancellation of the job."""
        if self._job is not None:
            self._job.cancel()

    def cleanup(self) -> None:
        """Stop the job; emit nothing more."""
        if self._job is not None:
            self._job.abandon()
            self._job = None
        self._known = None

    def _model(self) -> ModelFolder:
        """Return the model that made the mask, or the default for its image and classes."""
        info: MaskInfo = self._follower.mask.metadata[KEY]
        drawn_by = "" if info.provenance is None else info.provenance.model
        try:
            model = find_model(drawn_by)
        except RetinaSegError:
            model = default_model(modality(self._follower.image))
        if model.spec.scheme.names != info.scheme.names:
            raise ModelError(
                f"'{model.name}' has other classes than '{info.scheme.name}': add the model that"
                " made this mask."
            )
        return model

    def _on_done(self, outcome: JobResult) -> None:
        self._job.deleteLater()
        self._job = None
        if outcome.end is JobStatus.SUCCEEDED:
            (mask, where), found = self._asked, outcome.segmentation.probabilities
            self._known = _Known(mask, where, found.reshape(found.shape[-3:]))
        self.done.emit(outcome)


def _of_layer(layer: Image, follower: MaskFollower, value: int) -> Plane | None:
    """Return the plane of a layer with the probabilities of this mask's model, or None."""
    known, info = layer.metadata.get(KEY), follower.mask.metadata[KEY]
    if not isinstance(known, MapInfo) or known.kind != "probabilities" or not info.provenance:
        return None
    if known.image != info.image or known.provenance.model != info.provenance.model:
        return None
    values = layer.data[value] if len(info.scheme) > 2 else layer.data
    slices = values.shape[-3] if values.ndim > 2 else 1
    where = follower.where
    if len(where) and slices > 1:
        values = values[..., where[-1], :, :]
    elif len(where) and info.index != where[-1] and follower.mask.data.shape[-3] > 1:
        return None  # it is of another slice
    plane = np.asarray(values).reshape(values.shape[-2:])
    return plane if plane.shape == follower.plane.shape else None
