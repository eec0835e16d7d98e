"""Boundary lines in the Correct dock: show, pull, redraw, snap and smooth them."""

from __future__ import annotations

import napari
from napari.layers import Labels
from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QGridLayout,
    QPushButton,
    QSpinBox,
    QWidget,
)

from napari_retina_seg._napari.canvas import find_canvas, focus_canvas
from napari_retina_seg._napari.correct.between_scans import BetweenScans
from napari_retina_seg._napari.correct.boundary_gestures import ImageEdges, Mode
from napari_retina_seg._napari.correct.boundary_mouse import BoundaryMouse
from napari_retina_seg._napari.correct.boundary_tool import BoundaryTool
from napari_retina_seg._napari.correct.chosen_line import ChosenLine
from napari_retina_seg._napari.correct.line_view import LineView
from napari_retina_seg._napari.correct.mask_lines import MaskLines
from napari_retina_seg._napari.job import JobResult
from napari_retina_seg._napari.layers import KEY, unwrap_proxy
from napari_retina_seg._napari.masks.active_mask import ActiveMask
from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.widgets import StatusLine, add_row, combo_box, stack, text
from napari_retina_seg.imaging.surfaces import Heights
from napari_retina_seg.types.labels import LabelScheme

_REACH = "correct/reach"
_DEFAULT_REACH = 40  # columns
_LINES = 4  # of the hint
_SOON = 30  # ms; strokes come faster than lines need to be updated
_MODES = {
    Mode.PULL: ("Drag a line: it moves near the mouse and pushes its neighbours.", "D"),
    Mode.DRAW: ("Drag along the new course of the chosen line.", "A"),
    Mode.SNAP: (
        "Click on the course of the chosen line, and again further on: between the clicks the line"
        " follows the edge.",
        "S",
    ),
    Mode.SMOOTH: ("Drag along a line to smooth that segment.", "Q"),
}
_CURSORS = {Mode.PULL: "pointing", Mode.SMOOTH: "pointing", Mode.DRAW: "cross", Mode.SNAP: "cross"}
_ANYWHERE = " Esc puts the tool down; hold Space to move the image."


