"""Moving average of the weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class RunningMean:
    """A network's weights, averaged over the last steps.

    Exponential, batch statistics included (Polyak and Juditsky 1992; Izmailov et al. 2018).

    Parameters
    ----------
    model : keras.Model
        The network to average.
    decay : float
        Share of the mean that a step keeps; 0 averages nothing. The first steps keep less, or the
        random beginning would stay in the mean for long.

    Attributes
    ----------
    weights : list of array
        The mean; empty if nothing is averaged.
    """

    def __init__(self, model: Any, decay: float) -> None:
        self._model = model
        self._decay = decay
        self.weights: list[Array] = [np.array(w) for w in model.get_weights()] if decay else []

    def update(self, step: int) -> None:
        """Add the weights after a step, of which the first is 1."""
        if self._decay:
            decay = min(self._decay, step / (step + 9))
            now = self._model.get_weights()
            self.weights = [
                mean + (1 - decay) * (weight - mean)
                for mean, weight in zip(self.weights, now, strict=True)
            ]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within this, the network has the mean weights."""
        if not self._decay:
            yield
            return
        own = self._model.get_weights()
        self._model.set_weights(self.weights)
        try:
            yield
        finally:
            self._model.set_weights(own)
