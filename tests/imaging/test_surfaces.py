from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage, stats

from napari_retina_seg.imaging import surfaces
from napari_retina_seg.types.errors import ImageError

ROWS = 40


def ordered_heights(boundaries: int = 4, columns: int = 12) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(np.float32, (boundaries, columns), elements=st.floats(0, ROWS, width=32)).map(
        lambda heights: np.sort(heights, axis=0)
    )


def certain(labels: np.ndarray, classes: int) -> np.ndarray:
    return (np.arange(classes)[:, None, None] == labels).astype(np.float32)


@given(ordered_heights())
def test_a_mask_gives_back_the_rounded_boundaries_it_was_drawn_from(heights: np.ndarray) -> None:
    labels = surfaces.to_labels(heights, ROWS)
    seen = labels.any(axis=0)
    read = surfaces.from_labels(labels, len(heights))
    np.testing.assert_array_equal(read[:, seen], np.rint(heights)[:, seen])
    assert np.isnan(read[:, ~seen]).all()


@given(ordered_heights())
def test_decoding_a_certain_mask_gives_the_same_mask(heights: np.ndarray) -> None:
    labels = surfaces.to_labels(heights, ROWS)
    decoded = surfaces.decode(certain(labels, len(heights)))
    np.testing.assert_array_equal(surfaces.to_labels(decoded, ROWS), labels)


@given(hnp.arrays(np.float32, (4, ROWS, 9), elements=st.floats(0.015625, 1, width=32)))
def test_boundaries_decoded_from_anything_are_in_order(scores: np.ndarray) -> None:
    heights = surfaces.decode(scores / scores.sum(axis=0))
    assert (np.diff(heights, axis=0) >= 0).all()
    assert (np.diff(surfaces.smooth(heights, 2), axis=0) >= -1e-4).all()


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_decoding_finds_the_best_of_all_labellings(classes: int) -> None:
    """Compare with trying all boundaries, on columns small enough for that."""
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.ones(classes), size=(7, 5)).transpose(2, 0, 1)
    log = np.log(probabilities)

    def score(heights: tuple[int, ...], column: int) -> float:
        labels = surfaces.to_labels(np.array(heights, np.float32)[:, np.newaxis], 7)[:, 0]
        return float(log[labels, np.arange(7), column].sum())

    found = surfaces.decode(probabilities.astype(np.float32))
    drawn = surfaces.to_labels(found, 7)
    for column in range(5):
        best = max(
            score(heights, column) for heights in combinations_with_replacement(range(8), classes)
        )
        mine = float(log[drawn[:, column], np.arange(7), column].sum())
        assert mine == pytest.approx(best, abs=1e-5)


def test_a_boundary_lies_between_rows_where_both_classes_are_as_likely() -> None:
    layer = np.array([0.0, 0.0, 0.25, 1.0, 1.0, 0.0], np.float32)[:, None]
    heights = surfaces.decode(np.stack([1 - layer, layer]))
    # Log ratios of background and layer: ln 3 in row 2, whose centre is at 2.5, and -9, below
    # which certainty says no more, in row 3; they cross zero in between.
    assert heights[0, 0] == pytest.approx(2.5 + np.log(3) / (np.log(3) + 9), abs=1e-4)
    assert heights[1, 0] == pytest.approx(5, abs=1e-4)


@pytest.mark.parametrize(("above", "below"), [(0, 7), (1, 1), (9, 0), (30, 30)])
def test_empty_rows_around_the_retina_change_nothing(above: int, below: int) -> None:
    layers = np.random.default_rng(2).dirichlet(np.ones(4), size=(12, 6)).transpose(2, 0, 1)
    inner = surfaces.to_labels(surfaces.decode(layers), 12)
    empty = np.array([1, 0, 0, 0])[:, np.newaxis, np.newaxis]
    padded = np.concatenate(
        [np.tile(empty, (1, above, 6)), layers, np.tile(empty, (1, below, 6))], axis=1
    )
    drawn = surfaces.to_labels(surfaces.decode(padded), padded.shape[1])
    np.testing.assert_array_equal(drawn[above : above + 12], inner)
    assert not drawn[:above].any()
    assert not drawn[above + 12 :].any()


