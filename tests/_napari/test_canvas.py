"""What the canvas shows, and in which OpenGL context, when layers come and go."""

import numpy as np
import pytest
from qtpy.QtCore import QPoint
from qtpy.QtGui import QOpenGLContext

from napari_retina_seg._napari.dock import CanvasContext

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


def test_the_brush_leaves_nothing_on_the_image_when_a_layer_comes(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    viewer.window.add_plugin_dock_widget("napari-retina-seg", "Correct")
    canvas = viewer.window._qt_viewer.canvas.native
    qtbot.waitUntil(canvas.isValid)
    viewer.add_image(np.full((64, 64), 0.5), contrast_limits=(0, 1))
    mask = viewer.add_labels(np.zeros((64, 64), np.uint8))
    mask.mode = "paint"
    for step in range(3):
        qtbot.mouseMove(canvas, canvas.rect().center() + QPoint(step, 0))
        qtbot.wait(30)
    viewer.add_points(np.empty((0, 2)))
    viewer.layers.selection.active = mask
    mask.mode = "pan_zoom"
    shown = viewer.screenshot(flash=False)
    rows, columns = (side // 2 for side in shown.shape[:2])
    assert len(np.unique(shown[rows - 20 : rows + 20, columns - 20 : columns + 20])) == 2


def _fitted(viewer):
    """Return whether the view is what napari's Home key would give."""
    camera = viewer.scene.camera
    view = (*camera.center, camera.zoom)
    viewer.fit_to_view()
    fitted = (*camera.center, camera.zoom)
    camera.center, camera.zoom = view[:-1], view[-1]
    return view == pytest.approx(fitted, rel=1e-3)


@pytest.mark.parametrize("moved", [False, True])
def test_a_dock_that_opens_leaves_the_whole_image_in_view(make_napari_viewer, qtbot, moved):
    viewer = make_napari_viewer(show=True)
    canvas = viewer.window._qt_viewer.canvas
    qtbot.waitUntil(canvas.native.isValid)
    viewer.add_image(np.zeros((100, 400)))
    if moved:
        viewer.scene.camera.zoom *= 2
    zoom, width = viewer.scene.camera.zoom, viewer.canvas.size[1]
    viewer.window.add_plugin_dock_widget("napari-retina-seg", "Segment")
    qtbot.waitUntil(lambda: viewer.canvas.size[1] < width)
    narrower = viewer.canvas.size[1]
    if not moved:
        qtbot.waitUntil(lambda: viewer.scene.camera.zoom < zoom)
        assert _fitted(viewer)
        viewer.window.add_plugin_dock_widget("napari-retina-seg", "Review")
    viewer.window._qt_window.resize(viewer.window._qt_window.width() + 200, 800)
    qtbot.waitUntil(lambda: viewer.canvas.size[1] > narrower)
    qtbot.wait(50)
    assert _fitted(viewer) is not moved
    if moved:
        assert viewer.scene.camera.zoom == pytest.approx(zoom)
