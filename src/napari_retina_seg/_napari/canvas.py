"""Workarounds for two faults of napari's canvas.

When layers are removed, napari 0.9 flushes the canvas's OpenGL commands into the current context:
after a repaint, that is the one in which Qt composes the window. Mesa (22.3 at least) frees such a
shader at the end of the canvas's next frame and silently unbinds the one in use: if only one layer
is drawn, the frame after that dies with a segmentation fault in ``glDrawArrays``.

The other one is described at `hide_brush_box`.
"""

from __future__ import annotations

import napari
from qtpy.QtCore import QObject
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QMainWindow

from napari_retina_seg._napari._compat import hide_brush_box


def apply_canvas_workarounds(main: QMainWindow, viewer: napari.Viewer) -> None:
    """Remove layers in the canvas's own context and hide the brush's box; once per window."""
    if main.findChild(CanvasContext) is None:
        CanvasContext(main, viewer)
        hide_brush_box(viewer)


class CanvasContext(QObject):
    """Makes the canvas's context current; owned by the window, as layers outlive the docks."""

    def __init__(self, main: QMainWindow, viewer: napari.Viewer) -> None:
        super().__init__(main)
        # Not "removed", in which napari flushes: its own listeners are called first.
        viewer.layers.events.removing.connect(self._make_current)

    def _make_current(self) -> None:
        # Not in the whole window: napari's histogram is another canvas with its own context.
        canvas = self.parent().centralWidget().findChild(QOpenGLWidget)
        if canvas is not None:
            canvas.makeCurrent()
