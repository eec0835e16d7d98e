"""napari lets go of what a layer was drawn with in the canvas's own OpenGL context."""

import numpy as np
import pytest
from qtpy.QtGui import QOpenGLContext

from napari_retina_seg._napari.canvas import CanvasContext

REMOVALS = {"one": lambda layers: layers.pop(), "all": lambda layers: layers.clear()}


@pytest.mark.parametrize("how", REMOVALS)
def test_layers_go_in_the_context_of_the_canvas(make_napari_viewer, qtbot, monkeypatch, how):
    viewer = make_napari_viewer(show=True)
    frame, _ = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Segment")
    viewer.window.add_plugin_dock_widget("napari-retina-seg", "Correct")
    canvas = viewer.window._qt_viewer.canvas
    qtbot.waitUntil(canvas.native.isValid)
    qtbot.waitUntil(lambda: len(frame.window().findChildren(CanvasContext)) == 1)
    viewer.add_image(np.zeros((8, 8)))
    seen = []
    finish = lambda: seen.append(QOpenGLContext.currentContext())  # noqa: E731
    monkeypatch.setattr(canvas._scene_canvas.context, "finish", finish)
    canvas.native.doneCurrent()
    REMOVALS[how](viewer.layers)
    assert seen == [canvas.native.context()]
