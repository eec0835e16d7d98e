"""Ring at the clicked point, as an overlay: it can't be selected, saved or exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.components.overlays import SceneOverlay
from vispy.scene.visuals import Compound, Markers

from napari_retina_seg._napari._compat import draw_overlay

if TYPE_CHECKING:
    import napari

_NAME = "retina_seg_point"
_SIZE = 13  # px of the screen
_RINGS = (("black", 4.0), ("cyan", 2.0))  # visible on all maps, as in the panels


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
