"""A Bland–Altman plot on given axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.metrics.interrater import BlandAltman

_POINTS, _BIAS, _LIMITS = "#0072b2", "#000000", "#d55e00"
_MOST_POINTS = 4000  # more of them only make one spot


def draw_bland_altman(
    axes: Any,
    first: npt.NDArray[Any],
    second: npt.NDArray[Any],
    compared: BlandAltman | None,
    *,
    size: float = 18,
) -> None:
    """Plot differences against means, with lines for bias and limits of agreement.

    Bland and Altman 1986, Lancet 327: 307.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where.
    first, second : array
        ``(things,)``; the difference is second minus first. Of many, every n-th is drawn.
    compared : BlandAltman or None
        Of all of them.
    size : float
        Of a point, in square points.
    """
    step = -(-len(first) // _MOST_POINTS)
    one, two = first[::step].astype(np.float64), second[::step].astype(np.float64)
    difference = two - one
    axes.scatter((one + two) / 2, difference, s=size, color=_POINTS, alpha=0.8, linewidths=0)
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.tick_params(labelsize=7)
    if compared is None:
        return
    lines = (
        (compared.bias, _BIAS, "-"),
        (compared.low, _LIMITS, "--"),
        (compared.high, _LIMITS, "--"),
    )
    for height, color, style in lines:
        axes.axhline(height, color=color, linestyle=style, linewidth=1)
        axes.annotate(
            f"{height:+.2f}".replace("-", "−"),
            (1, height),
            xycoords=("axes fraction", "data"),
            xytext=(-3, 2),
            textcoords="offset points",
            ha="right",
            fontsize=7,
            color=color,
        )
    reach = 1.25 * max(np.nanmax(np.abs(difference)), abs(compared.low), abs(compared.high), 1e-3)
    axes.set_ylim(-reach, reach)
