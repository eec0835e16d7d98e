"""Boundary tool: turns mouse gestures into edits of boundary lines and their display."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_retina_seg._napari.correct.boundary_gestures import (
    Draw,
    Gesture,
    LinePoint,
    Mode,
    Pull,
    Smooth,
    Snap,
    nearest,
)
from napari_retina_seg._napari.correct.boundary_mouse import NEAR
from napari_retina_seg._napari.correct.chosen_line import ChosenLine
from napari_retina_seg._napari.correct.drag_preview import DragPreview
from napari_retina_seg._napari.correct.line_view import LineView
from napari_retina_seg._napari.correct.mask_lines import MaskLines
from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.masks.edits import PlaneIndex
from napari_retina_seg.editing.boundaries import move
from napari_retina_seg.editing.open_places import (
    find_pushed_away,
    implausible_end,
    implausible_jump,
)
from napari_retina_seg.editing.snapping import polarity
from napari_retina_seg.imaging.surfaces import Heights
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.labels import LabelScheme

_SMOOTHER = 5  # reach of a pull, in sigmas of the smoothing Gaussian
_LEAST = 5  # columns of a stroke; what covers fewer was meant as a click
_GRABS = (Mode.PULL, Mode.SMOOTH)  # these act on the line under the mouse
_STROKES = (Mode.DRAW, Mode.SMOOTH)
_BEGIN = ("Begin and end on its course", "Press Esc, and begin on its course")
_MISSED = (
    f"No line is within {NEAR} px of the mouse: press nearer to one, or zoom in. Hold Space to move"
    " the image."
)


class BoundaryTool(QObject):
    """Edits the lines of one plane: handles the mouse, previews a gesture and applies it.

    Signals
    -------
    message : (str)
        A message for the user.
    refused : (str)
        Why a gesture was not applied.
    left : ()
        The user released the tool on the canvas.
    """

    message = Signal(str)
    refused = Signal(str)
    left = Signal()

    def __init__(self, gradient: Callable[[], Heights], chosen: ChosenLine) -> None:
        super().__init__()
        self._gradient = gradient  # of the image on the screen; raises RetinaSegError
        self._lines: MaskLines | None = None
        self._view: LineView | None = None
        self._live = DragPreview()
        self._where: PlaneIndex = ()
        self._heights: Heights = np.zeros((0, 0), np.float32)  # without the gesture
        self._gesture: Gesture | None = None
        self._wanted: Heights | None = None
        self._begun: LinePoint | None = None  # where a snapped segment begins
        self._begun_off = 0.0  # px from the line's course, as it was before the segment that ended
        self._goes_on = False  # from another segment
        self.mode: Mode | None = None
        self.reach = 0  # columns
        self.chosen = chosen
        chosen.changed.connect(self._on_chosen)

    @property
    def line(self) -> int:
        """The line that is acted on."""
        return self.chosen.index

    @property
    def scheme(self) -> LabelScheme:
        """Label scheme whose classes the lines separate."""
        return self._attached[0].mask.metadata[KEY].scheme

    @property
    def _attached(self) -> tuple[MaskLines, LineView]:
        """The lines, and their display."""
        if self._lines is None or self._view is None:
            raise RuntimeError("No lines are attached.")
        return self._lines, self._view

    @property
    def has_lines(self) -> bool:
        """Whether lines are attached and displayed."""
        return self._lines is not None

    def attach(self, lines: MaskLines, where: PlaneIndex, view: LineView) -> None:
        """Attach to the lines of a plane and show them."""
        if (lines, where) != (self._lines, self._where):
            self._drop()
        self._lines, self._where, self._view = lines, where, view
        self.refresh()

    def deactivate(self) -> None:
        """Detach and hide the lines."""
        self._drop()
        if self._view is not None:
            self._view.hide()
        self._lines = self._view = None

    def refresh(self) -> None:
        """Read the lines from the mask and show them."""
        if self._lines is None:
            return
        lines, view = self._attached
        self._heights = lines.at(self._where)
        view.place_on(lines.mask, self.scheme)
        self._show()

    def choose(self, line: int) -> None:
        """Choose a line."""
        if self._lines is not None:
            self.chosen.choose(line)

    def set_mode(self, mode: Mode | None) -> None:
        """Select a mode, or none."""
        self._drop()
        self.mode = mode
        if self._lines is not None:
            self._attached[1].hide_name()  # it named the other tool
            self._show()

    # Mouse events

    def hover(self, place: LinePoint, near: float, pos: tuple[float, float]) -> None:
        """Name the line that a press would act on at the mouse; preview a snapped segment."""
        if self._gesture is not None:
            self.drag(place, pos)
            return
        line = nearest(self._heights, place, near)
        if self.mode not in _GRABS:
            self._name_at(pos, line)
        elif line is None:
            self._attached[1].hide_name()
        else:
            if line != self.line:
                self.choose(line)
            self._name_at(pos)

    def press(self, place: LinePoint, near: float) -> bool:
        """Start a drag; nothing comes of one that misses the lines. False leaves it to napari."""
        if self.mode is Mode.SNAP or not self._is_inside(place):
            return False
        self.message.emit("")
        if self.mode in _GRABS:
            line = nearest(self._heights, place, near)
            if line is None:
                self.refused.emit(_MISSED)
                return True
            self.choose(line)
        self._begin(place)
        return True

    def drag(self, place: LinePoint, pos: tuple[float, float] | None = None) -> None:
        """Preview the gesture."""
        if self._gesture is None:
            return
        self._wanted = self._gesture.to(place)
        self._show()
        if pos is not None:
            self._name_at(pos)

    def release(self, *, forced: bool = False) -> None:
        """Apply the previewed gesture, unless it was cancelled meanwhile.

        Parameters
        ----------
        forced : bool
            Apply it even if a line then jumps.
        """
        wanted = self._wanted
        if wanted is None:
            return
        columns = int(np.count_nonzero(~np.isnan(wanted)))
        if self.mode in _STROKES and columns < min(_LEAST, len(wanted)):
            self._refuse(self._only_click())
            return
        reason = "" if forced else self._jump(wanted)
        if reason:
            self._refuse(reason)
            return
        self._apply(wanted)

    def click(self, place: LinePoint, near: float, *, forced: bool = False) -> None:
        """Choose the line that was clicked on; snap to the place, which begins the next segment."""
        if self.mode is not Mode.SNAP:
            self._click_with_drag_tool(place, near)
            return
        if not self._is_inside(place):
            return
        self.message.emit("")
        if self._gesture is not None:
            off, wanted = self._off_course(place), self._gesture.to(place)
            reason = self._jump(wanted) or self._displaces(wanted, place, off, near)
            if reason and not forced:
                self._refuse(reason)  # it still begins where it did
                return
            self._apply(wanted)
            self._goes_on = True
        else:
            self._choose_at(place, near)
            off = self._off_course(place)
            self._goes_on = False
        try:
            self._begin(place)
            self._begun_off = off
        except RetinaSegError as error:
            self.refused.emit(str(error))
            return
        self._attached[1].show_spot(place)

    def leave(self) -> None:
        """Cancel the gesture; without one, release the tool."""
        if self._gesture is not None:
            self._drop()
            self._show()
        else:
            self.left.emit()

    def _click_with_drag_tool(self, place: LinePoint, near: float) -> None:
        began = self._gesture is not None
        self._drop()
        self._show()
        if not began:  # the press has missed
            return
        if self.mode in _STROKES and not self._choose_at(place, near):
            self.refused.emit(self._only_click())

    def _choose_at(self, place: LinePoint, near: float) -> bool:
        """Choose the line at a place; return whether it is another one."""
        line = nearest(self._heights, place, near)
        if line is None or line == self.line:
            return False
        self.choose(line)
        self.message.emit(f"{self.chosen.name} is chosen now.")
        return True

    def _begin(self, place: LinePoint) -> None:
        row = self._heights[self.line]
        if self.mode is Mode.PULL:
            self._gesture = Pull(row, place, self.reach)
        elif self.mode is Mode.DRAW:
            self._gesture = Draw(row, place)
        elif self.mode is Mode.SMOOTH:
            self._gesture = Smooth(row, place, max(1.0, self.reach / _SMOOTHER))
        else:
            sign = polarity(self.scheme.surfaces[self.line].name)
            self._gesture = Snap(place, self._gradient(), sign)
            self._begun = place

    def _apply(self, wanted: Heights) -> None:
        lines, _ = self._attached
        self._wanted = self._gesture = None
        try:
            done = lines.edit(
                self._where, lambda heights: move(heights, self.line, wanted, lines.rows)
            )
        except RetinaSegError as error:
            self.refused.emit(str(error))
        else:
            self.message.emit(f"{done.kept} px of locked classes were kept." if done.kept else "")
        self._live.clear()
        self.refresh()

    def _refuse(self, reason: str) -> None:
        """Give a gesture up, but keep the beginning of a snapped segment."""
        self._wanted = None
        if self.mode is not Mode.SNAP:
            self._gesture = None
        self._live.clear()
        self._show()
        self.refused.emit(reason)

    def _jump(self, wanted: Heights) -> str:
        """Return why a gesture makes a line jump; empty if it does not."""
        rows = self._attached[0].rows
        before, after = self._heights, move(self._heights, self.line, wanted, rows)
        moved = np.flatnonzero(~np.isnan(wanted))
        if self.mode is Mode.SNAP and moved.size and self._begun is not None:
            # Where a snapped segment ends, the next one goes on.
            start = int(np.clip(round(self._begun[0]), 0, len(wanted) - 1))
            forward = moved[-1] - start >= start - moved[0]
            part = slice(0, int(moved[-1]) + 1) if forward else slice(int(moved[0]), None)
            before, after = before[:, part], after[:, part]
            first = part.start or 0
        else:
            first = 0
        found = implausible_jump(before, after, rows)
        if found is None:
            return ""
        line, column = found
        size = abs(float(after[line, column + 1] - after[line, column]))
        return (
            f"Not changed: {self.chosen.names[line]} would jump by {size:.0f} px at column"
            f" {column + first}. {_BEGIN[self.mode is Mode.SNAP]}, or hold Shift to keep the jump."
        )

    def _off_course(self, place: LinePoint) -> float:
        """Return how far a place is from the chosen line, in px; NaN where there is no line."""
        column = int(np.clip(round(place[0]), 0, self._heights.shape[1] - 1))
        return float(place[1] - self._heights[self.line, column])

    def _displaces(self, wanted: Heights, place: LinePoint, off: float, near: float) -> str:
        """Return why a snapped segment would displace the line or a layer; empty if it does not."""
        rows, start = self._attached[0].rows, self._begun_off
        if implausible_end(self._heights, rows, start, off, goes_on=self._goes_on):
            what = f"{self.chosen.name} would leave its course by {abs(off - start):.0f} px"
        else:
            after = move(self._heights, self.line, wanted, rows)
            pushed = find_pushed_away(self._heights, after, rows)
            if pushed is None:
                return ""
            layer, columns = pushed
            name = self.scheme.classes[layer + 1].abbreviation
            what = f"{name} would vanish in {columns} columns"
        other = nearest(self._heights, place, near)
        there = ""
        if other is not None and other != self.line:
            there = f" To move {self.chosen.names[other]} instead, press Esc first."
        return (
            f"Not changed: {what}. Click nearer to its course, or hold Shift if it belongs"
            f" there.{there}"
        )

    def _only_click(self) -> str:
        return f"That was a click: drag along {self.chosen.name} over at least {_LEAST} columns."

    def _drop(self) -> None:
        self._gesture = self._wanted = self._begun = None
        self._live.clear()
        if self._view is not None:
            self._view.show_spot(None)

    def _on_chosen(self) -> None:
        self._drop()
        if self._lines is not None and len(self._heights) == len(self.chosen.names):
            self._show()

    def _name_at(self, pos: tuple[float, float], other: int | None = None) -> None:
        """Name tool and line at the mouse, and another line that a click there would choose."""
        if self.mode is None:
            return
        words = f"{self.mode.value} {self.chosen.name}"
        if other is not None and other != self.line:
            words += f" · click to take {self.chosen.names[other]}"
        self._attached[1].show_name(words, self.chosen.color, pos)

    def _show(self) -> None:
        heights, (lines, view) = self._heights, self._attached
        if self._wanted is not None:
            heights = move(heights, self.line, self._wanted, lines.rows)
            self._live.show(lines.mask, self._where, self._heights, heights)
        view.show(heights, self.line)

    def _is_inside(self, place: LinePoint) -> bool:
        (column, row), rows = place, self._attached[0].rows
        return -0.5 <= column < self._heights.shape[1] - 0.5 and 0 <= row < rows
