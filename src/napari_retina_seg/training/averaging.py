"""Moving average of the weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class RunningMean:
    """A network's weights, averaged over the last steps, and with those it began with.

    Exponential, batch statistics included (Polyak and Juditsky 1992; Izmailov et al. 2018). A
    share of the weights that a fine-tuning began with keeps what they were good at (Wortsman et
    al. 2022, WiSE-FT).

    Parameters
    ----------
    model : keras.Model
        The network to average.
    decay : float
        Share of the mean that a step keeps; 0 averages nothing. The first steps keep less, or the
        random beginning would stay in the mean for long.

    kept : float
        Share of the weights that the network has now, in what is validated and saved.

    Attributes
    ----------
    weights : list of array
        The mean; empty if nothing is averaged.
    """

    def __init__(self, model: Any, decay: float, kept: float = 0) -> None:
        self._model = model
        self._decay = decay
        self._kept = kept
        self._first: list[Array] = [np.array(w) for w in model.get_weights()] if kept else []
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
        """Within this, the network has the mean weights, mixed with the first."""
        if not self._decay and not self._kept:
            yield
            return
        own = self._model.get_weights()
        mean = self.weights if self._decay else own
        self._model.set_weights(self._mixed(mean) if self._kept else mean)
        try:
            yield
        finally:
            self._model.set_weights(own)

    def _mixed(self, weights: list[Array]) -> list[Array]:
        pairs = zip(weights, self._first, strict=True)
        return [(1 - self._kept) * weight + self._kept * first for weight, first in pairs]
