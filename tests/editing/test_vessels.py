import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage import filters
from skimage.data import retina
from skimage.draw import bezier_curve

from napari_retina_seg.editing.vessels import bridge, local_darkness, threshold
from napari_retina_seg.types.errors import ImageError

SHAPE = (80, 120)
START, STOP = (20, 10), (50, 110)


@pytest.fixture(scope="module")
def vessel():
    """Return a bent vessel 5 px wide."""
    line = np.ones(SHAPE, bool)
    line[bezier_curve(20, 10, 90, 60, 50, 110, 1.0)] = False
    return ndimage.distance_transform_edt(line) <= 2


def gap(vessel):
    cut = vessel.copy()
    cut[:, 40:80] = False
    return cut


def test_threshold_and_hysteresis():
    probability = np.array([[0.9, 0.6, 0.5, 0.1, 0.5, 0.5]])
    assert threshold(probability, 0.6).tolist() == [[True, True, False, False, False, False]]
    assert threshold(probability, 0.6, 0.4)[0].tolist() == [True] * 3 + [False] * 3
    assert np.array_equal(threshold(probability, 0.6, 0.8), threshold(probability, 0.6))


@given(hnp.arrays(np.float16, (9, 11), elements=st.floats(0, 1, width=16)))
def test_hysteresis_is_that_of_the_library(probability):
    expected = filters.apply_hysteresis_threshold(probability.astype(float), 0.3, 0.7)
    found = threshold(probability, 0.7, 0.3)
    assert not (expected & ~found).any()  # the library leaves out what touches at a corner
    parts, _ = ndimage.label(found, np.ones((3, 3)))
    assert set(parts[found]) == set(parts[probability >= np.float16(0.7)])


def test_a_bridge_follows_the_probability(vessel):
    cut = gap(vessel)
    ends = [int(np.flatnonzero(cut[:, column]).mean()) for column in (39, 80)]
    found = bridge(vessel * 0.9, cut, (ends[0], 39), (ends[1], 80))
    missed = vessel & ~cut & ~found
    assert missed.sum() < 0.1 * (vessel & ~cut).sum()
    assert (found & ~vessel).sum() < 0.15 * found.sum()
    assert ndimage.label(cut | found, np.ones((3, 3)))[1] == 1


def test_a_bridge_follows_what_is_dark(vessel):
    noise = np.random.default_rng(0).normal(0, 4, SHAPE)
    photograph = np.clip(120 - 40 * vessel + noise, 0, 255).astype(np.uint8)
    color = np.stack([photograph // 2, photograph, photograph // 3], axis=-1)
    assert np.array_equal(local_darkness(photograph), local_darkness(color))
    found = bridge(local_darkness(color), gap(vessel), START, STOP)
    assert (found & ~ndimage.binary_dilation(vessel)).sum() < 0.05 * found.sum()
    assert (found & vessel).sum() > 0.75 * vessel.sum()


def test_a_bridge_is_as_wide_as_its_ends():
    mask = np.zeros((40, 100), bool)
    mask[14:27, :20] = True
    mask[19:22, 80:] = True
    found = bridge(np.ones((40, 100)), mask, (20, 18), (20, 82))
    widths = found.sum(axis=0)
    assert abs(widths[25] - 12) <= 2
    assert abs(widths[75] - 4) <= 2
    alone = bridge(np.ones((40, 100)), np.zeros((40, 100), bool), (20, 18), (20, 82))
    assert alone[:, 50].sum() == 3


def test_a_point_outside_is_refused():
    with pytest.raises(ImageError, match="outside"):
        bridge(np.ones((40, 100)), np.zeros((40, 100), bool), (40, 0), (2, 2))


def test_vessels_of_a_photograph_are_dark():
    photograph = retina()[::4, ::4]
    found = local_darkness(photograph)
    assert found.shape == photograph.shape[:2]
    assert found.dtype == np.float32
    assert 0 <= found.min() < found.max() == 1
