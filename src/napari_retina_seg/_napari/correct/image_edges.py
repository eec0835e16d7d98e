"""Edges of the current image plane, for lines to snap to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Image

from napari_retina_seg._napari.layers import finest, is_beside, position
from napari_retina_seg.editing.snapping import vertical_gradient
from napari_retina_seg.imaging.surfaces import Heights
from napari_retina_seg.types.errors import ImageError


class ImageEdges:
    """Caches the gradient of one plane, as many segments are drawn on the same scan."""

    def __init__(self) -> None:
        self._of: tuple[Any, ...] = ()
        self._gradient: Heights | None = None

    def find(
        self, image: Image | None, point: Sequence[float], units: Sequence[Any], mask: str
    ) -> Heights:
        """Return the vertical gradient of the slice on the screen; see `editing.snapping`.

        Parameters
        ----------
        image : Image or None
            Image on the grid of the mask.
        point : sequence of float
            Position of the viewer's sliders, in `units`.
        mask : str
            Name of the mask.

        Raises
        ------
        ImageError
            If there is no image, or no slice of it on the screen.
        """
        if image is None or is_beside(image, point, units):
            raise ImageError(
                f"There is no image under '{mask}' to snap to: open its image, or use Redraw."
            )
        at = position(image, point, units)
        place = (*at.leading, at.index) if image.ndim > 2 else ()
        key = (id(image.data), place)
        if key != self._of:
            plane = np.asarray(finest(image)[place], np.float32)
            self._gradient = vertical_gradient(plane[..., :3].mean(axis=-1) if image.rgb else plane)
            self._of = key
        return self._gradient
