import numpy as np
import pytest

from choose import choose, choose_colors, choose_layer, choose_modality, choose_target
from helpers import answer
from napari_retina_seg._napari.explain.pickers import ALL
from napari_retina_seg._napari.explain.target_picker import POINT
from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.layers import KEY, retina_image
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg.imaging.cam import Method
from napari_retina_seg.imaging.explanation import ExplainRequest
from napari_retina_seg.types.image import Modality


def test_all_classes_become_a_stack_on_the_images_own_grid(explain, ends, scan, bscan, maps):
    choose(explain.classes.box, ALL)
    outcome = ends(explain, explain.button.click)
    assert outcome.status is JobStatus.SUCCEEDED, outcome.message
    (layer,) = maps()
    assert layer.name == "scan · tiny-oct · Grad-CAM all classes, bottleneck"
    assert layer.data.shape == (8, *bscan.shape)
    assert np.allclose(layer.data_to_world((3, 10, 20)), (3, *scan.data_to_world((10, 20))))
    expected = answer(retina_image(scan), "tiny-oct", ExplainRequest()).normalised(shared=False)
    assert np.allclose(layer.data, expected, atol=1e-5)
    assert layer.axis_labels[0] == "class"


def test_the_slider_names_the_class(viewer, explain, ends, scan):
    choose(explain.classes.box, ALL)
    ends(explain, explain.button.click)
    viewer.dims.set_point(0, 2)
    assert explain.shown.text() == "Class shown: GCL+IPL · Ganglion cell + inner plexiform layer"
    viewer.dims.set_point(0, 0)
    assert explain.shown.text() == "Class shown: BG · Background"


def test_another_class_is_shown_in_the_same_layer(explain, ends, scan, maps):
    choose(explain.classes.box, "INL")
    ends(explain, explain.button.click)
    (before,) = maps()
    assert before.name == "scan · tiny-oct · Grad-CAM INL, bottleneck"
    ends(explain, lambda: choose(explain.classes.box, "OPL"))
    (after,) = maps()
    assert after is before
    assert after.name == "scan · tiny-oct · Grad-CAM OPL, bottleneck"
    expected = answer(retina_image(scan), "tiny-oct", ExplainRequest(values=(4,)))
    assert np.allclose(after.data, expected.normalised(shared=False)[0], atol=1e-5)


@pytest.mark.parametrize("method", Method)
def test_another_method_updates_the_map(explain, ends, scan, method, maps):
    choose(explain.classes.box, "EZ")
    ends(explain, explain.button.click)
    ends(explain, lambda: choose(explain.methods.box, method))
    request = ExplainRequest(values=(6,), method=method)
    expected = answer(retina_image(scan), "tiny-oct", request).normalised(shared=False)
    layers = maps()
    assert [layer.name for layer in layers] == [
        f"scan · tiny-oct · {method.value} EZ, bottleneck"
    ] * bool(expected.any())
    for layer in layers:
        assert np.allclose(layer.data, expected[0], atol=1e-5)


def test_a_map_that_is_kept_stays_as_it_is(explain, ends, scan, maps):
    choose(explain.classes.box, "INL")
    ends(explain, explain.button.click)
    kept = maps()[0].data.copy()
    explain.keep_button.click()
    assert not explain.keep_button.isEnabled()
    ends(explain, lambda: choose(explain.classes.box, "OPL"))
    first, second = maps()
    assert np.array_equal(first.data, kept)
    assert (first.visible, second.visible) == (False, True)
    assert "The earlier map is hidden." in explain.status.text()
    assert second.name.endswith("OPL, bottleneck")


def test_a_map_that_is_removed_does_not_come_back(viewer, explain, ends, scan, qtbot, maps):
    choose(explain.classes.box, "INL")
    ends(explain, explain.button.click)
    viewer.layers.remove(maps()[0])
    choose(explain.classes.box, "OPL")
    qtbot.waitUntil(lambda: not explain._soon.isActive())
    assert not explain.is_running
    assert not maps()


