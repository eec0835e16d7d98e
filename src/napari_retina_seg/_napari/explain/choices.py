"""Options of the Explain dock, and the task built from them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import napari
from napari.layers import Image, Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_retina_seg._napari.explain.job import ExplainTask, SaveTask, is_same_image
from napari_retina_seg._napari.explain.layer_picker import LayerPicker
from napari_retina_seg._napari.explain.pickers import (
    ClassPicker,
    ColorPicker,
    MethodPicker,
    class_in,
)
from napari_retina_seg._napari.explain.saliency_layers import SaliencyMaps
from napari_retina_seg._napari.explain.target_picker import (
    CLASS,
    POINT,
    EmptyTargetError,
    TargetPicker,
)
from napari_retina_seg._napari.image_picker import ImagePicker
from napari_retina_seg._napari.layers import (
    Position,
    is_image,
    is_off_slice,
    is_volume,
    position,
    retina_image,
)
from napari_retina_seg._napari.masks.active_mask import ActiveMask
from napari_retina_seg._napari.model_picker import ModelPicker
from napari_retina_seg._napari.results import ImagePart
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.widgets import stack, text
from napari_retina_seg.imaging.explanation import ExplainRequest, Explanation
from napari_retina_seg.saliency.slice_explainer import ForwardCache
from napari_retina_seg.types.errors import ModelError
from napari_retina_seg.types.image import Modality

_ABOUT = (
    "A map shows where the model found evidence, not whether the mask is correct. For research and"
    " annotation only. Retina Seg is not a medical device."
)


class Choices(QWidget):
    """All option rows, from the image to the colours; each offers what fits the rows above.

    Signals
    -------
    changed : ()
        Any option but the colours changed.
    """

    changed = Signal()

    def __init__(self, viewer: napari.Viewer, active_mask: ActiveMask) -> None:
        super().__init__()
        settings = Settings()
        self._about: tuple[Image | None, Modality] | None = None
        self._last = ForwardCache()
        self._viewer = viewer
        self.images = ImagePicker(viewer, active_mask)
        self.models = ModelPicker(settings)
        self.classes = ClassPicker()
        self.layers = LayerPicker()
        self.methods = MethodPicker()
        self.targets = TargetPicker(viewer)
        self.colors = ColorPicker(settings)
        self.setLayout(
            stack(
                *(self.images, self.models, self.classes, self.layers, self.methods),
                *(self.targets, self.colors, self.models.card, text(_ABOUT)),
            )
        )
        self.images.changed.connect(self._on_image)
        self.images.this_slice.toggled.connect(self.changed)
        self.images.axes_changed.connect(self.changed)
        self.models.changed.connect(self._on_model)
        self.targets.changed.connect(self._on_target)
        for picker in (self.classes, self.layers, self.methods):
            picker.changed.connect(self.changed)
        self._on_image()

    @property
    def is_whole(self) -> bool:
        """Whether all slices of a volume are chosen; a point always is on one slice."""
        layer = self.images.layer
        volume = layer is not None and is_volume(layer) and self.images.whole.isChecked()
        return volume and self.targets.kind != POINT

    @property
    def at(self) -> Position:
        """Position in the chosen image to explain."""
        layer, units = self.images.layer, self._viewer.layers.extent.units
        return Position() if layer is None else position(layer, self.targets.world, units)

    @property
    def _is_off_slice(self) -> bool:
        """Whether the position is outside the chosen image."""
        layer, units = self.images.layer, self._viewer.layers.extent.units
        return layer is not None and is_off_slice(layer, self.targets.world, units)

    def disabled_reason(self) -> str:
        """Return why nothing can be explained; empty if something can."""
        if self.images.layer is None:
            return "Open an image, or select an image layer."
        if self.images.modality is Modality.UNKNOWN:
            return "Choose the kind of image first."
        if self.models.model is None:
            return "No model for this kind of image: add a model folder."
        if self.images.slice_disabled_reason and not self.is_whole and self.targets.kind != POINT:
            return self.images.slice_disabled_reason
        return self.targets.disabled_reason(self.images.layer)

    def task(self, target: ImagePart) -> ExplainTask:
        """Return the explain task, as values.

        Raises
        ------
        NothingAskedError
            If the target is empty, or no slice is on the screen.
        RetinaSegError
            If the layer has no image, or the target is outside.
        """
        if not target.whole and self._is_off_slice:
            raise EmptyTargetError(
                f"No slice of '{target.layer.name}' is on the screen: move the slider to one."
            )
        model, target_layer = self.models.model, self.layers.target_layer
        if model is None:
            raise EmptyTargetError("Choose a model first.")
        request = ExplainRequest(
            values=self.classes.values,
            layer=""
            if target_layer is None
            else target_layer.layer,  # if unknown yet, the recommended one
            method=self.methods.method,
            target=self.targets.target(target),
        )
        return ExplainTask(
            retina_image(target.layer, target.at),
            model,
            request,
            target.index,
            self._last,
            as_drawn=self.classes.is_there,
        )

    def saving(
        self, task: ExplainTask, target: ImagePart, path: Path, shown: SaliencyMaps | None
    ) -> SaveTask:
        """Return the task that saves all classes; displayed maps are not computed again."""
        everything = replace(task.request, values=())
        values = {**vars(task), "request": everything, "as_drawn": False}
        color_settings = self.colors.color_settings
        known = self._reusable(task, target, shown)
        return SaveTask(
            **values,
            path=path,
            colors=color_settings.colors,
            shared=color_settings.shared,
            known=known,
        )

    def _reusable(
        self, task: ExplainTask, target: ImagePart, shown: SaliencyMaps | None
    ) -> Explanation | None:
        """Return the displayed maps, if they answer the same request."""
        if shown is None or shown.target != target or not is_same_image(shown.image, task.image):
            return None
        first, target_layer, asked = shown.first, self.layers.target_layer, task.request
        same = (
            target_layer is not None
            and first.weights_sha256 == task.model.spec.weights_sha256
            and (first.model, first.layer) == (task.model.name, target_layer.description)
            and (first.method, first.target) == (asked.method, asked.target)
        )
        return first if same else None

    def resume(self, saliency: SaliencyMaps) -> None:
        """Restore the options that a map was made with, where still possible."""
        first, target = saliency.first, saliency.target
        self.images.choose(target.layer)
        self.models.select(first.model)
        self.targets.resume(target.layer, target.at, first.target)
        self._on_target()
        self.classes.select(first.values)
        self.methods.restore(first.method)
        self.layers.select(first.layer.partition(" (")[0])

    def suggest_class_of(self, mask: Labels) -> None:
        """Choose the class selected in a mask, if the model has it."""
        if self.models.model is None or not mask.selected_label:
            return
        with suppress(ModelError):
            self.classes.suggest(class_in(self.models.model, mask))

    def drop_cache(self, layer: object) -> None:
        """Free the cached forward pass of a removed image, which may take gigabytes."""
        if is_image(layer):
            self._last = ForwardCache()

    def disconnect_viewer(self) -> None:
        """Disconnect: the dock is closing."""
        self.images.disconnect_viewer()
        self.targets.disconnect_viewer()
        self.layers.cleanup()
        self._last = ForwardCache()

    def _on_image(self) -> None:
        about = self.images.layer, self.images.modality
        if about == self._about:
            return
        self._about = about
        self.targets.select(self.images.layer)
        self.models.offer(self.images.modality)
        self._on_model()

    def _on_model(self) -> None:
        self.layers.offer(self.models.model)
        self._on_target()

    def _on_target(self) -> None:
        model = self.models.model
        scheme = None if model is None else model.spec.scheme
        self.classes.offer(scheme, there=self.targets.kind == POINT)
        self.methods.suit(whole_class=self.targets.kind == CLASS)
        self.changed.emit()
