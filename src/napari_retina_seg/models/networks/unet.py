"""The U-Net family: plain (Ronneberger et al. 2015) or with residual blocks, on any depth."""

from __future__ import annotations

from typing import Any

from napari_retina_seg.models.config import UNetConfig


def build_unet(config: UNetConfig) -> Any:
    """Build a U-Net.

    Parameters
    ----------
    config : UNetConfig
        Sizes of the network.

    Returns
    -------
    keras.Model
        Maps ``(batch, rows, columns, channels)`` to probabilities
        ``(batch, rows, columns, classes)``, or ``(…, 1)`` for a sigmoid; rows and columns are
        free multiples of `config.multiple`. The layer ``logits`` holds the scores before the
        activation.
    """
    import keras
    from keras import layers

    # === Layers ===
    block = _residual_block if config.residual else _plain_block

    # === Functional model ===
    inputs = keras.Input((None, None, config.channels), name="image")
    x = inputs
    if config.stem_strides != (1, 1):
        x = layers.Conv2D(config.widths[0], 3, config.stem_strides, padding="same", name="stem")(x)
    skips = []
    for depth, width in enumerate(config.widths):
        if depth:
            x = layers.MaxPooling2D(2, name=f"encoder_{depth}_pool")(x)
        x = block(x, width, _dropout(config, depth), f"encoder_{depth}", config)
        skips.append(x)
    for depth in reversed(range(len(config.widths) - 1)):
        width = config.widths[depth]
        x = _upsample(x, width, f"decoder_{depth}", config)
        x = layers.Concatenate(name=f"decoder_{depth}_skip")([x, skips[depth]])
        x = block(x, width, _dropout(config, depth), f"decoder_{depth}", config)
    # A transposed convolution whose kernel is its stride is a 1 x 1 convolution and a pixel
    # shuffle: each coarse cell draws its own fine pixels.
    x = layers.Conv2DTranspose(
        config.outputs, config.stem_strides, config.stem_strides, name="head"
    )(x)
    logits = layers.Activation("linear", dtype="float32", name="logits")(x)
    outputs = layers.Activation(config.activation, dtype="float32", name="probabilities")(logits)
    return keras.Model(inputs, outputs, name="unet")


def _dropout(config: UNetConfig, depth: int) -> float:
    return config.dropout[min(depth, len(config.dropout) - 1)]


def _plain_block(x: Any, width: int, dropout: float, name: str, config: UNetConfig) -> Any:
    x = _convolve(x, width, f"{name}_a", config)
    x = _drop(x, dropout, name)
    return _convolve(x, width, f"{name}_b", config)


def _residual_block(x: Any, width: int, dropout: float, name: str, config: UNetConfig) -> Any:
    from keras import layers

    shortcut = x
    if x.shape[-1] != width:
        shortcut = layers.Conv2D(width, 1, use_bias=False, name=f"{name}_shortcut")(x)
    x = _convolve(x, width, f"{name}_a", config)
    x = _drop(x, dropout, name)
    x = _convolve(x, width, f"{name}_b", config, activate=False)
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.ReLU(name=f"{name}_out")(x)


def _convolve(x: Any, width: int, name: str, config: UNetConfig, *, activate: bool = True) -> Any:
    from keras import layers

    x = layers.Conv2D(
        width,
        3,
        padding="same",
        use_bias=not config.batch_norm,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    if config.batch_norm:
        x = layers.BatchNormalization(name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if activate else x


def _drop(x: Any, rate: float, name: str) -> Any:
    from keras import layers

    return layers.Dropout(rate, name=f"{name}_dropout")(x) if rate else x


def _upsample(x: Any, width: int, name: str, config: UNetConfig) -> Any:
    from keras import layers

    from napari_retina_seg.models.networks.resampling import BilinearUpsample

    if config.transposed:
        return layers.Conv2DTranspose(width, 2, 2, padding="same", name=f"{name}_up")(x)
    x = layers.Conv2D(width, 1, name=f"{name}_narrow")(x)
    return BilinearUpsample(name=f"{name}_up")(x)
