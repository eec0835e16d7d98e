"""Plots of inter-grader agreement."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

from napari_retina_seg.metrics.agreement import Agreement, SizeAgreement
from napari_retina_seg.reports._bland_altman import draw_bland_altman

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT = 2.8, 2.4  # inches of one plot
_BESIDE = 3


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
    draw_bland_altman(axes, size.first, size.second, size.bland_altman)
    axes.set_title(size.name, fontsize=10)
    axes.set_xlabel(f"mean of both, {agreement.unit}", fontsize=8)
    axes.set_ylabel(f"second − first, {agreement.unit}", fontsize=8)
