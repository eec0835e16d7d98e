import numpy as np

from napari_retina_seg.imaging.difference import EXTRA, MISSED, OTHER, SAME, difference

TRUTH = np.array([[0, 1, 1, 2, 0]], np.uint8)
JUDGED = np.array([[0, 1, 0, 1, 2]], np.uint8)


def test_all_classes():
    assert difference(TRUTH, JUDGED).tolist() == [[SAME, SAME, MISSED, OTHER, EXTRA]]


def test_one_class():
    assert difference(TRUTH, JUDGED, 1).tolist() == [[SAME, SAME, MISSED, EXTRA, SAME]]


def test_a_mask_equals_itself():
    assert not difference(TRUTH, TRUTH).any()
