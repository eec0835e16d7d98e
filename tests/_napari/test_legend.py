import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtCore import QPoint, Qt

from choose import tick
from napari_retina_seg._napari.results import colormap
from napari_retina_seg.types.labels import OCT_LAYERS


@pytest.fixture
def mask(viewer, dock, run, masks, bscan) -> Labels:
    viewer.add_image(bscan, name="scan")
    run(dock)
    return masks()[0]


def alpha(layer: Labels, value: int) -> float:
    return float(layer.colormap.color_dict[value][3])


def test_the_classes_are_listed_with_their_names(dock, mask):
    assert dock.legend.layer == mask
    assert dock.legend.names[0] == "RNFL · Retinal nerve fibre layer"
    assert len(dock.legend.names) == 7


def test_the_colours_are_the_schemes(mask):
    for label in OCT_LAYERS.classes[1:]:
        shown = np.rint(mask.colormap.color_dict[label.value][:3] * 255)
        assert tuple(shown.astype(int)) == label.rgb
    assert alpha(mask, 0) == 0
    assert alpha(mask, None) == 0


def test_a_class_can_be_hidden_and_shown(dock, mask):
    tick(dock.legend, 3, False)
    assert alpha(mask, 3) == 0
    assert alpha(mask, 4) == 1
    tick(dock.legend, 3, True)
    assert alpha(mask, 3) == 1


def test_a_class_can_be_picked_for_painting(dock, mask):
    dock.legend.list.setCurrentRow(5 - 1)
    assert mask.selected_label == 5
    mask.selected_label = 2
    assert dock.legend.list.currentRow() == 1


def test_hidden_classes_stay_hidden_when_the_mask_is_selected_again(viewer, dock, mask):
    tick(dock.legend, 2, False)
    viewer.layers.selection.active = viewer.layers["scan"]
    assert dock.legend.layer is None
    assert dock.legend.names == []
    viewer.layers.selection.active = mask
    assert alpha(mask, 2) == 0
    assert dock.legend._item(2).checkState() == dock.legend._item(2).checkState().Unchecked


def test_foreign_labels_layers_are_left_alone(viewer, dock, bscan):
    other = viewer.add_labels(
        np.ones(bscan.shape, np.uint8), name="theirs", colormap=colormap(OCT_LAYERS)
    )
    assert dock.legend.layer is None
    assert dock.legend.names == []
    assert other.selected_label == 1


def click(qtbot, dock, value: int, *, on_tick: bool = False) -> None:
    listed = dock.legend.list
    place = listed.visualItemRect(dock.legend._item(value))
    at = QPoint(place.left() + 10, place.center().y()) if on_tick else place.center()
    qtbot.mouseClick(listed.viewport(), Qt.MouseButton.LeftButton, pos=at)


def test_a_click_on_a_name_takes_the_brush_and_shows_the_class(qtbot, dock, mask):
    tick(dock.legend, 3, False)
    click(qtbot, dock, 3)
    assert mask.selected_label == 3
    assert mask.mode == "paint"
    assert alpha(mask, 3) == 1


def test_a_click_on_a_tick_hides_the_class_and_takes_no_brush(qtbot, dock, mask):
    click(qtbot, dock, 3, on_tick=True)
    assert alpha(mask, 3) == 0
    assert mask.mode == "pan_zoom"
    click(qtbot, dock, 3, on_tick=True)
    assert alpha(mask, 3) == 1
    assert mask.mode == "pan_zoom"


def test_a_class_that_is_hidden_elsewhere_stays_hidden(dock, mask):
    mask.colormap = colormap(OCT_LAYERS, frozenset({1}))  # as the Correct dock does
    assert dock.legend._item(1).checkState() == Qt.CheckState.Unchecked
    tick(dock.legend, 3, False)
    assert [value for value in range(1, 8) if alpha(mask, value) == 0] == [1, 3]
