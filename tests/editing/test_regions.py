import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from napari_retina_seg.editing.regions import dilate, erode, inside, small_holes, small_objects
from napari_retina_seg.types.errors import ImageError

PLANES = hnp.arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20)))
LABELS = hnp.arrays(
    np.uint8, st.tuples(st.integers(1, 16), st.integers(1, 16)), elements=st.integers(0, 3)
)


@given(PLANES, st.integers(0, 50))
def test_small_objects_are_found(mask, size):
    parts, _ = ndimage.label(mask, np.ones((3, 3)))
    areas = np.bincount(parts.ravel())
    expected = mask & (areas[parts] < size)
    assert np.array_equal(small_objects(mask, size), expected)


@given(PLANES, st.integers(0, 400))
def test_small_holes_are_closed(mask, size):
    holes = ndimage.binary_fill_holes(mask) & ~mask
    parts, _ = ndimage.label(holes)
    areas = np.bincount(parts.ravel())
    assert np.array_equal(small_holes(mask, size), holes & (areas[parts] < size))


def test_a_lasso_takes_what_is_inside():
    found = inside(np.array([[2, 3], [2, 9], [7, 9], [7, 3]]), (12, 15))
    assert found[3:7, 4:9].all()
    assert not found[:2].any()
    assert not found[:, 10:].any()
    with pytest.raises(ImageError, match="three points"):
        inside(np.array([[2, 3], [2, 9]]), (12, 15))


@given(LABELS, st.integers(1, 3), st.integers(1, 4), st.frozensets(st.integers(0, 3)))
def test_growing(labels, value, by, locked):
    grown = dilate(labels, value, by, locked)
    far = ndimage.distance_transform_edt(labels != value)
    expected = labels.copy()
    if (labels == value).any():
        expected[(far <= by) & ~np.isin(labels, list(locked))] = value
    assert np.array_equal(grown, expected)


@given(LABELS, st.integers(1, 3), st.integers(1, 4))
def test_erosion_gives_pixels_to_the_adjacent_classes(labels, value, by):
    small = erode(labels, value, by)
    if (labels == value).all():
        assert np.array_equal(small, labels)
        return
    rim = (labels == value) & (ndimage.distance_transform_edt(labels == value) <= by)
    assert ((small == value) == ((labels == value) & ~rim)).all()
    assert np.array_equal(small[~rim], labels[~rim])


def test_a_band_between_two_layers_shrinks_into_both():
    labels = np.repeat(np.array([1, 1, 2, 2, 2, 2, 3, 3], np.uint8)[:, np.newaxis], 5, axis=1)
    assert erode(labels, 2, 1)[:, 2].tolist() == [1, 1, 1, 2, 2, 3, 3, 3]


def test_a_locked_class_neither_shrinks_nor_is_grown_over():
    labels = np.zeros((9, 9), np.uint8)
    labels[2:7, 2:7] = 1
    labels[:, 8] = 2
    assert np.array_equal(erode(labels, 1, 1, frozenset({1})), labels)
    assert (dilate(labels, 1, 3, frozenset({2}))[:, 8] == 2).all()
