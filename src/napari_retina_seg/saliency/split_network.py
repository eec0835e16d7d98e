"""Networks divided at a target layer, compiled once and kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from napari_retina_seg.inference.frozen import FrozenSplit, freeze_split
from napari_retina_seg.inference.predictor import ENGINE_LOCK, load_network
from napari_retina_seg.inference.target_layers import TargetLayer, cut, find_all_layers
from napari_retina_seg.models.registry import ModelFolder
from napari_retina_seg.models.spec import ModelSpec
from napari_retina_seg.types.errors import ModelError

RECOMMENDED_LAYER = "decoder 2"  # what the table of docs/explain.md favours for a whole class
_NEAR = 5  # names that a sentence lists


def list_target_layers(model: ModelFolder) -> tuple[TargetLayer, ...]:
    """List the layers of a model that can be explained, from its input to its output."""
    model.check_weights()
    with ENGINE_LOCK:
        return _opened(model.path, model.spec.model_dump_json()).target_layers


def list_all_layers(model: ModelFolder) -> tuple[TargetLayer, ...]:
    """List all layers of a model at which its network can be divided, in the network's order."""
    model.check_weights()
    with ENGINE_LOCK:
        return _opened(model.path, model.spec.model_dump_json()).all_layers


def find_layer(model: ModelFolder, layer: str = "") -> TargetLayer:
    """Find any layer of a model by its position, such as ``decoder 2``, or its Keras name.

    Without a name it is the one that is recommended.

    Raises
    ------
    ModelError
        If there is none, or the name is ambiguous; the sentence lists names near to it.
    """
    if not layer:
        return find_target_layer(list_target_layers(model), model.name)
    return find_target_layer(list_all_layers(model), model.name, layer)


def find_target_layer(
    target_layers: Sequence[TargetLayer], model: str, layer: str = ""
) -> TargetLayer:
    """Find one of these layers by its position or its Keras name; see `find_layer`.

    A name in another case is found where only one layer has it.
    """
    if not layer:
        named = (
            target_layer for target_layer in target_layers if target_layer.name == RECOMMENDED_LAYER
        )
        return next(named, target_layers[-2:][0])  # the last one only repeats the mask
    wanted = layer.strip()
    exact = [each for each in target_layers if wanted in (each.name, each.layer)]
    folded = [
        each
        for each in target_layers
        if wanted.casefold() in (each.name.casefold(), each.layer.casefold())
    ]
    found = exact or folded
    if len(found) == 1:
        return found[0]
    if found:
        names = " or ".join(f"'{each.layer}'" for each in found)
        raise ModelError(f"'{layer}' is ambiguous in '{model}': give the name in Keras, {names}.")
    raise ModelError(_describe_unknown(target_layers, model, wanted))


def _describe_unknown(target_layers: Sequence[TargetLayer], model: str, layer: str) -> str:
    """Say that there is no such layer, and which names are near to it."""
    positions = [each.name for each in target_layers if each.name != each.layer]
    own = [each.layer for each in target_layers]
    folded = layer.casefold()
    word = re.match(r"[^\W\d_]*", folded)  # "conv" of "conv2d_19"
    inside = [name for name in own if folded in name.casefold()]
    alike = [name for name in own if word and len(word[0]) > 2 and word[0] in name.casefold()]
    near = [*inside, *get_close_matches(folded, own, n=_NEAR, cutoff=0.6), *alike]
    names = list(dict.fromkeys(near))[:_NEAR]
    others = f" Did you mean {', '.join(names)}?" if names else ""
    return (
        f"'{model}' has no layer '{layer}' to explain: its layers are {', '.join(positions)}, or"
        f" any by its name in Keras, such as '{target_layers[-1].layer}'.{others}"
    )


def warm(model: ModelFolder, layer: str = "") -> None:
    """Compile a network for a first explanation, divided at a layer of `find_layer`."""
    _, split = split_at(model, layer)
    rows, columns = model.spec.architecture.multiple
    tiny = np.zeros((1, 2 * rows, 2 * columns, model.spec.architecture.channels), np.float32)
    with ENGINE_LOCK:
        split.backward(*split.forward(tiny))


def split_at(model: ModelFolder, layer: str) -> tuple[TargetLayer, FrozenSplit]:
    """Return a layer of `find_layer`, and the network divided there."""
    target_layer = find_layer(model, layer)
    with ENGINE_LOCK:
        opened = _opened(model.path, model.spec.model_dump_json())
        return target_layer, _split(opened, target_layer.layer)


@dataclass(frozen=True, eq=False)
class _Opened:
    """A model's network, split at the target layer."""

    network: Any
    all_layers: tuple[TargetLayer, ...]

    @property
    def target_layers(self) -> tuple[TargetLayer, ...]:
        """Those that stand for a resolution."""
        return tuple(each for each in self.all_layers if each.name != each.layer)


@lru_cache(maxsize=4)  # no fewer than splits, which go with their network
def _opened(path: Path, spec_json: str) -> _Opened:
    spec = ModelSpec.model_validate_json(spec_json)
    network = load_network(ModelFolder(path, spec))
    return _Opened(network, find_all_layers(network, spec.architecture.multiple))


@lru_cache(maxsize=4)
def _split(opened: _Opened, layer: str) -> FrozenSplit:
    return freeze_split(cut(opened.network, layer))
