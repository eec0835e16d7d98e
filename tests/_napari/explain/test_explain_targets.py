import dask
import dask.array as da
import numpy as np
import pytest
from qtpy.QtCore import Qt

from choose import choose, choose_modality, choose_target
from napari_retina_seg._napari.clicks import CanvasClicks
from napari_retina_seg._napari.explain.overlays import PointMark
from napari_retina_seg._napari.explain.pickers import ALL, THERE
from napari_retina_seg._napari.explain.saliency_layers import saliency_of
from napari_retina_seg._napari.explain.target_picker import CLASS, POINT, REGION
from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.widgets import elided_text
from napari_retina_seg.imaging.cam import Method
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.imaging.target import Point
from napari_retina_seg.types.image import Modality


def test_a_click_asks_why_there(explain, ends, scan, maps, click):
    choose_target(explain.targets, POINT)
    assert not explain.button.isEnabled()
    assert "Click on the image" in explain.button.toolTip()
    assert explain.classes.is_there
    ends(explain, lambda: click(scan.data_to_world((50, 60))))
    shown = saliency_of(maps()[0]).first
    assert shown.target == Point(50, 60)
    assert shown.values == (shown.labels[50, 60],)
    assert "Row 50, column 60" in explain.targets.note.text()
    ends(explain, lambda: choose(explain.classes.box, "INL"))
    assert maps()[0].name == "scan · tiny-oct · HiResCAM INL at 50, 60, bottleneck"


def marks(viewer):
    return [tuple(each.position) for each in viewer.scene.overlays.values() if is_mark(each)]


def is_mark(overlay):
    return isinstance(getattr(overlay, "__wrapped__", overlay), PointMark) and overlay.visible


def test_a_ring_stays_where_was_clicked_and_the_dock_says_the_place(
    viewer, explain, ends, scan, click
):
    scan.units = ("um", "um")
    choose_target(explain.targets, POINT)
    world = tuple(scan.data_to_world((50, 60)))
    ends(explain, lambda: click(world))
    assert marks(viewer) == [world]
    assert scan.get_status(world, world=True)["coords"] == "[105.00, 187.00]"
    assert "Row 50, column 60: [105.00, 187.00] µm." in explain.targets.note.text()
    ends(explain, lambda: choose(explain.classes.box, ALL))  # one more axis in front
    assert marks(viewer) == [world]
    viewer.dims.ndisplay = 3
    assert not marks(viewer)
    viewer.dims.ndisplay = 2
    assert len(marks(viewer)) == 1
    choose_target(explain.targets, CLASS)
    assert not marks(viewer)


def test_the_ring_goes_with_its_image_and_with_the_dock(viewer, scan, bscan, click, explain, ends):
    choose_target(explain.targets, POINT)
    ends(explain, lambda: click(tuple(scan.data_to_world((50, 60)))))
    other = viewer.add_image(bscan[::-1], name="other")
    explain.images.choose(other)
    assert not marks(viewer)
    explain.images.choose(scan)
    assert len(marks(viewer)) == 1
    viewer.window.remove_dock_widget(explain)
    assert not marks(viewer)


def test_a_place_suggests_a_method_until_a_person_has_chosen_one(explain, scan):
    methods = explain.methods
    assert methods.note.isHidden()
    choose_target(explain.targets, POINT)
    assert methods.method is Method.HIRES_CAM
    assert methods.note.text() == (
        "Method changed to “Where the evidence lies”, which suits a point or region."
    )
    choose_target(explain.targets, CLASS)
    assert methods.method is Method.GRAD_CAM
    assert "changed to “Where key features show”" in methods.note.text()
    choose(methods.box, Method.LAYER_CAM)
    assert "looks only where the class was drawn" in methods.note.text()
    assert "“Where key features show” suits better" in methods.note.text()
    choose_target(explain.targets, POINT)
    assert methods.method is Method.LAYER_CAM
    assert methods.note.isHidden()
    choose(methods.box, Method.GRAD_CAM)
    assert "averages over the image" in methods.note.text()
    choose_target(explain.targets, REGION)
    assert methods.method is Method.GRAD_CAM
    assert "averages over the image" in methods.note.text()


def test_methods_have_plain_names_and_their_own_in_the_tooltip(explain, scan):
    box = explain.methods.box
    for method in Method:
        choose(box, method)
        assert method.value not in box.currentText()
        assert box.toolTip().startswith(f"Now {method.value}.")
        tip = box.itemData(box.currentIndex(), Qt.ItemDataRole.ToolTipRole)
        assert tip.startswith(f"{method.value}: ")


