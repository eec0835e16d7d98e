"""Keep an image in view when docks open and close."""

from __future__ import annotations

from collections.abc import Sequence

import napari
import numpy as np
from napari.layers import Layer
from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QMainWindow

_SAME = 1e-6  # relative


def fit_view(viewer: napari.Viewer, layers: Sequence[Layer]) -> None:
    """Fit the view to some layers, or to all if these lack some of the viewer's axes.

    Hidden layers are not to count: beside one in µm, an image in pixels would be a stamp in the
    corner.
    """
    alone = len(layers) > 0 and all(layer.ndim == viewer.dims.ndim for layer in layers)
    alone = alone and not viewer.canvas.grid.enabled
    viewer.fit_to_view(layers=list(layers) if alone else None)


def get_view(viewer: napari.Viewer) -> tuple[tuple[float, ...], float]:
    """Return the middle and the zoom of the view."""
    camera = viewer.scene.camera
    return tuple(camera.center), float(camera.zoom)


def set_view(viewer: napari.Viewer, view: tuple[tuple[float, ...], float]) -> None:
    """Set the middle and the zoom of the view."""
    viewer.scene.camera.center, viewer.scene.camera.zoom = view


def is_fitted(viewer: napari.Viewer) -> bool:
    """Return whether the view shows the middle of all layers, as before a person moves it.

    The zoom alone is no sign: the window may have been resized since, and is fitted again then.
    """
    view = get_view(viewer)
    viewer.fit_to_view()
    if np.allclose(view[0], viewer.scene.camera.center, rtol=_SAME):
        return True
    set_view(viewer, view)
    return False


def keep_fitted(main: QMainWindow, viewer: napari.Viewer, fitted: bool) -> None:
    """Fit the view again whenever the canvas is resized, unless a person moved it.

    Parameters
    ----------
    main : QMainWindow
        The window of the viewer.
    viewer : napari.Viewer
        The viewer.
    fitted : bool
        Whether the view was fitted before the dock that opens now made the canvas smaller.
    """
    if main.findChild(ViewFit) is None:
        ViewFit(main, viewer, fitted)


class ViewFit(QObject):
    """Fits the view after the canvas was resized if it was fitted before; owned by the window."""

    def __init__(self, main: QMainWindow, viewer: napari.Viewer, fitted: bool) -> None:
        super().__init__(main)
        self._viewer = viewer
        self._fitted = _view(viewer) if fitted else ()  # the view that was fitted last
        self._soon = QTimer(self, singleShot=True, interval=0)  # once for several steps
        self._soon.timeout.connect(self._fit)
        viewer.events.reset_view.connect(self._on_fit)
        viewer.canvas.events.size.connect(self._on_size)
        self._on_size()

    def _on_fit(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        self._fitted = _view(self._viewer)

    def _on_size(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        if self._fitted and np.allclose(_view(self._viewer), self._fitted, rtol=_SAME):
            self._soon.start()

    def _fit(self) -> None:
        fit_view(self._viewer, [layer for layer in self._viewer.layers if layer.visible])


def _view(viewer: napari.Viewer) -> tuple[float, ...]:
    camera = viewer.scene.camera
    return (*camera.center, camera.zoom)
