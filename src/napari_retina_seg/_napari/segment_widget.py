"""The Segment dock: segment an image layer with one button."""

from __future__ import annotations

import logging
import time
from functools import partial

import napari
from napari.layers import Image, Layer
from qtpy.QtCore import Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QCheckBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_retina_seg._napari import settings as remembered
from napari_retina_seg._napari.dock import Dock
from napari_retina_seg._napari.engine_loading import load_engine
from napari_retina_seg._napari.image_picker import ImagePicker
from napari_retina_seg._napari.job import Job, JobResult, JobStatus, Task, work
from napari_retina_seg._napari.layers import KEY, is_image, is_volume, retina_image
from napari_retina_seg._napari.legend import Legend
from napari_retina_seg._napari.masks.linked_layers import mask_of
from napari_retina_seg._napari.model_picker import ModelPicker
from napari_retina_seg._napari.pixel_size import PixelSize
from napari_retina_seg._napari.results import (
    MaskInfo,
    Target,
    add_layers,
)
from napari_retina_seg._napari.save_mask import SaveMaskButton
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.shortcuts import SEGMENT
from napari_retina_seg._napari.status import StatusLine
from napari_retina_seg._napari.tasks import in_background
from napari_retina_seg._napari.widgets import CollapsibleSection, ProgressRow, large, text
from napari_retina_seg.models.registry import ModelFolder
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.progress import Progress
from napari_retina_seg.types.segmentation import UNLIKE

log = logging.getLogger(__name__)

_ABOUT = "For research and annotation only. Retina Seg is not a medical device."


