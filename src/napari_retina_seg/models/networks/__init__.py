"""Build networks from their configurations."""

from __future__ import annotations

import random
import shutil
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from napari_retina_seg.models.config import Architecture, EncoderUNetConfig, SegNetConfig
from napari_retina_seg.models.networks.encoders import (
    build_encoder,
    build_encoder_unet,
    copy_encoder,
)
from napari_retina_seg.models.networks.segnet import build_segnet
from napari_retina_seg.models.networks.unet import build_unet

# Keras draws the seeds of initial weights and of dropout from Python's global generator. A network
# that another thread builds at the same time, to segment, would draw from the same sequence.
_BUILDING = threading.Lock()


def build(config: Architecture, seed: int | None = None) -> Any:
    """Build the Keras model of a configuration, with random weights.

    Parameters
    ----------
    config : Architecture
        What to build.
    seed : int, optional
        Decides the weights and what dropout will leave out, whatever other threads build. The
        generators of the process stay as they are.
    """
    with _BUILDING, _seeded(seed):
        if isinstance(config, SegNetConfig):
            return build_segnet(config)
        if isinstance(config, EncoderUNetConfig):
            return build_encoder_unet(config)
        return build_unet(config)


@contextmanager
def _seeded(seed: int | None) -> Iterator[None]:
    """Let Keras draw from the sequence of a seed, and put Python's generator back."""
    if seed is None:
        yield
        return
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def load_weights(network: Any, path: Path) -> None:
    """Load weights that belong to a network, all of them.

    Raises
    ------
    ValueError
        If the file is damaged, refers to other files, or its weights are another network's. Keras
        only warns of layers that the file lacks, and leaves them random.
    """
    _check_whole(path)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Skipping nested container")
        try:
            network.load_weights(path)
        except (ValueError, KeyError, OSError, UserWarning) as error:
            raise ValueError(f"'{path}' does not hold this network's weights") from error


def load_encoder_weights(network: Any, config: EncoderUNetConfig, path: Path) -> None:
    """Load the weights of an encoder from a file that Keras has written without its classifier.

    Parameters
    ----------
    network : keras.Model
        Of the configuration.
    config : EncoderUNetConfig
        Names the encoder.
    path : Path
        In the layout of ``.weights.h5``, or in the older one of Keras Applications' files; which,
        is seen from its content.

    Raises
    ------
    ValueError
        If the file is damaged, or holds another network's weights.
    """
    with _BUILDING, _seeded(0):
        encoder = build_encoder(config)
    _check_whole(path)
    with h5py.File(path, "r") as file:
        is_older = "model_weights" in file or any("layer_names" in name for name in file.attrs)
        if not is_older and _count_weights(file) != len(encoder.weights):
            raise ValueError(f"'{path}' does not hold this network's weights")
    # Keras goes by the ending of the name.
    with tempfile.TemporaryDirectory() as elsewhere:
        named = Path(elsewhere) / ("encoder.h5" if is_older else "encoder.weights.h5")
        shutil.copyfile(path, named)
        load_weights(encoder, named)
    if not all(np.isfinite(weight).all() for weight in encoder.get_weights()):
        raise ValueError(f"'{path}' holds weights that are no numbers")
    copy_encoder(encoder, network, config)


def _count_weights(file: Any) -> int:
    """Count the arrays in a file of Keras 3, without the optimiser's."""
    found = 0

    def count(name: str, item: Any) -> None:
        nonlocal found
        found += isinstance(item, h5py.Dataset) and not name.startswith("optimizer/")

    file.visititems(count)
    return found


def _check_whole(path: Path) -> None:
    """Raise `ValueError` if an HDF5 file would be read together with other files.

    Links, external storage and virtual data sets name any file of the computer.
    """

    def refers_elsewhere(name: str, link: Any) -> str | None:
        if not isinstance(link, h5py.HardLink):
            return name
        item = file[name]
        is_data = isinstance(item, h5py.Dataset)
        return name if is_data and (item.external or item.is_virtual) else None

    try:
        with h5py.File(path, "r") as file:
            found = file.visititems_links(refers_elsewhere)
    except (OSError, RuntimeError, KeyError) as error:
        raise ValueError(f"'{path}' does not hold this network's weights") from error
    if found is not None:
        raise ValueError(f"'{path}' refers to other files, in '{found}'")


__all__ = [
    "build",
    "build_encoder_unet",
    "build_segnet",
    "build_unet",
    "load_encoder_weights",
    "load_weights",
]
