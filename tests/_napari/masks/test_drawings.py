"""From layers to drawings and back."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_retina_seg._napari.masks.drawings import drawing_of, show_drawing
from napari_retina_seg._napari.results import MaskInfo, mask_options
from napari_retina_seg.core.errors import ProjectError
from napari_retina_seg.core.labels import OCT_LAYERS
from napari_retina_seg.core.phantom import phantom_bscan
from napari_retina_seg.core.surfaces import to_labels
from napari_retina_seg.project.drawing import Drawing


@pytest.fixture
def scene():
    """Return a viewer, a mask with lines between pixels, and the lines."""
    heights = phantom_bscan(rows=96, columns=128).heights
    labels = to_labels(heights, 96)
    viewer = ViewerModel()
    info = MaskInfo("scan", OCT_LAYERS, boundaries=heights)
    mask = viewer.add_layer(Labels(labels, name="mask", **mask_options(info)))
    return viewer, mask, heights


def test_lines_stay_between_pixels_where_the_mask_was_not_touched(scene):
    viewer, mask, heights = scene
    top = int(np.rint(heights[0, 10]))
    mask.data_setitem((np.arange(top - 3, top), np.full(3, 10)), 1)
    drawing = drawing_of(viewer, mask)
    others = np.arange(128) != 10
    assert np.array_equal(drawing.boundaries[:, others], heights[:, others])
    assert drawing.boundaries[0, 10] == top - 3
    mask.data[:] = 0
    assert drawing.labels.any()  # a copy


def test_a_drawing_that_is_shown_can_be_undone_and_is_read_again(scene):
    viewer, mask, _ = scene
    before = mask.data.copy()
    region = np.zeros(before.shape, bool)
    region[3:5] = True
    show_drawing(viewer, mask, Drawing(before[::-1].copy(), None, region))
    again = drawing_of(viewer, mask)
    assert np.array_equal(again.labels, before[::-1])
    assert np.array_equal(again.questionable, region)
    mask.undo()
    assert np.array_equal(mask.data, before)


def test_of_other_labels_there_is_no_drawing(scene):
    viewer, _, _ = scene
    with pytest.raises(ProjectError, match="'cells' is no mask with known classes"):
        drawing_of(viewer, viewer.add_labels(np.ones((4, 4), int), name="cells"))
