"""One click, or the first, in the real window, timed until the mask is drawn."""

from __future__ import annotations

import statistics
import time

import napari
from qtpy.QtCore import QEventLoop

from napari_retina_seg._napari.layers import image_layers
from napari_retina_seg.inference.predict import warm
from napari_retina_seg.types.image import RetinaImage


def click_to_layer(image: RetinaImage, repeats: int) -> tuple[float, float]:
    """Click Segment `repeats` times after a first one.

    Returns
    -------
    tuple of float
        Median seconds from the click until the layer was drawn, and seconds that opening the
        dock took.
    """
    viewer = napari.Viewer()
    for data, options, kind in image_layers(image):
        viewer._add_layer_from_data(data, options, kind)
    draw(viewer)
    start = time.perf_counter()
    _, widget = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Segment")
    draw(viewer)
    opening = time.perf_counter() - start
    warm(widget.models.model)
    times = [one_click(viewer, widget) for _ in range(repeats + 1)]
    viewer.close()
    return statistics.median(times[1:]), opening


def one_click(viewer: napari.Viewer, widget: object) -> float:
    loop = QEventLoop()
    widget.finished.connect(loop.quit)
    start = time.perf_counter()
    widget.button.click()
    loop.exec()
    draw(viewer)
    seconds = time.perf_counter() - start
    viewer.layers.selection = {viewer.layers[0]}
    viewer.layers.remove(viewer.layers[-1])
    return seconds


def first_click(image: RetinaImage) -> float:
    """Open an image and the Segment dock, and click at once.

    Returns
    -------
    float
        Seconds from opening the dock until the layer was drawn: nothing was loaded before.
    """
    viewer = napari.Viewer()
    for data, options, kind in image_layers(image):
        viewer._add_layer_from_data(data, options, kind)
    draw(viewer)
    start = time.perf_counter()
    _, widget = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Segment")
    loop = QEventLoop()
    widget.finished.connect(loop.quit)
    widget.button.click()
    loop.exec()
    draw(viewer)
    seconds = time.perf_counter() - start
    viewer.close()
    return seconds


def draw(viewer: napari.Viewer) -> None:
    """Draw now, and wait until the pixels are there."""
    viewer.screenshot(canvas_only=True, flash=False)
