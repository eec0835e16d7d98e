"""Ring at the clicked point, as an overlay: it can't be selected, saved or exported.

Only this module uses napari's private vispy API, the only way to add a new kind of overlay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari._vispy.overlays.base import ViewerOverlayMixin, VispySceneOverlay
from napari._vispy.utils.visual import overlay_to_visual
from napari.components.overlays import SceneOverlay
from vispy.scene.visuals import Compound, Markers

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


class _VispyPointMark(ViewerOverlayMixin, VispySceneOverlay):
    overlay: PointMark

    def __init__(self, **kwargs: Any) -> None:
        self._rings = [Markers(antialias=1) for _ in _RINGS]
        super().__init__(node=Compound(self._rings), **kwargs)
        self.overlay.events.position.connect(self._on_position_change)
        self._on_position_change()
        self.reset()

    def _on_position_change(self) -> None:
        place = np.array([[*self.overlay.position[::-1], 0]], np.float32)  # x, y, z
        for markers, (color, width) in zip(self._rings, _RINGS, strict=True):
            markers.set_data(
                place, size=_SIZE, face_color="transparent", edge_color=color, edge_width=width
            )


overlay_to_visual[PointMark] = _VispyPointMark


class Mark:
    """Shows and hides the ring in a viewer."""

    def __init__(self, viewer: napari.Viewer) -> None:
        self._viewer = viewer
        self._world: tuple[float, ...] = ()

    def show(self, world: tuple[float, ...]) -> None:
        """Mark a point in world coordinates."""
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
