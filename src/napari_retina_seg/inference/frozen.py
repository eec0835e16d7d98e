"""Freeze networks to graphs of constants, so that TensorFlow folds and fuses layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from napari_retina_seg.inference.target_layers import SplitModel

_CONVOLUTION = "RetinaSegConv2D"


@dataclass(frozen=True, eq=False)
class FrozenSplit:
    """A network split at a layer, with forward and backward graphs.

    Attributes
    ----------
    forward : callable
        ``(1, rows, columns, channels)`` to all tensors that cross the cut, the layer's
        activations first, and the logits.
    backward : callable
        Those tensors, and a weight for each logit, to the derivative of the logits' weighted sum
        by the activations. It runs the second half again, which costs less than to keep all that
        the first run made.
    """

    forward: Callable[[Any], tuple[tuple[Any, ...], Any]]
    backward: Callable[[Sequence[Any], Any], Any]


def freeze_network(network: Any) -> Callable[[Any], Any]:
    """Freeze a network of one image in and one tensor out.

    Parameters
    ----------
    network : keras.Model
        In float32.

    Returns
    -------
    callable
        ``(1, rows, columns, channels)`` to ``(1, rows, columns, outputs)``.
    """
    frozen = _freeze(lambda image: network(image, training=False), [_signature(network.inputs[0])])
    return lambda image: frozen(image)[0].numpy()


def freeze_split(split_model: SplitModel) -> FrozenSplit:
    """Freeze a network split at a layer."""
    import keras
    import tensorflow as tf

    def forward(image: Any) -> list[Any]:
        # Of a single output Keras makes a bare tensor.
        crossing = keras.tree.flatten(split_model.first([image], training=False))
        return [*crossing, split_model.second(crossing, training=False)]

    def backward(weights: Any, *crossing: Any) -> Any:
        with tf.compat.v1.get_default_graph().gradient_override_map({"Conv2D": _convolution()}):
            logits = split_model.second(list(crossing), training=False)
        return tf.gradients(logits, crossing[0], grad_ys=weights)

    run = _freeze(forward, [_signature(split_model.first.inputs[0])])
    ends = [*split_model.second.outputs, *split_model.second.inputs]
    back = _freeze(backward, [_signature(end) for end in ends])

    def ahead(image: Any) -> tuple[tuple[Any, ...], Any]:
        *crossing, logits = run(image)
        return tuple(crossing), logits

    return FrozenSplit(ahead, lambda crossing, weights: back(weights, *crossing)[0])


def _signature(tensor: Any) -> Any:
    import tensorflow as tf

    return tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype)


def _freeze(function: Callable[..., Any], signature: Sequence[Any]) -> Callable[..., Any]:
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    graph = tf.function(function, input_signature=signature)
    frozen = convert_variables_to_constants_v2(graph.get_concrete_function())
    # Called by itself it would print its arguments into an error each time, which it then drops.
    called = tf.function(frozen, input_signature=signature)
    return lambda *tensors: called(*map(tf.constant, tensors))


@cache
def _convolution() -> str:
    """Register a derivative of convolutions that TensorFlow computes as fast as themselves.

    By its input, a convolution's derivative is the convolution with the turned kernel. Its own
    implementation of this takes some seven times as long on a CPU.
    """
    import tensorflow as tf

    @tf.RegisterGradient(_CONVOLUTION)  # type: ignore[untyped-decorator]
    def by_input(operation: Any, gradient: Any) -> tuple[Any, None]:
        image, kernel = operation.inputs
        strides, padding = operation.get_attr("strides"), operation.get_attr("padding").decode()
        dilations = operation.get_attr("dilations")
        pointwise = kernel.shape[:2] == (1, 1)
        odd = kernel.shape[0] % 2 and kernel.shape[1] % 2
        if max(strides) == 1 and (pointwise or (padding == "SAME" and odd)):
            turned = tf.transpose(tf.reverse(kernel, [0, 1]), [0, 1, 3, 2])
            return tf.nn.conv2d(gradient, turned, 1, padding, dilations=dilations[1:3]), None
        return tf.nn.conv2d_transpose(
            gradient, kernel, tf.shape(image), strides, padding, dilations=dilations
        ), None

    return _CONVOLUTION
