import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.calibration import calibration_curve

from napari_retina_seg.metrics.calibration import class_reliability, reliability


def test_reliability_worked_out_by_hand() -> None:
    probability = np.array([0.1, 0.3, 0.9, 0.9, 1.0])
    came_true = np.array([False, True, True, True, False])
    result = reliability(probability, came_true, bins=2)
    np.testing.assert_array_equal(result.counts, [2, 3])
    np.testing.assert_allclose(result.mean_confidence, [0.2, 2.8 / 3])
    np.testing.assert_allclose(result.frequency, [1 / 2, 2 / 3])
    expected = 2 / 5 * (1 / 2 - 0.2) + 3 / 5 * (2.8 / 3 - 2 / 3)
    assert result.expected_error() == pytest.approx(expected)
    np.testing.assert_allclose(result.edges, [0, 0.5, 1])


@given(
    # away from the edges, which scikit-learn gives to the bin below
    hnp.arrays(np.float64, 50, elements=st.integers(0, 99).map(lambda k: (k + 0.5) / 100)),
    hnp.arrays(bool, 50),
)
def test_bins_agree_with_scikit_learn(probability: np.ndarray, came_true: np.ndarray) -> None:
    result = reliability(probability, came_true, bins=10)
    frequency, confidence = calibration_curve(came_true, probability, n_bins=10)
    some = result.counts > 0
    np.testing.assert_allclose(result.frequency[some], frequency)
    np.testing.assert_allclose(result.mean_confidence[some], confidence)
    assert np.isnan(result.frequency[~some]).all()


def test_images_add_up() -> None:
    rng = np.random.default_rng(0)
    probability, came_true = rng.random(100), rng.random(100) > 0.5
    parts = [
        reliability(probability[half], came_true[half]) for half in np.split(np.arange(100), 2)
    ]
    whole, summed = reliability(probability, came_true), parts[0] + parts[1]
    np.testing.assert_array_equal(summed.counts, whole.counts)
    assert summed.expected_error() == pytest.approx(whole.expected_error())


def test_probabilities_that_mean_what_they_say_have_no_error() -> None:
    came_true = np.arange(10) < 3
    assert reliability(np.full(10, 0.3), came_true).expected_error() == pytest.approx(0)
    assert reliability(np.ones(10), np.ones(10, bool)).expected_error() == 0


def test_without_predictions_there_is_no_error() -> None:
    assert np.isnan(reliability(np.empty(0), np.empty(0, bool)).expected_error())


def test_of_two_classes_the_second_s_probability_counts() -> None:
    probabilities = np.array([[0.9, 0.2], [0.1, 0.8]])
    result = class_reliability(probabilities, np.array([0, 1]), bins=2)
    np.testing.assert_allclose(result.confidence, [0.1, 0.8])
    np.testing.assert_array_equal(result.correct, [0, 1])


def test_of_more_classes_the_likeliest_s_probability_counts() -> None:
    probabilities = np.array([[0.6, 0.1], [0.3, 0.2], [0.1, 0.7]], np.float16)
    result = class_reliability(probabilities, np.array([1, 2]), bins=2)
    np.testing.assert_allclose(result.confidence, [0, 1.3], atol=1e-3)
    np.testing.assert_array_equal(result.correct, [0, 1])


def test_without_a_number_there_are_ten_bins() -> None:
    """As the report and the definition of the calibration error say."""
    probabilities = np.array([[0.94, 0.26], [0.06, 0.74]])
    assert len(reliability(probabilities[1], np.zeros(2, bool)).counts) == 10
    result = class_reliability(probabilities, np.array([0, 1]))
    np.testing.assert_array_equal(np.flatnonzero(result.counts), [0, 7])
    three = class_reliability(np.array([[0.2], [0.55], [0.25]]), np.array([1]))
    np.testing.assert_array_equal(np.flatnonzero(three.counts), [5])
    assert len(three.counts) == 10


def test_edges_belong_to_the_bin_above_and_what_lies_beyond_is_clipped() -> None:
    probability = np.array([0.0, -1e-7, 0.25, 0.5, 0.75, 1.0, 1 + 1e-7])
    result = reliability(probability, np.ones(7, bool), bins=4)
    np.testing.assert_array_equal(result.counts, [2, 1, 1, 3])
    np.testing.assert_allclose(result.confidence, [0, 0.25, 0.5, 2.75], rtol=0, atol=1e-12)


def test_an_empty_bin_has_neither_frequency_nor_confidence_and_all_parts_add_up() -> None:
    one = reliability(np.array([0.1, 0.9]), np.array([False, True]), bins=4)
    both = one + one
    np.testing.assert_array_equal(both.counts, [2, 0, 0, 2])
    np.testing.assert_allclose(both.confidence, [0.2, 0, 0, 1.8])
    np.testing.assert_array_equal(both.correct, [0, 0, 0, 2])
    np.testing.assert_allclose(both.mean_confidence, [0.1, np.nan, np.nan, 0.9])
    np.testing.assert_allclose(both.frequency, [0, np.nan, np.nan, 1])


def test_of_more_classes_it_counts_whether_the_likeliest_is_right() -> None:
    """Whether it is wrong by a higher class or by a lower one."""
    probabilities = np.full((3, 5), 0.2)
    probabilities[1] = 0.6
    result = class_reliability(probabilities, np.array([0, 1, 1, 1, 2]), bins=2)
    np.testing.assert_array_equal(result.counts, [0, 5])
    np.testing.assert_array_equal(result.correct, [0, 3])
