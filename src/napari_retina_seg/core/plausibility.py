"""Figures of a prediction that tell whether it looks like those on images the model is for."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_STEP = 2  # every other pixel along rows and columns tells as much in a quarter of the time
_EMPTY = 1e-6


def measure(
    tensor: Array, probabilities: npt.NDArray[Any], seen: Mask | None, *, is_layered: bool
) -> dict[str, float]:
    """Measure what a network made of its input.

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
        Laplacian over that of the brightness; ``contrast 1``, …: brightness of each class, and
        of what lies below the last layer, less that of background (above the first), in standard
        deviations. Of layers also ``coverage``: share of the columns in which any is drawn;
        ``thickness``: median of all of them together, in rows; ``disorder``: places per column
        where one class follows another that it can't.
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
    return figures | _contrasts(grey[::_STEP, ::_STEP], labels, inside)


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
