"""Pictures of measurements on matplotlib's axes: mask, thickness map with ETDRS grid, agreement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.overlay import draw_overlay
from napari_retina_seg.imaging.pixels import shrink
from napari_retina_seg.measurement.device import DeviceThickness
from napari_retina_seg.measurement.etdrs import Etdrs
from napari_retina_seg.measurement.measurements import Measurements
from napari_retina_seg.measurement.thickness import widest_band
from napari_retina_seg.metrics.interrater import bland_altman
from napari_retina_seg.reports._bland_altman import draw_bland_altman
from napari_retina_seg.reports.measurements.maps import Canvas, grid_lines, make_canvas, subfields
from napari_retina_seg.types.annotation import IGNORE

_LONGEST = 1000  # px of a picture; what is larger is shrunk
_COLORS = "viridis"
_OVER = 0.75  # opacity of a map over the en-face image
_WHOLE = 0.995  # covered share from which a subfield counts as covered


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture of the page.

    Attributes
    ----------
    caption : str
        What it shows.
    tallness : float
        Height by width.
    draw : callable
        Draws it on axes.
    has_scales : bool
        Whether its axes have numbers, which need room.
    """

    caption: str
    tallness: float
    draw: Callable[[Any], None]
    has_scales: bool = False


def pictures(found: Measurements) -> list[Picture]:
    """Return the pictures of a page: the mask, and what there is of map and device lines."""
    listed = [_mask(found)]
    if found.has_map and found.fovea is not None:
        listed.append(_map(found))
    if found.device:
        listed.append(_agreement(found.device[-1]))
    return listed


def _mask(found: Measurements) -> Picture:
    """Return the image with its mask; of a volume the slice at the fovea, or that shows most."""
    index, where = _slice(found)
    labels = found.mask.labels[index] if found.mask.is_volume else found.mask.labels
    labels = np.where(labels == IGNORE, 0, labels).astype(np.uint8)
    overlay = draw_overlay(found.image.plane(index), labels, found.scheme)
    small = shrink(overlay, _LONGEST)

    def draw(axes: Any) -> None:
        axes.imshow(small, aspect="auto")
        axes.set_axis_off()

    return Picture(f"The mask{where}.", small.shape[0] / small.shape[1], draw)


def _slice(found: Measurements) -> tuple[int, str]:
    count = found.image.n_slices
    if count == 1:
        return 0, ""
    total = f"of {count}, counted from 0"
    if found.thickness is not None:
        near = count // 2 if found.fovea is None else round(found.fovea.slice)
        what = "in the middle" if found.fovea is None else "at the fovea"
        return near, f" in B-scan {near} {total}, {what}"
    drawn = [int((plane > 0).sum()) for plane in found.mask.labels]
    most = int(np.argmax(drawn))
    return most, f" in slice {most} {total}, where it is largest"


def _map(found: Measurements) -> Picture:
    """Return the thickness map of the widest band, with grid and values where they are known."""
    thickness = found.thickness
    assert thickness is not None  # noqa: S101 - for the type checker
    k = widest_band(thickness)
    band, canvas = thickness.bands[k], make_canvas(found, k)
    grid = found.etdrs.get(band.abbreviation)
    where = "over the en-face image" if canvas.face is not None else "by slice and column"
    caption = f"Thickness of {band.abbreviation} [{thickness.unit}] {where}"
    if grid is not None:
        caption += ", with the means of the ETDRS subfields and, if not all of one was measured,"
        caption += " its covered share"

    def draw(axes: Any) -> None:
        _draw_map(axes, canvas, f"{band.abbreviation} [{thickness.unit}]")
        if grid is not None:
            _draw_grid(axes, canvas, grid)

    return Picture(f"{caption}.", canvas.tallness, draw)


def _draw_map(axes: Any, canvas: Canvas, label: str) -> None:
    seen = canvas.values[np.isfinite(canvas.values)]
    low, high = np.percentile(seen, (1, 99)) if seen.size else (0.0, 1.0)
    aspect = "equal" if canvas.is_square else "auto"
    opacity = 1.0
    if canvas.face is not None:
        axes.imshow(canvas.face, extent=canvas.extent, aspect=aspect)
        opacity = _OVER
    drawn = axes.imshow(
        np.ma.masked_invalid(canvas.values),
        extent=canvas.extent,
        cmap=_COLORS,
        vmin=low,
        vmax=max(high, low + 1e-3),
        alpha=opacity,
        aspect=aspect,
        interpolation="nearest",
    )
    axes.set(xlim=canvas.view[:2], ylim=canvas.view[2:], xticks=[], yticks=[], facecolor="0.85")
    bar = axes.figure.colorbar(drawn, ax=axes, fraction=0.046, pad=0.02)
    bar.ax.tick_params(labelsize=6)
    bar.set_label(label, fontsize=7)


def _draw_grid(axes: Any, canvas: Canvas, grid: Etdrs) -> None:
    from matplotlib.patheffects import withStroke

    edge = [withStroke(linewidth=2, foreground="black")]
    for line in grid_lines():
        x, y = canvas.place(*line)
        axes.plot(x, y, color="white", linewidth=0.9, path_effects=edge)
    style = {"ha": "center", "va": "center", "color": "white", "path_effects": edge}
    for subfield, at, side in subfields(grid):
        text = f"{subfield.mean:.0f}" if subfield.covered else "–"
        if 0 < subfield.covered < _WHOLE:
            text += f"\n{subfield.covered:.0%}"
        x, y = canvas.place(*at)
        axes.text(x, y, text, fontsize=6, clip_on=True, **style)
        if side:
            x, y = canvas.place(*side)
            axes.text(x, y, subfield.name.split()[-1][0].upper(), fontsize=7, clip_on=True, **style)


def _agreement(pair: DeviceThickness) -> Picture:
    """Return the Bland–Altman plot of a band against the device's lines."""
    compared = bland_altman(pair.ours - pair.device)
    unit, band = pair.unit, pair.band.abbreviation
    first: npt.NDArray[Any] = pair.device

    def draw(axes: Any) -> None:
        draw_bland_altman(axes, first, pair.ours, compared, size=3)
        axes.set_xlabel(f"mean of both [{unit}]", fontsize=7)
        axes.set_ylabel(f"mask − device [{unit}]", fontsize=7)

    return Picture(
        f"Thickness of {band}, mask minus lines of the device, {len(first)} columns: bias and 95 %"
        " limits (Bland and Altman 1986).",
        0.7,
        draw,
        has_scales=True,
    )
