import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_retina_seg.editing.boundaries import move, pull, smooth, trace_stroke
from napari_retina_seg.editing.consistency import draw, reconcile
from napari_retina_seg.editing.interpolation import Between, iter_draw_between
from napari_retina_seg.imaging.phantom import phantom_volume
from napari_retina_seg.types.errors import ImageError
from napari_retina_seg.types.progress import Cancelled, CancelToken, finish

ROWS, LINES, COLUMNS = 40, 4, 12


@st.composite
def ordered_heights(draw: st.DrawFn) -> np.ndarray:
    """Ordered lines with columns that have none."""
    values = hnp.arrays(np.float32, (LINES, COLUMNS), elements=st.floats(0, ROWS, width=32))
    heights = np.sort(draw(values), axis=0)
    heights[:, draw(hnp.arrays(bool, COLUMNS, elements=st.booleans()))] = np.nan
    return heights


wishes = hnp.arrays(
    np.float32,
    COLUMNS,
    elements=st.one_of(st.just(np.float32(np.nan)), st.floats(-9, ROWS + 9, width=32)),
)
places = st.integers(0, COLUMNS - 1)


@given(ordered_heights(), st.integers(0, LINES - 1), wishes)
def test_a_line_goes_where_it_is_wanted_and_pushes_what_is_in_its_way(
    heights: np.ndarray, line: int, wanted: np.ndarray
) -> None:
    before = heights.copy()
    moved = move(heights, line, wanted, ROWS)
    asked = ~np.isnan(wanted)
    np.testing.assert_array_equal(heights, before)
    np.testing.assert_array_equal(moved[line, asked], np.clip(wanted[asked], 0, ROWS))
    assert moved[:, ~asked].tobytes() == heights[:, ~asked].tobytes()
    assert (np.diff(moved[:, asked], axis=0) >= 0).all()
    had = asked & ~np.isnan(heights).any(axis=0)
    assert (moved[:line, had] <= heights[:line, had]).all(), "lines above only go up"
    assert (moved[line + 1 :, had] >= heights[line + 1 :, had]).all(), "lines below only go down"
    in_the_way = (moved != heights)[:, had]
    in_the_way[line] = False
    np.testing.assert_array_equal(
        moved[:, had][in_the_way], np.broadcast_to(moved[line, had], (LINES, had.sum()))[in_the_way]
    )


@given(ordered_heights(), st.integers(0, LINES - 1), wishes)
def test_lines_that_were_moved_are_those_of_their_mask(
    heights: np.ndarray, line: int, wanted: np.ndarray
) -> None:
    moved = move(heights, line, wanted, ROWS)
    np.testing.assert_array_equal(reconcile(moved, draw(moved, ROWS)), moved)


@given(ordered_heights(), places, st.floats(-50, 50), st.integers(0, COLUMNS))
def test_a_pull_moves_most_where_it_is_held_and_nothing_beyond_its_reach(
    heights: np.ndarray, column: int, offset: float, reach: int
) -> None:
    row = heights[1]
    wanted = pull(row, column, offset, reach)
    far = np.abs(np.arange(COLUMNS) - column) > reach
    assert np.isnan(wanted[far]).all()
    np.testing.assert_array_equal(np.isnan(wanted[~far]), np.isnan(row[~far]))
    np.testing.assert_allclose(wanted[column], row[column] + offset, rtol=1e-5, atol=1e-5)
    shift = np.abs(wanted - row)
    assert not np.isfinite(shift).any() or np.nanmax(shift) <= abs(offset) + 1e-4


def test_a_line_follows_the_stroke_and_its_last_pass_counts() -> None:
    points = np.array([(2, 10), (6, 18), (4, 30)])
    expected = [np.nan, np.nan, 10, 12, 30, 24, 18, np.nan]
    np.testing.assert_array_equal(trace_stroke(points, 8), np.float32(expected))
    np.testing.assert_array_equal(trace_stroke(points[:1], 3), np.float32([np.nan, np.nan, 10]))
    beside = np.array([(-3.0, 0.0), (3.0, 6.0), (9.0, 6.0)])
    np.testing.assert_array_equal(trace_stroke(beside, 4), np.float32([3, 4, 5, 6]))


@given(ordered_heights(), places, places, st.floats(0.5, 6))
def test_smoothing_stays_in_its_stretch_and_between_the_extremes(
    heights: np.ndarray, first: int, last: int, sigma: float
) -> None:
    row = heights[2]
    wanted = smooth(row, first, last, sigma)
    inside = np.zeros(COLUMNS, bool)
    inside[min(first, last) : max(first, last) + 1] = True
    np.testing.assert_array_equal(np.isnan(wanted), ~inside | np.isnan(row))
    if not np.isnan(wanted).all():
        assert np.nanmin(row) - 1e-3 <= np.nanmin(wanted)
        assert np.nanmax(wanted) <= np.nanmax(row) + 1e-3


def test_smoothing_takes_out_jitter_and_leaves_a_slope() -> None:
    slope = np.linspace(10, 30, 200)
    jitter = slope + np.random.default_rng(0).normal(0, 2, 200)
    wanted = smooth(jitter, 20, 180, 8)
    assert np.abs(wanted - slope)[40:160].mean() < 0.3 * np.abs(jitter - slope)[40:160].mean()
    assert abs(wanted[20] - jitter[20]) < 0.2 * abs(jitter - slope).max()


def between(labels: np.ndarray, heights: np.ndarray, human: list[int]) -> Between:
    made = np.isin(np.arange(len(labels)), human)
    return finish(iter_draw_between(labels, heights, made, CancelToken()))


def test_scans_between_corrected_ones_are_interpolated_and_no_others() -> None:
    phantom = phantom_volume(slices=7, rows=96, columns=64)
    truth, empty = phantom.heights, np.zeros_like(phantom.labels)
    empty[[1, 3, 5]] = phantom.labels[[1, 3, 5]]
    drawn = between(empty, truth, [1, 3, 5])
    np.testing.assert_array_equal(drawn.slices, [2, 4])
    np.testing.assert_allclose(drawn.heights[0], (truth[1] + truth[3]) / 2, rtol=1e-5)
    for lines, labels in zip(drawn.heights, drawn.labels, strict=True):
        assert (np.diff(lines, axis=0) >= 0).all()
        np.testing.assert_array_equal(draw(lines, 96), labels)


def test_columns_that_a_corrected_scan_lacks_stay_as_they_are() -> None:
    phantom = phantom_volume(slices=3, rows=96, columns=64)
    labels, nothing = phantom.labels.copy(), np.full_like(phantom.heights, np.nan)
    labels[0, :, :10] = 0
    drawn = between(labels, nothing, [0, 2])
    np.testing.assert_array_equal(drawn.labels[0, :, :10], labels[1, :, :10])
    assert (drawn.labels[0, :, 10:] != labels[1, :, 10:]).any()


@pytest.mark.parametrize("human", [[], [2], [0, 1, 2, 3], [1, 2]])
def test_nothing_between_corrected_scans_is_reported(human: list[int]) -> None:
    phantom = phantom_volume(slices=4, rows=96, columns=64)
    with pytest.raises(ImageError, match="correct two scans"):
        between(phantom.labels, phantom.heights, human)


def test_interpolating_can_be_cancelled() -> None:
    phantom = phantom_volume(slices=4, rows=96, columns=64)
    token = CancelToken()
    steps = iter_draw_between(phantom.labels, phantom.heights, np.array([1, 0, 0, 1], bool), token)
    assert next(steps).total == 2
    token.cancel()
    with pytest.raises(Cancelled):
        next(steps)
