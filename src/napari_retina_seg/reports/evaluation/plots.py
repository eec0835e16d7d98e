"""Plots of an evaluation, and pictures of its worst cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.agreement_picture import (
    draw_agreement,
    draw_boundaries,
    draw_field,
    draw_outlines,
)
from napari_retina_seg.imaging.overlay import display
from napari_retina_seg.imaging.pixels import resize, shrink
from napari_retina_seg.imaging.surfaces import resample
from napari_retina_seg.metrics.calibration import Reliability
from napari_retina_seg.metrics.evaluation import Case
from napari_retina_seg.metrics.measures import class_names
from napari_retina_seg.reports._plots import figure_png, picture_png
from napari_retina_seg.types.labels import LabelScheme

_LONGEST = 800  # px of a picture's longer side, so that a report of photographs stays small
_GAP = 8
_MARGIN = 12  # px above and below the layers
_LARGEST_SCALE = 3


def confusion_png(matrix: npt.NDArray[np.int64], scheme: LabelScheme) -> bytes:
    """Plot the confusion matrix, in percent of each reference class.

    Parameters
    ----------
    matrix : array
        ``(classes, classes)`` pixels, reference in rows.
    scheme : LabelScheme
        Names of the classes.
    """
    from matplotlib.figure import Figure

    totals = matrix.sum(axis=1, keepdims=True)
    share = 100 * matrix / np.maximum(totals, 1)
    names = class_names(scheme)
    side = 2.2 + 0.62 * len(names)
    plot = Figure(figsize=(side + 0.6, side), layout="constrained")
    axes = plot.subplots()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    for (row, column), value in np.ndenumerate(share):
        if totals[row]:
            color = "white" if value > 55 else "black"
            text = f"{value:.1f}"
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=9)
    places = range(len(names))
    axes.set_xticks(places, names, rotation=45, ha="right")
    axes.set_yticks(places, names)
    axes.set_xlabel("drawn")
    axes.set_ylabel("reference")
    plot.colorbar(image, ax=axes, label="% of the reference's pixels", shrink=0.8)
    return figure_png(plot)


def reliability_png(reliability: Reliability, scheme: LabelScheme) -> bytes:
    """Plot the reliability diagram with the number of predictions per bin.

    Parameters
    ----------
    reliability : Reliability
        Counts per bin.
    scheme : LabelScheme
        Of two classes the probability is that of the second, of more that of the likeliest.
    """
    from matplotlib.figure import Figure

    binary = len(scheme) == 2
    some = reliability.counts > 0
    plot = Figure(figsize=(5, 5.2), layout="constrained")
    above, below = plot.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color="0.6", linestyle="--", label="perfect")
    confidence, frequency = reliability.mean_confidence[some], reliability.frequency[some]
    above.plot(confidence, frequency, color="#0072b2", marker="o", label="measured")
    above.set(xlim=(0, 1), ylim=(0, 1))
    above.set_ylabel(
        f"share that is {scheme.names[1].lower()}" if binary else "share that is right"
    )
    above.legend(loc="upper left")
    edges = reliability.edges
    below.bar(edges[:-1], reliability.counts, np.diff(edges), align="edge", color="#56b4e9")
    below.set_yscale("log")
    below.set_ylabel("pixels")
    of = scheme.names[1].lower() if binary else "the likeliest class"
    below.set_xlabel(f"probability of {of}")
    return figure_png(plot)


def case_png(case: Case, scheme: LabelScheme) -> bytes:
    """Show an image, and beside it where both drawings agree; of layers, below it.

    Two classes: agreement white, false negatives blue, false positives red. Else the boundaries,
    or the outlines of the classes, of the reference blue and of the other orange. The outline of
    the field of view is yellow on both.
    """
    image, reference, drawn = case.image, case.reference, case.drawn
    if reference.boundaries is not None and drawn.boundaries is not None:
        return _layers_png(image.pixels, reference.boundaries, drawn.boundaries)
    if len(scheme) == 2:
        shown = draw_agreement(reference.labels, drawn.labels, image.inside)
    else:
        shown = draw_outlines(image.pixels, reference.labels, drawn.labels)
    panels = [shrink(panel, _LONGEST) for panel in (display(image.pixels), shown)]
    if image.field is not None:
        panels = [draw_field(panel, image.field.pixels) for panel in panels]
    gap = np.full((panels[0].shape[0], _GAP, 3), 255, np.uint8)
    return picture_png(np.hstack([panels[0], gap, panels[1]]))


def _layers_png(
    pixels: npt.NDArray[Any], reference: npt.NDArray[Any], drawn: npt.NDArray[Any]
) -> bytes:
    """Show the rows of the layers enlarged, so that lines a pixel apart can be distinguished."""
    rows, columns = pixels.shape[:2]
    known = np.concatenate([reference, drawn])
    known = known[np.isfinite(known)]
    top, bottom = (0, rows) if not known.size else (int(known.min()), int(known.max()) + 1)
    top, bottom = max(0, top - _MARGIN), min(rows, bottom + _MARGIN)
    scale = max(1, min(_LARGEST_SCALE, 2 * _LONGEST // columns))
    grid, enlarged = (bottom - top, columns), ((bottom - top) * scale, columns * scale)
    # Of the whole image, so that its range of brightness is that of the whole, too.
    picture = np.asarray(resize(display(pixels)[top:bottom], enlarged), np.uint8)
    lines = (
        resample((heights - top).astype(np.float32), from_grid=grid, to_grid=enlarged)
        for heights in (reference, drawn)
    )
    gap = np.full((_GAP, enlarged[1], 3), 255, np.uint8)
    return picture_png(np.vstack([picture, gap, draw_boundaries(picture, *lines)]))


def case_caption(case: Case, scheme: LabelScheme) -> str:
    """Return the caption: the image, and the meaning of the colours."""
    if case.reference.boundaries is not None and case.drawn.boundaries is not None:
        colors = "boundaries of the reference blue, those drawn orange"
    elif len(scheme) == 2:
        colors = "agreement white, false negatives blue, false positives red"
    else:
        colors = "outlines of the reference blue, those drawn orange"
    field = case.image.field
    outlined = "" if field is None else f"; outline of the field of view ({field.origin}) yellow"
    return f"{case.image.dataset}, {case.image.name}: Dice {case.dice:.3f}; {colors}{outlined}"
