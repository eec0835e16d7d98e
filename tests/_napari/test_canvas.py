"""What the canvas shows, and in which OpenGL context, when layers come and go."""

import numpy as np
import pytest
from napari.utils import progress
from qtpy.QtCore import QPoint
from qtpy.QtGui import QMovie, QOpenGLContext
from qtpy.QtWidgets import QLabel

from mouse import move_over, settle
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


def test_work_in_progress_repaints_the_window_now_and_then(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    frame, _ = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Segment")
    qtbot.waitUntil(lambda: len(frame.window().findChildren(CanvasContext)) == 1)
    with progress(total=0):
        movies = [label.movie() for label in frame.window().findChildren(QLabel) if label.movie()]
        moving = [movie for movie in movies if movie.state() is QMovie.MovieState.Running]
        assert moving, "napari shows otherwise that it works: look whether that repaints the canvas"
        assert all(movie.nextFrameDelay() >= 400 for movie in moving)


def test_the_brush_leaves_nothing_on_the_image_when_a_layer_comes(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    viewer.window.add_plugin_dock_widget("napari-retina-seg", "Correct")
    canvas = viewer.window._qt_viewer.canvas
    qtbot.waitUntil(canvas.native.isValid)
    viewer.add_image(np.full((64, 64), 0.5), contrast_limits=(0, 1))
    mask = viewer.add_labels(np.zeros((64, 64), np.uint8))
    mask.mode = "paint"
    for step in range(3):
        move_over(canvas, canvas.native.rect().center() + QPoint(step, 0))
    viewer.add_points(np.empty((0, 2)))
    viewer.layers.selection.active = mask
    mask.mode = "pan_zoom"
    shown = viewer.screenshot(flash=False)
    rows, columns = (side // 2 for side in shown.shape[:2])
    assert len(np.unique(shown[rows - 20 : rows + 20, columns - 20 : columns + 20])) == 2


def _view(viewer):
    camera = viewer.scene.camera
    return (*camera.center, camera.zoom)


@pytest.mark.parametrize("moved", [False, True])
def test_a_dock_that_opens_leaves_the_whole_image_in_view(make_napari_viewer, qtbot, moved):
    viewer = make_napari_viewer(show=True)
    qtbot.waitUntil(viewer.window._qt_viewer.canvas.native.isValid)
    viewer.add_image(np.zeros((100, 400)))
    camera = viewer.scene.camera
    if moved:
        camera.center, camera.zoom = (0, 30, 40), 7
    view, widths = _view(viewer), [viewer.canvas.size[1]]

    def is_whole():
        return camera.zoom == pytest.approx(0.95 * viewer.canvas.size[1] / 400, rel=0.02)

    frame, _ = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Segment")
    for change in (lambda: None, frame.close):  # the canvas shrinks, then grows
        change()
        qtbot.waitUntil(lambda: viewer.canvas.size[1] != widths[-1])
        widths.append(viewer.canvas.size[1])
        if moved:
            settle()
            assert _view(viewer) == pytest.approx(view)
        else:
            qtbot.waitUntil(is_whole)
