"""Take uneven illumination and contrast out of photographs."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.pixels import resize

Tensor = npt.NDArray[np.float32]

# Of CHASE_DB1, HRF and IDRiD, no photograph in which a channel shows vessels is beyond these.
_LEAST_SPREAD = 0.25  # of a channel, in spreads of the strongest one
_MOST_NOISE = 0.5  # of a channel, in its spreads


def correct_illumination(colors: Tensor, inside: npt.NDArray[np.bool_], sigma: float) -> Tensor:
    """Correct illumination and contrast within the field of view.

    Each channel loses its Gaussian mean over the pixels inside (a normalised convolution, so
    that the rim leaves no edge) and is divided by its spread there; outside is 0. A channel that
    is saturated, or too dark, shows little but noise: it is divided by more, so that its noise
    does not become as strong as the vessels of the others.

    Parameters
    ----------
    colors : array
        ``(rows, columns, 3)``.
    inside : array
        ``(rows, columns)`` bool, True inside the field of view.
    sigma : float
        Standard deviation of the mean, px.

    Returns
    -------
    array
        ``(rows, columns, 3)``, inside of mean 0 and variance 1, or less where there is noise.
    """
    size = colors.shape[0], colors.shape[1]
    # The mean is smooth: computing it on a quarter of the size changes nothing but the time.
    small = (max(1, size[0] // 4), max(1, size[1] // 4))
    within = inside.astype(np.uint8)
    whole_cells = (resize(within * 255, small) > 252).astype(np.float32)[..., np.newaxis]
    weighted = np.concatenate([resize(colors, small) * whole_cells, whole_cells], axis=2)
    blurred = cv2.GaussianBlur(weighted, (0, 0), sigma / 4)
    mean = blurred[..., :3] / np.maximum(blurred[..., 3:], 1e-6)
    flat = colors - resize(mean, size)
    flat /= np.maximum(_contrast(flat, inside), 1e-6).astype(np.float32)
    flat[~inside] = 0
    return np.asarray(flat, np.float32)


def _contrast(flat: Tensor, inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return the divisor of each channel: its spread, but at least a multiple of its noise."""
    middle, deviation = cv2.meanStdDev(flat, mask=inside.view(np.uint8))
    spread = np.hypot(middle, deviation)[:, 0]
    fine = (flat - cv2.GaussianBlur(flat, (0, 0), 1.5))[::3, ::3][inside[::3, ::3]]
    noise = 1.48 * np.median(np.abs(fine), axis=0) if len(fine) else 0.0
    floor = np.maximum(_LEAST_SPREAD * spread.max(), noise / _MOST_NOISE)
    return np.asarray(np.maximum(spread, floor))
