"""Build networks from their configurations."""

from __future__ import annotations

import random
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from napari_retina_seg.models.config import Architecture, EncoderUNetConfig, SegNetConfig
from napari_retina_seg.models.networks.encoders import build_encoder_unet
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


def _check_whole(path: Path) -> None:
    """Raise `ValueError` if an HDF5 file would be read together with other files.

    Links, external storage and virtual data sets name any file of the computer.
    """
    import h5py

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


__all__ = ["build", "build_encoder_unet", "build_segnet", "build_unet", "load_weights"]
