"""Lines of the model's mask beside a map."""

import numpy as np
import pytest

from choose import choose_modality
from napari_retina_seg._napari.explain.model_lines import trace_lines
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import OCT_LAYERS


def test_lines_run_along_the_edges_of_pixels_in_the_colour_of_the_class_below() -> None:
    labels = np.zeros((4, 3), np.uint8)
    labels[1] = 2
    labels[2] = 3
    points, colors = trace_lines(labels, OCT_LAYERS)
    assert len(points) == len(colors) == 2 * 9
    assert np.unique(points[:, 1]).tolist() == [1, 2, 3]
    assert (points[:, 0].min(), points[:, 0].max()) == (0, 3)
    for row, value in ((1, 2), (2, 3), (3, 3)):
        own = colors[points[:, 1] == row]
        expected = np.array([*OCT_LAYERS.classes[value].rgb, 255]) / 255
        assert np.allclose(own, expected)


def test_a_lone_pixel_gets_a_closed_square_and_an_even_mask_nothing() -> None:
    labels = np.zeros((5, 6), np.uint8)
    assert len(trace_lines(labels, OCT_LAYERS)[0]) == 0
    labels[2, 3] = 1
    points = trace_lines(labels, OCT_LAYERS)[0].reshape(-1, 2, 2)
    sides = {tuple(sorted(map(tuple, side))) for side in points.tolist()}
    corners = [(3, 2), (4, 2), (4, 3), (3, 3)]
    square = zip(corners, corners[1:] + corners[:1], strict=True)
    assert sides == {tuple(sorted(side)) for side in square}


@pytest.fixture
def with_map(explain, ends, scan):
    """Explain one class of the scan, without a mask on the screen."""
    ends(explain, explain.button.click)
    return explain


def test_a_map_without_a_mask_has_the_lines_of_the_model(viewer, with_map, ends, maps):
    lines = with_map.lines
    assert lines.is_shown
    maps()[0].visible = False
    assert not lines.is_shown
    maps()[0].visible = True
    assert lines.is_shown
    viewer.dims.ndisplay = 3
    assert not lines.is_shown
    viewer.dims.ndisplay = 2
    assert lines.is_shown
    viewer.layers.remove(maps()[0])
    assert not lines.is_shown


def test_a_visible_mask_takes_the_place_of_the_lines(viewer, with_map, dock, run, masks, scan):
    dock.images.choose(scan)
    run(dock)
    (mask,) = masks()
    assert not with_map.lines.is_shown
    assert mask.contour == 2  # its own lines, beside the map
    mask.visible = False
    assert with_map.lines.is_shown
    mask.visible = True
    assert not with_map.lines.is_shown


def test_lines_go_with_the_slice_of_their_map_and_with_the_dock(
    viewer, explain, ends, volume, maps
):
    viewer.add_image(volume, name="cube")
    choose_modality(explain.images, Modality.OCT)
    viewer.dims.set_point(0, 1)
    ends(explain, explain.button.click)
    explain.keep_button.click()
    assert explain.lines.is_shown
    explain._soon.stop()
    viewer.dims.set_point(0, 2)
    assert not explain.lines.is_shown
    viewer.dims.set_point(0, 1)
    assert explain.lines.is_shown
    viewer.window.remove_dock_widget(explain)
    assert not explain.lines.is_shown
