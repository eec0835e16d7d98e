"""U-Nets whose encoder is a classification network of ``keras.applications``."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_retina_seg.models.config import EncoderUNetConfig
from napari_retina_seg.models.networks.normalisation import MOMENTUM

# Last layer at each resolution, finest first, of which the decoder gets the features.
_SKIPS = {
    "efficientnetb0": (
        "block1a_project_bn",
        "block2b_add",
        "block3b_add",
        "block5c_add",
        "block7a_project_bn",  # what follows widens it for the classifier
    ),
    "vgg16": ("block1_conv2", "block2_conv2", "block3_conv3", "block4_conv3", "block5_conv3"),
}
# Strides of those features: VGG keeps the full resolution, EfficientNet begins at half.
_FIRST_STRIDE = {"efficientnetb0": 2, "vgg16": 1}
# Of red, green and blue on ImageNet: means of bytes (Simonyan and Zisserman 2015), deviations of
# values 0 … 1 (Tan and Le 2019).
_MEANS = (123.68, 116.779, 103.939)
_DEVIATIONS = (0.229, 0.224, 0.225)
_FIRST_OF_VGG = "block1_conv1"


def build_encoder_unet(config: EncoderUNetConfig) -> Any:
    """Build a U-Net on an EfficientNetB0 or VGG16 encoder.

    Parameters
    ----------
    config : EncoderUNetConfig
        Encoder and the widths of the decoder.

    Returns
    -------
    keras.Model
        Maps ``(batch, rows, columns, channels)`` with values 0 … 1 to probabilities
        ``(batch, rows, columns, outputs)``; rows and columns are free multiples of 32. The
        layer ``logits`` holds the scores before the activation.
    """
    import keras
    from keras import layers

    # === Layers ===
    inputs = keras.Input((None, None, config.channels), name="image")
    scaled = inputs
    if config.encoder == "efficientnetb0":  # it brings its own scaling, from bytes
        scaled = layers.Rescaling(255.0, name="to_bytes")(inputs)
    elif config.caffe_input:
        scaled = layers.Rescaling(255.0, [-mean for mean in _MEANS], name="to_bytes")(inputs)
    encoder = build_encoder(config, input_tensor=scaled)
    for layer in encoder.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = MOMENTUM
    skips = [encoder.get_layer(name).output for name in _SKIPS[config.encoder]]

    # === Functional model ===
    x = skips[-1]
    for depth in reversed(range(len(skips) - 1)):
        x = _decode(x, skips[depth], config.widths[depth + 1], f"decoder_{depth + 1}")
    if _FIRST_STRIDE[config.encoder] == 2:
        x = _decode(x, None, config.widths[0], "decoder_0")
    x = layers.Conv2D(config.outputs, 1, name="head")(x)
    logits = layers.Activation("linear", dtype="float32", name="logits")(x)
    outputs = layers.Activation(config.activation, dtype="float32", name="probabilities")(logits)
    return keras.Model(inputs, outputs, name=f"{config.encoder}-unet")


def build_encoder(config: EncoderUNetConfig, **inputs: Any) -> Any:
    """Build the network of ``keras.applications`` without its classifier, with random weights."""
    import keras

    applications = {
        "efficientnetb0": keras.applications.EfficientNetB0,
        "vgg16": keras.applications.VGG16,
    }
    return applications[config.encoder](
        include_top=False, weights=None, name=config.encoder, **inputs
    )


def copy_encoder(encoder: Any, network: Any, config: EncoderUNetConfig) -> None:
    """Copy the weights of `build_encoder` into the network of `build_encoder_unet`.

    Parameters
    ----------
    encoder : keras.Model
        With weights as Keras Applications publishes them.
    network : keras.Model
        Gets those of the layers that it has.
    config : EncoderUNetConfig
        Of the network.
    """
    from keras import layers

    into = {layer.name: layer for layer in network.layers}
    # Keras numbers this layer anew whenever it makes one.
    scalings = [layer for layer in network.layers if isinstance(layer, layers.Normalization)]
    for layer in encoder.layers:
        if isinstance(layer, layers.Normalization):
            scalings[0].set_weights(_squared(layer.get_weights()))
            scalings[0].finalize_state()
        elif layer.weights and layer.name in into:
            into[layer.name].set_weights(layer.get_weights())
    if config.caffe_input:  # published for blue, green, red; the images are red, green, blue
        kernel, bias = into[_FIRST_OF_VGG].get_weights()
        into[_FIRST_OF_VGG].set_weights([kernel[:, :, ::-1], bias])


def _squared(weights: list[Any]) -> list[Any]:
    """Return means, variances and count of colours with true variances.

    The published file of EfficientNet holds standard deviations in their place, for which Keras
    makes up with another layer where it has downloaded the file itself.
    """
    mean, variance, count = weights
    is_deviation = np.allclose(variance, _DEVIATIONS, atol=1e-4)
    return [mean, variance**2 if is_deviation else variance, count]


def _decode(x: Any, skip: Any, width: int, name: str) -> Any:
    from keras import layers

    x = layers.Conv2DTranspose(width, 2, 2, padding="same", name=f"{name}_up")(x)
    if skip is not None:
        x = layers.Concatenate(name=f"{name}_skip")([x, skip])
    for part in "ab":
        x = layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"{name}_{part}_conv")(x)
        x = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_{part}_norm")(x)
        x = layers.ReLU(name=f"{name}_{part}_relu")(x)
    return x
