import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as reference

from napari_retina_seg.core import metrics

CLASSES = 4
masks = hnp.arrays(np.uint8, 60, elements=st.integers(0, CLASSES - 1))


@given(masks, masks)
def test_scores_agree_with_scikit_learn(truth: np.ndarray, predicted: np.ndarray) -> None:
    scores = metrics.scores(metrics.confusion(truth, predicted, CLASSES))
    assert scores.accuracy == pytest.approx(reference.accuracy_score(truth, predicted))
    for k in range(CLASSES):
        if not (truth == k).any() and not (predicted == k).any():
            assert np.isnan(scores.dice[k])
            continue
        one = (truth == k, predicted == k)
        assert scores.dice[k] == pytest.approx(reference.f1_score(*one, zero_division=0))
        assert scores.iou[k] == pytest.approx(reference.jaccard_score(*one, zero_division=0))
        if np.isfinite(scores.mcc[k]):
            assert scores.mcc[k] == pytest.approx(reference.matthews_corrcoef(*one))


@given(
    hnp.arrays(bool, 40, elements=st.booleans()),
    hnp.arrays(np.float16, 40, elements=st.floats(0, 1, width=16)),
)
def test_auc_agrees_with_scikit_learn(truth: np.ndarray, score: np.ndarray) -> None:
    if truth.all() or not truth.any():
        assert np.isnan(metrics.roc_auc(truth, score))
        return
    expected = reference.roc_auc_score(truth, score.astype(float))
    assert metrics.roc_auc(truth, score) == pytest.approx(expected)


def test_boundary_error_counts_known_columns_only() -> None:
    truth = np.array([[10.0, 20.0, np.nan]])
    predicted = np.array([[11.0, 18.0, 5.0]])
    np.testing.assert_allclose(metrics.boundary_error(truth, predicted), [1.5])
