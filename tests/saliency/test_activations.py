"""Gradients and maps of networks that are small enough to be solved by hand."""

import keras
import numpy as np
import pytest
from keras import layers

from napari_retina_seg.imaging.cam import Method, combine
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.inference import predictor
from napari_retina_seg.inference.frozen import freeze_split
from napari_retina_seg.inference.predictor import load_network
from napari_retina_seg.inference.target_layers import cut, logits_of
from napari_retina_seg.models.registry import find_model
from napari_retina_seg.saliency.activations import Activations, iter_forward
from napari_retina_seg.types.progress import CancelToken, finish

RANDOM = np.random.default_rng(0)


def run(network, pixels: np.ndarray, layer: str = "features", multiple=(1, 1)) -> Activations:
    return finish(iter_forward(freeze_split(cut(network, layer)), pixels, multiple, CancelToken()))


def two_classes() -> keras.Model:
    """One 1 × 1 convolution: activations x and 3x; logits 2·x - 3x and -x + 1/2·3x."""
    image = keras.Input((None, None, 1))
    x = layers.Conv2D(2, 1, use_bias=False, name="features")(image)
    x = layers.Conv2D(2, 1, use_bias=False, name="head")(x)
    network = keras.Model(image, layers.Softmax()(x))
    network.get_layer("features").set_weights([np.array([[[[1.0, 3.0]]]])])
    network.get_layer("head").set_weights([np.array([[[[2.0, -1.0], [-1.0, 0.5]]]])])
    return network


def convolutions() -> keras.Model:
    """Convolution, pooling, convolution, transposed convolution to two classes."""
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 1))
    x = layers.Conv2D(3, 3, padding="same", activation="relu", name="first")(image)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="features")(x)
    x = layers.Conv2D(3, 3, padding="same", activation="tanh", name="after")(x)
    x = layers.Conv2DTranspose(2, 2, 2, name="head")(x)
    return keras.Model(image, layers.Softmax()(x))


def test_one_convolution_and_two_classes_give_the_analytic_map() -> None:
    pixels = RANDOM.random((4, 6, 1), np.float32)
    asked = np.zeros((4, 6), np.float32)
    asked[1, 2:5] = 1
    made = run(two_classes(), pixels)
    x = pixels[..., 0]
    np.testing.assert_allclose(made.cells, np.stack([x, 3 * x], axis=-1), rtol=1e-6)
    np.testing.assert_allclose(made.logits, np.stack([-x, 0.5 * x], axis=-1), atol=1e-6)
    gradient = made.gradient(1, asked)
    np.testing.assert_allclose(gradient, asked[..., None] * [-1, 0.5], atol=1e-6)
    # Grad-CAM: mean gradients -1·3/24 and 0.5·3/24, so (-1·x + 0.5·3x)·3/24.
    np.testing.assert_allclose(
        combine(made.cells, gradient, Method.GRAD_CAM), 0.5 * x * 3 / 24, atol=1e-6
    )
    # HiResCAM: the same at the pixels asked about only.
    np.testing.assert_allclose(
        combine(made.cells, gradient, Method.HIRES_CAM), 0.5 * x * asked, atol=1e-6
    )
    np.testing.assert_allclose(
        combine(made.cells, gradient, Method.LAYER_CAM), 1.5 * x * asked, atol=1e-6
    )


def test_gradients_agree_with_finite_differences() -> None:
    network = convolutions()
    pixels = RANDOM.random((8, 12, 1), np.float32)
    asked = RANDOM.random((8, 12), np.float32)
    made = run(network, pixels, multiple=(2, 2))
    gradient = made.gradient(1, asked)
    second = cut(network, "features").second

    def score(cells: np.ndarray) -> float:
        scores = np.asarray(second([cells[None]]), np.float64)[0, ..., 1]
        return float((scores * asked).sum())

    step = 1e-2
    for index in np.ndindex(made.cells.shape):
        if made.cells[index] < step:  # next to ReLU's kink
            continue
        up, down = made.cells.copy(), made.cells.copy()
        up[index] += step
        down[index] -= step
        difference = (score(up) - score(down)) / (2 * step)
        assert gradient[index] == pytest.approx(difference, abs=2e-3)


