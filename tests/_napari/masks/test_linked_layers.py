"""Questionable regions and differences stand beside their mask, on its grid."""

import numpy as np
import pytest
from napari.layers import Labels

from napari_retina_seg._napari.masks.compare import Comparison, blink, show_difference
from napari_retina_seg._napari.masks.linked_layers import questionable_of, show_questionable
from napari_retina_seg._napari.results import MaskInfo, mask_options
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.labels import FUNDUS_VESSELS


@pytest.fixture
def viewer(windowless):
    return windowless


@pytest.fixture
def mask(viewer):
    data = np.zeros((3, 20, 30), np.uint8)
    data[:, 5:15, 5:15] = 1
    layer = Labels(
        data,
        name="m",
        scale=(9, 2, 3),
        translate=(0, 4, 5),
        **mask_options(MaskInfo("scan", FUNDUS_VESSELS)),
    )
    viewer.add_layer(layer)
    return viewer.layers["m"]


def test_nothing_is_questionable_until_it_is_marked(viewer, mask):
    assert questionable_of(viewer, mask) is None
    show_questionable(viewer, mask, None)
    assert questionable_of(viewer, mask) is None


def test_what_is_marked_comes_back(viewer, mask):
    marked = np.zeros((3, 20, 30), bool)
    marked[1, 4:6] = True
    layer = show_questionable(viewer, mask, marked)
    assert np.array_equal(questionable_of(viewer, mask), marked)
    assert np.array_equal(layer.scale, mask.scale)
    assert np.array_equal(layer.translate, mask.translate)
    assert [each.name for each in viewer.layers] == ["m", "m · questionable"]
    assert viewer.layers.selection.active == mask
    layer.undo()
    mask.name = "renamed"
    assert np.array_equal(questionable_of(viewer, mask), marked)
    show_questionable(viewer, mask, ~marked)
    assert np.array_equal(questionable_of(viewer, mask), ~marked)
    assert len(viewer.layers) == 2


def test_each_mask_has_its_own(viewer, mask):
    other = Labels(np.zeros((3, 20, 30), np.uint8), name="other")
    viewer.add_layer(other)
    show_questionable(viewer, mask, np.ones((3, 20, 30), bool))
    assert questionable_of(viewer, other) is None


def test_a_difference_is_shown_and_blinks(viewer, mask):
    judged = mask.data.copy()
    judged[:, 5] = 0
    judged[:, 18] = 1
    assert not blink(viewer)
    layer = show_difference(viewer, mask, Comparison.with_labels("the prediction", judged))
    assert layer.name == "m · difference to the prediction"
    assert np.unique(layer.data[:, 5, 5:15]).tolist() == [1]
    assert np.unique(layer.data[:, 18]).tolist() == [2]
    assert not layer.data[:, 6:15].any()
    assert blink(viewer)
    assert not layer.visible
    assert blink(viewer)
    assert layer.visible
    show_difference(viewer, mask, Comparison.with_labels("another version", mask.data))
    assert not viewer.layers[-1].data.any()
    assert len(viewer.layers) == 2


def test_masks_of_two_images_are_not_compared(viewer, mask):
    with pytest.raises(RetinaSegError, match="compare masks of one image"):
        show_difference(
            viewer, mask, Comparison.with_labels("the prediction", np.zeros((3, 20, 31), np.uint8))
        )
