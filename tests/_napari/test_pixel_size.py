"""Pixel sizes that a person enters in the Segment dock."""

import numpy as np
import pytest
from PIL import Image as Picture
from qtpy.QtCore import Qt

from choose import choose_modality
from napari_retina_seg._napari.layers import KEY, image_layers, retina_image
from napari_retina_seg._napari.masks.linked_layers import show_questionable
from napari_retina_seg._napari.widgets import AMBER
from napari_retina_seg.io.formats.raster import read_png
from napari_retina_seg.types.image import Modality, Origin, RetinaImage, Spacing

PLUGIN = "napari-retina-seg"


def enter(dock, **sizes):
    """Type sizes as a person does, and leave the last field."""
    fields = dock.pixel_size.fields
    for name, words in sizes.items():
        fields[name].setText(words)
    fields[name].editingFinished.emit()


def sizes(spacing):
    return spacing.slice.um, spacing.axial.um, spacing.lateral.um


def test_an_entered_size_is_the_users_and_masks_lie_on_it(
    viewer, dock, run, masks, bscan, tmp_path
):
    Picture.fromarray(bscan).save(tmp_path / "scan.png")
    (image,) = viewer.open(str(tmp_path / "scan.png"), plugin=PLUGIN)
    assert "unknown" in dock.pixel_size.summary.text()
    enter(dock, axial="3.87", lateral="11,6")
    spacing = retina_image(image).spacing
    assert sizes(spacing) == pytest.approx((None, 3.87, 11.6))
    assert spacing.axial.origin is Origin.USER
    assert "stated by the user" in dock.pixel_size.summary.text()
    run(dock)
    (mask,) = masks()
    enter(dock, axial="4")
    assert mask.scale == pytest.approx((4, 11.6))
    assert image.scale == pytest.approx((4, 11.6))
    viewer.layers.selection = {mask}
    path = str(tmp_path / "m.png")
    viewer.layers.save(path, selected=True, plugin=PLUGIN)
    saved = read_png(tmp_path / "m.png").spacing
    assert sizes(saved) == pytest.approx((None, 4, 11.6))
    assert saved.axial.origin is Origin.USER
    viewer.layers.remove(mask)
    (again,) = viewer.open(path, plugin=PLUGIN)
    assert again.scale == pytest.approx(image.scale)


def test_undo_and_the_file_bring_earlier_sizes_back(viewer, dock, bscan):
    known = RetinaImage(bscan, name="scan", spacing=Spacing.from_um(axial=3.87, lateral=11.6))
    ((pixels, options, _),) = image_layers(known)
    image = viewer.add_image(pixels, **options)
    part = dock.pixel_size
    assert not part.reset_button.isEnabled()
    enter(dock, lateral="12")
    enter(dock, lateral="13")
    part.undo_button.click()
    assert retina_image(image).spacing.lateral.um == 12
    part.reset_button.click()
    assert retina_image(image).spacing == known.spacing
    assert not part.reset_button.isEnabled()
    part.undo_button.click()
    part.undo_button.click()
    assert retina_image(image).spacing == known.spacing
    assert not part.undo_button.isEnabled()


def test_a_change_says_how_the_image_looks_now_and_how_to_go_back(viewer, dock, bscan):
    viewer.add_image(bscan, name="scan")
    enter(dock, axial="4", lateral="12")
    assert "looks 3 times flatter" in dock.status.text()
    assert "Undo" in dock.status.text()
    enter(dock, lateral="4")
    assert "flatter" not in dock.status.text()
    dock.pixel_size.undo_button.click()
    dock.pixel_size.undo_button.click()
    assert "unknown now" in dock.status.text()
    assert "Undo" not in dock.status.text()


def test_all_layers_of_an_image_have_its_units(viewer, dock, run, masks, bscan):
    image = viewer.add_image(bscan, name="scan")
    for box in (dock.probabilities, dock.uncertainty):
        box.setChecked(True)
    run(dock)
    show_questionable(viewer, masks()[0], np.ones(bscan.shape, bool))
    assert len(viewer.layers) == 5
    for name, axial in (("scan", "4"), ("renamed", "3"), ("renamed", "")):
        image.name = name
        viewer.layers.selection.active = image
        enter(dock, axial=axial, lateral=axial and "12")
        assert "µm" in dock.status.text() or not axial
        # napari warns of inconsistent units if there are none.
        assert viewer.layers.extent.units is not None
        assert {str(layer.units[-1]) for layer in viewer.layers} == {
            "micrometer" if axial else "pixel"
        }


@pytest.mark.parametrize(
    ("entered", "said"),
    [
        ({"axial": "3.87", "lateral": ""}, "both the axial and the lateral"),
        ({"axial": "wide", "lateral": "11"}, "is not a number"),
        ({"axial": "0", "lateral": "11"}, "axial pixel size is 0"),
        ({"axial": "0.00387", "lateral": "0.0116"}, "state it in µm"),
    ],
)
def test_what_is_no_size_is_a_sentence_and_changes_nothing(viewer, dock, bscan, entered, said):
    image = viewer.add_image(bscan, name="scan")
    enter(dock, **entered)
    assert said in dock.pixel_size.problem.text()
    assert retina_image(image).spacing == Spacing()
    enter(dock, axial="3.87", lateral="11.6")
    assert not dock.pixel_size.problem.text()


