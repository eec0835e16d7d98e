"""Networks divided at a target layer, compiled once and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from napari_retina_seg.inference.frozen import FrozenSplit, freeze_split
from napari_retina_seg.inference.predictor import ENGINE_LOCK, load_network
from napari_retina_seg.inference.target_layers import TargetLayer, cut, find_target_layers
from napari_retina_seg.models.registry import ModelFolder
from napari_retina_seg.models.spec import ModelSpec
from napari_retina_seg.types.errors import ModelError

RECOMMENDED_LAYER = "decoder 2"  # what the table of docs/explain.md favours for a whole class


def list_target_layers(model: ModelFolder) -> tuple[TargetLayer, ...]:
    """List the layers of a model that can be explained, from its input to its output."""
    model.check_weights()
    with ENGINE_LOCK:
        return _opened(model.path, model.spec.model_dump_json()).target_layers


def find_target_layer(
    target_layers: Sequence[TargetLayer], model: str, layer: str = ""
) -> TargetLayer:
    """Find a layer by its position or its own name; without one, the one that is recommended.

    Raises
    ------
    ModelError
        If there is none; the sentence names those that there are.
    """
    if not layer:
        named = (
            target_layer for target_layer in target_layers if target_layer.name == RECOMMENDED_LAYER
        )
        return next(named, target_layers[-2:][0])  # the last one only repeats the mask
    for target_layer in target_layers:
        if layer.casefold() in (target_layer.name, target_layer.layer.casefold()):
            return target_layer
    raise ModelError(
        f"'{model}' has no layer '{layer}' to explain: its layers are"
        f" {', '.join(target_layer.name for target_layer in target_layers)}."
    )


def warm(model: ModelFolder, layer: str = "") -> None:
    """Compile a network for a first explanation, divided at a layer of `find_target_layer`."""
    _, split = split_at(model, layer)
    rows, columns = model.spec.architecture.multiple
    tiny = np.zeros((1, 2 * rows, 2 * columns, model.spec.architecture.channels), np.float32)
    with ENGINE_LOCK:
        split.backward(*split.forward(tiny))


def split_at(model: ModelFolder, layer: str) -> tuple[TargetLayer, FrozenSplit]:
    """Return a layer of `find_target_layer`, and the network divided there."""
    target_layer = find_target_layer(list_target_layers(model), model.name, layer)
    with ENGINE_LOCK:
        opened = _opened(model.path, model.spec.model_dump_json())
        return target_layer, _split(opened, target_layer.layer)


@dataclass(frozen=True, eq=False)
class _Opened:
    """A model's network, split at the target layer."""

    network: Any
    target_layers: tuple[TargetLayer, ...]


@lru_cache(maxsize=2)
def _opened(path: Path, spec_json: str) -> _Opened:
    spec = ModelSpec.model_validate_json(spec_json)
    network = load_network(ModelFolder(path, spec))
    return _Opened(network, find_target_layers(network, spec.architecture.multiple))


@lru_cache(maxsize=4)
def _split(opened: _Opened, layer: str) -> FrozenSplit:
    return freeze_split(cut(opened.network, layer))
