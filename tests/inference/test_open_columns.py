"""What the network hides or gets wrong in some columns is drawn as a guess, and said to be one."""

import numpy as np
import pytest

from napari_retina_seg.imaging import surfaces
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.imaging.preprocess import Geometry
from napari_retina_seg.inference.decode import decode
from napari_retina_seg.models.registry import load_model

GRID = (128, 192)


@pytest.fixture(scope="module")
def spec():
    return load_model("oct-layers").spec


@pytest.fixture(scope="module")
def truth():
    return phantom_bscan(2, *GRID)


def output_of(labels):
    output = np.full((*labels.shape, 8), 0.01, np.float32)
    np.put_along_axis(output, labels[..., np.newaxis].astype(np.intp), 0.93, axis=2)
    return output


def geometry(valid=None, grid=GRID):
    return Geometry(grid, (0, 0, *grid), GRID, valid=valid)


def test_columns_that_the_network_misses_are_drawn_and_ignored(spec, truth):
    output = output_of(truth.labels)
    output[:, 80:110] = [0.93] + [0.01] * 7
    drawn = decode(output, geometry(), spec, probabilities=False)
    assert drawn.ignore is not None
    ignored = drawn.ignore.any(axis=0)
    assert ignored[80:110].all()
    assert ignored.sum() == 30
    np.testing.assert_array_equal(drawn.ignore[:, 80:110], drawn.labels[:, 80:110] > 0)
    assert np.mean(drawn.labels == truth.labels) > 0.98


def test_a_clean_output_leaves_nothing_open(spec, truth):
    assert decode(output_of(truth.labels), geometry(), spec, probabilities=False).ignore is None


@pytest.mark.parametrize("scale", [1, 2])
def test_no_boundary_leaps_whatever_grid_it_is_on(spec, truth, scale):
    wrong = truth.labels.copy()
    wrong[:, 60:90] = np.roll(wrong[:, 60:90], 30, axis=0)
    grid = (GRID[0] * scale, GRID[1] * scale)
    drawn = decode(output_of(wrong), geometry(grid=grid), spec, probabilities=False)
    assert np.abs(np.diff(drawn.boundaries, axis=1)).max() < 6
    np.testing.assert_array_equal(drawn.labels, surfaces.to_labels(drawn.boundaries, grid[0]))


def test_a_margin_is_neither_drawn_nor_guessed(spec, truth):
    valid = np.ones(GRID, bool)
    valid[:, :24] = False
    valid[:10, 24:60] = False
    output = output_of(truth.labels)
    output[:, 100:130] = [0.93] + [0.01] * 7
    drawn = decode(output, geometry(valid), spec, probabilities=False)
    assert not drawn.labels[~valid].any()
    assert drawn.ignore[~valid].all()
    assert np.isnan(drawn.boundaries[:, :24]).all()
    assert (drawn.labels[drawn.ignore & valid] > 0).all()
    assert drawn.ignore[:, 100:130].any(axis=0).all()
