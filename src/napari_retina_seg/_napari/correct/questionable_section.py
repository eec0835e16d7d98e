"""Mark questionable regions of a mask."""

from __future__ import annotations

import napari
import numpy as np
from napari.layers import Labels
from qtpy.QtWidgets import QPushButton, QWidget

from napari_retina_seg._napari.correct.lasso import Lasso
from napari_retina_seg._napari.masks.active_mask import ActiveMask
from napari_retina_seg._napari.masks.edits import change
from napari_retina_seg._napari.masks.linked_layers import LinkKind, linked_layer, show_questionable
from napari_retina_seg._napari.widgets import stack, text
from napari_retina_seg.editing.regions import inside

_ABOUT = "Questionable regions are excluded from training and scores."
_MARKING = "Mark a region: drag around it (Outline) or brush over it."
_OUTLINING = "Drag around the region. Esc cancels."


class QuestionableSection(QWidget):
    """Selects the layer of questionable regions with a tool, and returns to the mask."""

    def __init__(self, viewer: napari.Viewer, active: ActiveMask) -> None:
        super().__init__()
        self._viewer, self._active_mask = viewer, active
        self._followed: Labels | None = None
        self.lasso = Lasso(viewer)
        self._note = text(_ABOUT)
        self.outline_button = QPushButton("Outline")
        self.outline_button.setCheckable(True)
        self.outline_button.setToolTip("Drag around the region to mark it.")
        self.brush_button = QPushButton("Brush")
        self.brush_button.setToolTip("Mark with the brush.")
        self.erase_button = QPushButton("Unmark")
        self.erase_button.setToolTip("Remove marks with the eraser.")
        self.back_button = QPushButton("Back to the mask")
        self.back_button.setToolTip("Select the mask again, to correct its classes.")
        keeping = self.back_button.sizePolicy()
        keeping.setRetainSizeWhenHidden(True)  # no button moves under the mouse
        self.back_button.setSizePolicy(keeping)
        self._tools = {"paint": self.brush_button, "erase": self.erase_button}
        row = stack(self.outline_button, horizontal=True)
        for mode, button in self._tools.items():
            button.setCheckable(True)
            button.clicked.connect(lambda _, mode=mode: self.mark(mode))
            row.addWidget(button)
        self.outline_button.clicked.connect(self._on_outline)
        self.lasso.drawn.connect(self._on_drawn)
        self.lasso.ended.connect(self.refresh)
        self.lasso.refused.connect(self._note.setText)
        self.back_button.clicked.connect(self.go_back)
        self.setLayout(stack(self._note, row, self.back_button))

    def mark(self, mode: str) -> None:
        """Mark with one of napari's tools."""
        marks = self._take_marks()
        marks.brush_size = self._active_mask.labels.brush_size
        marks.mode = mode
        self.refresh()

    def go_back(self) -> None:
        """Select the mask again."""
        self._viewer.layers.selection.active = self._active_mask.mask
        self.refresh()

    def refresh(self) -> None:
        """Update buttons and the marked area for the current mask and layer."""
        active = self._active_mask
        can = active.mask is not None and not active.disabled_reason
        for button in (self.outline_button, *self._tools.values()):
            button.setEnabled(can)
        self.outline_button.setChecked(self.lasso.is_on)
        marks = self._marks()
        self._listen(marks)
        marking = marks is not None and self._viewer.layers.selection.active == marks
        self.back_button.setVisible(marking)
        count = 0 if marks is None else int(np.count_nonzero(marks.data))
        marked = f" {count:,} px are marked." if count and not marking else ""
        note = _MARKING if marking else _ABOUT + marked
        self._note.setText(_OUTLINING if self.lasso.is_on else note)
        self._show_tool()

    def cleanup(self) -> None:
        """Disconnect: the dock is closing."""
        self.lasso.stop()
        self._listen(None)

    def _on_outline(self, on: bool) -> None:
        if not on:
            self.lasso.stop()
            return
        self.lasso.start(self._active_mask.mask)
        self.refresh()

    def _on_drawn(self, points: np.ndarray) -> None:
        """Mark the outlined region; its layer stays selected, so that Ctrl+Z undoes it."""
        active = self._active_mask
        if active.mask is None or active.disabled_reason:
            return
        marks, where = self._take_marks(), active.where
        marks.mode = "pan_zoom"
        plane = np.asarray(marks.data[where])
        change(marks, np.where(inside(points, plane.shape), 1, plane).astype(plane.dtype), where)
        self.refresh()

    def _take_marks(self) -> Labels:
        """Select the layer of the marks, creating it if needed."""
        mask = self._active_mask.mask
        marks = self._marks() or show_questionable(self._viewer, mask, None)
        marks.visible = True
        self._viewer.layers.selection.active = marks
        return marks

    def _listen(self, marks: Labels | None) -> None:
        """Follow the mode of the layer."""
        if marks == self._followed:
            return
        if self._followed is not None:
            self._followed.events.mode.disconnect(self._show_tool)
        self._followed = marks
        if marks is not None:
            marks.events.mode.connect(self._show_tool)

    def _show_tool(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        marks = self._followed
        marking = marks is not None and self._viewer.layers.selection.active == marks
        current = str(marks.mode) if marks is not None and marking else ""
        for mode, button in self._tools.items():
            button.setChecked(mode == current)

    def _marks(self) -> Labels | None:
        mask = self._active_mask.mask
        return None if mask is None else linked_layer(self._viewer, mask, LinkKind.QUESTIONABLE)
