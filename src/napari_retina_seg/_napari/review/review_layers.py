"""Layers of the open image in the viewer, and their unsaved changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import napari
import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.events import Event
from qtpy.QtCore import QObject, QTimer, Signal

from napari_retina_seg._napari._compat import find_histories, restore_history
from napari_retina_seg._napari.explain.saliency_layers import saliency_of
from napari_retina_seg._napari.layers import (
    KEY,
    Position,
    finest,
    image_fields,
    image_layers,
    is_made_from,
    unwrap_proxy,
)
from napari_retina_seg._napari.masks.active_mask import give_reason
from napari_retina_seg._napari.masks.annotations import copy_annotation, up_to_date
from napari_retina_seg._napari.masks.compare import Comparison, show_difference
from napari_retina_seg._napari.masks.edits import lock, locked
from napari_retina_seg._napari.masks.linked_layers import (
    LinkedLayerInfo,
    LinkKind,
    linked_layer,
    mask_of,
    remove_linked_layer,
    show_questionable,
)
from napari_retina_seg._napari.masks.unsaved_masks import UnsavedMasks, keep_in_project
from napari_retina_seg._napari.results import ImagePart, MaskInfo, mask_options, uncertainty_layer
from napari_retina_seg._napari.review.navigation import OpenImage
from napari_retina_seg._napari.review.unsaved_edit import UnsavedEdit
from napari_retina_seg._napari.view_fit import fit_view, get_view, set_view
from napari_retina_seg.project.values import Autosave, ProjectImage, Version
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.labels import LabelScheme
from napari_retina_seg.types.segmentation import Provenance, Segmentation

# Tool settings that are carried over from one mask to the next.
_TOOLS = ("selected_label", "brush_size", "preserve_labels")


class ReviewLayers(QObject):
    """Adds the layers of the open image to the viewer and removes them.

    Signals
    -------
    mask_removed : ()
        The user removed the mask layer from the viewer.
    """

    mask_removed = Signal()

    def __init__(self, viewer: napari.Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.opened: OpenImage | None = None
        self.mask: Labels | None = None
        self._image: Image | None = None
        self._linked: list[Layer] = []
        self._compared: Labels | None = None
        self._marks: Labels | None = None  # questionable regions, just removed
        self._marks_timer = QTimer(self, singleShot=True, interval=0)
        self._marks_timer.timeout.connect(self._on_marks_gone)
        self._parent: int | None = None
        self._before: Annotation | None = None
        self._slots: list[Autosave] = []
        self._tools: dict[str, Any] = {}
        self._mode: str = "pan_zoom"
        self._locked: frozenset[int] = frozenset()
        self._is_clearing = False
        # Of layers that are read-only, from which napari removes it.
        self._histories: WeakKeyDictionary[Labels, tuple[list[Any], ...]] = WeakKeyDictionary()
        viewer.layers.events.removed.connect(self._on_removed)

    @property
    def image(self) -> ProjectImage | None:
        """The open image."""
        return None if self.opened is None else self.opened.image

    @property
    def _required(self) -> tuple[OpenImage, Labels]:
        """The open image and its mask, for requests that are possible only with them."""
        if self.opened is None or self.mask is None:
            raise RuntimeError("No image is open.")
        return self.opened, self.mask

    @property
    def is_paintable(self) -> bool:
        """Whether there is a mask that may be edited and saved."""
        return self.opened is not None and not self.opened.locked_reason

    @property
    def is_mask_removed(self) -> bool:
        """Whether the mask is no longer in the viewer."""
        return self.mask is not None and self.mask not in self.viewer.layers

    def show(self, opened: OpenImage, scheme: LabelScheme) -> None:
        """Show an image in place of the previous one; the first one hides all other layers."""
        again = self.image is not None and self.image.id == opened.image.id
        grid, view = _grid(self._image), get_view(self.viewer)
        if self.image is None:
            for layer in self.viewer.layers:
                layer.visible = False
        with self.viewer.layers.batched_update():  # napari then collects garbage only once
            self._remove_layers()
            self.opened = opened
            # New layers, although other data in the same ones would be drawn sooner: napari keeps
            # undo steps when data is set, and running jobs, masks and maps know an image by its
            # layer, so that they would take this image for the previous one.
            # Keep the layers themselves: the viewer only returns proxies of them.
            self._image = Layer.create(*image_layers(opened.pixels)[0])
            self.viewer.add_layer(self._image)
            self.mask = self._make_mask(opened, scheme)
            keep_in_project(self.mask, True)
            if opened.locked_reason:
                give_reason(self.mask, f"{opened.locked_reason} See the Review dock.")
            self.viewer.add_layer(self.mask)
        self._add_linked_layers(opened)
        self.viewer.layers.selection.active = self.mask
        if not again:
            self._mode = "pan_zoom"  # a click on the next image must not paint
        if self.is_paintable:
            self.mask.mode = self._mode  # napari's buttons follow changes only
        if grid == _grid(self._image):
            set_view(self.viewer, view)  # what was looked at closely is so in the next image
        elif not again:
            fit_view(self.viewer, [self._image])
        self._remember_baseline()

    @property
    def has_uncertainty(self) -> bool:
        """Whether the uncertainty of the prediction is in the viewer, shown or hidden."""
        return any(isinstance(each, Image) and each in self.viewer.layers for each in self._linked)

    def add_uncertainty(self, values: np.ndarray) -> None:
        """Add the uncertainty of the prediction below the mask."""
        opened, mask = self._required
        provenance = _provenance(opened.image, opened.permissions.prediction)
        if provenance is None:
            return
        scheme = mask.metadata[KEY].scheme
        made = Segmentation(opened.annotation.labels, scheme=scheme, provenance=provenance)
        layer = uncertainty_layer(values, made, self._target())
        layer.name = f"{opened.image.name} · uncertainty"
        self._insert(layer, mask)

    def set_uncertainty_visible(self, on: bool) -> None:
        """Show or hide the uncertainty layer."""
        for layer in self._linked:
            if isinstance(layer, Image):
                layer.visible = on

    def show_version(self, number: int, annotation: Annotation) -> Labels:
        """Add another version below the mask, hidden: only the difference is displayed."""
        opened, mask = self._required
        known = MaskInfo(
            scheme=mask.metadata[KEY].scheme,
            boundaries=annotation.boundaries,
            questionable=annotation.ignore,
            **image_fields(self._image),
        )
        name = f"{opened.image.name} · version {number}"
        options = mask_options(known)
        layer = Labels(annotation.labels, name=name, **options, **self._target().grid())
        layer.editable = layer.visible = False
        self._insert(layer, mask)
        self._compared = layer
        return layer

    def end_comparison(self) -> None:
        """Remove the displayed difference and the version it was computed from."""
        remove_linked_layer(self.viewer, self.mask, LinkKind.DIFFERENCE)
        if self._compared is not None and self._compared in self.viewer.layers:
            remove_linked_layer(self.viewer, self._compared, LinkKind.DIFFERENCE)
            self.viewer.layers.remove(self._compared)
        self._compared = None

    def copy_edit(self, seconds: float, comment: str) -> UnsavedEdit:
        """Copy the unsaved edit, to be saved on the I/O thread."""
        opened, _ = self._required
        return UnsavedEdit(
            image=opened.image,
            grading=opened.permissions.grading,
            parent=self._parent,
            now=self._snapshot(),
            before=self._before,
            seconds=seconds,
            comment=comment,
            slots=self._slots,
        )

    def set_baseline(self, edit: UnsavedEdit, version: Version) -> None:
        """Take a version that was just saved as the new baseline of the open image."""
        self._parent, self._before = version.number, edit.now

    def set_read_only(self, on: bool) -> None:
        """Disable painting while the image is being closed."""
        if self.mask is None or not self.is_paintable:
            return
        if on:
            self._tools = {name: getattr(self.mask, name) for name in _TOOLS}
            self._mode, self._locked = self.mask.mode, locked(self.mask)
        for layer in (self.mask, linked_layer(self.viewer, self.mask, LinkKind.QUESTIONABLE)):
            if layer is not None:
                self._set_layer_read_only(unwrap_proxy(layer), on)
        if not on:
            self.mask.mode = self._mode  # napari resets the tool

    def _set_layer_read_only(self, layer: Labels, on: bool) -> None:
        if on:
            self._histories[layer] = tuple(map(list, find_histories(layer)))
        layer.editable = not on
        if not on and layer in self._histories:
            restore_history(layer, *self._histories.pop(layer))

    def is_of_prediction(self, edit: UnsavedEdit) -> bool:
        """Whether mask, lines and questionable regions equal the prediction."""
        predicted = self._required[0].predicted
        if predicted is None:
            return False
        heights = predicted.boundaries
        if heights is None and edit.now.boundaries is not None:
            heights = np.full_like(edit.now.boundaries, np.nan)
        marked = predicted.ignore  # where the image has no data
        if marked is not None and not marked.any():
            marked = None
        drawn = Annotation(predicted.labels, heights, marked)
        if edit.now.equals(drawn):
            return True
        if not np.array_equal(edit.now.labels, predicted.labels) or edit.now.boundaries is None:
            return False
        # Lines older than the mask are derived from the mask.
        return up_to_date(edit.now).equals(up_to_date(drawn))

    def remove(self) -> None:
        """Remove the image's layers and saliency maps; hide masks made by other docks."""
        with self.viewer.layers.batched_update():
            self._remove_layers()

    def _remove_layers(self) -> None:
        self._is_clearing = True
        image = self._image
        own = [each for each in (self._image, self.mask, *self._linked) if each is not None]
        for layer in list(self.viewer.layers):
            saliency = saliency_of(layer)
            explains = saliency is not None and saliency.target.layer == image
            if layer in own or mask_of(layer) in own or explains:  # maps mean nothing without it
                self.viewer.layers.remove(layer)
            elif image is not None and is_made_from(layer, image):
                layer.visible = False
        self.opened = self.mask = self._image = None
        self._compared = self._marks = None
        self._linked, self._slots = [], []
        self._is_clearing = False

    def disconnect_viewer(self) -> None:
        """Disconnect from the viewer: the dock is closing, and its mask stays in the viewer."""
        if self.mask is not None:
            keep_in_project(self.mask, False)
            UnsavedMasks.of(self.viewer).mark_saved(self.mask)
        self.viewer.layers.events.removed.disconnect(self._on_removed)

    def _insert(self, layer: Layer, above: Layer) -> None:
        """Insert a layer below another one, keeping the selection."""
        active = self.viewer.layers.selection.active
        self.viewer.layers.insert(self.viewer.layers.index(above), layer)
        self.viewer.layers.selection.active = active
        self._linked.append(layer)

    def _target(self) -> ImagePart:
        return ImagePart(self._image, Position(), True)

    def _make_mask(self, opened: OpenImage, scheme: LabelScheme) -> Labels:
        predicted = None if opened.predicted is None else opened.predicted.labels
        if predicted is not None:
            predicted.flags.writeable = False
        info = MaskInfo(
            scheme=scheme,
            provenance=_provenance(opened.image, opened.permissions.prediction),
            prediction=predicted,
            predicted_boundaries=None if opened.predicted is None else opened.predicted.boundaries,
            boundaries=opened.annotation.boundaries,
            **image_fields(self._image),
        )
        layer = Labels(
            opened.annotation.labels.copy(),
            name=f"{opened.image.name} · mask",
            **mask_options(info),
            **self._target().grid(),
        )
        layer.selected_label = 1
        for name, value in self._tools.items():
            if name != "selected_label" or value < len(scheme):
                setattr(layer, name, value)
        lock(layer, self._locked & set(range(len(scheme))))
        layer.editable = self.is_paintable
        return layer

    def _add_linked_layers(self, opened: OpenImage) -> None:
        """Show questionable regions, and to the adjudicator where the two graders differ."""
        questionable = opened.annotation.ignore
        if questionable is not None and questionable.any():
            marks = show_questionable(self.viewer, self.mask, questionable)
            marks.editable = self.is_paintable
        if opened.other is not None:
            second = Comparison.with_labels("the second grader's", opened.other.labels)
            show_difference(self.viewer, self.mask, second)

    def _remember_baseline(self) -> None:
        """Remember the state of the mask when the image was opened."""
        opened, mask = self._required
        self._slots = []
        if opened.recovered is not None:
            self._parent, self._before = opened.recovered.parent, None
            self._slots.append(opened.recovered)
            return
        begins = opened.permissions.begins
        self._parent = None if begins is None else begins.number
        self._before = copy_annotation(self.viewer, mask)

    def _snapshot(self) -> Annotation:
        """Copy the mask, including questionable regions that are being removed with it."""
        now = copy_annotation(self.viewer, self.mask)
        if self._marks is None:
            return now
        marks = np.asarray(self._marks.data).reshape(now.labels.shape) != 0
        return replace(now, ignore=marks if marks.any() else None)

    def _on_removed(self, event: Event) -> None:
        if self._is_clearing:
            return
        known = event.value.metadata.get(KEY)
        is_marks = isinstance(known, LinkedLayerInfo) and known.kind is LinkKind.QUESTIONABLE
        if is_marks and known.mask() is self.mask:
            self._marks = event.value  # kept if the mask is removed at once with it
            self._marks_timer.start()
        elif event.value is self.mask:
            self.mask_removed.emit()

    def _on_marks_gone(self) -> None:
        self._marks = None


def _grid(layer: Image | None) -> tuple[object, ...] | None:
    """Return size and scale of an image, equal for images that lie on each other."""
    if layer is None:
        return None
    return (finest(layer).shape, tuple(layer.scale), tuple(map(str, layer.units)))


def _provenance(image: ProjectImage, prediction: Version | None) -> Provenance | None:
    """Return the provenance of a prediction."""
    if prediction is None:
        return None
    return Provenance(
        source=str(image.path),
        model=prediction.model or "",
        weights_sha256=prediction.weights_sha256 or "",
        version=prediction.program,
        device="",
        precision="",
        seconds=prediction.seconds,
    )
