"""Demonstration: napari with images that are segmented one after the other."""

from __future__ import annotations

from dataclasses import replace

import napari
from napari.layers import Image, Layer

from napari_retina_seg._napari.job import JobResult
from napari_retina_seg._napari.layers import image_layers
from napari_retina_seg._napari.shortcuts import PLUGIN, SEGMENT_WIDGET
from napari_retina_seg.types.image import RetinaImage, Spacing


def open_demo(images: list[RetinaImage]) -> None:
    """Open napari with images, segment each, and run until the window is closed.

    The first image is shown with its mask; the others are hidden in the layer list.

    Parameters
    ----------
    images : list of RetinaImage
        With known modality.
    """
    viewer = napari.Viewer(title="Retina Seg: demonstration")
    demo = Demo(viewer, images)  # a reference: Qt's signals do not keep receivers alive
    demo.start()
    napari.run()


class Demo:
    """Segments the images of a viewer one after the other, in the Segment dock."""

    def __init__(self, viewer: napari.Viewer, images: list[RetinaImage]) -> None:
        self._viewer = viewer
        self._waiting: list[Image] = [
            viewer.add_layer(Layer.create(*each))
            for image in images
            # In px: next to a scan in µm the photograph would be a dot.
            for each in image_layers(replace(image, spacing=Spacing()))
        ]
        self._first = self._waiting[0]
        _, self.widget = viewer.window.add_plugin_dock_widget(PLUGIN, SEGMENT_WIDGET)

    def start(self) -> None:
        """Segment the first image, then the others in turn."""
        self.widget.finished.connect(self._on_finished)
        self._next()

    def _next(self) -> None:
        layer = self._waiting.pop(0)
        for other in self._viewer.layers:
            other.visible = other == layer
        self._viewer.layers.selection.active = layer
        self._viewer.reset_view()
        self.widget.images.whole.setChecked(True)
        self.widget.segment()

    def _on_finished(self, outcome: JobResult) -> None:  # noqa: ARG002 - the dock shows it
        if self._waiting:
            self._next()
            return
        self.widget.finished.disconnect(self._on_finished)
        for layer in self._viewer.layers:
            mine = layer.name.startswith(f"{self._first.name} ·")
            layer.visible = layer == self._first or mine
        self._viewer.layers.selection.active = next(
            layer for layer in reversed(self._viewer.layers) if layer.visible
        )
        self._viewer.reset_view()
