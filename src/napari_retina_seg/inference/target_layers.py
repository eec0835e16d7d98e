"""Find the target layers of a network for class activation maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from napari_retina_seg.types.errors import ModelError


@dataclass(frozen=True)
class TargetLayer:
    """A layer and its position in the network.

    Attributes
    ----------
    layer : str
        Its name in the network.
    name : str
        Where it is: ``encoder 2``, ``bottleneck``, ``decoder 1``; 0 is the finest. Of a layer that
        does not stand for its resolution, its name in the network.
    stride : tuple of int
        Rows and columns of the network's input that one of its cells covers.
    channels : int
        How many activations a cell has.
    """

    layer: str
    name: str
    stride: tuple[int, int]
    channels: int

    @property
    def description(self) -> str:
        """Its name with its resolution, such as ``decoder 1 (cells of 2 × 4 px)``."""
        rows, columns = self.stride
        return f"{self.name} (cells of {rows} × {columns} px)"


@dataclass(frozen=True)
class SplitModel:
    """A network split at a layer.

    Attributes
    ----------
    first : keras.Model
        From the image to all tensors that cross the cut; the layer's activations come first.
    second : keras.Model
        From those to the logits.
    """

    first: Any
    second: Any


def find_target_layers(network: Any, multiple: tuple[int, int]) -> tuple[TargetLayer, ...]:
    """List the target layers: one per resolution in encoder and decoder.

    They are found in the graph, in the order in which it is computed: going down are encoders,
    the coarsest is the bottleneck, going up are decoders. What makes the logits is left out: its
    map would be the mask.

    Parameters
    ----------
    network : keras.Model
        One image in, probabilities per pixel out.
    multiple : tuple of int
        Rows and columns of its input are multiples of these.

    Returns
    -------
    tuple of TargetLayer
        From the input to the output.

    Raises
    ------
    ModelError
        If no layer has an extent.
    """
    return _representatives(_spatial_layers(network, multiple))


def find_all_layers(network: Any, multiple: tuple[int, int]) -> tuple[TargetLayer, ...]:
    """List all layers with an extent, those of `find_target_layers` among them.

    The arguments and errors are those of `find_target_layers`.
    """
    spatial = _spatial_layers(network, multiple)
    known = {target_layer.layer: target_layer for target_layer in _representatives(spatial)}
    return tuple(known.get(found.layer, replace(found, name=found.layer)) for _, found in spatial)


def _representatives(spatial: Sequence[tuple[Any, TargetLayer]]) -> tuple[TargetLayer, ...]:
    """Return the layer that stands for each resolution on the way down and up."""
    stages: list[list[tuple[Any, TargetLayer]]] = []
    for layer, target_layer in spatial:
        if not stages or stages[-1][0][1].stride != target_layer.stride:
            stages.append([])
        stages[-1].append((layer, target_layer))
    learnt = [stage for stage in stages if any(layer.trainable_weights for layer, _ in stage)]
    target_layers = [_representative(stage) for stage in learnt]
    if not target_layers:
        raise ModelError("The network has no spatial feature maps to explain.")
    strides = sorted({target_layer.stride for target_layer in target_layers})
    bottom = max(range(len(target_layers)), key=lambda i: (target_layers[i].stride, i))
    return tuple(
        replace(target_layer, name=_name(i - bottom, strides.index(target_layer.stride)))
        for i, target_layer in enumerate(target_layers)
    )


def cut(network: Any, layer: str) -> SplitModel:
    """Split a network at a layer, whose activations become an input.

    Parameters
    ----------
    network : keras.Model
        One image in, probabilities per pixel out.
    layer : str
        Name of a layer of one output tensor.
    """
    import keras

    tensor = network.get_layer(layer).output
    crossing, behind = [tensor], {id(tensor)}
    for each in network.layers:
        inputs = keras.tree.flatten(each.input)
        if id(tensor) == id(each.output) or not any(id(x) in behind for x in inputs):
            continue
        crossing += [x for x in inputs if id(x) not in behind and not _among(x, crossing)]
        behind |= {id(x) for x in keras.tree.flatten(each.output)}
    return SplitModel(
        keras.Model(network.inputs, crossing), keras.Model(crossing, logits_of(network))
    )


def logits_of(network: Any) -> Any:
    """Return the tensor before the last activation, whatever it is called."""
    last = network.layers[-1]
    return last.input if _is_activation(last) else network.outputs[0]


def _among(tensor: Any, tensors: Sequence[Any]) -> bool:
    return any(tensor is other for other in tensors)  # Keras tensors compare symbolically


def _name(from_bottom: int, level: int) -> str:
    if not from_bottom:
        return "bottleneck"
    return f"{'encoder' if from_bottom < 0 else 'decoder'} {level}"


def _representative(stage: Sequence[tuple[Any, TargetLayer]]) -> TargetLayer:
    """Return the last activated features of a stage; what only leads to the next comes after."""
    import keras

    kinds = keras.layers.ReLU | keras.layers.Activation | keras.layers.Add
    activated = [target_layer for layer, target_layer in stage if isinstance(layer, kinds)]
    return (activated or [target_layer for _, target_layer in stage])[-1]


def _spatial_layers(network: Any, multiple: tuple[int, int]) -> list[tuple[Any, TargetLayer]]:
    import keras

    layers = [layer for layer in network.layers if isinstance(layer.output, keras.KerasTensor)]
    while layers and _is_activation(layers[-1]):
        layers.pop()
    layers = layers[1:-1]  # without the image and the logits
    if not layers:
        return []
    size = (multiple[0] * 2, multiple[1] * 2)
    probe = keras.KerasTensor((1, *size, network.inputs[0].shape[-1]))
    outputs = keras.Model(network.inputs, [layer.output for layer in layers])
    found = []
    for layer, spec in zip(layers, outputs.compute_output_spec(probe), strict=True):
        if len(spec.shape) != 4 or min(spec.shape[1:3]) < 2:
            continue
        stride = (size[0] // spec.shape[1], size[1] // spec.shape[2])
        found.append((layer, TargetLayer(layer.name, "", stride, spec.shape[3])))
    return found


def _is_activation(layer: Any) -> bool:
    import keras

    return isinstance(layer, keras.layers.Activation | keras.layers.Softmax)
