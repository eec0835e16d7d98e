"""SegNet (Badrinarayanan et al. 2017): the decoder unpools with the indices of the encoder."""

from __future__ import annotations

from typing import Any

from napari_retina_seg.models.config import SegNetConfig
from napari_retina_seg.models.networks.normalisation import MOMENTUM


def build_segnet(config: SegNetConfig) -> Any:
    """Build a SegNet with pooling indices, transposed convolutions and skip connections.

    Parameters
    ----------
    config : SegNetConfig
        Sizes of the network.

    Returns
    -------
    keras.Model
        Maps ``(batch, rows, columns, channels)`` to probabilities
        ``(batch, rows, columns, outputs)``; rows and columns are free multiples of
        `config.multiple`. The layer ``logits`` holds the scores before the activation.
    """
    import keras
    from keras import layers

    from napari_retina_seg.models.networks.resampling import MaxPoolWithMask, Unpool

    # === Functional model ===
    inputs = keras.Input((None, None, config.channels), name="image")
    x = inputs
    features, masks = [], []
    for depth, width in enumerate(config.widths):
        x = _convolve(x, width, f"encoder_{depth}_a")
        x = _convolve(x, width, f"encoder_{depth}_b")
        features.append(x)
        x, *corners = MaxPoolWithMask(name=f"encoder_{depth}_pool")(x)
        masks.append(corners)
    x = _convolve(x, config.widths[-1], "bottleneck")
    for depth in reversed(range(len(config.widths))):
        width = config.widths[depth]
        x = layers.Conv2DTranspose(width, 3, padding="same", name=f"decoder_{depth}_up")(x)
        x = Unpool(name=f"decoder_{depth}_unpool")([x, *masks[depth]])
        x = layers.Concatenate(name=f"decoder_{depth}_skip")([x, features[depth]])
        x = _convolve(x, width, f"decoder_{depth}_a")
        x = _convolve(x, width, f"decoder_{depth}_b")
    x = layers.Conv2D(config.outputs, 1, name="head")(x)
    logits = layers.Activation("linear", dtype="float32", name="logits")(x)
    outputs = layers.Activation(config.activation, dtype="float32", name="probabilities")(logits)
    return keras.Model(inputs, outputs, name="segnet")


def _convolve(x: Any, width: int, name: str) -> Any:
    from keras import layers

    x = layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
