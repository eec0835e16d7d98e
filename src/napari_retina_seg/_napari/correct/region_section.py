"""Region tools for a class: small objects, small holes, lasso, dilation and erosion."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QPushButton, QSpinBox, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from napari_retina_seg._napari.correct.lasso import Lasso
from napari_retina_seg._napari.correct.preview import Plan, Preview
from napari_retina_seg._napari.correct.result_text import describe_change
from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.masks.active_mask import ActiveMask
from napari_retina_seg._napari.masks.edits import change, locked
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.widgets import text
from napari_retina_seg.editing.regions import dilate, erode, inside, small_holes, small_objects

# Keys of earlier versions, which settings were saved under.
_SMALL_OBJECTS, _SMALL_HOLES, _BY = "correct/specks", "correct/pinholes", "correct/grow"
_LASSO_OFF, _LASSO_ON = "Delete inside a lasso", "Cancel the lasso"
_ON_ALL = " on all slices"
_LASSO_HINT = "Drag around a region. Only the chosen class is deleted in it."

Make = Callable[[np.ndarray, int], np.ndarray]  # from labels and a class to other labels


class RegionSection(QWidget):
    """Acts on the chosen class, on the current slice or on all.

    Signals
    -------
    reported : (JobStatus, str)
        A result message.
    """

    reported = Signal(object, str)

    def __init__(
        self, viewer: napari.Viewer, active: ActiveMask, preview: Preview, settings: Settings
    ) -> None:
        super().__init__()
        self._active_mask, self._preview = active, preview
        self.lasso = Lasso(viewer)
        self.object_size, self.hole_size = _size(30, 100_000), _size(20, 100_000)
        self.by = _size(1, 50)
        self._settings, self._scheme = settings, ""
        self.small_objects_button = QPushButton("Remove small objects")
        self.small_holes_button = QPushButton("Fill small holes")
        self.dilate_button = QPushButton("Dilate")
        self.erode_button = QPushButton("Erode")
        self.lasso_button = QPushButton(_LASSO_OFF)
        self.lasso_button.setCheckable(True)
        self.every_slice = QCheckBox("On all slices")
        self._shown: tuple[str, Plan] | None = None  # last preview
        self._note = text()
        self._lay_out()
        self._connect()

    def refresh(self) -> None:
        """Update controls and note for the current mask, class and plane."""
        reason = self._disabled_reason()
        self._recall_sizes()
        for widget in (
            *(
                self.small_objects_button,
                self.object_size,
                self.small_holes_button,
                self.hole_size,
            ),
            *(self.dilate_button, self.erode_button, self.by, self.lasso_button),
        ):
            widget.setEnabled(not reason)
        self.every_slice.setVisible(self._slices > 1)
        self.every_slice.setEnabled(not reason)
        self._note.setText(reason or self._about())

    @property
    def _sizes(self) -> dict[str, tuple[QSpinBox, int]]:
        """The sizes and their defaults, by the key of settings."""
        return {
            _SMALL_OBJECTS: (self.object_size, 30),
            _SMALL_HOLES: (self.hole_size, 20),
            _BY: (self.by, 1),
        }

    def _recall_sizes(self) -> None:
        """Set the sizes last used with masks of these classes: a speck in OCT is no vessel."""
        mask = self._active_mask.mask
        scheme = self._scheme if mask is None else self._active_mask.scheme.name
        if scheme == self._scheme:
            return
        self._scheme = scheme
        for key, (box, default) in self._sizes.items():
            with signals_blocked(box):
                box.setValue(int(self._settings.number(f"{key}/{scheme}", default)))

    def _remember(self, key: str, value: int) -> None:
        if self._scheme:
            self._settings.remember_number(f"{key}/{self._scheme}", value)

    def cleanup(self) -> None:
        """Remove the lasso: the dock is closing."""
        self.lasso.stop()

    def _lay_out(self) -> None:
        self.small_objects_button.setToolTip(
            "Preview, then remove objects smaller than this many pixels."
        )
        self.small_holes_button.setToolTip(
            "Preview, then fill holes smaller than this many pixels."
        )
        self.dilate_button.setToolTip("Dilate the chosen class by this many pixels.")
        self.erode_button.setToolTip(
            "Erode the chosen class by this many pixels; its neighbours fill the gap."
        )
        self.every_slice.setToolTip(
            "Small objects, small holes, Dilate and Erode act on the whole volume as one undo step,"
            " after a preview. The lasso acts on the current slice."
        )
        self.lasso_button.setToolTip(
            "Draw an outline: the chosen class is deleted inside it on the current slice."
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._note)
        layout.addWidget(self.every_slice)
        for widgets in (
            (self.small_objects_button, self.object_size),
            (self.small_holes_button, self.hole_size),
            (self.dilate_button, self.erode_button, self.by),
        ):
            row = QHBoxLayout()
            for widget in widgets:
                row.addWidget(widget, 1)
            layout.addLayout(row)
        layout.addWidget(self.lasso_button)

    def _connect(self) -> None:
        for key, (box, _) in self._sizes.items():
            box.valueChanged.connect(partial(self._remember, key))
        self.small_objects_button.clicked.connect(self._preview_small_objects)
        self.object_size.valueChanged.connect(self._preview_small_objects)
        self.small_holes_button.clicked.connect(self._preview_small_holes)
        self.hole_size.valueChanged.connect(self._preview_small_holes)
        self.dilate_button.clicked.connect(lambda: self._widen("was dilated", dilate))
        self.erode_button.clicked.connect(lambda: self._widen("was eroded", erode))
        self.every_slice.toggled.connect(self._on_every_slice)
        self.lasso_button.clicked.connect(self._on_lasso)
        self.lasso.drawn.connect(self._on_drawn)
        self.lasso.ended.connect(self._show_lasso)
        self.lasso.refused.connect(self._note.setText)

    def _disabled_reason(self) -> str:
        """Return why the tools are disabled; empty if they are enabled."""
        active = self._active_mask
        if active.class_disabled_reason:
            return active.class_disabled_reason
        if active.value in locked(active.mask):
            return f"{self._name()} is locked: unlock it, or choose another class."
        return ""

    def _name(self) -> str:
        return self._active_mask.scheme.classes[self._active_mask.value or 0].abbreviation

    @property
    def _slices(self) -> int:
        mask = self._active_mask.mask
        return 1 if mask is None or mask.ndim < 3 else mask.data.shape[-3]

    @property
    def _acts_on_all(self) -> bool:
        return self._slices > 1 and self.every_slice.isChecked()

    def _about(self) -> str:
        """Describe what the tools act on."""
        if self._acts_on_all:
            description = f"Acts on {self._name()} on all {self._slices} slices"
            return f"{description}; the lasso on this slice only."
        return f"Acts on {self._name()}{' on this slice' if self._slices > 1 else ''}."

    def _preview_small_objects(self, size: int = 0) -> None:  # noqa: ARG002 - passed by Qt
        limit = self.object_size.value()
        self._show(
            f"Objects below {limit} px were removed",
            lambda labels, value: np.where(small_objects(labels == value, limit), 0, labels),
        )

    def _preview_small_holes(self, size: int = 0) -> None:  # noqa: ARG002 - passed by Qt
        limit = self.hole_size.value()
        self._show(
            f"Holes below {limit} px were filled",
            lambda labels, value: np.where(small_holes(labels == value, limit), value, labels),
        )

    def _show(self, what: str, make: Make) -> None:
        """Preview new labels of the chosen class."""
        value = self._active_mask.value
        if value is None or self._disabled_reason():
            return
        self._show_plan(what, lambda labels: make(labels, value).astype(labels.dtype))

    def _show_plan(self, what: str, plan: Plan) -> None:
        every = self._acts_on_all
        self._shown = what, plan
        self._preview.show_plan(what + (_ON_ALL if every else ""), plan, every_slice=every)

    def _on_every_slice(self) -> None:
        """Repeat the last preview, of the same class, on all slices or one."""
        self.refresh()
        if self._shown is not None and self._preview.what.removesuffix(_ON_ALL) == self._shown[0]:
            self._show_plan(*self._shown)

    def _widen(self, what: str, make: Callable[..., Any]) -> None:
        by, fixed, description = (
            self.by.value(),
            locked(self._active_mask.mask),
            f"{self._name()} {what}",
        )
        description += f" by {by} px"
        if self._acts_on_all:  # the other slices are not visible
            self._show(description, lambda labels, value: make(labels, value, by, fixed))
            return
        value = self._active_mask.value
        self._do(description, lambda labels: make(labels, value, by, fixed))

    def _do(self, what: str, plan: Plan) -> None:
        active = self._active_mask
        self._preview.cancel()
        done = change(active.mask, plan(active.plane), active.where)
        self.reported.emit(JobStatus.SUCCEEDED, describe_change(what, done))

    def _on_lasso(self, on: bool) -> None:
        self._preview.cancel()
        if on:
            self.lasso.start(self._active_mask.mask)
            self._show_lasso()
            self._note.setText(_LASSO_HINT)
        else:
            self.lasso.stop()

    def _show_lasso(self) -> None:
        self.lasso_button.setChecked(self.lasso.is_on)
        self.lasso_button.setText(_LASSO_ON if self.lasso.is_on else _LASSO_OFF)
        self.refresh()

    def _on_drawn(self, points: np.ndarray) -> None:
        if self._disabled_reason():
            self.refresh()
            return
        value = self._active_mask.value

        def plan(labels: np.ndarray) -> np.ndarray:
            return np.where(inside(points, labels.shape) & (labels == value), 0, labels).astype(
                labels.dtype
            )

        self._do(f"{self._name()} inside the lasso was deleted", plan)


def _size(value: int, largest: int) -> QSpinBox:
    box = QSpinBox()
    box.setRange(1, largest)
    box.setSuffix(" px")
    box.setValue(value)
    return box
