"""Outline masks under a map so that it stays visible, and emphasise the explained class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.results import MaskInfo

_THIN, _WIDE = 1, 2  # px of the mask; vessels may be as narrow as a wide outline
_FAINT = 0.3  # opacity factor of the other classes


@dataclass
class _Tint:
    """Colour maps of a mask before and after the change."""

    before: DirectLabelColormap
    after: DirectLabelColormap
    value: int


class Outlines:
    """Outlines masks, and restores them when the map is removed."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._outlined: list[Labels] = []
        self._tinted: dict[Labels, _Tint] = {}

    def show(self, image: str, value: int) -> None:
        """Outline the masks of an image, with all classes but one faint."""
        for mask in self._viewer.layers:
            known = mask.metadata.get(KEY)
            if not isinstance(known, MaskInfo) or known.image != image:
                continue
            if mask not in self._outlined and not mask.contour:
                mask.contour = _WIDE if known.scheme.surfaces else _THIN
                self._outlined.append(mask)
            if mask in self._outlined:
                self._tint(mask, value)

    def restore(self) -> None:
        """Restore the masks, except for what the user changed meanwhile."""
        for mask in self._outlined:
            if mask.contour in (_THIN, _WIDE):
                mask.contour = 0
            self._clear(mask)
        self._outlined = []

    def _tint(self, mask: Labels, value: int) -> None:
        look = self._tinted.get(mask)
        if look is not None and look.value == value and mask.colormap is look.after:
            return
        self._clear(mask)
        if not value:  # the background has no outline
            return
        before = mask.colormap
        faint = np.array([1, 1, 1, _FAINT])
        colors = {
            key: color if key in (value, None) else color * faint
            for key, color in before.color_dict.items()
        }
        mask.colormap = DirectLabelColormap(color_dict=colors)
        self._tinted[mask] = _Tint(before, mask.colormap, value)

    def _clear(self, mask: Labels) -> None:
        look = self._tinted.pop(mask, None)
        if look is not None and mask.colormap is look.after:  # the user has not changed it
            mask.colormap = look.before
