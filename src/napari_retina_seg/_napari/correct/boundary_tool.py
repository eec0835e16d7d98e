"""Boundary tool: turns mouse gestures into edits of boundary lines and their display."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from napari.layers import Labels
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
from napari_retina_seg._napari.correct.line_view import LineView, line_colors
from napari_retina_seg._napari.correct.mask_lines import MaskLines, moved_columns
from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.masks.edits import PlaneIndex, is_locked
from napari_retina_seg.editing.boundaries import move
from napari_retina_seg.editing.consistency import draw
from napari_retina_seg.editing.snapping import polarity
from napari_retina_seg.imaging.surfaces import Heights
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.labels import LabelScheme

_AS_DRAWN = 2  # bytes per label, up to which napari uploads labels unchanged
_SMOOTHER = 5  # reach of a pull, in sigmas of the smoothing Gaussian


class DragPreview:
    """Previews a gesture on the canvas; the mask is changed when the gesture ends.

    Only the canvas is updated, as napari does during a stroke, and only in the columns that move:
    undo, autosave and other readers of the mask never see an unfinished gesture.
    """

    def __init__(self) -> None:
        self._mask: Labels | None = None
        self._shown: tuple[int, int] | None = None  # columns that display the preview

    def show(self, mask: Labels, where: PlaneIndex, before: Heights, after: Heights) -> None:
        """Display the plane of a mask with new lines.

        Parameters
        ----------
        mask : Labels
            Mask of which the plane is displayed.
        where : tuple of int
            The plane.
        before, after : array
            ``(boundaries, columns)`` in px: current and new lines.
        """
        if mask.contour or mask.data.dtype.itemsize > _AS_DRAWN:
            return  # the canvas does not display plain labels
        moved = moved_columns(before, after)
        earlier, self._mask = self._shown, mask
        self._shown = (int(moved[0]), int(moved[-1]) + 1) if moved.size else None
        parts = [part for part in (earlier, self._shown) if part is not None]
        if not parts:
            return
        first, last = min(part[0] for part in parts), max(part[1] for part in parts)
        labels = np.array(mask.data[where][:, first:last])
        own = labels[:, moved - first]
        drawn = draw(after[:, moved], len(labels))
        labels[:, moved - first] = np.where(is_locked(mask, own), own, drawn)
        mask.events.labels_update(data=labels, offset=(0, first))

    def clear(self) -> None:
        """Display the mask itself again."""
        mask, shown, self._mask, self._shown = self._mask, self._shown, None, None
        if mask is not None and shown is not None:
            mask.refresh(thumbnail=False, highlight=False, extent=False)


class BoundaryTool(QObject):
    """Edits the lines of one plane: handles the mouse, previews a gesture and applies it.

    Signals
    -------
    chosen : ()
        Another line was selected.
    message : (str)
        A message for the user.
    left : ()
        The user released the tool on the canvas.
    """

    chosen = Signal()
    message = Signal(str)
    left = Signal()

    def __init__(self, gradient: Callable[[], Heights]) -> None:
        super().__init__()
        self._gradient = gradient  # of the image on the screen; raises RetinaSegError
        self._lines: MaskLines | None = None
        self._view: LineView | None = None
        self._live = DragPreview()
        self._where: PlaneIndex = ()
        self._heights: Heights = np.zeros((0, 0), np.float32)  # without the gesture
        self._gesture: Gesture | None = None
        self._wanted: Heights | None = None
        self.mode: Mode | None = None
        self.reach = 0  # columns
        self.line = 0

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
        self.line = min(self.line, len(self.scheme.surfaces) - 1)
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
        """Select a line."""
        if self._lines is None or not 0 <= line < len(self.scheme.surfaces):
            return
        self._drop()
        self.line = line
        self._show()
        self.chosen.emit()

    def set_mode(self, mode: Mode | None) -> None:
        """Select a mode, or none."""
        self._drop()
        self.mode = mode
        if self._lines is not None:
            self._show()

    # Mouse events

    def hover(self, place: LinePoint, near: float, pos: tuple[float, float]) -> None:
        """Mark and name the line under the mouse; preview a snapped segment."""
        _, view = self._attached
        if self._gesture is not None:
            view.hide_name()
            self.drag(place)
            return
        line = nearest(self._heights, place, near)
        if line is None:
            view.hide_name()
            return
        view.show_name(self.scheme.surfaces[line].name, line_colors(self.scheme)[line], pos)
        if line != self.line and self.mode in (Mode.PULL, Mode.SMOOTH):
            self.choose(line)

    def press(self, place: LinePoint, near: float) -> bool:
        """Start a drag; return False if the press is not on a line."""
        if self.mode is Mode.SNAP or not self._is_inside(place):
            return False
        if self.mode is not Mode.DRAW:
            line = nearest(self._heights, place, near)
            if line is None:
                return False
            self.choose(line)
        self._begin(place)
        self._attached[1].hide_name()
        self.drag(place)
        return True

    def drag(self, place: LinePoint) -> None:
        """Preview the gesture."""
        if self._gesture is not None:
            self._wanted = self._gesture.to(place)
            self._show()

    def release(self) -> None:
        """Apply the previewed gesture, unless it was cancelled meanwhile."""
        wanted, self._wanted, self._gesture = self._wanted, None, None
        if wanted is None:
            return
        lines, _ = self._attached
        try:
            done = lines.edit(
                self._where, lambda heights: move(heights, self.line, wanted, lines.rows)
            )
        except RetinaSegError as error:
            self.message.emit(str(error))
        else:
            self.message.emit(f"{done.kept} px of locked classes were kept." if done.kept else "")
        self._live.clear()
        self.refresh()

    def click(self, place: LinePoint, near: float) -> None:  # noqa: ARG002 - listener interface
        """Start a snapped segment, or apply it and start the next."""
        if self.mode is not Mode.SNAP or not self._is_inside(place):
            return
        if self._gesture is not None:
            self.drag(place)
            self.release()
        try:
            self._begin(place)
        except RetinaSegError as error:
            self.message.emit(str(error))
            return
        self._attached[1].show_spot(place)

    def leave(self) -> None:
        """Cancel the gesture; without one, release the tool."""
        if self._gesture is not None:
            self._drop()
            self._show()
        else:
            self.left.emit()

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

    def _drop(self) -> None:
        self._gesture = self._wanted = None
        self._live.clear()
        if self._view is not None:
            self._view.show_spot(None)

    def _show(self) -> None:
        heights, (lines, view) = self._heights, self._attached
        if self._wanted is not None:
            heights = move(heights, self.line, self._wanted, lines.rows)
            self._live.show(lines.mask, self._where, self._heights, heights)
        view.show(heights, self.line)

    def _is_inside(self, place: LinePoint) -> bool:
        (column, row), rows = place, self._attached[0].rows
        return -0.5 <= column < self._heights.shape[1] - 0.5 and 0 <= row < rows
