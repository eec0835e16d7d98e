"""Places that are hidden by filling them in from their surroundings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_retina_seg.imaging.occlusion import fill_in, find_place
from napari_retina_seg.imaging.preprocess import Geometry
from napari_retina_seg.imaging.target import Point, Region

GRID = (64, 96)
SAME = Geometry(GRID, (0, 0, *GRID), GRID)


def test_a_spot_on_an_even_background_disappears() -> None:
    tensor = np.full((*GRID, 2), 3, np.float32)
    tensor[..., 1] = -1
    spot = np.zeros(GRID, bool)
    spot[20:31, 40:60] = True
    marked = tensor.copy()
    marked[spot] = 50
    np.testing.assert_allclose(fill_in(marked, spot, SAME), tensor, rtol=1e-5)


@given(st.integers(0, 63), st.integers(0, 95), st.integers(1, 90))
def test_what_is_filled_in_stays_between_what_is_around(row, column, size) -> None:
    tensor = np.random.default_rng(0).random((*GRID, 1), np.float32)
    place = np.zeros(GRID, bool)
    place[row : row + size, column : column + size] = True
    filled = fill_in(np.where(place[..., None], 99, tensor), place, SAME)
    assert np.array_equal(filled[~place], tensor[~place])
    assert filled.min() >= 0
    assert filled.max() <= 1 + 1e-5


def test_a_slope_goes_on_through_a_small_place() -> None:
    tensor = np.tile(np.arange(GRID[1], dtype=np.float32), (GRID[0], 1))[..., None]
    place = find_place(Point(32, 48), SAME)
    assert np.abs(fill_in(tensor, place, SAME) - tensor).max() < 2.5


def test_neither_margins_nor_pixels_without_data_are_surroundings() -> None:
    valid = np.zeros(GRID, bool)
    valid[:, :50] = True
    geometry = Geometry(GRID, (0, 0, *GRID), GRID, valid=valid)
    tensor = np.where(valid, 1, 77).astype(np.float32)[..., None]
    place = np.zeros(GRID, bool)
    place[10:50, 30:50] = True
    np.testing.assert_allclose(fill_in(tensor, place, geometry)[place], 1, rtol=1e-5)
    assert fill_in(tensor, valid, geometry) is None


def test_a_point_stands_for_a_disc_and_a_region_for_itself() -> None:
    rows, columns = np.nonzero(find_place(Point(30, 40), SAME))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (28, 32, 38, 42)
    mask = np.zeros((2, *GRID), bool)
    mask[1, 5:9, 6] = True
    assert np.array_equal(find_place(Region(mask), SAME, 1), mask[1])


@pytest.mark.parametrize("working", [(16, 24), (64, 96), (200, 300)])
def test_a_region_has_no_holes_on_an_input_of_any_size(working) -> None:
    mask = np.zeros(GRID, bool)
    mask[16:32, 24:48] = True
    place = find_place(Region(mask), Geometry(GRID, (0, 0, *GRID), working))
    rows, columns = np.nonzero(place)
    assert place.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
    assert place.mean() == pytest.approx(mask.mean(), rel=0.15)
