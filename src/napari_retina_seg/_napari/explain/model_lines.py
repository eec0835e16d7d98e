"""Class lines of the model's own mask beside a map, where no mask layer shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Layer
from vispy.scene.visuals import Line

from napari_retina_seg._napari.explain.saliency_layers import SaliencyMaps
from napari_retina_seg._napari.layers import KEY, is_made_from, unwrap_proxy
from napari_retina_seg._napari.results import MaskInfo
from napari_retina_seg.types.labels import LabelScheme

_ABOVE_LAYERS = 90_000  # order of drawing
_WIDTHS = (3.2, 1.4)  # px of the screen, of the dark edge and the line
_EDGE = (0.0, 0.0, 0.0, 0.6)

Segments = npt.NDArray[np.float32]


def trace_lines(labels: npt.NDArray[np.uint8], scheme: LabelScheme) -> tuple[Segments, Segments]:
    """Trace the borders between the classes of a mask.

    Parameters
    ----------
    labels : array
        ``(rows, columns)`` uint8.
    scheme : LabelScheme
        The classes and their colours.

    Returns
    -------
    tuple of array
        ``(2 · segments, 2)`` columns and rows of their ends, from the corner of the first pixel;
        ``(2 · segments, 4)`` colours: of the class below or to the right, of background's
        neighbour the other one.
    """
    ends, values = [], []
    for axis in (0, 1):
        before, after = (
            labels.take(range(start, labels.shape[axis] - 1 + start), axis=axis) for start in (0, 1)
        )
        rows, columns = np.nonzero(before != after)
        value = np.where(after > 0, after, before)[rows, columns]
        start = np.stack([columns + axis, rows + 1 - axis], axis=-1)
        step = np.array([1 - axis, axis])
        ends.append(np.stack([start, start + step], axis=1))
        values.append(value)
    colors = np.array([(*label.rgb, 255) for label in scheme.classes], np.float32) / 255
    points = np.concatenate(ends).reshape(-1, 2).astype(np.float32)
    return points, np.repeat(colors[np.concatenate(values)], 2, axis=0)


def has_visible_mask(layers: Iterable[Layer], image: Image) -> bool:
    """Whether a mask of an image is on the screen."""
    return any(
        isinstance(layer.metadata.get(KEY), MaskInfo)
        and is_made_from(layer, image)
        and layer.visible
        and layer.opacity > 0
        for layer in layers
    )


class ModelLines:
    """The lines of one map on a canvas."""

    def __init__(self) -> None:
        self._nodes: tuple[Line, ...] = ()
        self._shown: SaliencyMaps | None = None

    @property
    def is_shown(self) -> bool:
        """Whether lines are on the canvas."""
        return any(node.visible for node in self._nodes)

    def show(self, canvas: Any | None, layer: Image, saliency: SaliencyMaps) -> None:
        """Draw the lines of a map of one slice, on the grid of its layer."""
        visual = None if canvas is None else canvas.layer_to_visual.get(unwrap_proxy(layer))
        if visual is None:
            self.hide()
            return
        if not self._nodes:
            self._nodes = tuple(
                Line(connect="segments", width=width, antialias=True) for width in _WIDTHS
            )
        if self._shown is not saliency:
            points, colors = trace_lines(saliency.first.labels, saliency.first.scheme)
            for order, node in enumerate(self._nodes):
                node.visible = bool(len(points))
                if len(points):
                    node.set_data(pos=points, color=colors if order else _EDGE)
        for order, node in enumerate(self._nodes):
            if node.parent is not visual.node.parent:
                node.parent = visual.node.parent
            node.transform = visual.node.transform  # shared, so that lines move with the map
            node.order = _ABOVE_LAYERS + order
            node.set_gl_state("translucent", depth_test=False)
        self._shown = saliency

    def hide(self) -> None:
        """Take the lines off the canvas."""
        for node in self._nodes:
            node.visible = False
            node.parent = None
        self._shown = None