def test_of_a_sigmoid_background_is_the_negative() -> None:
    image = keras.Input((None, None, 1))
    x = layers.Conv2D(2, 3, padding="same", name="features")(image)
    x = layers.Conv2D(1, 1, name="head")(x)
    network = keras.Model(image, layers.Activation("sigmoid")(x))
    made = run(network, RANDOM.random((5, 5, 1), np.float32))
    asked = np.ones((5, 5), np.float32)
    np.testing.assert_allclose(made.logits[..., 0], -made.logits[..., 1])
    np.testing.assert_allclose(made.gradient(0, asked), -made.gradient(1, asked))


def test_hirescam_adds_up_to_the_score_behind_a_linear_rest() -> None:
    keras.utils.set_random_seed(1)
    image = keras.Input((None, None, 1))
    x = layers.Conv2D(3, 3, padding="same", activation="relu")(image)
    x = layers.AveragePooling2D(2)(x)
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="features")(x)
    x = layers.Conv2D(3, 3, padding="same", use_bias=False)(x)
    x = layers.Conv2DTranspose(2, 2, 2, use_bias=False, name="head")(x)
    network = keras.Model(image, layers.Softmax()(x))
    asked = (RANDOM.random((12, 16)) < 0.3).astype(np.float32)
    made = run(network, RANDOM.random((12, 16, 1), np.float32), multiple=(2, 2))
    exact = combine(made.cells, made.gradient(1, asked), Method.HIRES_CAM)
    assert exact.sum() == pytest.approx((made.logits[..., 1] * asked).sum(), rel=1e-4)


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("axis", [0, 1])
def test_a_mirrored_image_gives_the_mirrored_map(method, axis) -> None:
    network = convolutions()
    for layer in network.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([(kernel + np.flip(kernel, axis)) / 2, bias])
    pixels = RANDOM.random((16, 24, 1), np.float32)
    asked = (RANDOM.random((16, 24)) < 0.2).astype(np.float32)
    maps = []
    for flipped in (False, True):
        turn = (lambda array: np.flip(array, axis)) if flipped else (lambda array: array)
        made = run(network, turn(pixels), multiple=(2, 2))
        maps.append(turn(combine(made.cells, made.gradient(1, turn(asked)), method)))
    np.testing.assert_allclose(maps[1], maps[0], atol=1e-6)


def test_tiles_give_the_map_of_one_pass(monkeypatch) -> None:
    network = convolutions()
    pixels = RANDOM.random((64, 80, 1), np.float32)
    asked = (RANDOM.random((64, 80)) < 0.2).astype(np.float32)
    whole = run(network, pixels, multiple=(2, 2))
    monkeypatch.setattr(predictor, "_LARGEST_PASS", 1000)
    monkeypatch.setattr(predictor, "_TILE", (32, 32))
    monkeypatch.setattr(predictor, "_OVERLAP", 16)
    tiled = run(network, pixels, multiple=(2, 2))
    # At their edges tiles see padding, where one pass sees the image: little of that is blended in.
    np.testing.assert_allclose(tiled.logits, whole.logits, atol=0.05)
    for method in (Method.GRAD_CAM, Method.HIRES_CAM):
        expected, received = (
            combine(made.cells, made.gradient(1, asked), method) for made in (whole, tiled)
        )
        assert np.corrcoef(expected.ravel(), received.ravel())[0, 1] > 0.99


@pytest.mark.filterwarnings("ignore:Please import `zoom`:DeprecationWarning")  # of tf-keras-vis
@pytest.mark.parametrize("layer", ["encoder_2_out", "decoder_1_out"])
def test_another_implementation_draws_the_same_map(layer) -> None:
    from tf_keras_vis.gradcam import Gradcam

    model = find_model("oct-layers")
    network = load_network(model)
    image = phantom_bscan(rows=256, columns=256).image
    pixels = model.spec.preprocessing.prepare(image.plane(), image.spacing).tensor
    made = run(network, pixels, layer, model.spec.architecture.multiple)
    asked = (made.logits.argmax(axis=-1) == 1).astype(np.float32)
    ours = np.maximum(combine(made.cells, made.gradient(1, asked), Method.GRAD_CAM), 0)
    theirs = Gradcam(keras.Model(network.inputs, logits_of(network)), clone=False)(
        lambda scores: keras.ops.sum(scores[..., 1] * asked, axis=(1, 2)),
        pixels[None],
        penultimate_layer=layer,
        seek_penultimate_conv_layer=False,
        expand_cam=False,
        normalize_cam=False,
    )
    assert np.corrcoef(ours.ravel(), np.asarray(theirs).ravel())[0, 1] > 0.999