def test_a_point_is_answered_in_a_sentence(explain, ends, scan, maps, click):
    choose_target(explain.targets, POINT)
    ends(explain, lambda: click(scan.data_to_world((50, 60))))
    answer = saliency_of(maps()[0]).first.answer
    assert answer.is_point
    assert answer.sentence in explain.status.text()
    assert "HiResCAM" in explain.status.toolTip()
    assert "filled in smoothly" in explain.status.toolTip()
    choose_target(explain.targets, CLASS)
    ends(explain, explain.button.click)
    assert "filled in" not in explain.status.text() + explain.status.toolTip()


def test_a_click_beside_the_image_keeps_the_point_before(explain, ends, scan, maps, click):
    choose_target(explain.targets, POINT)
    ends(explain, lambda: click(scan.data_to_world((50, 60))))
    click(scan.data_to_world((-4, 60)))
    assert explain.status.result is None
    assert "row -4, column 60 is outside 'scan' (96 × 128 px)" in explain.status.text()
    ends(explain, lambda: choose(explain.classes.box, "INL"))
    assert saliency_of(maps()[0]).first.target == Point(50, 60)


def test_a_first_click_beside_the_image_is_a_sentence(explain, scan, maps, click):
    choose_target(explain.targets, POINT)
    click(scan.data_to_world((-4, 60)))
    assert "is outside 'scan'" in explain.status.text()
    assert not explain.button.isEnabled()
    assert not maps()


@pytest.mark.parametrize("mode", ["paint", "fill", "polygon", "pick", "erase"])
def test_asking_for_a_point_puts_the_brush_down(viewer, explain, ends, scan, mode, maps, click):
    labels = viewer.add_labels(np.zeros((96, 128), np.uint8))
    labels.mode = mode
    choose_target(explain.targets, POINT)
    assert labels.mode == "pan_zoom"
    ends(explain, lambda: click(scan.data_to_world((50, 60))))
    assert maps()


def test_a_click_with_a_brush_taken_again_is_announced(viewer, explain, scan, click):
    labels = viewer.add_labels(np.zeros((96, 128), np.uint8))
    choose_target(explain.targets, POINT)
    labels.mode = "paint"
    click((50, 60))
    assert not explain.is_running
    assert "The active tool uses clicks: press Esc" in explain.status.text()


def test_a_click_of_another_tool_asks_nothing(viewer, explain, scan, click):
    labels = viewer.add_labels(phantom_bscan(rows=96, columns=128).labels)
    choose_target(explain.targets, POINT)
    clicks = CanvasClicks(viewer)
    clicks.listen(labels)
    click((50, 60))
    assert not explain.is_running
    assert "The active tool uses clicks: press Esc" in explain.status.text()
    clicks.stop()
    explain.targets.is_in_front = False
    click((50, 60))
    assert not explain.is_running


def test_a_click_for_another_dock_asks_nothing(make_napari_viewer, bscan, qtbot):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(bscan, name="scan")
    _, explain = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Explain")
    _, correct = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Correct")
    correct.parent().raise_()
    qtbot.waitUntil(lambda: not explain.targets.is_in_front)
    explain.parent().raise_()
    qtbot.waitUntil(lambda: explain.targets.is_in_front)


def test_a_click_asks_nothing_once_another_target_is_chosen(explain, scan, click):
    choose_target(explain.targets, POINT)
    choose_target(explain.targets, CLASS)
    assert explain.classes.names[:2] == [ALL, "BG · Background"]
    assert THERE not in explain.classes.names
    click(scan.data_to_world((50, 60)))
    assert not explain.is_running


def test_a_region_painted_in_a_layer(viewer, explain, ends, scan, maps):
    pixels = np.zeros((96, 128), np.uint8)
    pixels[40:50, 30:60] = 7
    region = viewer.add_labels(pixels, name="spot", scale=scan.scale, translate=scan.translate)
    choose_target(explain.targets, REGION, region)
    ends(explain, explain.button.click)
    target = saliency_of(maps()[0]).first.target
    assert np.array_equal(target.mask, pixels > 0)
    assert target.description == "the region in 'spot'"


def test_an_empty_region_is_a_sentence(viewer, explain, scan):
    region = viewer.add_labels(np.zeros((96, 128), np.uint8), name="spot")
    choose_target(explain.targets, REGION, region)
    explain.button.click()
    assert not explain.is_running
    assert explain.status.result is None
    assert "paint or draw there first" in explain.status.text()