class SegmentWidget(Dock):
    """Segment the selected image layer with a suitable model.

    Signals
    -------
    finished : (JobResult)
        A job ended, and its layers (if any) are in the viewer.
    """

    finished = Signal(object)

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer = napari_viewer
        self._settings = Settings()
        self._job: Job | None = None
        self._target: Target | None = None
        self._began = 0.0  # s
        self._status_image: Image | None = None  # the image that the status line is about
        self._warmed: set[str] = set()
        self.images = ImagePicker(viewer)
        self.models = ModelPicker(self._settings)
        self.pixel_size = PixelSize(viewer)
        self.legend = Legend(viewer)
        self.save_button = SaveMaskButton(viewer)
        self.status = StatusLine()
        self.button = large(QPushButton("Segment"))
        self.work = ProgressRow("the segmentation")
        self.cancel_button = self.work.cancel_button
        self.probabilities = QCheckBox("Add class probabilities")
        self.uncertainty = QCheckBox("Add uncertainty map")
        self._lay_out()
        self._connect()
        self._on_active()
        self._on_image()

    # User actions

    def segment(self) -> None:
        """Segment the chosen image; the button."""
        if self._job is None:
            self.pixel_size.apply()  # apply typed values that still have the focus
        if self._job is not None or self._disabled_reason():
            self.refresh()
            return
        layer, model, at = self.images.layer, self.models.model, self.images.at
        whole = not is_volume(layer) or self.images.whole.isChecked()
        if not whole and self.images.is_beside:
            self.status.show_result(
                JobStatus.FAILED,
                f"No slice of '{layer.name}' is on the screen: move the slider to one.",
            )
            return
        self._target = Target(layer, at, whole)
        try:
            task = Task(
                retina_image(layer, at),
                model,
                self._target.index,
                probabilities=self.probabilities.isChecked(),
                uncertainty=self.uncertainty.isChecked(),
            )
        except RetinaSegError as error:
            self.status.show_result(JobStatus.FAILED, str(error))
            return
        self._settings.remember_model(self.images.modality, model.name)
        self._began = time.monotonic()
        self._job = Job(work, task, self)
        self._job.progressed.connect(self._on_progress)
        self._job.done.connect(self._on_done)
        self._show_work(True)
        self.status.say(f"Segmenting '{layer.name}' with {model.name}.")
        self._job.start()

    def segment_selected(self) -> None:
        """Segment the selected layer; the shortcut."""
        active = self._viewer.layers.selection.active
        if active is not None and not is_image(active) and not _is_ours(active):
            kind = active.__class__.__name__
            self.status.show_result(
                JobStatus.FAILED,
                f"'{active.name}' is a {kind} layer: select an image layer to segment.",
            )
            return
        self.segment()

    def cancel(self) -> None:
        """Request cancellation; the Cancel button."""
        if self._job is not None:
            self.cancel_button.setEnabled(False)
            self.status.say("Cancelling: the current step is being finished.")
            self._job.cancel()

    @property
    def is_running(self) -> bool:
        """Whether a job is running."""
        return self._job is not None

    def refresh(self) -> None:
        """Enable the button, or disable it with a reason."""
        reason = self._disabled_reason()
        self.button.setEnabled(not reason and self._job is None)
        keys = QKeySequence(SEGMENT.keys).toString(QKeySequence.SequenceFormat.NativeText)
        self.button.setToolTip(reason or f"{SEGMENT.description} ({keys}).")
        if self._job is None and (reason or self.status.end is None):
            mask, warning = self._mask_warning()
            if warning:
                self.status.warn(f"'{mask}': {warning} {reason}".strip())
            else:
                self.status.say(reason)

    # Layout and signals

    def _lay_out(self) -> None:
        inner = QWidget()
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(6, 4, 6, 4)
        for widget in (self.button, self.work, self.status):
            layout.addWidget(widget)
        for widget in (self.images, self._size(), self.models, self.legend, self.save_button):
            layout.addWidget(widget)
        for widget in (self._advanced(), self.models.card, text(_ABOUT)):
            layout.addWidget(widget)
        layout.addStretch(1)
        self.scroll(inner)
        self._show_work(False)

    def _size(self) -> CollapsibleSection:
        folded = CollapsibleSection(
            "Pixel size", self._settings, remembered.PIXEL_SIZE_OPEN, default=False
        )
        folded.setToolTip("Enter or correct the pixel size in µm.")
        folded.addWidget(self.pixel_size)
        return folded

    def _advanced(self) -> CollapsibleSection:
        folded = CollapsibleSection(
            "Advanced", self._settings, remembered.ADVANCED_OPEN, default=False
        )
        folded.setToolTip("Additional result layers; remembered.")
        self.probabilities.setToolTip(
            "Add an Image layer with the probability of each class, 0 to 1; a slider picks the"
            " class."
        )
        self.uncertainty.setToolTip(
            "Add an Image layer with the normalised entropy: 0 where the model is certain, 1 where"
            " it is not."
        )
        for box, key in (
            (self.probabilities, remembered.PROBABILITIES),
            (self.uncertainty, remembered.UNCERTAINTY),
        ):
            box.setChecked(self._settings.switch(key))
            box.toggled.connect(lambda on, key=key: self._settings.remember_switch(key, on))
            folded.addWidget(box)
        return folded

    def _connect(self) -> None:
        self.button.clicked.connect(self.segment)
        self.cancel_button.clicked.connect(self.cancel)
        self.images.changed.connect(self._on_image)
        self.images.axes_changed.connect(self.refresh)
        self.images.this_slice.toggled.connect(lambda _: self.refresh())
        self.pixel_size.checked.connect(self.refresh)
        self.pixel_size.resized.connect(self._on_resized)
        self._viewer.layers.selection.events.active.connect(self._on_active)
        self.save_button.said.connect(self.status.show_result)
        self.models.changed.connect(self._on_model)
        self.models.refused.connect(partial(self.status.show_result, JobStatus.FAILED))

    def _disabled_reason(self) -> str:
        """Return why nothing can be segmented; empty if something can."""
        if self.images.layer is None:
            return "Open an image, or select an image layer."
        if self.images.modality is Modality.UNKNOWN:
            return "Choose the kind of image first."
        if self.models.model is None:
            return "No model for this kind of image: add a model folder."
        if self.pixel_size.problem.text():
            return f"Correct the pixel size first. {self.pixel_size.problem.text()}"
        return self.images.slice_disabled_reason if self.images.this_slice.isChecked() else ""

    def _mask_warning(self) -> tuple[str, str]:
        """Return name and warning of the selected mask, or of the image's topmost mask with one."""
        active, image = self._viewer.layers.selection.active, self.images.layer
        if active is not None and isinstance(active.metadata.get(KEY), MaskInfo):
            return active.name, active.metadata[KEY].warning
        for layer in reversed(self._viewer.layers):
            known = layer.metadata.get(KEY)
            ours = isinstance(known, MaskInfo) and image is not None and known.image == image.name
            if ours and known.warning:
                return layer.name, known.warning
        return "", ""

    # Signal handlers

    def _on_active(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        """Show the warning of the selected mask instead of another one's; offer to save it."""
        active = self._viewer.layers.selection.active
        mask = mask_of(active) or active
        is_mask = mask is not None and isinstance(mask.metadata.get(KEY), MaskInfo)
        self.save_button.show_mask(mask if is_mask else None)
        warning, shown = self._mask_warning()[1], self.status.text()
        if self._job is None and (warning not in shown or (not warning and UNLIKE in shown)):
            self.status.say("")
        self.refresh()

    def _on_resized(self, sentence: str) -> None:
        if self._job is None:
            self.status.show_result(JobStatus.SUCCEEDED, sentence)

    def _on_image(self) -> None:
        if self.images.layer != self._status_image:
            self._status_image = self.images.layer
            if self._job is None:
                self.status.say("")  # the message was about another image
        self.pixel_size.show_layer(self.images.layer)
        self.models.offer(self.images.modality)
        self._on_model()

    def _on_model(self) -> None:
        self.refresh()
        if self.models.model is not None:
            self._warm(self.models.model)

    def _warm(self, model: ModelFolder) -> None:
        """Load a model in the background; errors are reported by the first segmentation."""
        if model.name in self._warmed:
            return
        self._warmed.add(model.name)
        in_background(partial(_warm, model))

    def _on_progress(self, step: Progress, time_left: str) -> None:
        self.work.show_step(step, time_left)
        if self.cancel_button.isEnabled():
            self.status.say(f"{step.message}.")

    def _on_done(self, outcome: JobResult) -> None:
        self._job.deleteLater()
        target, self._job, self._target = self._target, None, None
        self._show_work(False)
        if outcome.segmentation is not None:
            waited = time.monotonic() - self._began
            outcome = add_layers(self._viewer, outcome, target, waited)
        self.refresh()
        self.status.show_result(outcome.end, outcome.message, doubtful=outcome.doubtful)
        self.finished.emit(outcome)

    def _show_work(self, on: bool) -> None:
        self.work.show_work(on)
        self.button.setEnabled(not on)
        self.button.setText("Segmenting…" if on else "Segment")

    def cleanup(self) -> None:
        """Stop all work and disconnect: the dock is closing."""
        if self._job is not None:
            self._job.abandon()
            self._job = None
        self._viewer.layers.selection.events.active.disconnect(self._on_active)
        self.images.disconnect_viewer()
        self.pixel_size.disconnect_layer()
        self.legend.disconnect_viewer()


def _is_ours(layer: Layer) -> bool:
    known = layer.metadata.get(KEY)
    return isinstance(known, MaskInfo) or (isinstance(layer, Image) and known is not None)


def _warm(model: ModelFolder) -> None:
    try:
        load_engine()
        from napari_retina_seg.inference.predict import warm

        warm(model)
    except Exception:  # the first segmentation reports it
        log.debug("preparing '%s' failed", model.name, exc_info=True)
