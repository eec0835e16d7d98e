import numpy as np
import pytest

from napari_retina_seg.models.recipe import Loss
from napari_retina_seg.training.losses import make_loss, soft_cl_dice, soft_skeleton

CROSS_ENTROPY = Loss(cross_entropy=1)
FOCAL = Loss(focal=1, focal_alpha=0.25, focal_gamma=2)
DICE = Loss(dice=1)
CL_DICE = Loss(cl_dice=1)


def target(truth: list[float], weight: list[float]) -> np.ndarray:
    return np.stack([np.array([[truth]]), np.array([[weight]])], axis=-1).astype(np.float32)


def binary(values: list[float]) -> np.ndarray:
    return np.array(values, np.float32).reshape(1, 1, -1, 1)


def test_binary_cross_entropy_worked_out_by_hand() -> None:
    value = make_loss(CROSS_ENTROPY, 2)(target([1, 0], [1, 1]), binary([0.8, 0.4]))
    assert float(value) == pytest.approx(-(np.log(0.8) + np.log(0.6)) / 2, rel=1e-5)


def test_categorical_cross_entropy_worked_out_by_hand() -> None:
    probabilities = np.array([[[[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]]], np.float32)
    value = make_loss(CROSS_ENTROPY, 3)(target([0, 2], [1, 1]), probabilities)
    assert float(value) == pytest.approx(-(np.log(0.7) + np.log(0.6)) / 2, rel=1e-5)


def test_binary_focal_loss_worked_out_by_hand() -> None:
    """Vessel missed at p = 0.3 with α = 0.25; background at p = 0.9 with 1 - α."""
    value = make_loss(FOCAL, 2)(target([1, 0], [1, 1]), binary([0.3, 0.1]))
    missed = 0.25 * 0.7**2 * -np.log(0.3)
    sure = 0.75 * 0.1**2 * -np.log(0.9)
    assert float(value) == pytest.approx((missed + sure) / 2, rel=1e-5)


def test_focal_loss_without_exponent_is_a_balanced_cross_entropy() -> None:
    even = Loss(focal=1, focal_alpha=0.5, focal_gamma=0)
    truth, probabilities = target([1, 0, 1], [1, 1, 1]), binary([0.3, 0.1, 0.6])
    halved = make_loss(CROSS_ENTROPY, 2)(truth, probabilities) / 2
    assert float(make_loss(even, 2)(truth, probabilities)) == pytest.approx(float(halved))


def test_binary_dice_worked_out_by_hand() -> None:
    value = make_loss(DICE, 2)(target([1, 0], [1, 1]), binary([0.8, 0.4]))
    assert float(value) == pytest.approx(1 - (2 * 0.8 + 1) / (1 + 0.8 + 0.4 + 1), rel=1e-5)


def test_dice_of_three_classes_worked_out_by_hand() -> None:
    probabilities = np.array([[[[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]]], np.float32)
    value = make_loss(DICE, 3)(target([0, 2], [1, 1]), probabilities)
    dice = [(2 * 0.7 + 1) / (1 + 0.8 + 1), 1 / (0.5 + 1), (2 * 0.6 + 1) / (1 + 0.7 + 1)]
    assert float(value) == pytest.approx(1 - np.mean(dice), rel=1e-5)


def test_terms_are_added_with_their_weights() -> None:
    truth, probabilities = target([1, 0], [1, 1]), binary([0.8, 0.4])
    parts = [make_loss(loss, 2)(truth, probabilities) for loss in (CROSS_ENTROPY, DICE, FOCAL)]
    both = Loss(cross_entropy=1, dice=0.5, focal=2)
    total = float(parts[0]) + 0.5 * float(parts[1]) + 2 * float(parts[2])
    assert float(make_loss(both, 2)(truth, probabilities)) == pytest.approx(total, rel=1e-5)


def test_the_smoothing_of_dice_is_a_setting() -> None:
    truth, probabilities = target([1, 0], [1, 1]), binary([0.8, 0.4])
    value = make_loss(Loss(dice=1, dice_smoothing=1e-6), 2)(truth, probabilities)
    assert float(value) == pytest.approx(1 - 2 * 0.8 / (1 + 0.8 + 0.4), rel=1e-5)


def test_one_key_balances_focal_loss_and_dice() -> None:
    truth, probabilities = target([1, 0], [1, 1]), binary([0.8, 0.4])
    dice, focal = (float(make_loss(loss, 2)(truth, probabilities)) for loss in (DICE, FOCAL))
    both = Loss(cross_entropy=0, focal=1, focal_alpha=0.25, focal_gamma=2, dice=1, focal_share=0.7)
    value = float(make_loss(both, 2)(truth, probabilities))
    assert value == pytest.approx(0.7 * focal + 0.3 * dice, rel=1e-5)
    with pytest.raises(ValueError, match="focal_share balances focal and dice"):
        Loss(dice=1, focal_share=0.7)


def test_a_loss_without_a_term_is_refused() -> None:
    with pytest.raises(ValueError, match="no term has a weight"):
        Loss()


def square(rows: slice, columns: slice) -> np.ndarray:
    picture = np.zeros((1, 21, 21, 1), np.float32)
    picture[:, rows, columns] = 1
    return picture


def test_the_skeleton_of_a_bar_is_its_middle_line() -> None:
    line = np.asarray(soft_skeleton(square(slice(8, 13), slice(2, 19)), steps=4))[0, ..., 0]
    assert (line[10, 4:17] == 1).all()
    assert not line[[8, 9, 11, 12], 5:16].any()


def test_centre_lines_cost_a_gap_more_than_a_thin_vessel() -> None:
    """Both predictions miss 15 of 85 pixels, so that their Dice is the same."""
    bar = square(slice(8, 13), slice(2, 19))
    gap, thin = bar.copy(), bar.copy()
    gap[:, :, 9:12] = 0
    thin[:, 12, 2:17] = 0
    truth, weight = np.concatenate([1 - bar, bar], -1), np.ones_like(bar)
    cut, thinned = (
        float(soft_cl_dice(truth, np.concatenate([1 - x, x], -1), weight)) for x in (gap, thin)
    )
    assert cut < thinned - 0.03
    assert float(soft_cl_dice(truth, truth, weight)) == pytest.approx(1)


@pytest.mark.parametrize("loss", [CROSS_ENTROPY, FOCAL, DICE, CL_DICE])
def test_what_has_no_weight_does_not_count(loss) -> None:
    value = make_loss(loss, 2)
    one = value(target([1, 0], [1, 0]), binary([0.8, 0.1]))
    other = value(target([1, 1], [1, 0]), binary([0.8, 0.9]))
    assert float(one) == pytest.approx(float(other))


@pytest.mark.parametrize("loss", [CROSS_ENTROPY, FOCAL, DICE])
@pytest.mark.parametrize("classes", [2, 3])
def test_the_gradient_agrees_with_finite_differences(loss, classes) -> None:
    import tensorflow as tf

    value = make_loss(loss, classes)
    truth = target([0, classes - 1, 1], [1, 1, 0.5])
    start = np.random.default_rng(0).dirichlet(np.ones(classes), (1, 1, 3)).astype(np.float32)
    start = start[..., 1:] if classes == 2 else start
    probabilities = tf.Variable(start)
    with tf.GradientTape() as tape:
        result = value(truth, probabilities)
    gradient = tape.gradient(result, probabilities).numpy()
    step = 1e-3
    for index in np.ndindex(start.shape):
        change = np.zeros_like(start)
        change[index] = step
        rise = float(value(truth, start + change)) - float(value(truth, start - change))
        assert gradient[index] == pytest.approx(rise / step / 2, abs=5e-3, rel=5e-3)


def test_a_network_that_is_sure_of_the_wrong_class_still_learns() -> None:
    import tensorflow as tf

    logits = tf.Variable([[[[30.0, 0.0, 0.0]]]])  # background, but it is class 2
    with tf.GradientTape() as tape:
        value = make_loss(CROSS_ENTROPY, 3)(target([2], [1]), tf.nn.softmax(logits))
    gradient = tape.gradient(value, logits).numpy()[0, 0, 0]
    np.testing.assert_allclose(gradient, [1, 0, -1], atol=1e-4)


def test_the_gradient_of_centre_lines_closes_a_gap() -> None:
    import tensorflow as tf

    bar = square(slice(8, 13), slice(2, 19))
    start = np.clip(bar, 0.02, 0.98)
    start[:, :, 9:12] = 0.3
    probabilities = tf.Variable(start)
    truth = np.concatenate([bar, np.ones_like(bar)], axis=-1)
    with tf.GradientTape() as tape:
        value = make_loss(CL_DICE, 2)(truth, probabilities)
    gradient = tape.gradient(value, probabilities).numpy()[0, ..., 0]
    assert np.isfinite(gradient).all()
    assert gradient[10, 10] < 0  # more vessel on the centre line within the gap is better
