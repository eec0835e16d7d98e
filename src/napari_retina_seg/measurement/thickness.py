"""Thickness of layers and totals in every column of a scan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.surfaces import from_labels, to_labels
from napari_retina_seg.measurement.bands import Band, find_bands
from napari_retina_seg.measurement.units import MeasureError, length_of
from napari_retina_seg.types.annotation import IGNORE, Annotation
from napari_retina_seg.types.image import Spacing
from napari_retina_seg.types.labels import LabelScheme

Float = npt.NDArray[np.float32]
Plane = npt.NDArray[Any]

_SIGMA = (0.1587, 0.8413)  # quantiles one standard deviation from a normal distribution's mean


@dataclass(frozen=True)
class BandSummary:
    """Thickness of one band in one B-scan or in all.

    Attributes
    ----------
    mean, sd : float
        Over the measured columns, in the unit of the `Thickness`; NaN if there are none.
    uncertainty : float
        Mean standard deviation of a column's thickness by the model's probabilities; NaN
        without them.
    measured : float
        Share of the columns that were measured, 0 to 1.
    """

    mean: float
    sd: float
    uncertainty: float
    measured: float


@dataclass(frozen=True, eq=False)
class Thickness:
    """Thickness of every band in every column.

    Attributes
    ----------
    bands : tuple of Band
        Layers, then standard totals.
    values : array
        float32 ``(bands, slices, columns)`` in `unit`; NaN where it was not measured. Each
        ``values[k]`` of a volume is an en-face map.
    unit : str
        ``µm`` if the axial pixel size is known, else ``px``.
    spacing : Spacing
        Pixel sizes of the scan.
    uncertainty : array or None
        Standard deviations of the values, in `unit`, where there were probabilities.
    notes : tuple of str
        What was not measured, and why.
    between_pixels : float
        Share of the columns, 0 to 1, in which boundaries between pixels were used.
    """

    bands: tuple[Band, ...]
    values: Float
    unit: str
    spacing: Spacing
    uncertainty: Float | None = None
    notes: tuple[str, ...] = ()
    between_pixels: float = 0.0

    def index(self, band: str) -> int:
        """Return the index of a band by its abbreviation.

        Raises
        ------
        MeasureError
            If there is none.
        """
        names = [one.abbreviation for one in self.bands]
        if band not in names:
            raise MeasureError(
                f"There is no layer or total '{band}': choose one of {', '.join(names)}."
            )
        return names.index(band)

    def summary(self, band: int, index: int | None = None) -> BandSummary:
        """Return mean, SD and measured share of a band in one B-scan, by default in all."""
        where = band if index is None else (band, index)
        values = self.values[where]
        seen = np.isfinite(values)
        if not seen.any():
            return BandSummary(np.nan, np.nan, np.nan, 0.0)
        sigma = np.nan
        if self.uncertainty is not None:
            known = self.uncertainty[where][seen]
            sigma = float(known.mean())
        inside = values[seen].astype(np.float64)
        return BandSummary(float(inside.mean()), float(inside.std()), sigma, float(seen.mean()))


def widest_band(thickness: Thickness) -> int:
    """Return the index of the measured band that spans most of the retina."""
    spans = [
        band.lower - band.upper if np.isfinite(thickness.values[k]).any() else -1
        for k, band in enumerate(thickness.bands)
    ]
    return int(np.argmax(spans))


def measure_thickness(
    mask: Annotation, scheme: LabelScheme, spacing: Spacing | None = None
) -> Thickness:
    """Measure the thickness of all layers and standard totals.

    Thickness is the distance of two surfaces along a column, as devices give it. A column is
    left out, as NaN, where the mask is ignored in the band or next to it, where it shows no
    layers, layers with gaps or out of order, and where the image's edge cuts the band. Heights
    between pixels are used where the mask has them and they draw it exactly.

    Parameters
    ----------
    mask : Annotation
        A B-scan's or a volume's mask.
    scheme : LabelScheme
        What its values mean; one with surfaces.
    spacing : Spacing, optional
        Pixel sizes; without an axial one thickness is in px.

    Raises
    ------
    MeasureError
        If the scheme has no surfaces, or no layer is drawn.
    """
    bands = find_bands(scheme)
    if not bands:
        raise MeasureError(f"'{scheme.name}' has no surfaces, between which thickness is measured.")
    spacing = spacing or Spacing()
    drawn = _drawn(mask, len(scheme))
    if not drawn[1:].any():
        raise MeasureError("The mask is empty: there is no layer to measure.")
    factor, unit = length_of(spacing.axial)
    planes = []
    exact = []
    for labels, ignored, probabilities, (heights, used) in _planes(mask, len(scheme)):
        planes.append(_measure_plane(labels, ignored, heights, probabilities, bands, drawn))
        exact.append(used)
    values = np.stack([plane[0] for plane in planes], axis=1) * np.float32(factor)
    uncertainty = None
    if mask.probabilities is not None:
        uncertainty = np.stack([plane[1] for plane in planes], axis=1) * np.float32(factor)
    notes = _notes(bands, values, scheme, drawn)
    return Thickness(bands, values, unit, spacing, uncertainty, notes, float(np.mean(exact)))


def _drawn(mask: Annotation, classes: int) -> npt.NDArray[np.bool_]:
    """Return which classes are drawn anywhere."""
    seen = mask.labels if mask.ignore is None else mask.labels[~mask.ignore]
    counts = np.bincount(seen.ravel(), minlength=256)
    wrong = np.flatnonzero(counts[classes:IGNORE]) + classes
    if wrong.size:
        raise MeasureError(
            f"The mask holds the value {wrong[0]}, which its scheme does not have: choose the"
            " scheme that it was drawn with."
        )
    return np.asarray(counts[:classes] > 0)


def _planes(
    mask: Annotation, surfaces: int
) -> Iterator[tuple[Plane, Plane, Plane | None, tuple[Float, float]]]:
    """Yield labels, ignored pixels, probabilities and heights of each slice; see `_heights`."""
    stack = mask.is_volume
    for index in range(len(mask.labels) if stack else 1):
        parts = [
            None if part is None else part[index] if stack else part
            for part in (mask.labels, mask.ignore, mask.boundaries, mask.probabilities)
        ]
        labels, ignore, lines, probabilities = parts
        assert labels is not None  # noqa: S101 - for the type checker
        ignored = labels == IGNORE
        if ignore is not None:
            ignored |= ignore
        heights = _heights(np.where(ignored, 0, labels), ignored, lines, surfaces)
        yield labels, ignored, probabilities, heights


def _heights(
    labels: Plane, ignored: Plane, lines: Plane | None, surfaces: int
) -> tuple[Float, float]:
    """Return the heights of a slice: the lines where they draw the mask, else read off the mask.

    Columns whose layers have gaps or the wrong order are NaN. The second value is the share of
    columns in which the lines were taken.
    """
    read = from_labels(labels, surfaces)
    read[:, ~_draws(read, labels, ignored)] = np.nan
    if lines is None or len(lines) != surfaces:
        return read, 0.0
    exact = _draws(lines, labels, ignored)
    return np.where(exact, lines, read).astype(np.float32), float(exact.mean())


def _draws(lines: Plane, labels: Plane, ignored: Plane) -> npt.NDArray[np.bool_]:
    """Return the columns in which lines draw the mask exactly, ignored pixels apart."""
    known = np.isfinite(lines).all(axis=0)
    drawn = to_labels(np.where(known, lines, 0).astype(np.float32), len(labels))
    return np.asarray(known & ((drawn == labels) | ignored).all(axis=0))


def _measure_plane(
    labels: Plane,
    ignored: Plane,
    heights: Float,
    probabilities: Plane | None,
    bands: tuple[Band, ...],
    drawn: npt.NDArray[np.bool_],
) -> tuple[Float, Float]:
    rows = len(labels)
    values = np.full((len(bands), labels.shape[1]), np.nan, np.float32)
    sigma = np.full_like(values, np.nan)
    spread = None if probabilities is None else boundary_sd(probabilities, heights)
    passed = np.pad(np.cumsum(ignored, axis=0), ((1, 0), (0, 0)))
    columns = np.arange(labels.shape[1])
    for k, band in enumerate(bands):
        upper, lower = heights[band.upper], heights[band.lower]
        seen = np.isfinite(upper) & (upper > 0) & (lower < rows)
        if not drawn[band.upper + 1 : band.lower + 1].all():
            continue
        # A pixel more above and below: where it is ignored, nobody knows where the surface is.
        top = np.clip(np.floor(np.where(seen, upper, 0)) - 1, 0, rows).astype(np.intp)
        bottom = np.clip(np.ceil(np.where(seen, lower, 0)) + 1, 0, rows).astype(np.intp)
        seen &= passed[bottom, columns] == passed[top, columns]
        values[k, seen] = (lower - upper)[seen]
        if spread is not None:
            sigma[k, seen] = np.hypot(spread[band.upper], spread[band.lower])[seen]
    return values, sigma


def boundary_sd(probabilities: Plane, heights: Float) -> Float:
    """Return the standard deviation of each boundary's height by the class probabilities.

    The probability that a pixel lies below a boundary, made monotone down the column, is taken
    for the distribution of its height. Half the distance of the quantiles at 15.9 and 84.1 % is
    its standard deviation, which a few wrong pixels far away do not change.

    Parameters
    ----------
    probabilities : array
        ``(classes, rows, columns)``; background lies above the first and below the last boundary.
    heights : array
        ``(boundaries, columns)`` in px, NaN where unknown; as many boundaries as classes.

    Returns
    -------
    array
        float32 ``(boundaries, columns)`` in px, NaN where a height is.
    """
    classes, rows = probabilities.shape[:2]
    known = np.isfinite(heights).all(axis=0)
    middle = np.where(known, (heights[0] + heights[-1]) / 2, 0)
    result = np.full(heights.shape, np.nan, np.float32)
    p = probabilities.astype(np.float32)
    below = np.where(np.arange(rows)[:, np.newaxis] >= middle, p[0], np.float32(0))
    for k in reversed(range(classes)):
        if k < classes - 1:
            below = below + p[k + 1]
        low, high = (_quantile(np.maximum.accumulate(below, axis=0), q) for q in _SIGMA)
        result[k] = np.where(known, (high - low) / 2, np.nan)
    return result


def _quantile(distribution: Plane, q: float) -> Plane:
    """Return the row at which each column's distribution reaches `q`, between rows."""
    total = np.maximum(distribution[-1], np.float32(1e-6))
    reached = distribution >= np.float32(q) * total
    first = reached.argmax(axis=0)
    column = np.arange(distribution.shape[1])
    after = distribution[first, column]
    before = np.where(first > 0, distribution[np.maximum(first - 1, 0), column], 0)
    step = np.maximum(after - before, np.float32(1e-6))
    return np.asarray(first - 1 + (q * total - before) / step)


def _notes(
    bands: tuple[Band, ...], values: Float, scheme: LabelScheme, drawn: npt.NDArray[np.bool_]
) -> tuple[str, ...]:
    missing = [label.abbreviation for label in scheme.classes[1:] if not drawn[label.value]]
    notes = []
    if missing:
        notes.append(
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} nowhere drawn: neither"
            " these layers nor totals over them were measured."
        )
    possible = [k for k, band in enumerate(bands) if drawn[band.upper + 1 : band.lower + 1].all()]
    share = float(np.isfinite(values[possible]).mean())
    if share < 1:
        notes.append(
            f"{1 - share:.0%} of the columns are left out: ignored, without layers, with gaps, or"
            " cut by the image's edge."
        )
    return tuple(notes)
