"""Figures of agreement, against the papers that brought them up and against other programs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import cohen_kappa_score

from napari_retina_seg.metrics.interrater import bland_altman, cohens_kappa, icc
from napari_retina_seg.metrics.segmentation import confusion

# Shrout and Fleiss 1979, table 2: six targets, four judges.
SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
)
# Bland and Altman 1986, table 1: peak flow in l/min by the Wright and by the mini meter.
WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]

heights = arrays(float, st.tuples(st.integers(3, 8), st.just(2)), elements=st.floats(-99, 99))


def test_icc_is_that_of_the_paper():
    found = icc(SHROUT_FLEISS)
    assert found.value == pytest.approx(0.290, abs=5e-4)  # table 4: .29
    assert (found.low, found.high) == pytest.approx((0.019, 0.761), abs=5e-4)


def test_icc_of_graders_who_agree_or_see_nothing():
    same = np.repeat(np.arange(5.0)[:, np.newaxis], 2, axis=1)
    assert (icc(same).value, icc(same).low) == (1, None)
    assert icc(np.full((5, 2), 7.0)) is None
    assert icc(np.ones((1, 2))) is None
    # A constant difference between the graders counts: agreement is absolute.
    assert icc(same + np.array([0, 10])).value < 0.1


@given(heights, st.floats(0.1, 10), st.floats(-50, 50))
def test_icc_knows_no_unit_and_no_order(ratings, scale, shift):
    found, other = icc(ratings), icc(ratings[::-1, ::-1] * scale + shift)
    if found is None or np.ptp(ratings) < 1e-3:
        return
    assert other.value == pytest.approx(found.value, abs=1e-6)
    if found.low is not None and other.low is not None:
        assert found.low - 1e-9 <= found.value <= found.high + 1e-9


def test_bland_altman_is_that_of_the_paper():
    found = bland_altman(np.array(WRIGHT) - np.array(MINI))
    assert found.bias == pytest.approx(-2.1, abs=0.05)
    assert found.deviation == pytest.approx(38.8, abs=0.05)
    assert (found.bias_low, found.bias_high) == pytest.approx((-22.0, 17.8), abs=0.1)
    assert (found.low, found.high) == pytest.approx((-2.1 - 1.96 * 38.8, -2.1 + 1.96 * 38.8), 1e-2)
    assert bland_altman(np.ones(1)) is None


labels = arrays(np.uint8, 40, elements=st.integers(0, 3))


@given(labels, labels)
def test_kappa_is_that_of_scikit_learn(first, second):
    found = cohens_kappa(confusion(first, second, 4))
    if len({*first.tolist(), *second.tolist()}) == 1:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(cohen_kappa_score(first, second))


def test_kappa_of_nothing_is_none():
    assert np.isnan(cohens_kappa(np.zeros((3, 3))))