class LinesTool(QWidget):
    """Controls for the lines of the current mask; disabled, with a reason, if it has none.

    Signals
    -------
    taken : ()
        A line tool was selected: other mouse tools should be deactivated.
    """

    taken = Signal()

    def __init__(
        self, viewer: napari.Viewer, active: ActiveMask, status: StatusLine | None = None
    ) -> None:
        super().__init__()
        self._viewer = viewer
        self._settings = Settings()
        self._mask: Labels | None = None
        self._lines: MaskLines | None = None
        self._view: LineView | None = None
        self._waiting: Mode | None = None  # mode to restore once there are lines
        self._edges = ImageEdges()
        self._active_mask = active
        self.chosen = ChosenLine()
        self.tool = BoundaryTool(self._gradient, self.chosen)
        self._mouse = BoundaryMouse(viewer, self.tool)
        self._soon = QTimer(self, singleShot=True, interval=_SOON)
        self.shown = QCheckBox("Show lines")
        self.shown.setChecked(True)
        self.shown.setToolTip("Show the boundaries over the B-scan (H).")
        self.line = combo_box()
        self.line.setToolTip(
            "The line that Redraw and Snap act on, drawn thicker (Shift+Up, Shift+Down). A click on"
            " another line chooses that one."
        )
        self.buttons = {mode: QPushButton(mode.value) for mode in Mode}
        self.reach = QSpinBox()
        self._has_status = status is None  # a dock has one of its own
        self.hint, self.status = text(), StatusLine() if status is None else status
        self.between = BetweenScans(viewer)
        self._lay_out()
        self._connect()
        self.refresh()
        self._soon.start()  # by then the dock is in a window with a canvas

    # User actions

    def take(self, mode: Mode | str) -> None:
        """Toggle a mode, given by its button's label."""
        mode = Mode(mode)
        if self.disabled_reason():
            self.refresh()
            return
        self._set_mode(None if self.tool.mode is mode else mode)

    def deactivate(self) -> None:
        """Deactivate the line tool."""
        self._set_mode(None)

    @property
    def is_on(self) -> bool:
        """Whether a line tool is in the hand."""
        return self.tool.mode is not None

    def step(self, lines: int) -> None:
        """Select the line so many below, or above if negative."""
        if not self.disabled_reason():
            self.chosen.choose(self.chosen.index + lines)

    def toggle(self) -> None:
        """Show or hide the lines."""
        self.shown.setChecked(not self.shown.isChecked())

    # Called by the dock

    def attach(self, mask_layer: Labels | None) -> None:
        """Attach to the lines of a mask."""
        if mask_layer == self._mask:
            self.refresh()
            return
        if self._mask is not None:
            self.deactivate()  # a drag over the next mask must not change it unasked
        self._mask = mask_layer
        has_lines = mask_layer is not None and self._scheme is not None and self._scheme.surfaces
        self._lines = MaskLines(mask_layer) if has_lines else None
        self.chosen.offer(self._scheme if has_lines else None)
        self._interrupt()
        self.refresh()

    def cleanup(self) -> None:
        """Clean up canvas and viewer: the dock is closing."""
        self._soon.stop()
        self.between.work.abandon()
        self.attach(None)
        if self._view is not None:
            self._view.remove()
            self._view = None

    def disabled_reason(self) -> str:
        """Return why no line can be edited; empty if one can."""
        if self._mask is None or self._mask not in self._viewer.layers:
            return "Select a mask to see its lines."
        if self._lines is None:
            name = "" if self._scheme is None else f" of '{self._scheme.name}'"
            return f"The classes{name} are not layers: there are no boundaries to edit."
        if self._active_mask.mask != self._mask:
            return "Select the mask to see its lines."
        return self._active_mask.disabled_reason

    def refresh(self) -> None:
        """Show the mask's current lines; disable what is not possible, with the reason."""
        reason = self.disabled_reason()
        if reason:
            self._interrupt()
        self._show_lines(reason)
        for widget in (self.line, self.reach, *self.buttons.values()):
            widget.setEnabled(not reason)
        for mode, button in self.buttons.items():
            tip, key = _MODES[mode]
            button.setToolTip(qt_text(reason) or f"{tip} Key: {key}.")
            button.setChecked(self.tool.mode is mode)
        chosen = self.tool.mode
        self.hint.setText(reason or (_MODES[chosen][0] + _ANYWHERE if chosen else ""))
        self.hint.setVisible(bool(self.hint.text()))
        lines = self._lines
        volume = lines is not None and lines.mask.ndim > 2 and not reason
        index = self._active_mask.where[-1] if volume else 0
        self.between.attach(lines if volume else None, index)
        if self._waiting is not None and not reason and self.tool.has_lines:
            self._set_mode(self._waiting)

    # Layout and signals

    @property
    def _scheme(self) -> LabelScheme | None:
        info = None if self._mask is None else self._mask.metadata.get(KEY)
        return getattr(info, "scheme", None)

    def _lay_out(self) -> None:
        self.reach.setRange(0, 1000)
        self.reach.setSuffix(" px to each side")
        self.reach.setValue(int(self._settings.number(_REACH, _DEFAULT_REACH)))
        self.reach.setToolTip(
            "How much of a line moves when you pull it: so many pixels to the left and right of the"
            " mouse, ever less with the distance. The larger, the stronger Smooth is, too."
        )
        form = QFormLayout()
        add_row(form, "Line", self.line)
        add_row(form, "Pull moves", self.reach)
        grid = QGridLayout()
        grid.setSpacing(3)
        for number, button in enumerate(self.buttons.values()):
            button.setCheckable(True)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # keys stay with the canvas
            grid.addWidget(button, number // 2, number % 2)
        policy = self.hint.sizePolicy()
        policy.setRetainSizeWhenHidden(True)  # what is below must not jump
        self.hint.setSizePolicy(policy)
        self.hint.setMinimumHeight(_LINES * self.fontMetrics().height())
        own = [self.status] if self._has_status else []
        self.setLayout(stack(self.shown, grid, form, *own, self.hint, self.between))
        self.status.show_message("")

    def _connect(self) -> None:
        for mode, button in self.buttons.items():
            button.clicked.connect(lambda _, mode=mode: self.take(mode))
        self.line.activated.connect(self._on_box)
        self.chosen.changed.connect(self._show_chosen)
        self.reach.valueChanged.connect(self._on_reach)
        self.shown.toggled.connect(self._on_shown)
        self.tool.message.connect(self.status.show_message)
        self.tool.refused.connect(self.status.warn)
        self.tool.left.connect(self.deactivate)
        self.between.done.connect(self._on_interpolated)
        self._active_mask.subscribe(
            changed=self.refresh, moved=self.refresh, painted=self._on_painted
        )
        self._soon.timeout.connect(self.refresh)
        self._on_reach(self.reach.value())

    def _show_chosen(self) -> None:
        """Offer the lines in the box, and show there which one is chosen."""
        names, colors = self.chosen.names, self.chosen.colors
        if names != tuple(self.line.itemText(row) for row in range(self.line.count())):
            self.line.clear()
            for name, color in zip(names, colors, strict=True):
                swatch = QPixmap(14, 14)
                swatch.fill(QColor(color))
                self.line.addItem(QIcon(swatch), name)
        self.line.setCurrentIndex(self.chosen.index if names else -1)

    def _interrupt(self) -> None:
        """Deactivate the tool until the lines of this mask can be edited again."""
        if self.tool.mode is not None:
            self._waiting = self.tool.mode
            self._mouse.stop()
            self.tool.set_mode(None)

    def _set_mode(self, mode: Mode | None) -> None:
        self._waiting = None
        self._mouse.stop()
        if (mode, self.tool.mode) != (None, None):  # the message is about a line tool
            self.status.show_message("")
        self.tool.set_mode(mode)
        canvas = find_canvas(self)
        if mode is not None and canvas is not None:
            self.taken.emit()
            self.shown.setChecked(True)
            self._mouse.listen(unwrap_proxy(self._mask), canvas.native, _CURSORS[mode])
            focus_canvas(self)
        self.refresh()

    def _show_lines(self, reason: str) -> None:
        canvas = find_canvas(self)
        if reason or self._lines is None or canvas is None or not self.shown.isChecked():
            self.tool.deactivate()
            return
        visual = canvas.layer_to_visual.get(unwrap_proxy(self._mask))
        if visual is None or visual.node.parent is None:  # still being added
            self._soon.start()
            return
        if self._view is None:
            self._view = LineView(canvas)
        self.tool.attach(self._lines, self._active_mask.where, self._view)

    def _gradient(self) -> Heights:
        viewer = self._viewer
        image, units = self._active_mask.image, viewer.layers.extent.units
        return self._edges.find(image, viewer.dims.point, units, self._active_mask.labels.name)

    # Signal handlers

    def _on_shown(self, on: bool) -> None:
        if on:
            self.refresh()
        else:
            self.deactivate()  # hidden lines must not be edited

    def _on_box(self, index: int) -> None:
        self.chosen.choose(index)
        focus_canvas(self)  # where the line is, and the keys work

    def _on_reach(self, columns: int) -> None:
        self.tool.reach = columns
        self._settings.remember_number(_REACH, columns)

    def _on_painted(self) -> None:
        if self._lines is not None and not self._soon.isActive():
            self._soon.start()

    def _on_interpolated(self, outcome: JobResult) -> None:
        self.status.show_result(outcome.status, outcome.message)
        self.refresh()
