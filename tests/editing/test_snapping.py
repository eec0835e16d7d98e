import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_retina_seg.editing.snapping import polarity, snap, vertical_gradient
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.types.labels import OCT_LAYERS, SCHEMES

ROWS, COLUMNS = 160, 200
SPECKLE = np.random.default_rng(0).normal(0, 20, (3, ROWS, COLUMNS)).astype(np.float32)


def brighter_below(height: np.ndarray, by: float = 80) -> np.ndarray:
    """An image with one edge, in speckle."""
    rows = np.arange(ROWS)[:, np.newaxis]
    return SPECKLE[0] + np.float32(by) * (rows >= np.rint(height))


@pytest.mark.parametrize("line", range(len(OCT_LAYERS.surfaces)))
@pytest.mark.parametrize("known", [True, False])
def test_a_stretch_between_two_clicks_snaps_to_the_edge(line: int, *, known: bool) -> None:
    phantom = phantom_bscan(seed=3)
    gradient = vertical_gradient(phantom.image.pixels)
    truth = phantom.heights[line]
    sign = polarity(OCT_LAYERS.surfaces[line].name) if known else 0
    for start in (60, 250, 500):
        end = start + 120
        clicks = (start, truth[start] + 1), (end, truth[end] - 1)
        wanted = snap(gradient, *clicks, sign)
        np.testing.assert_array_equal(wanted, snap(gradient, *clicks[::-1], sign))
        drawn = ~np.isnan(wanted)
        np.testing.assert_array_equal(np.flatnonzero(drawn), np.arange(start, end + 1))
        assert np.abs(wanted - truth)[drawn].mean() < 1.2


@settings(max_examples=50)
@given(*(st.tuples(st.integers(0, COLUMNS - 1), st.floats(0, ROWS)) for _ in "ab"))
def test_the_line_passes_through_both_clicks(start: tuple, end: tuple) -> None:
    wanted = snap(vertical_gradient(SPECKLE[1]), start, end, 0)
    for column, height in (start, end) if start[0] != end[0] else ():
        assert abs(wanted[column] - height) < 1e-3


@pytest.mark.parametrize("sign", [1, 0])
@pytest.mark.parametrize("deep", [-40, 12, 40])
def test_the_line_follows_a_clear_edge_that_bends_away(deep: float, sign: int) -> None:
    pit = 70 + deep * np.sin(np.linspace(0, np.pi, COLUMNS)) ** 2
    wanted = snap(vertical_gradient(brighter_below(pit)), (0, 70), (COLUMNS - 1, 70), sign)
    assert np.abs(wanted - pit).mean() < 1


@pytest.mark.parametrize("columns", [30, 60, 120])
def test_the_line_stays_near_the_straight_one_where_there_is_no_edge(columns: int) -> None:
    nothing = vertical_gradient(np.full((ROWS, COLUMNS), 7))
    straight = np.linspace(50, 90, columns + 1)
    clicks = (10, 50), (10 + columns, 90)
    drawn = slice(10, 11 + columns)
    np.testing.assert_allclose(snap(nothing, *clicks, 0)[drawn], straight, rtol=1e-5)
    away = [
        np.abs(snap(vertical_gradient(noise), *clicks, sign)[drawn] - straight).mean()
        for noise in SPECKLE
        for sign in (-1, 0, 1)
    ]
    assert np.mean(away) < columns / 40


def test_an_edge_of_the_other_kind_does_not_attract() -> None:
    faint = brighter_below(np.full(COLUMNS, 80.0), by=25)
    faint[74:] -= 80  # a strong edge just above, darker below
    gradient = vertical_gradient(faint)
    assert np.abs(snap(gradient, (0, 80), (COLUMNS - 1, 80), 1) - 80).max() < 3


def test_a_stronger_edge_beside_does_not_attract() -> None:
    bent = 80 + 6 * np.sin(np.linspace(0, np.pi, COLUMNS))
    faint = brighter_below(bent, by=40)
    faint += 150 * (np.arange(ROWS)[:, np.newaxis] >= np.rint(bent - 10))
    gradient = vertical_gradient(faint)
    assert np.abs(snap(gradient, (0, 80), (COLUMNS - 1, 80), 1) - bent).mean() < 1


def test_anatomy_tells_which_side_is_brighter() -> None:
    phantom = phantom_bscan(seed=1)
    gradient = vertical_gradient(phantom.image.pixels)
    column = np.arange(gradient.shape[1])
    for surface, height in zip(OCT_LAYERS.surfaces, phantom.heights, strict=True):
        seen = gradient[np.rint(height).astype(int), column].mean()
        assert polarity(surface.name) == np.sign(seen), surface.name
    unknown = {s.name for each in SCHEMES.values() for s in each.surfaces if not polarity(s.name)}
    assert unknown == {"Choroid-sclera"}
    assert polarity("of another device") == 0


@pytest.mark.parametrize(
    "clicks", [((5, 8), (5, 30)), ((5, 2), (6, 39)), ((-4, 20), (90, 20)), ((0, -9), (59, 99))]
)
def test_any_two_clicks_give_a_line_inside_the_image(clicks: tuple) -> None:
    rng = np.random.default_rng(0)
    gradient = vertical_gradient(rng.integers(0, 255, (40, 60)).astype(np.uint8))
    wanted = snap(gradient, *clicks, 0)
    (left, _), (right, _) = sorted(clicks)
    drawn = np.flatnonzero(~np.isnan(wanted))
    np.testing.assert_array_equal(drawn, np.arange(max(left, 0), min(right, 59) + 1))
    assert (wanted[drawn] >= 0).all()
    assert (wanted[drawn] <= 40).all()
