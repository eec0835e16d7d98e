import keras
import numpy as np
import pytest

from napari_retina_seg.inference.target_layers import (
    cut,
    find_all_layers,
    find_target_layers,
    logits_of,
)
from napari_retina_seg.models.config import EncoderUNetConfig, SegNetConfig, UNetConfig
from napari_retina_seg.models.networks import build
from napari_retina_seg.types.errors import ModelError

CONFIGS = {
    "U-Net": UNetConfig(widths=(4, 6, 8)),
    "residual U-Net with a stem": UNetConfig(
        widths=(4, 6, 8), residual=True, batch_norm=True, transposed=False, stem_strides=(1, 2)
    ),
    "SegNet": SegNetConfig(widths=(4, 6)),
    "EfficientNetB0": EncoderUNetConfig(widths=(4, 4, 4, 4, 4)),
    "VGG16": EncoderUNetConfig(encoder="vgg16", widths=(4, 4, 4, 4, 4)),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_every_architecture_has_places_down_and_up(name) -> None:
    config = CONFIGS[name]
    network = build(config)
    target_layers = find_target_layers(network, config.multiple)
    names = [target_layer.name for target_layer in target_layers]
    middle = names.index("bottleneck")
    assert names[:middle] == sorted(each for each in names if each.startswith("encoder"))
    assert names[middle + 1 :] == sorted(names[middle + 1 :], reverse=True)
    assert {each.split()[0] for each in names[middle + 1 :]} == {"decoder"}
    strides = [target_layer.stride for target_layer in target_layers]
    assert max(strides) == strides[middle] <= config.multiple
    for target_layer in target_layers:
        assert network.get_layer(target_layer.layer).output.shape[-1] == target_layer.channels


@pytest.mark.parametrize("name", CONFIGS)
def test_both_parts_make_the_whole_at_every_layer(name) -> None:
    """Of large networks at the layers that stand for a resolution."""
    config = CONFIGS[name]
    network = build(config)
    rows, columns = (2 * step for step in config.multiple)
    pixels = np.random.default_rng(0).random((1, rows, columns, config.channels), np.float32)
    scores = np.asarray(keras.Model(network.inputs, logits_of(network))([pixels]))
    few = len(network.layers) > 50
    find = find_target_layers if few else find_all_layers
    for target_layer in find(network, config.multiple):
        split = cut(network, target_layer.layer)
        crossing = keras.tree.flatten(split.first([pixels]))
        cells = crossing[0].shape
        assert cells[1:3] == (rows // target_layer.stride[0], columns // target_layer.stride[1])
        np.testing.assert_allclose(split.second(crossing), scores, atol=1e-4)


def test_all_layers_are_listed_by_their_own_name_those_of_a_resolution_by_position() -> None:
    config = CONFIGS["SegNet"]
    network = build(config)
    found = find_all_layers(network, config.multiple)
    names = {each.layer: each.name for each in found}
    assert names["decoder_0_b_relu"] == "decoder 0"
    assert names["decoder_0_b_conv"] == "decoder_0_b_conv"
    assert [each.layer for each in found] == [
        layer.name for layer in network.layers if layer.name in names
    ]
    assert not {"image", "encoder_0_pool", "head", "logits", "probabilities"} & set(names)
    assert {each for each in found if each.name != each.layer} == set(
        find_target_layers(network, config.multiple)
    )


def test_layers_are_found_whatever_they_are_called() -> None:
    image = keras.Input((None, None, 1))
    x = keras.layers.Conv2D(3, 3, padding="same", activation="relu")(image)
    x = keras.layers.MaxPooling2D(2)(x)
    x = keras.layers.Conv2D(5, 3, padding="same", activation="relu")(x)
    x = keras.layers.UpSampling2D(2)(x)
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    x = keras.layers.Conv2D(2, 1)(x)
    network = keras.Model(image, keras.layers.Softmax()(x))
    target_layers = find_target_layers(network, (2, 2))
    assert [(target_layer.name, target_layer.channels) for target_layer in target_layers] == [
        ("encoder 0", 3),
        ("bottleneck", 5),
        ("decoder 0", 4),
    ]


def test_a_network_without_extent_reports_it() -> None:
    image = keras.Input((None, None, 1))
    network = keras.Model(image, keras.layers.Conv2D(2, 1, activation="softmax")(image))
    with pytest.raises(ModelError, match="no spatial feature maps"):
        find_target_layers(network, (1, 1))
