from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt

from choose import choose, choose_colors, choose_layer, choose_modality, choose_target, tick
from helpers import tiny_model
from mouse import settle
from napari_retina_seg._napari.explain.layer_picker import ALL_LAYERS
from napari_retina_seg._napari.explain.pickers import ALL
from napari_retina_seg._napari.explain.saliency_layers import ColorSettings, saliency_of
from napari_retina_seg._napari.explain.target_picker import POINT
from napari_retina_seg._napari.explain.words import COARSE, FINE, name_depths
from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.tasks import is_idle
from napari_retina_seg.inference.target_layers import TargetLayer
from napari_retina_seg.models.registry import WEIGHTS_FILE, add_model
from napari_retina_seg.saliency.split_network import _split, find_target_layer
from napari_retina_seg.types.image import Modality


def test_a_few_depths_are_at_hand_and_all_layers_behind_them(explain, scan, qtbot):
    qtbot.waitUntil(lambda: bool(explain.layers.names), timeout=60_000)
    depths, every = explain.layers.box, explain.layers.all_box
    assert [depths.itemText(row) for row in range(depths.count())] == [FINE, COARSE, ALL_LAYERS]
    assert explain.layers.target_layer.name == "bottleneck"  # the tiny net has no decoder 2
    assert depths.currentText() == COARSE
    own = explain.layers.target_layer.layer
    assert f"bottleneck, {own}: cells of" in depths.toolTip()
    assert f"bottleneck, {own}: cells of" in depths.itemData(1, Qt.ItemDataRole.ToolTipRole)
    assert every.isHidden()
    assert explain.layers.note.text() == ""
    choose(depths, FINE)
    assert "nearly reproduces the mask" in explain.layers.note.text()
    choose(depths, ALL_LAYERS)
    assert not every.isHidden()
    choose_layer(explain.layers, "bottleneck")
    assert every.currentText() == f"bottleneck · {own} (2 × 2 px)"
    assert every.lineEdit().cursorPosition() == 0  # its beginning is seen


def test_a_layer_is_searched_by_its_name_in_keras(explain, ends, scan, qtbot, maps):
    qtbot.waitUntil(lambda: bool(explain.layers.names), timeout=60_000)
    ends(explain, explain.button.click)
    choose(explain.layers.box, ALL_LAYERS)
    found = explain.layers.target_layer
    assert found.name == "bottleneck"  # as before
    assert not explain.is_running
    line = explain.layers.all_box.lineEdit()

    def search(name):
        line.setText(name)
        qtbot.keyClick(line, Qt.Key.Key_Return)

    search("no_such_layer")
    assert "has no layer 'no_such_layer'" in explain.layers.note.text()
    assert explain.layers.target_layer == found
    names = [each.layer for each in explain.layers._found.all_layers]
    other = names[names.index(found.layer) - 1]
    ends(explain, lambda: search(other.upper()))
    assert explain.layers.target_layer.layer == other
    assert explain.layers.note.text() == ""
    assert maps()[0].name.endswith(f", {other}")


DEPTHS = {
    "all three": (
        ["encoder 0", "encoder 1", "bottleneck", "decoder 2", "decoder 1", "decoder 0"],
        ["decoder 1", "decoder 2", "bottleneck"],
    ),
    "two": (["encoder 0", "bottleneck", "decoder 0"], ["decoder 0", "bottleneck"]),
    "one": (["bottleneck"], ["bottleneck"]),
}


@pytest.mark.parametrize(("names", "expected"), DEPTHS.values(), ids=DEPTHS)
def test_depths_are_layers_around_the_recommended_one(names, expected):
    sizes = {"bottleneck": 8}
    layers = [
        TargetLayer(name, name, (sizes.get(name) or 1 + int(name[-1]),) * 2, 4) for name in names
    ]
    recommended = find_target_layer(layers, "net")
    assert [layer.name for _, layer in name_depths(layers, recommended)] == expected


def test_a_network_is_ready_before_the_first_question(explain, ends, scan, qtbot):
    qtbot.waitUntil(lambda: bool(explain.layers.names), timeout=60_000)
    qtbot.waitUntil(lambda: explain.layers.is_ready, timeout=60_000)
    _split.cache_clear()
    choose_layer(explain.layers, "decoder 0")
    qtbot.waitUntil(lambda: explain.layers.is_ready, timeout=60_000)
    assert _split.cache_info().misses == 1
    ends(explain, explain.button.click)
    assert _split.cache_info().misses == 1


