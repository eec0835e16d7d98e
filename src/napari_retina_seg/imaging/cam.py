"""Class activation maps: activations of a layer, weighed by how much a score depends on them."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


class Method(StrEnum):
    """CAM method; the value is its published name."""

    GRAD_CAM = "Grad-CAM"
    GRAD_CAM_PLUS_PLUS = "Grad-CAM++"
    HIRES_CAM = "HiResCAM"
    LAYER_CAM = "LayerCAM"

    @property
    def slug(self) -> str:
        """Its name in files and commands, such as ``grad-cam``."""
        return self.value.lower()


def combine(activations: Array, gradient: Array, method: Method) -> Array:
    """Weigh activations by the gradient of a score.

    Parameters
    ----------
    activations, gradient : array
        ``(rows, columns, channels)`` of one layer, and the derivative of the score by them.
    method : Method
        Grad-CAM (Selvaraju et al. 2017, eq. 1 and 2) weighs a channel by its mean gradient;
        Grad-CAM++ (Chattopadhyay et al. 2018, eq. 19) by its positive gradients, so that every
        place that contributes counts alike; HiResCAM (Draelos and Carin 2020) weighs each cell
        by its own gradient; LayerCAM (Jiang et al. 2021, eq. 6) too, by the positive ones only.

    Returns
    -------
    array
        ``(rows, columns)`` float32, signed: negative values are evidence against the class.
    """
    if method is Method.HIRES_CAM:
        return np.asarray((activations * gradient).sum(axis=-1), np.float32)
    if method is Method.LAYER_CAM:
        return np.asarray((activations * np.maximum(gradient, 0)).sum(axis=-1), np.float32)
    if method is Method.GRAD_CAM:
        weights = gradient.mean(axis=(0, 1))
    else:
        weights = _evenly(activations, gradient)
    return np.asarray(activations @ weights, np.float32)


def _evenly(activations: Array, gradient: Array) -> Array:
    """Return Grad-CAM++'s channel weights; the score's exponential is one factor for all."""
    steps = gradient.astype(np.float64)  # their cubes leave the range of float32
    squared = steps**2
    divisor = 2 * squared + activations.sum(axis=(0, 1)) * steps**3
    share = np.divide(squared, divisor, out=np.zeros_like(squared), where=divisor != 0)
    return np.asarray((share * np.maximum(steps, 0)).sum(axis=(0, 1)), np.float32)
