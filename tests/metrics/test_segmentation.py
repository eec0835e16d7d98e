import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as reference

from napari_retina_seg.metrics import segmentation as metrics

CLASSES = 4
masks = hnp.arrays(np.uint8, 60, elements=st.integers(0, CLASSES - 1))


@settings(max_examples=30)
@given(masks, masks)
def test_scores_agree_with_scikit_learn(truth: np.ndarray, predicted: np.ndarray) -> None:
    scores = metrics.scores(metrics.confusion(truth, predicted, CLASSES))
    assert scores.accuracy == pytest.approx(reference.accuracy_score(truth, predicted))
    for k in range(CLASSES):
        if not (truth == k).any() and not (predicted == k).any():
            assert np.isnan(scores.dice[k])
            continue
        one = (truth == k, predicted == k)
        assert scores.class_accuracy[k] == pytest.approx(reference.accuracy_score(*one))
        assert scores.precision[k] == pytest.approx(
            reference.precision_score(*one, zero_division=0)
        )
        assert scores.recall[k] == pytest.approx(reference.recall_score(*one, zero_division=0))
        if (truth == k).all():
            assert np.isnan(scores.specificity[k])
        else:
            expected = reference.recall_score(truth != k, predicted != k)
            assert scores.specificity[k] == pytest.approx(expected)
        assert scores.dice[k] == pytest.approx(reference.f1_score(*one, zero_division=0))
        assert scores.iou[k] == pytest.approx(reference.jaccard_score(*one, zero_division=0))
        both_all = (truth == k).all() and (predicted == k).all()  # scikit-learn warns, and says 0
        expected = 0 if both_all else reference.matthews_corrcoef(*one)
        assert scores.mcc[k] == pytest.approx(expected)


def test_a_missed_class_scores_0_and_an_absent_one_has_no_score() -> None:
    truth, predicted = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 0])
    scores = metrics.scores(metrics.confusion(truth, predicted, 3))
    np.testing.assert_allclose(scores.precision, [0.5, 0, np.nan])
    np.testing.assert_allclose(scores.recall, [1, 0, np.nan])
    np.testing.assert_allclose(scores.mcc, [0, 0, np.nan])
    np.testing.assert_allclose(scores.specificity, [0, 1, 1])
    invented = metrics.scores(metrics.confusion(predicted, truth, 3))
    np.testing.assert_allclose(invented.recall, [0.5, 0, np.nan])


def pairs(size: int) -> st.SearchStrategy[tuple[np.ndarray, np.ndarray]]:
    return st.tuples(
        hnp.arrays(bool, size, elements=st.booleans()),
        hnp.arrays(np.float16, size, elements=st.floats(0, 1, width=16)),
    )


def check_against_scikit_learn(
    ranking: metrics.Ranking, truth: np.ndarray, score: np.ndarray
) -> None:
    given = truth, score.astype(float)
    if truth.all() or not truth.any():
        assert np.isnan(ranking.auc())
    else:
        assert ranking.auc() == pytest.approx(reference.roc_auc_score(*given))
    if not truth.any():
        assert np.isnan(ranking.average_precision())
    else:
        expected = reference.average_precision_score(*given)
        assert ranking.average_precision() == pytest.approx(expected)


@given(pairs(40))
def test_rankings_agree_with_scikit_learn(pair) -> None:
    check_against_scikit_learn(metrics.rank_probabilities(*pair), *pair)


def test_average_precision_worked_out_by_hand() -> None:
    truth = np.array([True, False, True, False])
    ranking = metrics.rank_probabilities(truth, np.array([0.9, 0.8, 0.7, 0.1]))
    # recall rises to 1/2 at precision 1, then to 1 at precision 2/3
    assert ranking.average_precision() == pytest.approx(1 / 2 + 1 / 3)


@given(pairs(20), pairs(30))
def test_rankings_of_images_add_up_to_that_of_all_pixels(first, second) -> None:
    ranking = metrics.rank_probabilities(*first) + metrics.rank_probabilities(*second)
    truth, score = (np.concatenate(both) for both in zip(first, second, strict=True))
    check_against_scikit_learn(ranking, truth, score)


def test_probabilities_at_the_ends_of_their_range_are_ranked() -> None:
    truth = np.array([False, False, True, True])
    ranking = metrics.rank_probabilities(truth, np.array([-0.0, -1e-9, 1.0, 1.0000001]))
    assert ranking.auc() == 1
    assert ranking.negatives[0] == 2
    assert ranking.positives[-1] == 2


def test_scores_beyond_0_and_1_rank_as_0_and_1() -> None:
    truth = np.array([False, True, True])
    ranking = metrics.rank_probabilities(truth, np.array([-0.5, 0.5, 7.0]))
    assert (ranking.auc(), len(ranking.positives)) == (1, len(ranking.negatives))
    assert (ranking.negatives[0], ranking.positives[-1]) == (1, 1)


def test_height_errors_worked_out_by_hand() -> None:
    difference = np.full((3, 21), np.nan)
    difference[0] = np.arange(-10, 11)
    difference[1, :4] = [1, 1, 1, 5]
    errors = metrics.height_errors(difference)
    np.testing.assert_allclose(errors.absolute, [110 / 21, 2, np.nan])
    np.testing.assert_allclose(errors.signed, [0, 2, np.nan])
    np.testing.assert_allclose(errors.percentile_95, [10, 4.4, np.nan])


def test_confusion_agrees_with_scikit_image() -> None:
    from skimage.metrics import contingency_table

    truth, predicted = np.random.default_rng(0).integers(0, CLASSES, (2, 30, 40), np.uint8)
    table = contingency_table(truth, predicted, normalize=False).toarray().astype(int)
    np.testing.assert_array_equal(metrics.confusion(truth, predicted, CLASSES), table)


def test_without_any_pixel_there_is_no_score() -> None:
    empty = metrics.scores(np.zeros((2, 2), np.int64))
    assert np.isnan(empty.accuracy)
    assert np.isnan([*empty.dice, *empty.class_accuracy]).all()


def test_boundary_error_counts_known_columns_only() -> None:
    truth = np.array([[10.0, 20.0, np.nan]])
    predicted = np.array([[11.0, 18.0, 5.0]])
    np.testing.assert_allclose(metrics.height_errors(predicted - truth).absolute, [1.5])
    assert np.isnan(metrics.height_errors(predicted - truth * np.nan).absolute).all()
