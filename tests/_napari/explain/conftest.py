"""The Explain dock, and how a person uses it."""

from types import SimpleNamespace

import pytest
from pytestqt.qtbot import QtBot

from choose import choose_modality
from napari_retina_seg._napari.explain.saliency_layers import saliency_of
from napari_retina_seg._napari.tasks import is_idle
from napari_retina_seg.types.image import Modality


@pytest.fixture
def explain(viewer, qtbot):
    """Return the Explain dock of the viewer, opened as the menu does it."""
    _, widget = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Explain")
    yield widget
    qtbot.waitUntil(is_idle, timeout=60_000)


@pytest.fixture
def ends(qtbot: QtBot):
    """Return a function that does something in the dock and waits for its end."""

    def wait(widget, act):
        with qtbot.waitSignal(widget.finished, timeout=120_000) as end:
            act()
        qtbot.waitUntil(lambda: not widget.is_running, timeout=120_000)
        return end.args[0]

    return wait


@pytest.fixture
def scan(viewer, explain, bscan):
    """Return the layer of a B-scan, which the dock has taken up."""
    layer = viewer.add_image(bscan, name="scan", scale=(2, 3), translate=(5, 7))
    choose_modality(explain.images, Modality.OCT)
    return layer


@pytest.fixture
def maps(viewer):
    """Return a function that lists the maps in the viewer, the latest last."""
    return lambda: [layer for layer in viewer.layers if saliency_of(layer) is not None]


@pytest.fixture
def click(viewer):
    """Return a function that clicks on a point of the world, as vispy hands it over."""

    def press_and_release(world):
        event = SimpleNamespace(
            type="mouse_press", button=1, pos=(9, 9), position=world, modifiers=()
        )
        for callback in viewer.mouse_drag_callbacks:
            steps = callback(viewer, event)
            next(steps, None)
            event.type = "mouse_release"
            next(steps, None)

    return press_and_release
