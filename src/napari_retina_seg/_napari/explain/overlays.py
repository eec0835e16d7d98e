"""What shows with a map: a ring at the explained point, and the outlines of masks."""

from __future__ import annotations

from dataclasses import dataclass

import napari
import numpy as np
from napari.components import ViewerModel
from napari.components.overlays import SceneOverlay
from napari.layers import Image, Labels
from napari.utils.colormaps import DirectLabelColormap
from vispy.scene.visuals import Compound, Markers

from napari_retina_seg._napari._compat import draw_overlay
from napari_retina_seg._napari.layers import KEY, is_made_from
from napari_retina_seg._napari.masks.look import end_outline, outline_for_now
from napari_retina_seg._napari.results import MaskInfo

_NAME = "retina_seg_point"
_SIZE = 13  # px of the screen
_RINGS = (("black", 4.0), ("cyan", 2.0))  # visible on all maps, as in the panels
_THIN, _WIDE = 1, 2  # px of the mask; vessels may be as narrow as a wide outline
_FAINT = 0.3  # opacity factor of the other classes


class PointMark(SceneOverlay):
    """A point of the displayed plane.

    Attributes
    ----------
    position : tuple of float
        World coordinates along the two displayed axes.
    """

    position: tuple[float, float] = (0.0, 0.0)


class _Rings(Compound):
    def __init__(self) -> None:
        rings = [Markers(antialias=1) for _ in _RINGS]
        super().__init__(rings)
        self.unfreeze()
        self.rings = rings
        self.freeze()


def _place(node: _Rings, mark: PointMark) -> None:
    place = np.array([[*mark.position[::-1], 0]], np.float32)  # x, y, z
    for markers, (color, width) in zip(node.rings, _RINGS, strict=True):
        markers.set_data(
            place, size=_SIZE, face_color="transparent", edge_color=color, edge_width=width
        )


_CAN_DRAW = draw_overlay(PointMark, _Rings, _place)


class Mark:
    """Shows and hides the ring in a viewer."""

    def __init__(self, viewer: napari.Viewer) -> None:
        self._viewer = viewer
        self._world: tuple[float, ...] = ()

    def show(self, world: tuple[float, ...]) -> None:
        """Mark a point in world coordinates, if this napari can draw the ring."""
        if not _CAN_DRAW:
            return
        self._world = world
        if _NAME not in self._viewer.scene.overlays:
            self._viewer.scene.overlays[_NAME] = PointMark()
            self._connect(True)
        self._draw()

    def hide(self) -> None:
        """Remove the ring."""
        if _NAME in self._viewer.scene.overlays:
            self._connect(False)
            del self._viewer.scene.overlays[_NAME]

    def _connect(self, on: bool) -> None:
        events = self._viewer.dims.events
        for event in (events.order, events.ndisplay, events.ndim):
            (event.connect if on else event.disconnect)(self._draw)

    def _draw(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        """Place the ring on the displayed axes; a map of all classes has an extra leading axis."""
        dims, overlay = self._viewer.dims, self._viewer.scene.overlays[_NAME]
        shown = [axis - dims.ndim for axis in dims.displayed]
        overlay.visible = dims.ndisplay == 2 and min(shown) >= -len(self._world)
        if overlay.visible:
            overlay.position = tuple(self._world[axis] for axis in shown)


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

    def show(self, image: Image, value: int) -> None:
        """Outline the masks of an image, with all classes but one faint."""
        for mask in self._viewer.layers:
            known = mask.metadata.get(KEY)
            if not isinstance(known, MaskInfo) or not is_made_from(mask, image):
                continue
            if mask not in self._outlined and not mask.contour:
                outline_for_now(mask, _WIDE if known.scheme.surfaces else _THIN)
                self._outlined.append(mask)
            if mask in self._outlined:
                self._tint(mask, value)

    def restore(self) -> None:
        """Restore the masks, except for what the user changed meanwhile."""
        for mask in self._outlined:
            end_outline(mask)
            self._clear(mask)
        self._outlined = []

    def _tint(self, mask: Labels, value: int) -> None:
        tint = self._tinted.get(mask)
        if tint is not None and tint.value == value and mask.colormap is tint.after:
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
        tint = self._tinted.pop(mask, None)
        if tint is not None and mask.colormap is tint.after:  # the user has not changed it
            mask.colormap = tint.before
