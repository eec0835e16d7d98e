"""The image that is worked on: its layers in the viewer, and what of them is not saved yet."""

from __future__ import annotations

from dataclasses import replace

import napari
import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.events import Event
from qtpy.QtCore import QObject, QTimer, Signal

from napari_retina_seg._napari.explain.saliency_layers import saliency_of
from napari_retina_seg._napari.layers import KEY, Position, image_layers, place_of
from napari_retina_seg._napari.masks.compare import show_difference
from napari_retina_seg._napari.masks.drawings import Snapshot, take_snapshot
from napari_retina_seg._napari.masks.edits import lock, locked
from napari_retina_seg._napari.masks.linked_layers import (
    Kind,
    LinkedLayerInfo,
    linked_layer,
    mask_of,
    remove_linked_layer,
)
from napari_retina_seg._napari.masks.questionable import show_questionable
from napari_retina_seg._napari.results import MaskInfo, Target, mask_options, uncertainty_layer
from napari_retina_seg._napari.review.navigation import Opened, Work
from napari_retina_seg.core.labels import LabelScheme
from napari_retina_seg.core.segmentation import Provenance, Segmentation
from napari_retina_seg.project.drawing import Drawing
from napari_retina_seg.project.values import Autosave, ProjectImage, Version

# What a person has set up in one mask and wants in the next.
_TOOLS = ("selected_label", "brush_size", "opacity", "preserve_labels")