def test_where_all_is_background_no_layer_is_drawn() -> None:
    heights = surfaces.decode(certain(np.zeros((9, 3), int), 4))
    assert not surfaces.to_labels(heights, 9).any()


def test_layers_that_reach_the_edges_of_the_image_fill_it() -> None:
    heights = surfaces.decode(certain(np.repeat([1, 2], 5)[:, np.newaxis], 3))
    np.testing.assert_array_equal(heights[:, 0], [0, 5, 10])


def test_a_jump_of_few_columns_is_taken_out_and_a_step_becomes_a_gaussian_s() -> None:
    flat = np.full((2, 61), [[10.0], [30.0]], np.float32)
    for width, stays in ((1, False), (4, False), (5, True)):
        jumping = flat.copy()
        jumping[:, 28 : 28 + width] += 8
        smoothed = surfaces.smooth(jumping, 2)
        assert np.allclose(smoothed, flat, atol=1e-5) is not stays
    step = flat.copy()
    step[:, 30:] += 8
    distance = np.arange(61) - 29.5
    expected = flat + 8 * stats.norm.cdf(distance, scale=2)
    np.testing.assert_allclose(surfaces.smooth(step, 2), expected, atol=0.02)
    assert surfaces.smooth(step, 0) is step


def test_resampling_keeps_a_slope_where_it_is_and_how_steep() -> None:
    """A pixel's height is that at its centre: columns ``c`` lie at ``c + 0.5`` of the field."""
    centres = np.arange(16) + 0.5
    slope = (3 + 0.5 * centres)[np.newaxis].astype(np.float32)
    finer = surfaces.resample(slope, from_grid=(40, 16), to_grid=(60, 32))
    expected = 1.5 * (3 + 0.5 * (np.arange(32) + 0.5) / 2)
    np.testing.assert_allclose(finer[0, 1:-1], expected[1:-1], rtol=1e-5)
    taller = surfaces.resample(slope, from_grid=(40, 16), to_grid=(10, 16))
    np.testing.assert_allclose(taller, slope / 4)
    assert surfaces.resample(slope, from_grid=(40, 16), to_grid=(40, 16)) is slope


@given(ordered_heights(columns=20))
def test_connected_layers_are_one_piece_each_and_a_pixel_thick(heights: np.ndarray) -> None:
    connected = surfaces.connect(heights, ROWS)
    assert (np.diff(connected, axis=0) >= 0).all()
    labels = surfaces.to_labels(connected, ROWS)
    for layer in range(1, len(heights)):
        _, pieces = ndimage.label(labels == layer, structure=np.ones((3, 3)))
        assert pieces == 1
        assert (labels == layer).any(axis=0).all()


def test_connecting_leaves_good_boundaries_alone() -> None:
    heights = np.array([[10.2] * 5, [15.6] * 5, [20.1] * 5], np.float32)
    np.testing.assert_array_equal(surfaces.connect(heights, ROWS), heights)


@given(ordered_heights(columns=16))
def test_resampling_there_and_back_keeps_slow_boundaries(heights: np.ndarray) -> None:
    flat = np.repeat(heights.mean(axis=1, keepdims=True), 16, axis=1)
    there = surfaces.resample(flat, from_grid=(ROWS, 16), to_grid=(2 * ROWS, 33))
    back = surfaces.resample(there, from_grid=(2 * ROWS, 33), to_grid=(ROWS, 16))
    np.testing.assert_allclose(there[:, 0], 2 * flat[:, 0], rtol=1e-5)
    np.testing.assert_allclose(back, flat, rtol=1e-5)


def test_probabilities_of_another_shape_are_refused() -> None:
    with pytest.raises(ImageError, match=r"received \(5, 5\)"):
        surfaces.decode(np.zeros((5, 5)))


def test_masks_and_boundaries_of_the_experts_say_the_same(shared_data) -> None:
    from napari_retina_seg.datasets.layouts import read_dataset

    for image in read_dataset(shared_data / "oct_layers"):
        drawn = surfaces.to_labels(image.heights(), image.labels().shape[0])
        rows, columns = np.nonzero(drawn != image.labels())
        to_edge = np.abs(np.abs(image.heights()[:, columns] - rows) - 0.5)
        assert (to_edge.min(axis=0) == 0).all(), "only heights that end in .5 round either way"
