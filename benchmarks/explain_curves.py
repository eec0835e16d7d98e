"""What happens to a drawing when the pixels that a map holds important are removed, or shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from napari_retina_seg.inference.predictor import load_predictor
from napari_retina_seg.models.registry import ModelFolder

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

SHARES = (0.02, 0.05, 0.15, 0.4)  # of the pixels, removed or shown, for a whole class
POINT_SHARES = (0.002, 0.01, 0.05)  # for a point
BLUR = 20  # px, of what stands in for a removed pixel


@dataclass(frozen=True, eq=False)
class Case:
    """A part of a test image as the network takes it, the expert's mask of it, and a class."""

    pixels: Array
    truth: npt.NDArray[np.uint8]
    value: int


def draw(model: ModelFolder, pixels: Array) -> npt.NDArray[np.uint8]:
    """Return the class that the network gives each pixel."""
    output = load_predictor(model).run(pixels)
    if output.shape[-1] == 1:
        return (output[..., 0] > model.spec.postprocessing.threshold).astype(np.uint8)
    return output.argmax(axis=-1).astype(np.uint8)


def class_curves(
    model: ModelFolder, case: Case, drawn: Mask, found: Array
) -> dict[str, list[float]]:
    """Watch the class's Dice to what is drawn of it undisturbed."""
    return curves(
        case, found, SHARES, lambda pixels: dice(drawn, draw(model, pixels) == case.value)
    )


def point_curves(
    model: ModelFolder, case: Case, point: Mask, found: Array
) -> dict[str, list[float]]:
    """Watch the class's probability at a point, as a share of what it is undisturbed."""

    def probability(pixels: Array) -> float:
        output = load_predictor(model).run(pixels)
        return float(output[point][0, case.value if output.shape[-1] > 1 else 0])

    undisturbed = probability(case.pixels)
    return curves(
        case, found, POINT_SHARES, lambda pixels: min(probability(pixels) / undisturbed, 1)
    )


def curves(
    case: Case, found: Array, shares: Sequence[float], watch: Callable[[Array], float]
) -> dict[str, list[float]]:
    """Remove, or show, pixels by the map's order."""
    blurred = cv2.GaussianBlur(case.pixels, (0, 0), BLUR).reshape(case.pixels.shape)
    ties = np.random.default_rng(0).random(found.shape) * 1e-6 * max(float(found.max()), 1e-12)
    order = np.empty(found.size, np.intp)
    order[np.argsort(-(found + ties).ravel())] = np.arange(found.size)
    rank = order.reshape(found.shape) / found.size
    first = [(rank < share)[..., np.newaxis] for share in shares]
    return {
        "deletion": [watch(np.where(chosen, blurred, case.pixels)) for chosen in first],
        "insertion": [watch(np.where(chosen, case.pixels, blurred)) for chosen in first],
    }


def dice(one: Mask, other: Mask) -> float:
    return float(2 * (one & other).sum() / max(1, one.sum() + other.sum()))
