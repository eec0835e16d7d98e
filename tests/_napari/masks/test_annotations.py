"""From layers to drawings and back."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_retina_seg._napari.masks.annotations import copy_annotation, up_to_date
from napari_retina_seg._napari.masks.edits import change
from napari_retina_seg._napari.masks.linked_layers import show_questionable
from napari_retina_seg._napari.results import MaskInfo, mask_options
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.imaging.surfaces import to_labels
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.labels import OCT_LAYERS


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
    annotation = up_to_date(copy_annotation(viewer, mask))
    others = np.arange(128) != 10
    assert np.array_equal(annotation.boundaries[:, others], heights[:, others])
    assert annotation.boundaries[0, 10] == top - 3
    mask.data[:] = 0
    assert annotation.labels.any()  # a copy


def test_a_drawing_has_what_was_painted_and_what_is_questionable(scene):
    viewer, mask, _ = scene
    before = mask.data.copy()
    region = np.zeros(before.shape, bool)
    region[3:5] = True
    change(mask, before[::-1].copy())
    show_questionable(viewer, mask, region)
    annotation = up_to_date(copy_annotation(viewer, mask))
    assert np.array_equal(annotation.labels, before[::-1])
    assert np.array_equal(annotation.ignore, region)
    mask.undo()
    assert np.array_equal(up_to_date(copy_annotation(viewer, mask)).labels, before)


def test_of_other_labels_there_is_no_drawing(scene):
    viewer, _, _ = scene
    with pytest.raises(ProjectError, match="'cells' is not a mask"):
        copy_annotation(viewer, viewer.add_labels(np.ones((4, 4), int), name="cells"))
