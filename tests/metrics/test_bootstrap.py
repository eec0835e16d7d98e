import numpy as np
import pytest
from scipy import stats

from napari_retina_seg.metrics.bootstrap import (
    Estimate,
    bootstrap_auc,
    bootstrap_difference,
    bootstrap_mean,
    bootstrap_sums,
)

RNG = np.random.default_rng(7)


def test_two_patients_worked_out_by_hand() -> None:
    # Draws are both the first (1/4), one each (1/2), both the second (1/4).
    estimate = bootstrap_mean([0.2, 0.4, 0.9], ["a", "a", "b"])
    assert estimate == Estimate(0.5, pytest.approx(0.3), pytest.approx(0.9), images=3, groups=2)


def test_with_an_image_per_patient_it_is_scipy_s_interval() -> None:
    values = RNG.normal(0.8, 0.05, 40)
    estimate = bootstrap_mean(values, [str(k) for k in range(40)])
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=5000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.low == pytest.approx(expected.low, abs=0.002)
    assert estimate.high == pytest.approx(expected.high, abs=0.002)


def test_images_of_one_patient_are_drawn_together() -> None:
    """Ten copies of each image say nothing more: the interval stays as wide."""
    values = RNG.normal(0.8, 0.05, 12)
    groups = [str(k) for k in range(12)]
    once = bootstrap_mean(values, groups)
    copied = bootstrap_mean(np.repeat(values, 10), list(np.repeat(groups, 10)))
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high))
    assert (copied.images, copied.groups) == (120, 12)


def test_one_patient_gives_no_interval() -> None:
    assert bootstrap_mean([0.5, 0.7], ["a", "a"]) == Estimate(0.6, None, None, 2, 1)


def test_the_auc_of_one_patient_has_no_interval() -> None:
    shown, rated = np.array([True, False, False]), np.array([0.6, 0.7, 0.2])
    assert bootstrap_auc(shown, rated, ["a"] * 3) == Estimate(0.5, None, None, 3, 1)
    assert bootstrap_auc(shown, rated, ["a", "b", "c"]) == Estimate(0.5, 0, 1, 3, 3)


def test_images_without_a_value_are_left_out() -> None:
    with_gap = bootstrap_mean([0.2, np.nan, 0.4, np.nan], ["a", "a", "b", "c"])
    assert with_gap == bootstrap_mean([0.2, 0.4], ["a", "b"])
    assert with_gap.images == with_gap.groups == 2
    assert bootstrap_mean([np.nan], ["a"]) is None
    assert bootstrap_mean([], []) is None


def test_the_same_values_give_the_same_interval() -> None:
    values, groups = RNG.random(20), [str(k % 7) for k in range(20)]
    assert bootstrap_mean(values, groups) == bootstrap_mean(values, groups)
    assert bootstrap_mean(values, groups) != bootstrap_mean(values, groups, seed=1)


def test_a_paired_difference_is_narrower_than_either_mean() -> None:
    patients = RNG.normal(0.8, 0.1, 30)
    groups = [str(k) for k in range(30)]
    first, second = patients + 0.02, patients + RNG.normal(0, 0.005, 30)
    difference = bootstrap_difference(first, second, groups)
    assert difference.value == pytest.approx((first - second).mean())
    assert 0.01 < difference.low < 0.02 < difference.high < 0.03
    mean = bootstrap_mean(first, groups)
    assert difference.high - difference.low < (mean.high - mean.low) / 5


def test_a_pair_with_a_gap_is_no_pair() -> None:
    difference = bootstrap_difference([0.5, np.nan, 0.7], [0.4, 0.1, np.nan], ["a", "b", "c"])
    assert (difference.value, difference.images) == (pytest.approx(0.1), 1)


def test_a_group_for_each_value_is_needed() -> None:
    with pytest.raises(ValueError, match="group"):
        bootstrap_mean([0.1, 0.2], ["a"])


def shares(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Return the share of the first of two counts."""
    with np.errstate(invalid="ignore"):
        return {"share": sums[:, 0] / sums.sum(axis=1)}


def test_a_score_of_all_together_worked_out_by_hand() -> None:
    counts = np.array([[1, 1], [2, 0], [9, 3]])
    estimate = bootstrap_sums(counts, ["b", "a", "b"], shares)
    # Of "a" alone 2/2, of "b" alone 10/14, each a quarter of the draws.
    expected = Estimate(12 / 16, pytest.approx(10 / 14), pytest.approx(1), images=3, groups=2)
    assert estimate == {"share": expected}
    assert bootstrap_sums(counts, ["a"] * 3, shares) == {"share": Estimate(0.75, None, None, 3, 1)}


def test_with_counts_of_one_it_is_the_interval_of_the_mean() -> None:
    values, groups = RNG.random(30), [str(k % 9) for k in range(30)]
    pooled = bootstrap_sums(np.stack([values, 1 - values], axis=1), groups, shares)["share"]
    mean = bootstrap_mean(values, groups)
    assert (pooled.value, pooled.low, pooled.high) == pytest.approx(
        (mean.value, mean.low, mean.high)
    )


def test_draws_without_a_score_do_not_count() -> None:
    estimates = bootstrap_sums(np.array([[1, 1], [0, 0]]), ["a", "b"], shares)
    assert estimates == {"share": Estimate(0.5, 0.5, 0.5, 2, 2)}
    assert bootstrap_sums(np.zeros((2, 2)), ["a", "b"], shares) == {}
