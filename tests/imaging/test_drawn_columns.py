"""Where a network finds layers at all."""

import numpy as np
import pytest

from napari_retina_seg.imaging.surfaces import drawn_columns, nearest_column


def background(thickness: np.ndarray) -> np.ndarray:
    """Return the probability of background, 0.1 in bands of a thickness, 1 around them."""
    rows = np.arange(100)[:, np.newaxis]
    return np.where(rows < thickness, 0.1, 1.0).astype(np.float32)


def test_columns_without_layers_and_with_specks_are_empty() -> None:
    thickness = np.full(200, 60)
    thickness[120:] = 0
    thickness[150:180] = 6
    shows = drawn_columns(background(thickness))
    np.testing.assert_array_equal(shows, np.arange(200) < 120)


@pytest.mark.parametrize("width", [1, 10])
def test_a_shadow_is_no_gap_and_an_island_no_retina(width) -> None:
    thickness = np.full(200, 60)
    thickness[40 : 40 + width] = 0
    thickness[100:] = 0
    thickness[150 : 150 + width] = 60
    shows = drawn_columns(background(thickness))
    np.testing.assert_array_equal(shows, np.arange(200) < 100)


def test_a_pit_and_an_atrophy_are_retina_and_nothing_is_nothing() -> None:
    thickness = np.full(200, 80)
    thickness[90:110], thickness[150:] = 45, 30
    assert drawn_columns(background(thickness)).all()
    assert not drawn_columns(background(np.zeros(200, int))).any()


def test_the_nearest_column_that_is_wanted() -> None:
    wanted = np.array([False, True, False, False, True])
    assert nearest_column(wanted).tolist() == [1, 1, 1, 4, 4]
