"""The Correct dock in a window, and masks to work on."""

from types import SimpleNamespace

import numpy as np
import pytest

from mouse import add_mask, push
from napari_retina_seg._napari.correct.lines import LinesTool
from napari_retina_seg._napari.masks.active_mask import ActiveMask
from napari_retina_seg._napari.results import MapInfo, MaskInfo, mask_options
from napari_retina_seg.imaging.phantom import phantom_bscan, phantom_volume
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS
from napari_retina_seg.types.segmentation import Provenance

UM = {"scale": (3.87, 11.7), "units": ("um", "um"), "translate": (50, -70)}
MADE = Provenance("", "tiny-fundus", "0", "0", "CPU", "float32", 0.1)
ROWS, COLUMNS = 100, 140


@pytest.fixture
def dock(make_napari_viewer_proxy):
    """Return the Correct dock, in a window that is shown."""
    viewer = make_napari_viewer_proxy(show=True)
    _, widget = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Correct")
    yield widget
    widget.cleanup()


@pytest.fixture
def shown(dock):
    """Return the viewer of the dock."""
    return dock._viewer


@pytest.fixture
def apply(dock, qtbot):
    """Return a function that pushes Apply as soon as there is something to apply."""

    def push_apply():
        qtbot.waitUntil(dock.preview.apply_button.isEnabled)
        push(dock.preview.apply_button)

    return push_apply


@pytest.fixture
def vessels(shown):
    """Return a mask of two vessel stubs, a speck and a pinhole, and its probability."""
    probability = np.full((ROWS, COLUMNS), 0.05, np.float16)
    probability[48:53] = 0.9
    probability[48:53, 60:80] = 0.4
    probability[20:23, 20:23] = 0.9
    labels = (probability > 0.5).astype(np.uint8)
    labels[50, 30] = 0
    photograph = np.full((ROWS, COLUMNS, 3), 150, np.uint8)
    photograph[48:53, :, 1] = 80
    shown.add_image(photograph, name="eye")
    known = MapInfo("eye", MADE, "probabilities")
    shown.add_image(probability, name="p", visible=False, metadata={"retina_seg": known})
    info = MaskInfo("eye", FUNDUS_VESSELS, MADE, labels.copy())
    return add_mask(shown, labels, mask_options(info))


@pytest.fixture
def layers(shown):
    """Return the mask of a B-scan."""
    phantom = phantom_bscan(rows=ROWS, columns=COLUMNS)
    shown.add_image(phantom.image.pixels, name="scan", scale=(3, 2))
    info = MaskInfo("scan", OCT_LAYERS, MADE, phantom.labels.copy(), phantom.heights)
    return add_mask(shown, phantom.labels.copy(), mask_options(info), scale=(3, 2))


@pytest.fixture
def tool(viewer):
    """Return the section of the boundary lines, in a dock of its own."""
    active_mask = ActiveMask.of(viewer)
    widget = LinesTool(viewer, active_mask)
    viewer.window.add_dock_widget(widget, name="Lines")
    yield widget
    widget.cleanup()
    active_mask.release(widget)


@pytest.fixture
def scan(viewer, tool, qtbot):
    """Return a B-scan that a model has segmented, in µm, the mask and its lines in the dock."""
    return work_on(viewer, tool, phantom_bscan(seed=1, rows=256, columns=384), **UM)


@pytest.fixture
def stack(viewer, tool):
    """Return a volume, the same way."""
    return work_on(viewer, tool, phantom_volume(seed=1, slices=7, rows=128, columns=160))


def work_on(viewer, tool, phantom, **grid):
    viewer.add_image(phantom.image.pixels, name="scan", **grid)
    info = MaskInfo("scan", OCT_LAYERS, None, phantom.labels.copy(), phantom.heights)
    mask = add_mask(viewer, phantom.labels.copy(), mask_options(info), **grid)
    tool.attach(mask)
    return SimpleNamespace(mask=mask, heights=phantom.heights, labels=phantom.labels)
