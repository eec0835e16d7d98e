"""Cascading weight randomisation (Adebayo et al. 2018), to test whether maps depend on learning."""

from __future__ import annotations

from typing import Any

from napari_retina_seg.inference.predictor import ENGINE_LOCK
from napari_retina_seg.models.config import Architecture
from napari_retina_seg.models.networks import build


def randomise_from_top(network: Any, config: Architecture, layer: str, seed: int = 0) -> None:
    """Replace the weights of a layer and of all that come after it by random ones, in place.

    Parameters
    ----------
    network : keras.Model
        As `config` describes it.
    config : Architecture
        From which a fresh network is built.
    layer : str
        The lowest layer that forgets.
    seed : int
        Of the new weights.
    """
    with ENGINE_LOCK:
        fresh = build(config, seed)
    first = network.layers.index(network.get_layer(layer))
    for own, new in zip(network.layers[first:], fresh.layers[first:], strict=True):
        own.set_weights(new.get_weights())
