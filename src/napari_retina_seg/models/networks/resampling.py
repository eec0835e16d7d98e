"""Pooling with indices, unpooling and upsampling, in backend-neutral operations.

Importing this module imports Keras: do so inside functions.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class MaxPoolWithMask(keras.layers.Layer):  # type: ignore[misc]
    """2 × 2 max pooling that also returns where the (first) largest of the four pixels stood.

    Maps ``(batch, rows, columns, channels)`` to values ``(batch, rows / 2, columns / 2, channels)``
    and four masks of that shape, 1 at the corner with the maximum: upper left, upper right,
    lower left, lower right.
    """

    def call(self, inputs: Any) -> tuple[Any, ...]:
        """Pool even numbers of rows and columns."""
        corners = [inputs[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]
        largest = ops.max_pool(inputs, 2, 2)
        # Comparing is several times faster than an argmax over a fifth axis.
        masks, free = [], ops.ones_like(largest)
        for corner in corners:
            mask = free * ops.cast(corner == largest, inputs.dtype)
            free = free - mask
            masks.append(ops.stop_gradient(mask))
        return (largest, *masks)

    def compute_output_spec(self, inputs: Any) -> tuple[Any, ...]:
        """Halve rows and columns."""
        batch, rows, columns, channels = inputs.shape
        half = (batch, rows and rows // 2, columns and columns // 2, channels)
        return tuple(keras.KerasTensor(half, inputs.dtype) for _ in range(5))


class Unpool(keras.layers.Layer):  # type: ignore[misc]
    """Unpool: put each value at the position of its maximum, zeros elsewhere."""

    def call(self, inputs: list[Any]) -> Any:
        """Unpool ``[values, *masks]``, masks as `MaxPoolWithMask` returned them."""
        values, *masks = inputs
        batch, rows, columns, channels = ops.shape(values)
        upper, lower = (
            ops.stack([values * masks[first], values * masks[first + 1]], axis=3)
            for first in (0, 2)
        )
        pairs = ops.stack([upper, lower], axis=2)  # (batch, rows, 2, columns, 2, channels)
        return ops.reshape(pairs, (batch, rows * 2, columns * 2, channels))

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
