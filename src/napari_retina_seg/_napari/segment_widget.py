"""The Segment dock: segment an image layer with one button."""

from __future__ import annotations

import time
from functools import partial

import napari
from napari.layers import Image, Layer
from qtpy.QtWidgets import QCheckBox

from napari_retina_seg._napari import settings as remembered
from napari_retina_seg._napari.engine_tasks import SegmentResult, SegmentTask, segment, warm_model
from napari_retina_seg._napari.image_picker import ImagePicker
from napari_retina_seg._napari.job import JobResult, JobStatus
from napari_retina_seg._napari.job_dock import JobDock, JobRow
from napari_retina_seg._napari.layers import KEY, is_image, is_made_from, is_volume, retina_image
from napari_retina_seg._napari.legend import Legend
from napari_retina_seg._napari.masks.active_mask import ActiveMask
from napari_retina_seg._napari.masks.mask_recovery import MaskRecovery
from napari_retina_seg._napari.model_picker import ModelPicker
from napari_retina_seg._napari.pixel_size import PixelSizeWidget
from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.results import ImagePart, MaskInfo, add_layers
from napari_retina_seg._napari.save_mask import SaveMaskButton
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.shortcuts import SEGMENT
from napari_retina_seg._napari.tasks import in_background
from napari_retina_seg._napari.widgets import CollapsibleSection, text
from napari_retina_seg.models.registry import ModelFolder
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.segmentation import UNLIKE

_ABOUT = "For research and annotation only. Retina Seg is not a medical device."


class SegmentWidget(JobDock):
    """Segment the selected image layer with a suitable model."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__("Segment", JobRow("the segmentation"))
        self._viewer = viewer = napari_viewer
        self._settings = Settings()
        self._target: ImagePart | None = None
        self._began = 0.0  # s
        self._status_image: Image | None = None  # the image that the status line is about
        self._warmed: set[str] = set()
        self.active_mask = ActiveMask.of(viewer)
        self.images = ImagePicker(viewer, self.active_mask)
        self.models = ModelPicker(self._settings)
        self.pixel_size = PixelSizeWidget(viewer)
        self.legend = Legend(self.active_mask)
        self.save_button = SaveMaskButton(viewer)
        self.recovery = MaskRecovery(viewer)
        self.probabilities = QCheckBox("Add class probabilities")
        self.uncertainty = QCheckBox("Add uncertainty map")
        self.lay_out(
            *(self.recovery, self.images, self._size(), self.models, self.legend),
            self.save_button,
            *(self._advanced(), self.models.card, text(_ABOUT)),
        )
        self._connect()
        self._on_active()
        self._on_image()

    # User actions

    def segment(self) -> None:
        """Segment the chosen image; the button."""
        if not self.is_running:
            self.pixel_size.apply()  # apply typed values that still have the focus
        layer, model, at = self.images.layer, self.models.model, self.images.at
        if layer is None or model is None or self.is_running or self._disabled_reason():
            self.refresh()
            return
        whole = not is_volume(layer) or self.images.whole.isChecked()
        if not whole and self.images.is_off_slice:
            self.status.show_result(
                JobStatus.FAILED,
                f"No slice of '{layer.name}' is on the screen: move the slider to one.",
            )
            return
        target = ImagePart(layer, at, whole)
        try:
            task = SegmentTask(
                retina_image(layer, at),
                model,
                target.index,
                probabilities=self.probabilities.isChecked(),
                uncertainty=self.uncertainty.isChecked(),
            )
        except RetinaSegError as error:
            self.status.show_result(JobStatus.FAILED, str(error))
            return
        self._settings.remember_model(self.images.modality, model.name)
        self._target, self._began = target, time.monotonic()
        self._start(partial(segment, task), task.title, f"{task.title}.")

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

    def refresh(self) -> None:
        """Enable the button, or disable it with a reason."""
        reason = self._disabled_reason()
        self.button.setEnabled(not reason and not self.is_running)
        self.button.setText("Segmenting…" if self.is_running else "Segment")
        self.button.setToolTip(qt_text(reason) or f"{SEGMENT.description} ({SEGMENT.native}).")
        if not self.is_running and (reason or self.status.result is None):
            mask, warning = self._mask_warning()
            if warning:
                self.status.warn(f"'{mask}': {warning} {reason}".strip())
            else:
                self.status.show_message(reason)

    # Layout and signals

    def _size(self) -> CollapsibleSection:
        section = CollapsibleSection(
            "Pixel size", self._settings, remembered.PIXEL_SIZE_OPEN, default=False
        )
        section.setToolTip("Enter or correct the pixel size in µm.")
        section.addWidget(self.pixel_size)
        return section

    def _advanced(self) -> CollapsibleSection:
        section = CollapsibleSection(
            "Advanced", self._settings, remembered.ADVANCED_OPEN, default=False
        )
        section.setToolTip("Additional result layers; remembered.")
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
            section.addWidget(box)
        return section

    def _connect(self) -> None:
        self.button.clicked.connect(self.segment)
        self.images.changed.connect(self._on_image)
        self.images.axes_changed.connect(self.refresh)
        self.images.this_slice.toggled.connect(lambda _: self.refresh())
        self.pixel_size.checked.connect(self.refresh)
        self.pixel_size.resized.connect(self._on_resized)
        self.save_button.reported.connect(self.status.show_result)
        self.recovery.reported.connect(self.status.show_result)
        self.active_mask.subscribe(selected=self._on_active)
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
            ours = isinstance(known, MaskInfo) and image is not None and is_made_from(layer, image)
            if ours and known.warning:
                return layer.name, known.warning
        return "", ""

    def reload(self) -> None:
        """List the models again: one may have been taken into use."""
        if not self.is_running:
            self.models.offer(self.images.modality)
            self._on_model()

    # Signal handlers

    def _on_active(self) -> None:
        """Show the warning of the selected mask instead of another one's; offer to save it."""
        self.save_button.show_mask(self.active_mask.mask)
        warning, shown = self._mask_warning()[1], self.status.text()
        if not self.is_running and (warning not in shown or (not warning and UNLIKE in shown)):
            self.status.show_message("")
        self.refresh()

    def _on_resized(self, sentence: str) -> None:
        if not self.is_running:
            self.status.show_result(JobStatus.SUCCEEDED, sentence)

    def _on_image(self) -> None:
        if self.images.layer != self._status_image:
            self._status_image = self.images.layer
            if not self.is_running:
                self.status.show_message("")  # the message was about another image
        self.pixel_size.show_layer(self.images.layer)
        self.models.offer(self.images.modality)
        self._on_model()

    def _on_model(self) -> None:
        self.refresh()
        if self.models.model is not None:
            self._warm(self.models.model)

    def _warm(self, model: ModelFolder) -> None:
        """Load a model in the background; errors are reported by the first segmentation."""
        if model.name not in self._warmed:
            self._warmed.add(model.name)
            in_background(partial(warm_model, model))

    def take_result(self, result: JobResult) -> JobResult:
        """Add the layers of a segmentation to the viewer."""
        target, self._target = self._target, None
        if isinstance(result, SegmentResult) and target is not None:
            waited = time.monotonic() - self._began
            return add_layers(self._viewer, result, target, waited)
        return result

    def cleanup(self) -> None:
        """Stop all work and disconnect: the dock is closing."""
        super().cleanup()
        self.active_mask.release(self)
        self.images.disconnect_viewer()
        self.pixel_size.disconnect_layer()


def _is_ours(layer: Layer) -> bool:
    known = layer.metadata.get(KEY)
    return isinstance(known, MaskInfo) or (isinstance(layer, Image) and known is not None)
