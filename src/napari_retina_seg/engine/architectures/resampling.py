"""Pooling that remembers where its maxima stood, and upsampling, in backend-neutral operations.

Importing this module imports Keras: do so inside functions.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class MaxPoolWithMask(keras.layers.Layer):  # type: ignore[misc]
    """2 × 2 max pooling that also returns which of the four pixels was the (first) largest.

    Maps ``(batch, rows, columns, channels)`` to values and one-hot masks of shapes
    ``(batch, rows / 2, columns / 2, channels)`` and ``(…, channels, 4)``.
    """

    def call(self, inputs: Any) -> tuple[Any, Any]:
        """Pool even numbers of rows and columns."""
        corners = ops.stack(
            [inputs[:, row::2, column::2] for row in (0, 1) for column in (0, 1)], axis=-1
        )
        mask = ops.one_hot(ops.argmax(corners, axis=-1), 4, dtype=inputs.dtype)
        return ops.sum(corners * mask, axis=-1), mask

    def compute_output_spec(self, inputs: Any) -> tuple[Any, Any]:
        """Halve rows and columns."""
        batch, rows, columns, channels = inputs.shape
        half = (batch, rows and rows // 2, columns and columns // 2, channels)
        return (
            keras.KerasTensor(half, inputs.dtype),
            keras.KerasTensor((*half, 4), inputs.dtype),
        )


class Unpool(keras.layers.Layer):  # type: ignore[misc]
    """Put each value where its maximum stood in the 2 × 2 pixels that were pooled; else zeros."""

    def call(self, inputs: list[Any]) -> Any:
        """Unpool ``[values, mask]`` as `MaxPoolWithMask` returned them."""
        values, mask = inputs
        spread = values[..., None] * mask
        shape = ops.shape(values)
        channels = values.shape[-1]
        spread = ops.reshape(spread, (*shape[:3], channels, 2, 2))
        spread = ops.transpose(spread, (0, 1, 4, 2, 5, 3))
        return ops.reshape(spread, (shape[0], shape[1] * 2, shape[2] * 2, channels))

    def compute_output_spec(self, inputs: list[Any]) -> Any:
        """Double rows and columns."""
        batch, rows, columns, channels = inputs[0].shape
        double = (batch, rows and rows * 2, columns and columns * 2, channels)
        return keras.KerasTensor(double, inputs[0].dtype)


class BilinearUpsample(keras.layers.Layer):  # type: ignore[misc]
    """Double rows and columns bilinearly, edges repeated.

    ``keras.layers.UpSampling2D`` does the same, but not in a TensorFlow graph of free size.
    """

    def call(self, inputs: Any) -> Any:
        """Upsample ``(batch, rows, columns, channels)``."""
        return _double(_double(inputs, axis=1), axis=2)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Double rows and columns."""
        batch, rows, columns, channels = inputs.shape
        double = (batch, rows and rows * 2, columns and columns * 2, channels)
        return keras.KerasTensor(double, inputs.dtype)


def _double(x: Any, axis: int) -> Any:
    """Each new pixel is three quarters of the nearer old one and a quarter of the farther."""
    if axis == 1:
        before = ops.concatenate([x[:, :1], x[:, :-1]], axis=1)
        after = ops.concatenate([x[:, 1:], x[:, -1:]], axis=1)
    else:
        before = ops.concatenate([x[:, :, :1], x[:, :, :-1]], axis=2)
        after = ops.concatenate([x[:, :, 1:], x[:, :, -1:]], axis=2)
    near = 0.75 * x
    pairs = ops.stack([near + 0.25 * before, near + 0.25 * after], axis=axis + 1)
    shape = list(ops.shape(x))
    shape[axis] = shape[axis] * 2
    return ops.reshape(pairs, (*shape[:3], x.shape[-1]))
