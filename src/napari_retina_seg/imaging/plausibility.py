"""Plausibility statistics of a prediction, compared with limits from training data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_STEP = 2  # every other row and column gives the same figures in a quarter of the time
_EMPTY = 1e-6


def measure(
    tensor: Array, probabilities: npt.NDArray[Any], seen: Mask | None, *, is_layered: bool
) -> dict[str, float]:
    """Compute the statistics of a prediction.

    Parameters
    ----------
    tensor : array
        ``(rows, columns, channels)``, the network's input.
    probabilities : array
        ``(classes, rows, columns)``, background first.
    seen : array or None
        ``(rows, columns)`` bool: False outside the field of view and where there is no data.
    is_layered : bool
        Whether the classes lie below each other in their order, with background above and below.

    Returns
    -------
    dict
        ``uncertainty``: mean entropy of the drawn pixels over its largest value, 0 … 1;
        ``drawn``: their share of what is seen; ``sharpness``: standard deviation of the
        Laplacian over that of the brightness; ``contrast 1``, …: brightness of each class
        less that of background (of layers: of what lies above them), in standard deviations.
        Of layers also ``below``: the contrast of what lies below them; ``coverage``: share of
        the columns in which any is drawn; ``thickness``: median of all of them together, in
        rows; ``disorder``: places per column where one class follows another that it can't.
    """
    thin = np.ascontiguousarray(probabilities[:, ::_STEP, ::_STEP], np.float32)
    grey = tensor.mean(axis=2)
    inside = np.ones(thin.shape[1:], bool) if seen is None else seen[::_STEP, ::_STEP]
    labels = np.where(inside, thin.argmax(axis=0), 0).astype(np.uint8)
    drawn = labels > 0
    figures = {
        "uncertainty": _uncertainty(thin, drawn),
        "drawn": float(drawn.sum() / max(inside.sum(), 1)),
        "sharpness": _sharpness(grey, seen),
    }
    if is_layered:
        figures |= _layer_figures(labels, inside)
        labels = np.where(_below(labels), np.uint8(len(thin)), labels)
    figures |= _contrasts(grey[::_STEP, ::_STEP], labels, inside)
    below = figures.pop(f"contrast {len(thin)}", None)
    return figures if below is None else figures | {"below": below}


def _uncertainty(probabilities: Array, drawn: Mask) -> float:
    if not drawn.any():
        return 1.0
    chosen = np.maximum(probabilities[:, drawn], 1e-12)
    entropy = -(chosen * np.log(chosen)).sum(axis=0) / np.log(len(chosen))
    return float(entropy.mean())


def _sharpness(grey: Array, seen: Mask | None) -> float:
    laplacian = cv2.Laplacian(grey, cv2.CV_32F, ksize=1)
    if seen is not None:
        within = cv2.erode(seen.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
        laplacian, grey = laplacian[within], grey[within]
    return float(laplacian.std() / max(float(grey.std()), _EMPTY)) if grey.size else 0.0


def _layer_figures(labels: npt.NDArray[np.uint8], inside: Mask) -> dict[str, float]:
    counts = (labels > 0).sum(axis=0)[inside.any(axis=0)]
    if not counts.any():
        return {"coverage": 0.0, "thickness": 0.0, "disorder": 0.0}
    above, below = labels[:-1], labels[1:]
    last = labels.max()
    follows = (below == above) | (below == above + 1) | ((above == last) & (below == 0))
    return {
        "coverage": float((counts > 0).mean()),
        "thickness": float(_STEP * np.median(counts[counts > 0])),
        "disorder": float((~follows).sum() / (counts > 0).sum()),
    }


def _below(labels: npt.NDArray[np.uint8]) -> Mask:
    """Return the background below the first drawn pixel of a column."""
    passed = np.maximum.accumulate(labels > 0, axis=0)
    return np.asarray(passed & (labels == 0))


def _contrasts(grey: Array, labels: npt.NDArray[np.uint8], inside: Mask) -> dict[str, float]:
    values, classes = grey[inside], labels[inside]
    counts = np.bincount(classes)
    means = np.bincount(classes, values) / np.maximum(counts, 1)
    spread = max(float(values.std()), _EMPTY) if values.size else 1.0
    return {
        f"contrast {k}": float((means[k] - means[0]) / spread)
        for k in range(1, len(counts))
        if counts[k] and counts[0]
    }


# Checks that need a model's own limits.
LIMITED = ("uncertainty", "drawn", "contrast", "thickness", "disorder", "colour")
Limits = Mapping[str, tuple[float | None, float | None]]

# Why a figure below or above its limit is no good sign.
_TOO_LOW = {
    "drawn": "little is drawn",
    "sharpness": "it is blurred",
    "thickness": "the layers are thin",
    "below": "it is darker below the layers than above, as if upside down",
    "contrast": "the segmented area is too dark for its class",
    "colour": "its colours are not those of a retina",
}
_TOO_HIGH = {
    "uncertainty": "the model is unsure of its mask",
    "drawn": "much is drawn",
    "sharpness": "it is noisy",
    "thickness": "the layers are thick",
    "disorder": "layers are out of order",
    "below": "it is brighter below the layers than usual",
    "contrast": "the segmented area is too bright for its class",
    "colour": "its colours are not those of a retina",
}


def check_limits(figures: Mapping[str, float], limits: Limits) -> dict[str, str]:
    """Return the statistics outside their limits, and what that may mean.

    Parameters
    ----------
    figures : mapping
        As `measure` returns them.
    limits : mapping
        Least and largest value of each figure on images that the model is for.

    Returns
    -------
    dict
        Names of the checks that fired and a reason for each, the first of those alike.
    """
    fired: dict[str, str] = {}
    for name, (low, high) in limits.items():
        value = figures.get(name)
        if value is None:
            continue
        check = name.split()[0]
        if low is not None and value < low:
            fired.setdefault(check, _TOO_LOW.get(check, f"{check} {value:.2g} is low"))
        elif high is not None and value > high:
            fired.setdefault(check, _TOO_HIGH.get(check, f"{check} {value:.2g} is high"))
    return fired