def test_another_layer_of_the_network(explain, ends, scan, qtbot, maps):
    qtbot.waitUntil(lambda: bool(explain.layers.names), timeout=60_000)
    choose_layer(explain.layers, "bottleneck")
    ends(explain, explain.button.click)
    assert saliency_of(maps()[0]).first.layer.startswith("bottleneck")


def test_the_class_chosen_in_a_mask_is_explained(
    viewer, explain, dock, run, ends, masks, scan, maps, qtbot
):
    run(dock)
    (mask,) = masks()
    viewer.layers.selection.active = mask
    choose(explain.classes.box, "INL")
    ends(explain, explain.button.click)
    assert viewer.layers.selection.active == mask  # whoever corrects goes on correcting
    assert mask.contour == 2
    ends(explain, lambda: setattr(mask, "selected_label", 6))
    assert [layer.name for layer in maps()] == ["scan · tiny-oct · Grad-CAM EZ, bottleneck"]
    viewer.layers.remove(maps()[0])
    assert mask.contour == 0
    assert not explain.isVisible()
    mask.selected_label = 3  # in another dock, after the map was removed
    qtbot.waitUntil(lambda: not explain._soon.isActive())
    assert not explain.is_running
    assert not maps()


def test_one_class_is_chosen_at_first_that_of_the_mask_selected(
    viewer, explain, dock, run, masks, scan
):
    assert explain.classes.values == (1,)
    run(dock)
    viewer.layers.selection.active = scan
    masks()[0].selected_label = 5
    viewer.layers.selection.active = masks()[0]
    assert explain.classes.values == (5,)
    choose(explain.classes.box, "INL")  # by hand: from now on nothing is suggested
    viewer.layers.selection.active = scan
    viewer.layers.selection.active = masks()[0]
    assert explain.classes.values == (3,)


def test_with_all_classes_shown_the_slider_goes_to_the_class(
    viewer, explain, dock, run, ends, masks, scan
):
    run(dock)
    viewer.layers.selection.active = masks()[0]
    choose(explain.classes.box, ALL)
    ends(explain, explain.button.click)
    masks()[0].selected_label = 4
    assert explain.shown.text().startswith("Class shown: OPL")
    assert not explain.is_running


def test_a_class_that_the_model_does_not_know(viewer, explain, dock, run, ends, masks, scan):
    run(dock)
    viewer.layers.selection.active = masks()[0]
    ends(explain, explain.button.click)
    masks()[0].selected_label = 12
    assert explain.status.result is JobStatus.FAILED
    assert "'tiny-oct' has no class '12'" in explain.status.text()


def test_a_choice_that_nothing_follows_says_what_to_press(viewer, explain, ends, volume):
    viewer.add_image(volume, name="cube")
    choose_modality(explain.images, Modality.OCT)
    explain.images.whole.setChecked(True)
    choose(explain.classes.box, "EZ")
    ends(explain, explain.button.click)
    assert explain.status.result is JobStatus.SUCCEEDED
    choose(explain.classes.box, "INL")
    assert explain.status.result is None
    assert explain.status.text() == "Press Explain to see it."
    choose_target(explain.targets, POINT)
    assert explain.status.text() == "Click on the image to choose a point."


def test_the_look_is_remembered(viewer, explain):
    choose_colors(explain.colors, "inferno", shared=True)
    from napari_retina_seg._napari.explain.widget import ExplainWidget

    other = ExplainWidget(viewer)
    assert other.colors.color_settings == ColorSettings("inferno", shared=True)
    other.cleanup()
    other.deleteLater()


def test_one_class_has_one_scale(explain, scan):
    choose(explain.classes.box, "INL")
    assert not explain.colors.scale_box.isEnabled()
    assert "choose all classes" in explain.colors.scale_box.toolTip()


def test_a_class_chosen_while_all_classes_are_on_their_way(
    viewer, explain, dock, run, ends, masks, scan, qtbot
):
    run(dock)
    viewer.layers.selection.active = masks()[0]
    choose(explain.classes.box, "INL")
    ends(explain, explain.button.click)
    choose(explain.classes.box, ALL)
    masks()[0].selected_label = 4
    qtbot.waitUntil(lambda: not explain.is_running, timeout=120_000)
    assert explain.classes.is_all
    assert explain.shown.text().startswith("Class shown: OPL")


