"""Networks that are loaded once, frozen and kept in memory, and the device they run on."""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.tiling import Tile, pad_to_multiple, tiles
from napari_retina_seg.inference._compat import quiet_import
from napari_retina_seg.inference.backend import check_backend
from napari_retina_seg.inference.frozen import freeze_network
from napari_retina_seg.models.registry import ModelFolder
from napari_retina_seg.models.spec import ModelSpec
from napari_retina_seg.types.errors import ModelError
from napari_retina_seg.types.progress import CancelToken, Progress

Array = npt.NDArray[np.float32]

ENGINE_LOCK = threading.RLock()  # Keras and TensorFlow keep global state: one engine job at a time
_LARGEST_PASS = 2_600_000  # px of the network's input; more is cut into tiles
_TILE = (1024, 1024)
_OVERLAP = 96  # px


@dataclass(frozen=True)
class Device:
    """Device and precision of inference."""

    name: str
    precision: str


@dataclass(frozen=True, eq=False)
class Predictor:
    """A frozen network.

    Attributes
    ----------
    model : ModelFolder
        Where it came from.
    forward : callable
        ``(1, rows, columns, channels)`` to ``(1, rows, columns, outputs)`` float32.
    """

    model: ModelFolder
    forward: Any

    def iter_predict(self, tensor: Array, token: CancelToken) -> Generator[Progress, None, Array]:
        """Run the network over an input of any size, in tiles if it is large.

        Parameters
        ----------
        tensor : array
            ``(rows, columns, channels)``.
        token : CancelToken
            Stops the work before the next tile.

        Yields
        ------
        Progress
            After each tile.

        Returns
        -------
        array
            ``(rows, columns, outputs)`` probabilities.
        """
        rows, columns = tensor.shape[:2]
        multiple = self.model.spec.architecture.multiple
        padded = pad_to_multiple(tensor, multiple)
        pieces = passes((padded.shape[0], padded.shape[1]), multiple)
        if len(pieces) == 1:
            return self.run(padded)[:rows, :columns]
        blended: Array | None = None
        for done, piece in enumerate(pieces):
            yield Progress(done, len(pieces), f"Tile {done + 1} of {len(pieces)}")
            token.raise_if_cancelled()
            output = self.run(padded[piece.rows, piece.columns])
            if blended is None:
                blended = np.zeros((*padded.shape[:2], output.shape[-1]), np.float32)
            blended[piece.rows, piece.columns] += output * piece.weight[..., np.newaxis]
        assert blended is not None  # noqa: S101 - there is always a tile
        return blended[:rows, :columns]

    def run(self, tensor: Array) -> Array:
        """Run one pass; rows and columns are multiples of the architecture's."""
        with ENGINE_LOCK:
            return np.asarray(self.forward(tensor[np.newaxis])[0], np.float32)


def passes(grid: tuple[int, int], multiple: tuple[int, int]) -> list[Tile]:
    """Split a padded input into the pieces of one pass each: all of it, or tiles."""
    if grid[0] * grid[1] <= _LARGEST_PASS:
        return list(tiles(grid, grid, 0))
    height, width = (side - side % step for side, step in zip(_TILE, multiple, strict=True))
    return list(tiles(grid, (height, width), _OVERLAP, multiple))


def load_predictor(model: ModelFolder) -> Predictor:
    """Load, check and freeze a model; the last few are kept in memory."""
    # Checked each time: a folder may be altered while the program runs.
    model.check_weights()
    with ENGINE_LOCK:  # a click during the warm-up waits for it instead of loading a second time
        return _load(model.path, model.spec.model_dump_json())


@lru_cache(maxsize=4)
def _load(path: Path, spec_json: str) -> Predictor:
    model = ModelFolder(path, ModelSpec.model_validate_json(spec_json))
    return Predictor(model, freeze_network(load_network(model)))


def load_network(model: ModelFolder) -> Any:
    """Build a model's network and load its weights.

    Returns
    -------
    keras.Model
        In float32.

    Raises
    ------
    ModelError
        If the weights do not belong to the architecture, or Keras runs on another backend.
    """
    check_backend()
    import_tensorflow()
    import keras

    from napari_retina_seg.models.networks import build, load_weights

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        network = build(model.spec.architecture)
        load_weights(network, model.weights)
    except ValueError as error:
        raise ModelError(
            f"The weights of '{model.name}' do not belong to its architecture: copy the model"
            " folder again."
        ) from error
    finally:
        keras.config.set_dtype_policy(policy)
    return network


def describe_device() -> Device:
    """Name the device that inference will use, and its precision."""
    tf = import_tensorflow()
    gpus = tf.config.list_physical_devices("GPU")
    return Device("GPU" if gpus else "CPU", "float32")


def import_tensorflow() -> Any:
    """Import TensorFlow without its log output; this takes seconds the first time."""
    with quiet_import():
        import tensorflow as tf

    return tf


def import_engine() -> None:
    """Import all that segmenting needs, native libraries included."""
    import_tensorflow()
    from tensorflow.python.framework import convert_to_constants  # noqa: F401

    from napari_retina_seg.models import networks as architectures  # noqa: F401

    import_module("keras")
