"""Boundary lines of a mask, kept consistent with its labels."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from napari.layers import Labels

from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.masks.edits import EditResult, PlaneIndex, change
from napari_retina_seg.editing.consistency import draw, reconcile
from napari_retina_seg.imaging.surfaces import Heights

_KEPT = 100  # earlier lines per plane, as many as napari's undo steps


class MaskLines:
    """Lines of a mask, plane by plane, stored in ``MaskInfo.boundaries``.

    The labels take precedence: what is painted, undone or redone updates the lines. Lines have
    sub-pixel positions, and undo restores those, not whole pixels.
    """

    def __init__(self, mask: Labels) -> None:
        self.mask = mask
        self._kept: Heights | None = None  # as stored in the mask
        self._now = self._read()
        self._earlier: dict[PlaneIndex, deque[Heights]] = defaultdict(lambda: deque(maxlen=_KEPT))

    @property
    def rows(self) -> int:
        """Rows of each plane."""
        return int(self.mask.data.shape[-2])

    def known(self) -> Heights:
        """Return a copy of the last known lines of all planes.

        Returns
        -------
        array
            float32 ``(…, boundaries, columns)`` in px, the leading axes those of the mask; NaN
            where none are known.
        """
        self._sync()
        return self._now.copy()

    def at(self, where: PlaneIndex) -> Heights:
        """Return the lines of a plane, ``(boundaries, columns)``, consistent with its labels."""
        self._sync()
        before, labels = self._now[where], np.asarray(self.mask.data[where])
        if not _draws(before, labels).all():
            self._set({where: reconcile(self._recall(where, before, labels), labels)})
            if self._kept is not None:  # lines that were only displayed are not stored
                self._keep()
        return self._now[where].copy()

    def edit(self, where: PlaneIndex, way: Callable[[Heights], Heights]) -> EditResult:
        """Edit the lines of a plane, and its labels with them, as one undo step.

        Parameters
        ----------
        where : tuple of int
            The plane.
        way : callable
            From the current lines to the new ones. Columns in which no line moves keep their
            labels.

        Raises
        ------
        RetinaSegError
            If the mask is read-only.
        """
        before = self.at(where)
        heights = way(before)
        columns = moved_columns(before, heights)
        if not columns.size:
            return EditResult(0, 0)
        labels = np.array(self.mask.data[where])
        labels[:, columns] = draw(heights[:, columns], self.rows)
        done = change(self.mask, labels, where)
        self._set({where: heights})
        self._keep()
        return done

    def put_scans(
        self, leading: PlaneIndex, scans: dict[int, tuple[Heights, np.ndarray]]
    ) -> EditResult:
        """Replace lines and labels of several scans of a volume as one undo step.

        Raises
        ------
        RetinaSegError
            If the mask is read-only.
        """
        first, last = min(scans), max(scans)
        where = (*leading, slice(first, last + 1))  # not the whole volume, for speed
        block = np.array(self.mask.data[where])
        for index, (_, labels) in scans.items():
            block[index - first] = labels
        done = change(self.mask, block, where)
        self._set({(*leading, index): lines for index, (lines, _) in scans.items()})
        self._keep()
        return done

    def _sync(self) -> None:
        """Read lines that other code has stored in the mask."""
        if self.mask.metadata[KEY].boundaries is not self._kept:
            self._now = self._read()

    def _read(self) -> Heights:
        info, shape = self.mask.metadata[KEY], self.mask.data.shape
        lines = np.full((*shape[:-2], len(info.scheme.surfaces), shape[-1]), np.nan, np.float32)
        self._kept = kept = info.boundaries
        if kept is not None and kept.size == lines.size:
            lines[...] = kept.reshape(lines.shape)
        elif kept is not None and info.index is not None and kept.shape == lines.shape[-2:]:
            lines[..., info.index, :, :] = kept
        return lines

    def _set(self, changed: dict[PlaneIndex, Heights]) -> None:
        for where, heights in changed.items():
            self._earlier[where].append(self._now[where].copy())
            self._now[where] = heights

    def _keep(self) -> None:
        lines = self._now.copy()
        while lines.ndim > 3 and len(lines) == 1:
            lines = lines[0]  # drop the viewer's extra axes
        self._kept = lines
        self.mask.metadata[KEY] = replace(self.mask.metadata[KEY], boundaries=lines)

    def _recall(self, where: PlaneIndex, heights: Heights, labels: np.ndarray) -> Heights:
        """Restore earlier lines that match the current labels, after undo or redo."""
        result = heights.copy()
        wrong = np.flatnonzero(~_draws(result, labels))
        for earlier in reversed(self._earlier[where]):
            if not wrong.size:
                break
            fits = _draws(earlier[:, wrong], labels[:, wrong])
            if fits.all() and _draws(earlier, labels).all():
                return earlier.copy()  # exact, including sub-pixel positions
            result[:, wrong[fits]] = earlier[:, wrong[fits]]
            wrong = wrong[~fits]
        return result


def moved_columns(before: Heights, after: Heights) -> np.ndarray:
    """Return the columns in which any line moved."""
    same = (before == after) | (np.isnan(before) & np.isnan(after))
    return np.flatnonzero(~same.all(axis=0))


def _draws(heights: Heights, labels: np.ndarray) -> np.ndarray:
    """Return for each column whether the lines reproduce the labels."""
    return (draw(heights, len(labels)) == labels).all(axis=0)