def test_a_volume_takes_the_distance_of_its_slices(viewer, dock, volume, bscan):
    single = viewer.add_image(bscan, name="single")
    assert not dock.pixel_size.fields["slice"].isEnabled()
    cube = viewer.add_image(volume, name="cube", translate=(2, 0, 0), rotate=(0, 0, 30))
    enter(dock, axial="3.87", lateral="11.6", slice="120")
    assert sizes(retina_image(cube).spacing) == pytest.approx((120, 3.87, 11.6))
    assert single.scale == pytest.approx((1, 1))
    enter(dock, slice="")
    assert sizes(retina_image(cube).spacing) == pytest.approx((None, 3.87, 11.6))


def test_maps_of_one_slice_stay_on_it(viewer, dock, run, volume):
    image = viewer.add_image(volume, name="cube")
    dock.uncertainty.setChecked(True)
    viewer.dims.set_point(0, 3)
    run(dock)
    uncertainty = next(layer for layer in viewer.layers if "uncertainty" in layer.name)
    enter(dock, axial="3.87", lateral="11.6", slice="120")
    np.testing.assert_allclose(uncertainty.data_to_world((0, 0, 0)), image.data_to_world((3, 0, 0)))
    np.testing.assert_allclose(uncertainty.scale, image.scale)


def test_another_image_of_the_same_shape_keeps_its_size(viewer, dock, bscan):
    other = viewer.add_image(bscan, name="other")
    drawn = viewer.add_labels(np.zeros(bscan.shape, np.uint8), name="drawn")
    image = viewer.add_image(bscan, name="scan")
    enter(dock, axial="3.87", lateral="11.6")
    assert image.scale == pytest.approx((3.87, 11.6))
    assert other.scale == pytest.approx((1, 1))
    assert drawn.scale == pytest.approx((3.87, 11.6))
    assert drawn.metadata.get(KEY) is None


def test_a_layer_in_millimetres_stays_in_them(viewer, dock, bscan):
    image = viewer.add_image(bscan, scale=(0.005, 0.01), units=("mm", "mm"), name="scan")
    enter(dock, axial="3.87")
    assert image.scale == pytest.approx((0.00387, 0.01))
    assert [str(unit) for unit in image.units] == ["millimeter"] * 2


def type_over(qtbot, field, words):
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field, words)


@pytest.mark.parametrize("how", ["click", "shortcut"])
def test_nothing_is_segmented_while_the_size_entered_is_wrong(
    viewer, dock, qtbot, run, masks, bscan, how
):
    known = RetinaImage(bscan, name="scan", spacing=Spacing.from_um(axial=3.87, lateral=11.6))
    ((pixels, options, _),) = image_layers(known)
    image = viewer.add_image(pixels, **options)
    choose_modality(dock.images, Modality.OCT)
    field = dock.pixel_size.fields["axial"]
    type_over(qtbot, field, "3.9 mm")
    if how == "click":
        qtbot.mouseClick(dock.button, Qt.MouseButton.LeftButton)
    else:
        dock.segment_selected()
    assert not dock.is_running
    assert not masks()
    assert not dock.button.isEnabled()
    assert "Correct the pixel size first. '3.9 mm' is not a number" in dock.status.text()
    assert dock.button.toolTip() == dock.status.text()
    dock.pixel_size.refresh()
    dock.images.changed.emit()
    image.scale = (4, 12)
    assert field.text() == "3.9 mm"
    assert "is not a number" in dock.pixel_size.problem.text()
    assert AMBER in dock.pixel_size.problem.styleSheet()
    type_over(qtbot, field, "3.9")
    assert dock.button.isEnabled()  # as soon as it is right, for who clicks at once
    assert not dock.pixel_size.problem.text()
    assert not dock.status.text()
    run(dock)
    assert image.scale == pytest.approx((3.9, 11.6))
    assert masks()[0].scale == pytest.approx((3.9, 11.6))


def test_the_earlier_size_typed_again_ends_the_problem(viewer, dock, qtbot, bscan):
    viewer.add_image(bscan, scale=(3.87, 11.6), units=("um", "um"), name="scan")
    field = dock.pixel_size.fields["axial"]
    for right in ("3.870", "3.87"):
        enter(dock, axial="wide")
        assert not dock.button.isEnabled()
        enter(dock, axial=right)
        assert dock.button.isEnabled()
        assert field.text() == "3.87"


def test_a_wrong_size_is_of_its_own_image(viewer, dock, bscan):
    viewer.add_image(bscan, name="scan")
    choose_modality(dock.images, Modality.OCT)
    enter(dock, axial="wide")
    viewer.add_image(bscan, name="other")
    choose_modality(dock.images, Modality.OCT)
    assert dock.pixel_size.fields["axial"].text() == ""
    assert dock.button.isEnabled()