def test_colours_and_scale_change_nothing_but_the_look(explain, ends, scan, maps):
    choose(explain.classes.box, ALL)
    ends(explain, explain.button.click)
    (layer,) = maps()
    tops = layer.data.max(axis=(1, 2))
    assert np.allclose(tops[tops > 0], 1)
    choose_colors(explain.colors, "cividis", shared=True)
    assert not explain.is_running
    assert layer.colormap.name.startswith("cividis")
    expected = answer(retina_image(scan), "tiny-oct", ExplainRequest()).normalised(shared=True)
    assert np.allclose(layer.data, expected, atol=1e-5)
    choose_colors(explain.colors, "turbo", shared=False)
    assert np.allclose(layer.data.max(axis=(1, 2))[tops > 0], 1)


def test_a_slice_follows_the_slider(viewer, explain, ends, volume, maps):
    image = viewer.add_image(volume, name="cube", scale=(240, 4, 12))
    choose_modality(explain.images, Modality.OCT)
    choose(explain.classes.box, "INL")
    viewer.dims.set_point(0, 240)
    ends(explain, explain.button.click)
    (layer,) = maps()
    assert layer.name == "cube · tiny-oct · slice 1 · Grad-CAM INL, bottleneck"
    ends(explain, lambda: viewer.dims.set_point(0, 3 * 240))
    (layer,) = maps()
    assert layer.name == "cube · tiny-oct · slice 3 · Grad-CAM INL, bottleneck"
    assert np.allclose(layer.data_to_world((0, 5, 6)), image.data_to_world((3, 5, 6)))


def choose_what_leaves_rpe_without_evidence(explain, qtbot):
    qtbot.waitUntil(lambda: bool(explain.layers.names), timeout=60_000)
    choose_layer(explain.layers, "decoder 0")
    choose(explain.methods.box, Method.HIRES_CAM)


def test_no_evidence_is_a_sentence_and_no_layer(explain, ends, scan, qtbot, maps):
    choose_what_leaves_rpe_without_evidence(explain, qtbot)
    choose(explain.classes.box, "INL")
    ends(explain, explain.button.click)
    assert maps()
    ends(explain, lambda: choose(explain.classes.box, "RPE"))
    assert not maps()
    for words in ("No map to show", "No positive evidence in decoder 0 for RPE"):
        assert words in explain.status.text()
    assert explain.status.result is None
    ends(explain, lambda: choose(explain.classes.box, "OPL"))
    assert maps()


def test_a_map_is_never_offered_as_an_image(viewer, explain, ends, scan, maps):
    choose(explain.classes.box, ALL)
    ends(explain, explain.button.click)
    viewer.layers.selection.active = maps()[0]
    assert explain.images.layer == scan
    assert explain.images._box.count() == 1


def test_the_map_of_leading_axes_lies_on_the_volume_shown(viewer, explain, ends, volume, maps):
    image = viewer.add_image(np.stack([volume, volume[:, ::-1]]), scale=(2, 3, 1, 1))
    choose_modality(explain.images, Modality.OCT)
    viewer.dims.set_point(0, 2)
    viewer.dims.set_point(1, 6)
    choose(explain.classes.box, "EZ")
    ends(explain, explain.button.click)
    (layer,) = maps()
    assert layer.data.shape == (1, 1, *volume.shape[1:])
    assert np.allclose(layer.data_to_world((0, 0, 2, 3)), image.data_to_world((1, 2, 2, 3)))
    assert layer.metadata[KEY].image == image.name


@pytest.mark.parametrize("whole", [False, True])
def test_a_map_stays_with_its_image_whatever_comes_of_another(
    viewer, explain, ends, scan, bscan, qtbot, whole, maps
):
    choose_what_leaves_rpe_without_evidence(explain, qtbot)
    choose(explain.classes.box, "INL")
    ends(explain, explain.button.click)
    (first,) = maps()
    viewer.add_image(np.stack([bscan] * 3), name="cube")
    choose_modality(explain.images, Modality.OCT)
    explain.images.whole.setChecked(whole)
    choose(explain.classes.box, "INL" if whole else "RPE")
    ends(explain, explain.button.click)
    assert first in viewer.layers
    assert len(maps()) == 1 + whole


def test_a_map_follows_its_image_when_that_is_moved(explain, ends, scan, maps):
    choose(explain.classes.box, "INL")
    ends(explain, explain.button.click)
    scan.scale, scan.rotate, scan.units = (5, 7), 30, ("um", "um")
    ends(explain, lambda: choose(explain.classes.box, "OPL"))
    (layer,) = maps()
    assert np.allclose(layer.data_to_world((10, 20)), scan.data_to_world((10, 20)))
    assert layer.units == scan.units


