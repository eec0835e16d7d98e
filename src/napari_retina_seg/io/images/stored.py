"""What a picture's file stores for each pixel, before it is made a picture or a mask."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.types.image import Spacing

_FULL = 255


@dataclass(frozen=True, eq=False)
class StoredPixels:
    """The stored values, turned upright; more is brighter, colours are red, green and blue.

    Attributes
    ----------
    values : array
        ``(rows, columns)`` or ``(slices, rows, columns)``: grey values, or indices of
        `palette`. With a last axis of 2 (grey and alpha), 3 or 4 (RGB and alpha) if `color`.
    color : bool
        Whether the last axis holds channels.
    palette : array or None
        ``(entries, 3 or 4)`` uint8: the colours that the values stand for.
    alpha : array or None
        Of the shape of `values`, uint8: how opaque the pixels of a palette are.
    white : int or None
        The value of white where it is not the dtype's largest and values are to be seen
        brighter than stored: 1 for two levels.
    spacing : Spacing
        Pixel sizes that the file states.
    warnings : tuple of str
        Sentences on what the file leaves in doubt.
    """

    values: npt.NDArray[Any]
    color: bool = False
    palette: npt.NDArray[np.uint8] | None = None
    alpha: npt.NDArray[np.uint8] | None = None
    white: int | None = None
    spacing: Spacing = field(default_factory=Spacing)
    warnings: tuple[str, ...] = ()

    def picture(self) -> tuple[npt.NDArray[Any], bool]:
        """Return the pixels as they are to be seen, and whether their last axis holds channels."""
        if self.palette is not None:
            return self._look_up(self.palette)
        if self.white is None:
            return self.values, self.color
        full = np.iinfo(self.values.dtype).max
        levels = np.round(np.arange(self.white + 1) * (full / self.white))
        return levels.astype(self.values.dtype)[self.values], self.color

    def _look_up(self, palette: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], bool]:
        used = palette[: int(self.values.max(initial=0)) + 1]
        opaque = palette.shape[1] == 3 or bool((used[:, 3] == _FULL).all())
        if opaque and self.alpha is None and (used[:, :3] == used[:, :1]).all():
            return palette[:, 0][self.values], False
        if self.alpha is not None:
            return np.concatenate([palette[self.values], self.alpha[..., np.newaxis]], -1), True
        return palette[:, : 3 if opaque else 4][self.values], True