class ReviewLayers(QObject):
    """Lays an image and its mask into the viewer, and clears them away.

    Signals
    -------
    mask_removed : ()
        Somebody took the mask out of the viewer.
    """

    mask_removed = Signal()

    def __init__(self, viewer: napari.Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.opened: Opened | None = None
        self.mask: Labels | None = None
        self._image: Image | None = None
        self._beside: list[Layer] = []
        self._compared: Labels | None = None
        self._marks: Labels | None = None  # questionable, removed a moment ago
        self._forget_marks = QTimer(self, singleShot=True, interval=0)
        self._forget_marks.timeout.connect(self._on_marks_gone)
        self._parent: int | None = None
        self._before: Snapshot | None = None
        self._slots: list[Autosave] = []
        self._tools: dict[str, object] = {}
        self._mode: str = "pan_zoom"
        self._locked: frozenset[int] = frozenset()
        self._is_clearing = False
        viewer.layers.events.removed.connect(self._on_removed)

    @property
    def image(self) -> ProjectImage | None:
        """The image on the desk."""
        return None if self.opened is None else self.opened.image

    @property
    def is_paintable(self) -> bool:
        """Whether there is a mask that may be painted and saved."""
        return self.opened is not None and not self.opened.locked_reason

    @property
    def is_lost(self) -> bool:
        """Whether the mask is no longer in the viewer."""
        return self.mask is not None and self.mask not in self.viewer.layers

    def show(self, opened: Opened, scheme: LabelScheme) -> None:
        """Put an image in the place of the one that was there."""
        again = self.image is not None and self.image.id == opened.image.id
        with self.viewer.layers.batched_update():  # napari collects garbage once, not every time
            self._take_away()
            self.opened = opened
            # Kept as they are: what the viewer hands out stands for them only.
            self._image = Layer.create(*image_layers(opened.pixels)[0])
            self.viewer.add_layer(self._image)
            self.mask = self._make_mask(opened, scheme)
            self.viewer.add_layer(self.mask)
        self._lay_beside(opened)
        self.viewer.layers.selection.active = self.mask
        if self.is_paintable:
            self.mask.mode = self._mode  # napari's buttons show only what changes from now on
        if not again:
            self.viewer.reset_view()
        self._begin()

    def show_uncertainty(self, values: np.ndarray, visible: bool) -> None:
        """Add the uncertainty of the prediction below the mask."""
        opened = self.opened
        made = Segmentation(
            opened.drawing.labels,
            self.mask.metadata[KEY].scheme,
            _provenance(opened.image, opened.turn.prediction),
        )
        layer = uncertainty_layer(values, made, self._target())
        layer.name = f"{opened.image.name} · uncertainty"
        layer.visible = visible
        self._insert(layer, self.mask)

    def set_uncertainty_visible(self, on: bool) -> None:
        """Show or hide it."""
        for layer in self._beside:
            if isinstance(layer, Image):
                layer.visible = on

    def show_version(self, number: int, drawing: Drawing) -> Labels:
        """Add another version below the mask, hidden: what is compared is its difference."""
        info = self.mask.metadata[KEY]
        known = MaskInfo(
            info.image,
            info.scheme,
            boundaries=drawing.boundaries,
            questionable=drawing.questionable,
            **place_of(self._image),
        )
        name = f"{self.opened.image.name} · version {number}"
        options = mask_options(known)
        layer = Labels(drawing.labels, name=name, **options, **self._target().grid())
        layer.editable = layer.visible = False
        self._insert(layer, self.mask)
        self._compared = layer
        return layer

    def end_comparison(self) -> None:
        """Take the difference that is shown away, and the version it was shown of."""
        remove_linked_layer(self.viewer, self.mask, Kind.DIFFERENCE)
        if self._compared is not None and self._compared in self.viewer.layers:
            remove_linked_layer(self.viewer, self._compared, Kind.DIFFERENCE)
            self.viewer.layers.remove(self._compared)
        self._compared = None

    def work(self, seconds: float, comment: str) -> Work:
        """Copy what there is, for a thread to save."""
        return Work(
            image=self.opened.image,
            reading=self.opened.turn.reading,
            parent=self._parent,
            now=self._snapshot(),
            before=self._before,
            seconds=seconds,
            comment=comment,
            slots=self._slots,
        )

    def was_saved(self, work: Work, version: Version) -> None:
        """Go on from a version that was saved while the image stays."""
        self._parent, self._before = version.number, work.now

    def set_read_only(self, on: bool) -> None:
        """Let nothing be painted while the image is being left."""
        if self.mask is None or not self.is_paintable:
            return
        if on:
            self._tools = {name: getattr(self.mask, name) for name in _TOOLS}
            self._mode, self._locked = self.mask.mode, locked(self.mask)
        for layer in (self.mask, linked_layer(self.viewer, self.mask, Kind.QUESTIONABLE)):
            if layer is not None:
                layer.editable = not on
        if not on:
            self.mask.mode = self._mode  # napari lets go of the brush

    def is_of_prediction(self, work: Work) -> bool:
        """Whether mask, lines and questionable regions are what the prediction drew."""
        predicted = self.opened.predicted
        if predicted is None:
            return False
        heights = predicted.boundaries
        if heights is None and work.now.heights is not None:
            heights = np.full_like(work.now.heights, np.nan)
        marked = predicted.questionable  # where the image holds no data
        if marked is not None and not marked.any():
            marked = None
        drawn = Snapshot(predicted.labels, heights, marked)
        if work.now.shows_same(drawn):
            return True
        if not np.array_equal(work.now.labels, predicted.labels) or work.now.heights is None:
            return False
        # Lines that are older than the masks count as the masks have them.
        now, drawn = (
            replace(each, heights=each.drawing().boundaries) for each in (work.now, drawn)
        )
        return now.shows_same(drawn)

    def remove(self) -> None:
        """Take the layers away, and maps of evidence; masks that other docks made are hidden."""
        with self.viewer.layers.batched_update():
            self._take_away()

    def _take_away(self) -> None:
        self._is_clearing = True
        name = None if self.image is None else self.image.name
        own = [each for each in (self._image, self.mask, *self._beside) if each is not None]
        for layer in list(self.viewer.layers):
            known = layer.metadata.get(KEY)
            if layer in own or mask_of(layer) in own or _explains(layer, name):
                self.viewer.layers.remove(layer)
            elif name is not None and getattr(known, "image", None) == name:
                layer.visible = False
        self.opened = self.mask = self._image = None
        self._compared = self._marks = None
        self._beside, self._slots = [], []
        self._is_clearing = False

    def disconnect_viewer(self) -> None:
        """Stop listening: the dock is going away."""
        self.viewer.layers.events.removed.disconnect(self._on_removed)

    def _insert(self, layer: Layer, above: Layer) -> None:
        """Add a layer below another one; what is selected stays selected."""
        active = self.viewer.layers.selection.active
        self.viewer.layers.insert(self.viewer.layers.index(above), layer)
        self.viewer.layers.selection.active = active
        self._beside.append(layer)

    def _target(self) -> Target:
        return Target(self._image, Position(), True)

    def _make_mask(self, opened: Opened, scheme: LabelScheme) -> Labels:
        predicted = None if opened.predicted is None else opened.predicted.labels
        if predicted is not None:
            predicted.flags.writeable = False
        info = MaskInfo(
            image=self._image.name,
            scheme=scheme,
            provenance=_provenance(opened.image, opened.turn.prediction),
            prediction=predicted,
            boundaries=opened.drawing.boundaries,
            **place_of(self._image),
        )
        layer = Labels(
            opened.drawing.labels.copy(),
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

    def _lay_beside(self, opened: Opened) -> None:
        """Show what is questionable, and to the adjudicator where the two readers differ."""
        questionable = opened.drawing.questionable
        if questionable is not None and questionable.any():
            marks = show_questionable(self.viewer, self.mask, questionable)
            marks.editable = self.is_paintable
        if opened.other is not None:
            name = "the second reader's"
            show_difference(self.viewer, self.mask, opened.other.labels, name)

    def _begin(self) -> None:
        """Remember how the image was when it was opened."""
        opened = self.opened
        self._slots = []
        if opened.recovered is not None:
            self._parent, self._before = opened.recovered.parent, None
            self._slots.append(opened.recovered)
            return
        begins = opened.turn.begins
        self._parent = None if begins is None else begins.number
        self._before = take_snapshot(self.viewer, self.mask)

    def _snapshot(self) -> Snapshot:
        """Copy what is shown, with the marks that are being removed together with the mask."""
        now = take_snapshot(self.viewer, self.mask)
        if self._marks is None:
            return now
        marks = np.asarray(self._marks.data).reshape(now.labels.shape) != 0
        return replace(now, questionable=marks if marks.any() else None)

    def _on_removed(self, event: Event) -> None:
        if self._is_clearing:
            return
        known = event.value.metadata.get(KEY)
        is_marks = isinstance(known, LinkedLayerInfo) and known.kind is Kind.QUESTIONABLE
        if is_marks and known.mask() is self.mask:
            self._marks = event.value  # if the mask goes in the same breath, both are kept
            self._forget_marks.start()
        elif event.value is self.mask:
            self.mask_removed.emit()

    def _on_marks_gone(self) -> None:
        self._marks = None


def _explains(layer: Layer, name: str | None) -> bool:
    """Whether a layer is a map of evidence on an image; it says nothing without it."""
    evidence = saliency_of(layer)
    return evidence is not None and evidence.target.layer.name == name


def _provenance(image: ProjectImage, prediction: Version | None) -> Provenance | None:
    """Return what is known of how a prediction came about."""
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
