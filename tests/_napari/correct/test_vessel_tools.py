"""Thresholds with their preview, and bridges, by mouse and keys in a window."""

import numpy as np
import pytest
from qtpy.QtCore import Qt

from mouse import CTRL, SHIFT, add_mask, click, press, push
from napari_retina_seg._napari.results import MapInfo, MaskInfo, mask_options
from napari_retina_seg.models.registry import find_model
from napari_retina_seg.types.labels import FUNDUS_VESSELS
from napari_retina_seg.types.segmentation import Provenance


def test_a_threshold_is_previewed_and_is_one_step(shown, dock, vessels, qtbot, apply):
    before = vessels.data.copy()
    dock.vessels.level.setValue(0.3)
    qtbot.waitUntil(lambda: "mask · preview" in shown.layers)
    assert np.array_equal(vessels.data, before)
    assert dock.preview.isVisible()
    preview = shown.layers["mask · preview"]
    assert (preview.data[48:53, 60:80] == 1).all()
    for level in (0.2, 0.95, 0.5, 0.3):  # faster than it is drawn: the last one counts
        dock.vessels.level.setValue(level)
    qtbot.waitUntil(lambda: "101 px to be added" in dock.preview._label.text())
    assert (preview.data[48:53, 60:80] == 1).all()
    apply()
    assert (vessels.data[48:53] == 1).all()
    assert len(shown.layers) == 3
    assert "101 px changed" in dock.status.text()
    press(dock, Qt.Key.Key_Z, SHIFT | CTRL)
    press(dock, Qt.Key.Key_Z, CTRL)
    assert np.array_equal(vessels.data, before)
    press(dock, Qt.Key.Key_Z, SHIFT | CTRL)
    assert (vessels.data[48:53] == 1).all()
    press(dock, Qt.Key.Key_Z, CTRL)
    dock.vessels.hysteresis.setChecked(True)
    dock.vessels.level.setValue(0.8)
    dock.vessels.low.setValue(0.35)
    qtbot.waitUntil(lambda: "101 px to be added" in dock.preview._label.text())
    assert (shown.layers["mask · preview"].data[48:53, 60:80] == 1).all()
    vessels.paint((90, 90), 1)
    push(dock.preview.cancel_button)
    assert vessels.data[90, 90] == 1
    assert not vessels.data[50, 70]
    assert len(shown.layers) == 3
    push(dock.vessels.show_button)
    shown.layers.selection.active = shown.layers["eye"]
    shown.layers.selection.active = vessels
    assert dock.vessels.level.value() == 0.8, "the same mask"
    info = vessels.metadata["retina_seg"]
    other = add_mask(shown, before.copy(), mask_options(info))
    model = find_model("tiny-fundus").spec.postprocessing.threshold
    assert dock.vessels.level.value() == pytest.approx(model, abs=0.01)
    assert not dock.vessels.hysteresis.isChecked()
    assert not dock.preview.is_open
    shown.layers.remove(other)
    shown.layers.remove(vessels)
    qtbot.waitUntil(lambda: [layer.name for layer in shown.layers] == ["eye", "p"])


def test_a_threshold_is_of_the_slice_it_was_previewed_on(shown, dock, apply):
    probability = np.full((2, 60, 80), 0.05, np.float32)
    probability[0, 10:13] = probability[1, 40:45] = 0.9
    shown.add_image(probability, name="stack")
    made = Provenance("", "tiny-fundus", "0", "0", "CPU", "float32", 0.1)
    known = MapInfo("stack", made, "probabilities")
    shown.add_image(probability, name="p", metadata={"retina_seg": known})
    info = MaskInfo("stack", FUNDUS_VESSELS, made)
    mask = add_mask(shown, np.zeros((2, 60, 80), np.uint8), mask_options(info))
    shown.dims.set_current_step(0, 0)
    push(dock.vessels.show_button)
    shown.dims.set_current_step(0, 1)
    assert not dock.preview.is_open, "what it shows is of the other slice"
    push(dock.vessels.show_button)
    apply()
    assert not mask.data[0].any()
    assert np.array_equal(mask.data[1], probability[1] > 0.5)


def test_the_model_works_out_a_probability_that_is_not_there(shown, dock, qtbot, photograph, apply):
    shown.add_image(photograph, name="eye")
    shape = photograph.shape[:2]
    options = mask_options(MaskInfo("eye", FUNDUS_VESSELS))
    mask = add_mask(shown, np.zeros(shape, np.uint8), options)
    with qtbot.waitSignal(dock.vessels.probability.done, timeout=60_000):
        push(dock.vessels.show_button)
    assert dock.vessels.probability.find(1).shape == shape
    assert dock.preview.is_open
    dock.vessels.level.setValue(0.01)
    apply()
    assert mask.data.any()


@pytest.mark.parametrize("known", [True, False])
def test_two_clicks_bridge_a_gap(shown, dock, vessels, known):
    if not known:
        shown.layers.remove("p")
    before = vessels.data.copy()
    push(dock.vessels.bridge.button)
    click(dock, vessels, 50, 57)
    assert np.array_equal(vessels.data, before)
    click(dock, vessels, 50, 82)
    assert (vessels.data[49:52, 60:80] == 1).all()
    assert not vessels.data[45, 60:80].any()
    press(dock, Qt.Key.Key_Z, CTRL)
    assert np.array_equal(vessels.data, before)
    press(dock, Qt.Key.Key_2)
    assert not dock.vessels.bridge.button.isChecked()
    click(dock, vessels, 80, 80)
    assert vessels.data[80, 80] == 1


def test_one_tool_listens_to_the_mouse(shown, dock, layers, vessels):
    bridge, lasso = dock.vessels.bridge, dock.regions.lasso
    push(bridge.button)
    push(dock.regions.lasso_button)
    assert lasso.is_on
    assert not bridge.button.isChecked()
    push(bridge.button)
    assert not lasso.is_on
    assert shown.layers.selection.active == vessels
    shown.layers.selection.active = layers
    assert not bridge.button.isChecked()
    push(dock.regions.lasso_button)
    press(dock, Qt.Key.Key_1, CTRL)
    push(dock.tools.buttons["paint"])
    assert shown.layers.selection.active == layers
    assert not lasso.is_on
    assert str(layers.mode) == "paint"