def test_no_region_at_all_greys_the_button_out(explain, scan):
    choose_target(explain.targets, REGION)
    assert not explain.button.isEnabled()
    assert "add a Labels or Shapes layer" in explain.button.toolTip()


def test_a_click_asks_about_the_slice_under_it_in_any_order(
    viewer, explain, ends, volume, maps, click
):
    image = viewer.add_image(volume, name="cube", scale=(240, 4, 12))
    choose_modality(explain.images, Modality.OCT)
    choose_target(explain.targets, POINT)
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_point(1, 4 * 50)
    ends(explain, lambda: click(image.data_to_world((4, 50, 60))))
    shown = saliency_of(maps()[0]).first
    assert shown.target == Point(50, 60)
    assert shown.index == 4
    ends(explain, lambda: choose(explain.classes.box, "INL"))
    assert saliency_of(maps()[0]).first.index == 4


def test_a_point_is_asked_for_in_2d(viewer, explain, volume, click):
    viewer.add_image(volume, name="cube")
    choose_modality(explain.images, Modality.OCT)
    choose_target(explain.targets, POINT)
    viewer.dims.ndisplay = 3
    click((2, 50, 60))
    assert not explain.is_running
    assert "in 2D" in explain.status.text()


def test_a_region_that_is_removed_is_not_replaced_by_another(viewer, explain, scan):
    viewer.add_labels(np.ones((96, 128), np.uint8), name="other")
    spot = viewer.add_labels(np.ones((96, 128), np.uint8), name="spot")
    choose_target(explain.targets, REGION, spot)
    assert explain.button.isEnabled()
    viewer.layers.remove(spot)
    viewer.layers["other"].name = "renamed"
    assert explain.targets.layer is None
    assert "was removed: choose another one" in explain.button.toolTip()
    choose_target(explain.targets, REGION, viewer.layers["renamed"])
    assert explain.button.isEnabled()


def test_a_region_that_can_not_be_read_is_a_sentence(viewer, explain, scan, tmp_path):
    np.save(tmp_path / "spot.npy", np.ones((96, 128), np.uint8))
    lazy = da.from_delayed(dask.delayed(np.load)(tmp_path / "spot.npy"), (96, 128), np.uint8)
    spot = viewer.add_labels(lazy, name="spot")
    (tmp_path / "spot.npy").unlink()
    choose_target(explain.targets, REGION, spot)
    explain.button.click()
    assert explain.status.result is JobStatus.FAILED
    assert "The region in 'spot' can't be read: " in explain.status.text()


def test_what_a_person_chose_comes_back_after_a_point(explain, scan):
    choose(explain.classes.box, "INL")
    choose_target(explain.targets, POINT)
    choose(explain.methods.box, Method.HIRES_CAM)  # which is what is recommended there
    choose_target(explain.targets, CLASS)
    assert explain.methods.method is Method.HIRES_CAM
    assert explain.classes.values == (3,)


def test_a_region_is_asked_about_once_a_person_has_chosen_it(
    explain, dock, run, ends, masks, scan, qtbot
):
    dock.images.choose(scan)
    run(dock)
    ends(explain, explain.button.click)
    choose_target(explain.targets, REGION)
    qtbot.waitUntil(lambda: not explain._soon.isActive())
    assert not explain.is_running
    assert explain.targets.layer is None
    assert explain.status.text() == "Choose the layer with the region."
    ends(explain, lambda: choose_target(explain.targets, REGION, masks()[0]))


def test_the_only_layer_of_a_person_is_the_region(viewer, explain, scan):
    spot = viewer.add_labels(np.ones((96, 128), np.uint8), name="spot")
    assert explain.targets.layer == spot
    viewer.add_labels(np.ones((96, 128), np.uint8), name="other")
    assert explain.targets.layer is None


def test_long_names_of_regions_are_told_apart(viewer, explain, scan):
    names = [f"a long name of a long recording · tiny-oct · slice {number}" for number in (1, 2)]
    for name in names:
        viewer.add_labels(np.ones((96, 128), np.uint8), name=name)
    box = explain.targets.region_box
    assert [box.itemText(row) for row in range(2)] == names
    choose_target(explain.targets, REGION, viewer.layers[names[1]])
    box.setFixedWidth(250)
    assert elided_text(box).startswith("a long")
    assert elided_text(box).endswith(" slice 2")
    assert len(elided_text(box)) < len(names[1])