def test_a_result_leaves_the_choice_of_image(viewer, explain, scan, bscan, qtbot, maps):
    other = viewer.add_image(bscan[::-1], name="other")
    choose_modality(explain.images, Modality.OCT)
    labels = viewer.add_labels(np.zeros((96, 128), np.uint8))
    explain.images.choose(scan)
    explain.explain()
    explain.images.choose(other)
    qtbot.waitUntil(lambda: not explain.is_running, timeout=120_000)
    assert maps()
    assert explain.images.layer == other
    assert viewer.layers.selection.active == labels


@pytest.fixture
def other_model(tmp_path, home):
    """Return the name of a second model for OCT."""
    folder = tiny_model(tmp_path / "other", Modality.OCT).path
    spec = folder / "spec.json"
    spec.write_text(spec.read_text().replace("tiny-oct", "other-oct"))
    return add_model(folder).name


def test_a_depth_that_was_chosen_stays_for_another_model(other_model, explain, scan, qtbot):
    qtbot.waitUntil(lambda: bool(explain.layers.names), timeout=60_000)

    def change_model(name):
        choose(explain.models.box, name)
        qtbot.waitUntil(lambda: bool(explain.layers.names), timeout=60_000)

    choose(explain.layers.box, FINE)
    change_model(other_model)
    assert explain.layers.box.currentText() == FINE
    choose_layer(explain.layers, "encoder 0")
    change_model("tiny-oct")
    assert explain.layers.target_layer.name == "encoder 0"
    explain.layers._wanted = "conv2d_19"  # of a model that has it
    change_model(other_model)
    assert (
        explain.layers.note.text() == "'other-oct' has no layer 'conv2d_19': bottleneck is chosen."
    )


def test_a_mask_brings_the_model_that_drew_it(other_model, viewer, explain, dock, run, masks, scan):
    dock.images.choose(scan)
    choose(dock.models.box, other_model)
    run(dock)
    (mask,) = masks()
    viewer.layers.selection.active = scan
    choose(explain.models.box, "tiny-oct")
    viewer.layers.selection.active = mask
    assert explain.models.model.name == other_model
    assert Settings().model(Modality.OCT) == "tiny-oct"  # that was a person's choice


def test_a_mask_of_a_model_that_is_gone_reports_it(viewer, explain, dock, run, masks, scan):
    run(dock)
    (mask,) = masks()
    known = mask.metadata[KEY]
    mask.metadata[KEY] = replace(known, provenance=replace(known.provenance, model="gone"))
    viewer.layers.selection.active = scan
    viewer.layers.selection.active = mask
    assert "was made by 'gone', which is not available" in explain.shown.text()
    viewer.layers.selection.active = scan
    assert explain.shown.isHidden()


def test_layers_are_looked_up_again_after_a_failure(explain, scan, model_folders, qtbot):
    qtbot.waitUntil(is_idle, timeout=60_000)
    explain.layers._known.clear()
    weights = model_folders[0] / WEIGHTS_FILE
    content = weights.read_bytes()
    weights.write_bytes(content[:1000])
    try:
        explain.layers.offer(None)
        explain.layers.offer(explain.models.model)
        qtbot.waitUntil(lambda: "altered" in explain.layers.disabled_reason, timeout=60_000)
    finally:
        weights.write_bytes(content)
    choose(explain.models.box, "tiny-oct")
    qtbot.waitUntil(lambda: bool(explain.layers.names), timeout=60_000)


def test_other_colours_of_a_mask_ask_nothing(viewer, explain, dock, run, masks, scan):
    run(dock)
    viewer.layers.selection.active = masks()[0]
    tick(dock.legend, 3, False)
    assert not explain.is_running


def test_nothing_below_moves_when_the_answer_grows(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    _, explain = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Explain")

    def places(words):
        explain.status.show_result(JobStatus.SUCCEEDED, words)
        settle()
        return [w.mapTo(explain, QPoint()).y() for w in (explain.keep_button, explain.choices)]

    assert places("Short.") == places("Evidence by Grad-CAM of a model at a place, for it. " * 2)
