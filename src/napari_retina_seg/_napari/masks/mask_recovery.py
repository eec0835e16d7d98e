"""Offer unsaved masks of an earlier session, and put them on their images."""

from __future__ import annotations

import weakref
from pathlib import Path

import napari
from napari.layers import Image, Labels, Layer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFrame, QMessageBox, QPushButton, QVBoxLayout

from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.layers import image_layers, is_image, unwrap_proxy
from napari_retina_seg._napari.mask_files import place_alone, place_on
from napari_retina_seg._napari.masks.mask_autosaves import (
    MaskAutosave,
    hash_image,
    read_autosave,
    remove_autosave,
)
from napari_retina_seg._napari.masks.unsaved_masks import UnsavedMasks
from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.results import MaskInfo, mask_options
from napari_retina_seg._napari.widgets import stack, text
from napari_retina_seg.io import read_image
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import RetinaSegError


class MaskRecovery(QFrame):
    """Panel that is visible while unsaved masks can be recovered, and offers one after the other.

    Signals
    -------
    reported : (JobStatus, str)
        A result message.
    """

    reported = Signal(object, str)

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._unsaved = UnsavedMasks.of(viewer)
        self.label = text()
        self.recover_button = QPushButton("Recover")
        self.discard_button = QPushButton("Discard")
        self.setFrameShape(QFrame.Shape.StyledPanel)
        layout = QVBoxLayout(self)
        layout.addWidget(self.label)
        layout.addLayout(stack(self.recover_button, self.discard_button, horizontal=True))
        self.recover_button.clicked.connect(self._recover)
        self.discard_button.clicked.connect(self._discard)
        self._unsaved.offered.connect(self._refresh)
        self._unsaved.failed.connect(self._on_failed)
        self._refresh()

    def _refresh(self) -> None:
        offers = self._unsaved.offers
        self.setVisible(bool(offers))
        if not offers:
            return
        more = f" {len(offers) - 1} more follow." if len(offers) > 1 else ""
        when = f"{offers[0].saved_at.astimezone():%d %b %H:%M}"
        self.label.setText(f"'{offers[0].mask}' has changes of {when} that were not saved.{more}")

    def _recover(self) -> None:
        autosave = self._unsaved.offers[0]
        try:
            mask = recover(self._viewer, self._unsaved, autosave)
        except RetinaSegError as error:
            self._unsaved.take_offer(autosave)
            self.reported.emit(JobStatus.FAILED, str(error))
            return
        self._unsaved.mark_recovered(mask, autosave)
        self.reported.emit(JobStatus.SUCCEEDED, f"'{mask.name}' is recovered, and not saved yet.")

    def _discard(self) -> None:
        autosave = self._unsaved.offers[0]
        question = f"Discard '{autosave.mask}' for good?"
        if (
            QMessageBox.question(self, "Discard?", qt_text(question))
            == QMessageBox.StandardButton.Yes
        ):
            remove_autosave(autosave)
            self._unsaved.take_offer(autosave)

    def _on_failed(self, reason: str) -> None:
        self.reported.emit(JobStatus.FAILED, f"Autosave failed: {reason}")


def recover(viewer: napari.Viewer, unsaved: UnsavedMasks, autosave: MaskAutosave) -> Labels:
    """Add an autosaved mask to the viewer, on its image, which is opened if needed.

    Raises
    ------
    RetinaSegError
        If the autosave is damaged or gone.
    """
    annotation = read_autosave(autosave)
    image = _find_image(viewer, unsaved, autosave) or _open_image(viewer, autosave)
    layer = _mask_layer(autosave, annotation, image)
    viewer.add_layer(layer)
    viewer.layers.selection.active = layer
    return layer


def _find_image(
    viewer: napari.Viewer, unsaved: UnsavedMasks, autosave: MaskAutosave
) -> Image | None:
    images = [layer for layer in viewer.layers if is_image(layer)]
    return next((each for each in images if unsaved.hash_of(each) == autosave.image_hash), None)


def _open_image(viewer: napari.Viewer, autosave: MaskAutosave) -> Image | None:
    """Open the file of the image, if it is still there and the same."""
    if not autosave.source or not Path(autosave.source).is_file():
        return None
    try:
        image = read_image(autosave.source)
    except RetinaSegError:
        return None
    if hash_image(image.pixels) != autosave.image_hash:
        return None
    layer = Layer.create(*image_layers(image)[0])
    viewer.add_layer(layer)
    return layer


def _mask_layer(autosave: MaskAutosave, annotation: Annotation, image: Image | None) -> Labels:
    labels = annotation.labels
    where = (
        place_alone(autosave.spacing, labels.ndim)
        if image is None
        else place_on(image, labels.ndim)
    )
    info = MaskInfo(
        autosave.image if image is None else image.name,
        autosave.scheme,
        provenance=autosave.provenance,
        boundaries=annotation.boundaries,
        questionable=annotation.ignore,
        spacing=autosave.spacing,
        image_layer=None if image is None else weakref.ref(unwrap_proxy(image)),
    )
    return Labels(labels, name=autosave.mask, **mask_options(info), **where)
