"""Several devices that share out the crops of a step (data parallelism)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from napari_retina_seg.inference.backend import chosen_backend
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.errors import DataError


def check_devices(number: int) -> None:
    """Check that there are so many devices, and a backend that shares out crops among them.

    Raises
    ------
    DataError
        If there are not. Of Keras' backends only JAX has `keras.distribution.DataParallel`.
    """
    if number == 1:
        return
    if chosen_backend() != "jax":
        raise DataError(
            f"training.devices = {number} needs JAX, the only backend on which Keras shares out a"
            " batch: set KERAS_BACKEND=jax, or training.devices = 1."
        )
    import keras

    found = keras.distribution.list_devices()
    if len(found) < number:
        raise DataError(
            f"training.devices = {number}, but JAX finds {count(len(found), 'device')}"
            f" ({', '.join(found)}): set training.devices = {len(found)}."
        )


@contextmanager
def shared_out(number: int) -> Iterator[None]:
    """Within this, variables are made on so many devices, and each gets its part of a batch."""
    if number == 1:
        yield
        return
    with _data_parallel(number).scope():
        yield


@lru_cache
def _data_parallel(number: int) -> Any:
    import keras

    return keras.distribution.DataParallel(devices=keras.distribution.list_devices()[:number])


def smaller_batch(batch: int, devices: int) -> int:
    """Return about half of a batch, as many crops for each device; 0 if none are left."""
    return batch // devices // 2 * devices
