"""Preview of a gesture on the canvas, before the mask is changed."""

from __future__ import annotations

import numpy as np
from napari.layers import Labels

from napari_retina_seg._napari.correct.mask_lines import moved_columns
from napari_retina_seg._napari.masks.edits import PlaneIndex, is_locked
from napari_retina_seg.editing.consistency import draw
from napari_retina_seg.imaging.surfaces import Heights

_AS_DRAWN = 2  # bytes per label, up to which napari uploads labels unchanged


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
