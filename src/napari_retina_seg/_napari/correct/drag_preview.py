"""A mask on the screen as lines that are being dragged would draw it."""

from __future__ import annotations

import numpy as np
from napari.layers import Labels

from napari_retina_seg._napari.correct.mask_lines import moved_columns
from napari_retina_seg._napari.masks.edits import Where, is_locked
from napari_retina_seg.core.lines import draw
from napari_retina_seg.core.surfaces import Heights

_AS_DRAWN = 2  # bytes of a class value, up to which napari draws values as they are


class DragPreview:
    """Shows what a gesture would draw; the mask itself is changed when the gesture ends.

    Only the canvas is told, as napari tells it of a stroke under way, and only of the columns that
    move: undo, autosave and whoever else reads the mask see nothing half done.
    """

    def __init__(self) -> None:
        self._mask: Labels | None = None
        self._shown: tuple[int, int] | None = None  # columns that look otherwise than they are

    def show(self, mask: Labels, where: Where, before: Heights, after: Heights) -> None:
        """Show the plane of a mask with other lines.

        Parameters
        ----------
        mask : Labels
            Whose plane is on the screen.
        where : tuple of int
            The plane.
        before, after : array
            ``(boundaries, columns)`` in px: the lines as they are, and as they would be.
        """
        if mask.contour or mask.data.dtype.itemsize > _AS_DRAWN:
            return  # the canvas shows something else than class values
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
        """Show the mask as it is."""
        mask, shown, self._mask, self._shown = self._mask, self._shown, None, None
        if shown is not None:
            mask.refresh(thumbnail=False, highlight=False, extent=False)
