"""Layers of a network by their position and by their own name."""

import numpy as np
import pytest

from helpers import answer, assert_same_maps, tiny_model
from napari_retina_seg.imaging.explanation import ExplainRequest
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.inference.target_layers import TargetLayer
from napari_retina_seg.saliency.split_network import (
    find_layer,
    find_target_layer,
    list_all_layers,
    list_target_layers,
)
from napari_retina_seg.types.errors import ModelError
from napari_retina_seg.types.image import Modality

LAYERS = tuple(
    TargetLayer(layer, name, (2, 2), 4)
    for layer, name in (
        ("conv2d_18", "conv2d_18"),
        ("conv2d_19", "conv2d_19"),
        ("activation_19", "decoder 1"),
        ("Conv2D_19", "Conv2D_19"),
        ("bottleneck", "bottleneck"),
        ("relu_4", "Bottleneck"),
    )
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("models") / "oct", Modality.OCT)


@pytest.mark.parametrize(
    ("asked", "layer"),
    [
        ("conv2d_19", "conv2d_19"),
        (" Conv2D_19 ", "Conv2D_19"),
        ("CONV2D_18", "conv2d_18"),
        ("activation_19", "activation_19"),
        ("Decoder 1", "activation_19"),
    ],
)
def test_a_layer_is_found_by_position_or_by_its_own_name(asked, layer) -> None:
    assert find_target_layer(LAYERS, "net", asked).layer == layer


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("CONV2D_19", "ambiguous in 'net': give the name in Keras, 'conv2d_19' or 'Conv2D_19'"),
        ("BOTTLENECK", "ambiguous in 'net'.*'bottleneck' or 'relu_4'"),
        ("conv2d_1", "no layer 'conv2d_1' .*Did you mean conv2d_18, conv2d_19"),
        ("conv2d_91", "Did you mean .*conv2d_19"),
        ("relu", "Did you mean relu_4"),
    ],
)
def test_ambiguous_and_unknown_names_list_what_is_near(asked, sentence) -> None:
    with pytest.raises(ModelError, match=sentence):
        find_target_layer(LAYERS, "net", asked)


def test_a_name_like_none_lists_the_positions() -> None:
    with pytest.raises(ModelError) as refused:
        find_target_layer(LAYERS, "net", "zzz")
    assert "its layers are decoder 1" in str(refused.value)
    assert "Near" not in str(refused.value)


def test_any_layer_of_a_model_is_explained_by_its_own_name(tiny) -> None:
    """The activated layer by its own name is its position; the convolution before is another."""
    image = phantom_bscan(rows=96, columns=128).image
    position = find_layer(tiny, "decoder 0")
    assert position in list_target_layers(tiny)
    by_position, by_name = (
        answer(image, tiny, ExplainRequest((1,), layer))
        for layer in (position.name, position.layer)
    )
    assert_same_maps(by_position.maps, by_name.maps)
    every = list_all_layers(tiny)
    other = every[every.index(position) - 1]
    found = answer(image, tiny, ExplainRequest((1,), other.layer))
    assert found.layer.startswith(other.layer)
    assert not np.allclose(found.maps, by_position.maps)
