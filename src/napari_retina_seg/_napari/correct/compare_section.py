"""Compare a mask with its prediction or another mask."""

from __future__ import annotations

from functools import partial
from weakref import ref

import napari
import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QPushButton, QWidget
from superqt.utils import qdebounced

from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.layers import KEY, unwrap_proxy
from napari_retina_seg._napari.masks.active_mask import ActiveMask
from napari_retina_seg._napari.masks.compare import (
    COLORS,
    PREDICTION,
    Comparison,
    blink,
    predicted,
    redraw_difference,
    show_difference,
)
from napari_retina_seg._napari.masks.linked_layers import (
    LinkedLayerInfo,
    LinkKind,
    linked_layer,
    remove_linked_layer,
)
from napari_retina_seg._napari.shortcuts import BLINK
from napari_retina_seg._napari.widgets import add_row, combo_box, stack, text
from napari_retina_seg.imaging.difference import EXTRA, MISSED, OTHER
from napari_retina_seg.types.errors import RetinaSegError

_LEGEND = (
    f"<span style='color:{COLORS[MISSED]}'>■</span> missing in this mask (false negative)<br>"
    f"<span style='color:{COLORS[EXTRA]}'>■</span> extra there (false positive)<br>"
    f"<span style='color:{COLORS[OTHER]}'>■</span> another class there"
)
_PAUSE = 400  # ms after a stroke, so that comparing does not slow painting


class CompareSection(QWidget):
    """Shows where the prediction, or another mask, differs from the mask.

    Signals
    -------
    reported : (JobStatus, str)
        Why two masks can't be compared.
    """

    reported = Signal(object, str)

    def __init__(self, viewer: napari.Viewer, active: ActiveMask) -> None:
        super().__init__()
        self._viewer, self._active_mask = viewer, active
        self._others: list[Labels | None] = []  # None is the prediction
        self._box = combo_box()
        self._box.setToolTip("Compared with the mask, which is taken as the ground truth.")
        self._class = combo_box()
        self._class.setToolTip("Class to compare.")
        self.button = QPushButton("Show the difference")
        self.button.setCheckable(True)
        self.button.setToolTip("Show or hide where the two differ.")
        self.blink_button = QPushButton(f"Blink ({BLINK.native})")
        self.blink_button.setToolTip(
            f"Hide the difference and show it again; the key is {BLINK.native}."
        )
        self._lay_out()
        self.button.clicked.connect(self._on_button)
        self.blink_button.clicked.connect(lambda: blink(self._viewer))
        self._box.activated.connect(self._redraw)
        self._class.activated.connect(self._redraw)
        active.subscribe(painted=self._on_painted)

    def refresh(self) -> None:
        """Update the masks to compare with, after a change of mask or layers."""
        active = self._active_mask
        before = self._chosen() if self._others else None
        self._others = [] if active.mask is None else self._find_others()
        self._box.clear()
        self._box.addItems([PREDICTION if other is None else other.name for other in self._others])
        if before in self._others:
            self._box.setCurrentIndex(self._others.index(before))
        shown = self._shown() is not None
        for widget in (self._box, self._class, self.button):
            widget.setEnabled(bool(self._others))
        self.button.setChecked(shown)
        self.blink_button.setEnabled(shown)

    def offer_classes(self) -> None:
        """List the classes of the mask."""
        self._class.clear()
        if self._active_mask.mask is not None:
            names = [label.abbreviation for label in self._active_mask.scheme.classes[1:]]
            self._class.addItems(["All classes", *names])

    def _lay_out(self) -> None:
        form = QFormLayout()
        add_row(form, "With", self._box)
        add_row(form, "Class", self._class)
        row = stack(self.button, self.blink_button, horizontal=True)
        self.setLayout(stack(form, row, text(_LEGEND, html=True)))

    def _find_others(self) -> list[Labels | None]:
        mask = self._active_mask.labels
        first: list[Labels | None] = [] if predicted(mask) is None else [None]
        return first + [
            layer
            for layer in self._viewer.layers
            if isinstance(layer, Labels)
            and layer != mask
            and not isinstance(layer.metadata.get(KEY), LinkedLayerInfo)
            and layer.data.shape == mask.data.shape
        ]

    def _chosen(self) -> Labels | None:
        return self._others[self._box.currentIndex()]

    def _shown(self) -> Labels | None:
        mask = self._active_mask.mask
        return None if mask is None else linked_layer(self._viewer, mask, LinkKind.DIFFERENCE)

    def _on_painted(self) -> None:
        self._redraw_after_stroke()

    @qdebounced(timeout=_PAUSE)
    def _redraw_after_stroke(self) -> None:
        mask = self._active_mask.mask
        if mask is None:
            return
        try:
            redraw_difference(self._viewer, mask)
        except RetinaSegError as error:
            self.reported.emit(JobStatus.FAILED, str(error))

    def _on_button(self, on: bool) -> None:
        mask = self._active_mask.mask
        if on:
            self._show()
        else:
            remove_linked_layer(self._viewer, mask, LinkKind.DIFFERENCE)
        self.refresh()

    def _redraw(self, index: int = 0) -> None:  # noqa: ARG002 - passed by Qt
        shown = self._shown()
        if shown is not None and shown.visible and self._others:
            self._show()

    def _show(self) -> None:
        mask, other = self._active_mask.labels, self._chosen()
        value = self._class.currentIndex()
        chosen = value if value > 0 else None
        if other is None:
            comparison = Comparison.with_prediction(mask, chosen)
        else:
            read = partial(_read, self._viewer, ref(unwrap_proxy(other)))
            comparison = Comparison(f"'{other.name}'", read, chosen)
        try:
            show_difference(self._viewer, mask, comparison)
        except RetinaSegError as error:
            self.reported.emit(JobStatus.FAILED, str(error))


def _read(viewer: ViewerModel, layer: ref[Labels]) -> npt.NDArray[np.integer] | None:
    """Return the values of a layer, or None once it was removed."""
    found = layer()
    return None if found is None or found not in viewer.layers else np.asarray(found.data)