def test_a_mask_that_comes_under_a_map_is_outlined(explain, dock, run, ends, masks, scan):
    choose(explain.classes.box, "INL")
    ends(explain, explain.button.click)
    dock.images.choose(scan)
    run(dock)
    assert masks()[0].contour == 2
    assert not Settings().switch("view/outlines"), "nobody chose outlines"


def test_a_map_of_another_image_stays_visible(viewer, explain, ends, scan, bscan, maps):
    choose(explain.classes.box, "INL")
    ends(explain, explain.button.click)
    viewer.add_image(bscan[::-1], name="other")
    choose_modality(explain.images, Modality.OCT)
    outcome = ends(explain, explain.button.click)
    assert [layer.visible for layer in maps()] == [True, True]
    assert "hidden" not in outcome.message


def test_the_zoom_stays_when_the_number_of_axes_changes(viewer, explain, ends, scan):
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 30, 40), 7
    before = viewer.scene.camera.center
    choose(explain.classes.box, "INL")
    ends(explain, explain.button.click)
    for classes in (ALL, "OPL", ALL):
        ends(explain, lambda name=classes: choose(explain.classes.box, name))
        assert viewer.scene.camera.center == before
        assert viewer.scene.camera.zoom == 7


def test_the_colour_bar_says_what_the_strongest_colour_is(viewer, explain, ends, scan):
    assert explain.colors.bar.isHidden()
    choose(explain.classes.box, ALL)
    ends(explain, explain.button.click)
    tops = answer(retina_image(scan), "tiny-oct", ExplainRequest()).maps.max(axis=(1, 2))
    viewer.dims.set_point(0, 4)
    assert explain.colors.bar.most.text() == f"evidence for OPL: {tops[4]:.3g}"
    choose_colors(explain.colors, "inferno", shared=True)
    assert explain.colors.bar.most.text() == f"evidence for all classes: {tops.max():.3g}"
    choose(explain.classes.box, "OPL")
    ends(explain, explain.button.click)
    assert explain.colors.bar.most.text() == f"evidence for OPL: {tops[4]:.3g}"


def test_the_class_asked_about_stands_out_until_the_map_goes(
    viewer, explain, dock, run, ends, masks, scan, maps
):
    run(dock)
    (mask,) = masks()
    before = mask.colormap
    viewer.layers.selection.active = mask
    ends(explain, explain.button.click)
    ends(explain, lambda: setattr(mask, "selected_label", 4))

    def opacities():
        return [round(float(mask.colormap.color_dict[value][3]), 2) for value in range(1, 8)]

    assert opacities() == [0.3, 0.3, 0.3, 1, 0.3, 0.3, 0.3]
    ends(explain, lambda: setattr(mask, "selected_label", 1))
    assert opacities() == [1, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3]
    viewer.layers.remove(maps()[0])
    assert mask.colormap is before
    assert mask.contour == 0


def test_a_map_is_taken_up_again_by_a_new_dock(viewer, explain, ends, scan, click, maps, qtbot):
    qtbot.waitUntil(lambda: bool(explain.layers.names), timeout=60_000)
    choose_layer(explain.layers, "encoder 0")
    choose_target(explain.targets, POINT)
    world = tuple(scan.data_to_world((50, 60)))
    ends(explain, lambda: click(world))
    ends(explain, lambda: choose(explain.classes.box, "EZ"))
    (before,) = maps()
    viewer.window.remove_dock_widget(explain)
    _, again = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Explain")
    assert again.classes.values == (6,)
    assert again.targets.note.text().startswith("Row 50, column 60")
    qtbot.waitUntil(lambda: bool(again.layers.names), timeout=60_000)
    assert again.layers.target_layer.name == "encoder 0"
    ends(again, lambda: choose(again.classes.box, "INL"))
    assert maps() == [before]
    assert before.name == "scan · tiny-oct · HiResCAM INL at 50, 60, encoder 0"


def test_a_map_that_was_kept_is_not_taken_up(viewer, explain, ends, scan):
    ends(explain, explain.button.click)
    explain.keep_button.click()
    viewer.window.remove_dock_widget(explain)
    _, again = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Explain")
    assert not again.keep_button.isEnabled()
