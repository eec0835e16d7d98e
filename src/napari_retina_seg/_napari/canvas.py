"""Two faults of napari's canvas, mended from outside.

When layers go, napari 0.9 flushes the canvas's OpenGL commands into whichever context is current:
after a repaint, that is the one in which Qt puts the window together. Mesa (22.3 at least) frees
such a shader at the end of the canvas's next frame and unbinds the one in use without a note of
it: if but one layer is drawn, the frame after that dies with a segmentation fault in
``glDrawArrays``.

The circle that shows the brush is an overlay like a scale bar, with a box behind it. napari never
means to show that box, but does so when a layer comes or goes with the brush in hand: a dark square
stays on the image.
"""

from __future__ import annotations

import napari
from qtpy.QtCore import QObject
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QMainWindow


def apply_canvas_workarounds(main: QMainWindow, viewer: napari.Viewer) -> None:
    """Let layers go in the canvas's own context, and the brush have no box; once for a window."""
    if main.findChild(CanvasContext) is None:
        CanvasContext(main, viewer)
        viewer.canvas.overlays["_brush_circle"].box = False


class CanvasContext(QObject):
    """Makes the canvas's context current; the window's, as layers outlive the docks."""

    def __init__(self, main: QMainWindow, viewer: napari.Viewer) -> None:
        super().__init__(main)
        # Not "removed", in which napari flushes: its own listeners come first, always.
        viewer.layers.events.removing.connect(self._make_current)

    def _make_current(self) -> None:
        # Not in the whole window: napari's histogram is another canvas, with a context of its own.
        canvas = self.parent().centralWidget().findChild(QOpenGLWidget)
        if canvas is not None:
            canvas.makeCurrent()
