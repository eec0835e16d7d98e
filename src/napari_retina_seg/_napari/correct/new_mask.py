"""Add an empty mask to an image without one."""

from __future__ import annotations

import napari
import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QPushButton, QWidget

from napari_retina_seg._napari.layers import finest, image_fields, is_image, modality
from napari_retina_seg._napari.masks.linked_layers import GRID
from napari_retina_seg._napari.results import MaskInfo, mask_options
from napari_retina_seg._napari.scheme_box import SchemeBox
from napari_retina_seg._napari.widgets import add_row, elide, stack, text
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS, LabelScheme


class NewMask(QWidget):
    """Offers a new mask for the selected image, with the classes of a scheme.

    Signals
    -------
    made : (Labels)
        The mask was added and selected.
    """

    made = Signal(object)

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._image: Image | None = None
        self._box = SchemeBox()
        elide(self._box)
        self.problem = text()
        self._box.failed.connect(self.problem.setText)
        self._box.currentIndexChanged.connect(self.problem.clear)
        self.button = QPushButton("New empty mask")
        form = QFormLayout()
        add_row(form, "Classes", self._box)
        self.setLayout(stack(form, self.problem, self.button))
        self.button.clicked.connect(self.make)

    def refresh(self) -> None:
        """Use the selected image, or the only one."""
        active = self._viewer.layers.selection.active
        images = [layer for layer in self._viewer.layers if is_image(layer)]
        before, self._image = self._image, None
        if is_image(active):
            self._image = active
        elif len(images) == 1:
            self._image = images[0]
        self.button.setEnabled(self._image is not None)
        self._box.setEnabled(self._image is not None)
        self.button.setToolTip(
            "Select an image layer first."
            if self._image is None
            else f"Add an empty mask of '{self._image.name}'."
        )
        if self._image is not None and self._image != before:
            self.choose(_usual(modality(self._image)))

    def choose(self, scheme: LabelScheme) -> None:
        """Choose the classes."""
        self._box.choose(scheme)

    def make(self) -> None:
        """Add the mask; the button."""
        image, scheme = self._image, self._box.scheme
        if image is None:
            return
        shape = tuple(finest(image).shape[: image.ndim])
        layer = Labels(
            np.zeros(shape, np.uint8),
            name=f"{image.name} · {scheme.name}",
            affine=image.affine.affine_matrix,
            **{name: getattr(image, name) for name in GRID},
            **mask_options(MaskInfo(scheme=scheme, **image_fields(image))),
        )
        layer.selected_label = 1
        self._viewer.add_layer(layer)
        self.made.emit(layer)


def _usual(kind: Modality) -> LabelScheme:
    return OCT_LAYERS if kind is Modality.OCT else FUNDUS_VESSELS
