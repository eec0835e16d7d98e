import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

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


def test_decoding_finds_the_best_of_all_labellings() -> None:
    """Compare with trying every pair of boundaries, on a column small enough for that."""
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.ones(2), size=(7, 1)).transpose(2, 0, 1).astype(np.float32)
    log = np.log(probabilities[:, :, 0])

    def score(top: int, bottom: int) -> float:
        return float(log[0, :top].sum() + log[1, top:bottom].sum() + log[0, bottom:].sum())

    best = max((score(a, b), a, b) for a in range(8) for b in range(a, 8))
    top, bottom = np.rint(surfaces.decode(probabilities)[:, 0]).astype(int)
    assert score(top, bottom) == pytest.approx(best[0], abs=1e-5)


def test_a_boundary_lies_between_rows_where_both_classes_are_as_likely() -> None:
    layer = np.array([0.0, 0.0, 0.25, 1.0, 1.0, 0.0], np.float32)[:, None]
    heights = surfaces.decode(np.stack([1 - layer, layer]))
    # rows 2 and 3 are 0.25 and 1: the crossing is nearer to row 2, whose centre is at 2.5
    assert 2.5 < heights[0, 0] < 3
    assert heights[1, 0] == pytest.approx(5, abs=0.01)


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
