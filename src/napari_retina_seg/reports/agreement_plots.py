"""Plots of inter-grader agreement."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_retina_seg.metrics.agreement import Agreement, SizeAgreement

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT = 2.8, 2.4  # inches of one plot
_BESIDE = 3
_POINTS, _BIAS, _LIMITS = "#0072b2", "#000000", "#d55e00"


def bland_altman_figure(agreement: Agreement, names: Sequence[str]) -> Figure:
    """Plot the differences of the sizes that two graders found against their mean, per class.

    Bland and Altman 1986, Lancet 327: 307. A point is an image; the lines are the bias and the
    limits between which 95 % of the differences lie.

    Parameters
    ----------
    agreement : Agreement
        What was compared.
    names : sequence of str
        Of the classes, as in `Agreement.sizes`.

    Returns
    -------
    matplotlib.figure.Figure
        A plot for each class, three in a row.
    """
    from matplotlib.figure import Figure

    chosen = [size for size in agreement.sizes if size.name in names]
    columns = min(_BESIDE, len(chosen))
    rows = ceil(len(chosen) / columns)
    figure = Figure(figsize=(_WIDTH * columns, _HEIGHT * rows), layout="constrained")
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, size in zip(places, chosen, strict=False):
        _plot(axes, size, agreement)
    for axes in places[len(chosen) :]:
        axes.set_axis_off()
    return figure


def _plot(axes: Any, size: SizeAgreement, agreement: Agreement) -> None:
    mean, difference = (size.first + size.second) / 2, size.second - size.first
    axes.scatter(mean, difference, s=18, color=_POINTS, alpha=0.8, linewidths=0)
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    found = size.bland_altman
    if found is not None:
        lines = ((found.bias, _BIAS, "-"), (found.low, _LIMITS, "--"), (found.high, _LIMITS, "--"))
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
        reach = 1.25 * max(np.nanmax(np.abs(difference)), abs(found.low), abs(found.high), 1e-3)
        axes.set_ylim(-reach, reach)
    axes.set_title(size.name, fontsize=10)
    axes.set_xlabel(f"mean of both, {agreement.unit}", fontsize=8)
    axes.set_ylabel(f"second − first, {agreement.unit}", fontsize=8)
    axes.tick_params(labelsize=7)
