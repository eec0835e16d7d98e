"""A frozen split network against the network as Keras runs it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from napari_retina_seg.inference.frozen import freeze_split
from napari_retina_seg.inference.predictor import load_network
from napari_retina_seg.inference.target_layers import cut
from napari_retina_seg.models.registry import find_model

RANDOM = np.random.default_rng(0)

KINDS = {
    "3 × 3": lambda: layers.Conv2D(4, 3, padding="same"),
    "of columns": lambda: layers.Conv2D(4, (1, 5), padding="same"),
    "1 × 1": lambda: layers.Conv2D(4, 1),
    "even": lambda: layers.Conv2D(4, 2, padding="same"),
    "strided": lambda: layers.Conv2D(4, 3, strides=2, padding="same"),
    "strided 1 × 1": lambda: layers.Conv2D(4, 1, strides=2),
    "dilated": lambda: layers.Conv2D(4, 3, padding="same", dilation_rate=2),
    "without edges": lambda: layers.Conv2D(4, 3, padding="valid"),
    "depthwise": lambda: layers.DepthwiseConv2D(3, padding="same"),
    "transposed": lambda: layers.Conv2DTranspose(4, 2, 2),
}


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_all_kinds_of_convolution_are_keras_own(kind: str) -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 2))
    x = layers.Conv2D(3, 3, padding="same", activation="relu", name="features")(image)
    x = layers.ReLU()(KINDS[kind]()(x))
    network = keras.Model(image, layers.Softmax()(layers.Conv2D(2, 1)(x)))
    check_against_keras(network, "features", RANDOM.random((1, 8, 12, 2), np.float32))


@pytest.mark.parametrize("name", ["segnet-tian2015", "efficientnetb0-unet-chasedb1", "oct-layers"])
def test_gradients_of_shipped_networks_are_keras_own(name: str) -> None:
    network = load_network(find_model(name))
    pixels = RANDOM.random((1, 64, 128, network.inputs[0].shape[-1]), np.float32)
    inner = [each.name for each in network.layers if isinstance(each, layers.ReLU)]
    activations = inner or [each.name for each in network.layers if "activation" in each.name]
    check_against_keras(network, activations[len(activations) // 2], pixels)


def check_against_keras(network: keras.Model, layer: str, pixels: np.ndarray) -> None:
    split = cut(network, layer)
    frozen = freeze_split(split)
    crossing, logits = frozen.forward(pixels)
    watched = [tf.constant(tensor) for tensor in crossing]
    with tf.GradientTape() as tape:
        tape.watch(watched[0])
        expected = split.second(watched, training=False)
    weights = RANDOM.standard_normal(expected.shape).astype(np.float32)
    gradient = tape.gradient(expected, watched[0], output_gradients=tf.constant(weights)).numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    assert np.abs(gradient).max() > 0
    scale = np.abs(gradient).max()
    np.testing.assert_allclose(frozen.backward(crossing, weights), gradient, atol=1e-5 * scale)
