import numpy as np
import pytest

from napari_retina_seg.engine.losses import cross_entropy_dice


def target(truth: list[float], weight: list[float]) -> np.ndarray:
    return np.stack([np.array([[truth]]), np.array([[weight]])], axis=-1).astype(np.float32)


def test_a_binary_value_worked_out_by_hand() -> None:
    probabilities = np.array([[[[0.8], [0.4]]]], np.float32)
    loss = cross_entropy_dice(2, dice_weight=0.5)(target([1, 0], [1, 1]), probabilities)
    entropy = -(np.log(0.8) + np.log(0.6)) / 2
    dice = (2 * 0.8 + 1) / (1 + 0.8 + 0.4 + 1)
    assert float(loss) == pytest.approx(entropy + 0.5 * (1 - dice), rel=1e-5)


def test_a_value_of_three_classes_worked_out_by_hand() -> None:
    probabilities = np.array([[[[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]]], np.float32)
    loss = cross_entropy_dice(3, dice_weight=1)(target([0, 2], [1, 1]), probabilities)
    entropy = -(np.log(0.7) + np.log(0.6)) / 2
    dice = [(2 * 0.7 + 1) / (1 + 0.8 + 1), 1 / (0.5 + 1), (2 * 0.6 + 1) / (1 + 0.7 + 1)]
    assert float(loss) == pytest.approx(entropy + 1 - np.mean(dice), rel=1e-5)


def test_what_has_no_weight_does_not_count() -> None:
    loss = cross_entropy_dice(2, dice_weight=0.5)
    one = loss(target([1, 0], [1, 0]), np.array([[[[0.8], [0.1]]]], np.float32))
    other = loss(target([1, 1], [1, 0]), np.array([[[[0.8], [0.9]]]], np.float32))
    assert float(one) == pytest.approx(float(other))


def test_the_gradient_agrees_with_finite_differences() -> None:
    import tensorflow as tf

    loss = cross_entropy_dice(3, dice_weight=0.5)
    truth = target([0, 2, 1], [1, 1, 0.5])
    rng = np.random.default_rng(0)
    start = rng.dirichlet(np.ones(3), (1, 1, 3)).astype(np.float32)
    probabilities = tf.Variable(start)
    with tf.GradientTape() as tape:
        value = loss(truth, probabilities)
    gradient = tape.gradient(value, probabilities).numpy()
    step = 1e-3
    for index in np.ndindex(start.shape):
        change = np.zeros_like(start)
        change[index] = step
        slope = (float(loss(truth, start + change)) - float(loss(truth, start - change))) / step / 2
        assert gradient[index] == pytest.approx(slope, abs=5e-3, rel=5e-3)
