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


@pytest.mark.parametrize(
    ("first", "width", "closed"),
    [(100, 14, True), (100, 15, False), (0, 14, False), (186, 14, False)],
)
def test_gaps_narrower_than_15_columns_between_two_columns_with_layers_are_closed(
    first, width, closed
) -> None:
    thickness = np.full(200, 60)
    thickness[first : first + width] = 0
    expected = (thickness > 0) | closed
    np.testing.assert_array_equal(drawn_columns(background(thickness)), expected)


def test_layers_are_shown_from_three_tenths_of_the_usual_thickness_on() -> None:
    for thin, shown in ((17, False), (19, True)):
        thickness = np.full(200, 60)
        thickness[150:] = thin
        assert drawn_columns(background(thickness))[150:].all() == shown


def test_layers_that_are_nowhere_likelier_than_background_are_not_shown() -> None:
    doubtful = background(np.full(200, 60))
    doubtful[:, 100:] = 0.55
    np.testing.assert_array_equal(drawn_columns(doubtful), np.arange(200) < 100)


def test_a_scan_of_few_columns_is_judged_as_well() -> None:
    thickness = np.array([60, 60, 60, 60, 60, 0, 0, 0, 0])
    assert drawn_columns(background(thickness)).shape == (9,)
    assert drawn_columns(background(thickness))[:5].all()


def test_a_pit_and_an_atrophy_are_retina_and_nothing_is_nothing() -> None:
    thickness = np.full(200, 80)
    thickness[90:110], thickness[150:] = 45, 30
    assert drawn_columns(background(thickness)).all()
    assert not drawn_columns(background(np.zeros(200, int))).any()


def test_the_nearest_column_that_is_wanted() -> None:
    wanted = np.array([False, True, False, False, True])
    assert nearest_column(wanted).tolist() == [1, 1, 1, 4, 4]
