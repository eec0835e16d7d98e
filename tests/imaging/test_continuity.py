"""Boundaries do not leap, and layers go on through what hides them."""

import numpy as np
import pytest

from napari_retina_seg.imaging import surfaces
from napari_retina_seg.imaging.continuity import blind_ends, make_continuous

ROWS, COLUMNS = 160, 160


def true_heights():
    x = np.linspace(-1, 1, COLUMNS)
    top = 24 + 6 * x**2
    return np.stack([top + k for k in (0, 6, 14, 20, 26, 38, 43, 48)]).astype(np.float32)


def probabilities_of(heights, columns=slice(None), sure=0.9):
    labels = surfaces.to_labels(heights, ROWS)
    planes = np.full((8, ROWS, heights.shape[1]), (1 - sure) / 7, np.float32)
    np.put_along_axis(planes, labels[np.newaxis].astype(np.intp), sure, axis=0)
    return planes[:, :, columns]


def without_layers(planes, columns):
    planes[:, :, columns] = 0.01
    planes[0, :, columns] = 0.93
    return planes


def result_of(planes):
    return make_continuous(planes, surfaces.decode(planes), surfaces.drawn_columns(planes[0]))


def largest_step(heights):
    return np.abs(np.diff(heights, axis=1)).max()


def test_boundaries_without_leaps_are_left_alone():
    planes = probabilities_of(true_heights())
    heights = surfaces.decode(planes)
    result = make_continuous(planes, heights, np.ones(COLUMNS, bool))
    assert result.heights is heights
    assert result.drawn.all()
    assert not result.doubtful.any()


@pytest.mark.parametrize(("rows", "width"), [(-20, 8), (30, 12), (40, 16)])
def test_a_part_that_leaps_is_brought_back_and_in_doubt(rows, width):
    true = true_heights()
    wrong = true.copy()
    wrong[:, 60 : 60 + width] += rows
    result = result_of(probabilities_of(wrong))
    assert np.abs(result.heights - true).max() < 8
    assert largest_step(surfaces.smooth(result.heights, 2)) < 2
    assert result.doubtful[62 : 58 + width].all()
    assert not result.doubtful[:50].any()
    assert not result.doubtful[70 + width :].any()


def test_one_boundary_that_leaps_leaves_the_others_alone():
    true = true_heights()
    wrong = true.copy()
    wrong[7, 70:90] += 30
    planes = probabilities_of(wrong)
    result = result_of(planes)
    np.testing.assert_array_equal(result.heights[:7], surfaces.decode(planes)[:7])
    assert np.abs(result.heights[7] - true[7]).max() < 4


def test_layers_go_on_through_a_gap():
    true = true_heights()
    result = result_of(without_layers(probabilities_of(true), slice(60, 100)))
    assert result.drawn.all()
    assert np.abs(result.heights - true).max() < 2
    assert result.doubtful[60:100].all()
    assert result.doubtful.sum() == 40


@pytest.mark.parametrize("columns", [slice(0, 40), slice(120, 160), slice(40, 120)])
def test_a_gap_at_an_edge_or_a_wide_one_stays_one(columns):
    result = result_of(without_layers(probabilities_of(true_heights()), columns))
    assert not result.drawn[columns].any()
    assert result.drawn.sum() == COLUMNS - (columns.stop - columns.start)


def test_a_steep_gap_stays_one():
    heights = true_heights()
    heights[:, 80:] += 75
    result = result_of(without_layers(probabilities_of(heights), slice(72, 92)))
    assert not result.drawn[72:92].any()


def test_layers_do_not_go_on_through_an_optic_disc():
    heights = true_heights()
    heights[1:5] += np.array([14, 8, 3, 0])[:, np.newaxis]  # a thick nerve fibre layer
    gap = slice(60, 100)
    result = result_of(without_layers(probabilities_of(heights), gap))
    assert not result.drawn[gap].any()
    assert result.drawn.sum() == COLUMNS - 40


def test_layers_do_not_go_on_where_it_is_certain_that_there_are_none():
    planes = probabilities_of(true_heights())
    planes[:, :, 60:100] = 1e-4
    planes[0, :, 60:100] = 1
    result = result_of(planes)
    assert not result.drawn[60:100].any()
    assert not result.doubtful.any()


def test_boundaries_keep_their_order():
    rng = np.random.default_rng(0)
    for _ in range(5):
        wrong = true_heights()
        for _ in range(6):
            first = rng.integers(0, COLUMNS - 20)
            wrong[rng.integers(8), first : first + rng.integers(3, 20)] += rng.normal(0, 20)
        wrong = np.maximum.accumulate(np.clip(wrong, 0, ROWS), axis=0)
        result = result_of(probabilities_of(wrong))
        assert (np.diff(result.heights, axis=0) >= 0).all()
        assert result.heights.dtype == np.float32


def test_nothing_but_background_stays_so():
    planes = without_layers(probabilities_of(true_heights()), slice(None))
    result = result_of(planes)
    assert not result.drawn.any()
    assert not result.doubtful.any()


def test_layers_that_go_on_where_the_image_shows_none_are_found() -> None:
    rng = np.random.default_rng(0)
    labels = np.zeros((60, 200), np.uint8)
    labels[20:40, 10:170] = 1
    pixels = rng.integers(0, 40, labels.shape).astype(np.uint8)
    pixels[20:40, 40:140] += 80
    blind = blind_ends(pixels, labels)
    assert set(np.flatnonzero(blind)) <= {*range(10, 40), *range(140, 170)}
    assert blind.sum() > 40  # all but the columns beside the end, within the average
    # In a shadow between columns that show layers, and up to the image's top, they stay.
    shadow = pixels.copy()
    shadow[:, 80:110] = 10
    assert not blind_ends(shadow, labels)[60:120].any()
    assert not blind_ends(pixels[20:], labels[20:]).any()
    assert not blind_ends(pixels, np.zeros_like(labels)).any()
