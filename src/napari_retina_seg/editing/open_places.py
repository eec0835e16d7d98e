"""Places in a mask of retinal layers that can't be as they are drawn.

What counts was set on experts' masks, in which next to nothing must be found: layers that thin out
towards the fovea and vanish there are no finding, nor are the slopes of a pit. The figures are in
``docs/open_places.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_retina_seg.editing.consistency import draw
from napari_retina_seg.imaging.surfaces import Heights, from_labels
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.labels import LabelScheme

Labels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

# Shares of the median thickness of all layers together, and the least in px.
_JUMP, _LEAST_JUMP = 0.2, 8.0
_SPIKE, _LEAST_SPIKE = 0.1, 5.0
_TAPERED, _LEAST_TAPERED = 0.1, 4.0
_AT_EDGE, _LEAST_AT_EDGE = 0.05, 1.5

_BESIDE = 5  # columns beside a gap in which a layer that thins out is thin already
_WIDEST = 0.25  # of all columns, in which a layer may be absent in a fovea
_NARROW = 9  # columns; what is out of line in less than half of them is a spike
_APART = 5  # columns; findings of one kind that are nearer are one place

# What a pulled boundary leaves; "usual" is the median over all columns.
_PULLED = 5  # columns at least
_FOVEA = 0.6  # of the usual thickness of the layers above, which are thinner in a fovea
_DISPLACED = 0.5  # of a layer's usual thickness, by which a neighbour is thicker in its place
_SWOLLEN = 2.5  # times its usual thickness a layer is in no fovea

_NO_MASK = 0.04  # of the rows: the thickness of layers, halved, where none are drawn


class Fault(Enum):
    """What is wrong at a place; the value is its wording, for a layer or a boundary."""

    EMPTY = "no layer is drawn"
    MOST = "most layers are missing"
    MISSING = "{name} is missing"
    ORDER = "layers are out of order or in pieces"
    JUMP = "{name} jumps"


@dataclass(frozen=True, order=True)
class OpenPlace:
    """A place in a mask that can't be as it is drawn.

    Attributes
    ----------
    slice : int
        Of a volume; 0 of a single B-scan.
    first, last : int
        Columns, both included.
    row : int
        Middle of the place, in px.
    text : str
        What is wrong there: ``"INL is missing"``.
    line : int or None
        The boundary that is to be moved there, 0 for the uppermost, if it is one.
    """

    slice: int
    first: int
    last: int
    row: int
    text: str
    line: int | None = None

    def on_slice(self, index: int) -> OpenPlace:
        """Return the same place on another slice."""
        return replace(self, slice=index)

    @property
    def where(self) -> str:
        """The columns, in words."""
        if self.first == self.last:
            return f"column {self.first}"
        return f"columns {self.first} to {self.last}"


def find_open_places(
    labels: Labels,
    scheme: LabelScheme,
    ignore: Mask | None = None,
    before: Iterable[Labels] = (),
) -> tuple[OpenPlace, ...]:
    """Find what can't be in a mask of layers: gaps, pieces, wrong order, jumps and spikes.

    Parameters
    ----------
    labels : array
        uint8 class values, ``(rows, columns)`` or ``(slices, rows, columns)``.
    scheme : LabelScheme
        Its classes. Of classes that are not layers, as vessels, any arrangement is possible.
    ignore : array, optional
        bool of the same shape: where the image has no data, or a grader marked the place as
        questionable. Columns in which that touches the layers have no findings.
    before : iterable of array
        Earlier masks of the same shape, as a prediction: a slice with layers in one of them was
        worked on.

    Returns
    -------
    tuple of OpenPlace
        By slice and column. A slice of a volume without any layer has not been worked on, and is
        no finding unless all are empty.
    """
    if not scheme.surfaces:
        return ()
    if labels.ndim == 2:
        return tuple(_in_plane(labels, scheme, ignore, 0))
    drawn = [
        index
        for index, planes in enumerate(zip(labels, *before, strict=True))
        if any(plane.any() for plane in planes)
    ]
    found = [
        _in_plane(labels[index], scheme, None if ignore is None else ignore[index], index)
        for index in drawn or range(min(1, len(labels)))
    ]
    return tuple(place for places in found for place in places)


def describe_places(places: Iterable[OpenPlace]) -> str:
    """Describe places in one sentence: the first, and how many there are; empty for none."""
    listed = tuple(places)
    if not listed:
        return ""
    first, more = listed[0], len(listed) - 1
    where = f" of slice {first.slice}" if any(place.slice for place in listed) else ""
    others = f"; {count(more, 'more open place')}" if more else ""
    return f"{first.text[:1].upper()}{first.text[1:]} in {first.where}{where}{others}."


def implausible_jump(before: Heights, after: Heights, rows: int) -> tuple[int, int] | None:
    """Find where an edit makes boundaries jump as none does, and did not before.

    Parameters
    ----------
    before, after : array
        ``(boundaries, columns)`` heights in px; NaN where there are no layers.
    rows : int
        Rows of the image.

    Returns
    -------
    tuple of int or None
        The boundary and the column before its largest jump; None if no jump is implausible.
    """
    limit = _limit(_thickness(before, rows), _JUMP, _LEAST_JUMP)
    steps, earlier = (np.abs(np.diff(heights, axis=1)) for heights in (after, before))
    new = np.where(np.isnan(steps) | (steps <= np.nan_to_num(earlier)), 0, steps)
    if not new.size or new.max() <= limit:
        return None
    line, column = np.unravel_index(int(new.argmax()), new.shape)
    return int(line), int(column)


def implausible_end(before: Heights, rows: int, start: float, end: float, *, goes_on: bool) -> bool:
    """Tell whether a segment between two places ends too far from the boundary's own course.

    What is far is as for `implausible_jump`. Both ends may be equally far, as a boundary is
    displaced over a wide stretch.

    Parameters
    ----------
    before : array
        ``(boundaries, columns)`` heights in px; NaN where there are no layers.
    rows : int
        Rows of the image.
    start, end : float
        How far the ends are from the course, in px; NaN where there is none.
    goes_on : bool
        Whether it goes on from another segment, and may return to the course.
    """
    limit = _limit(_thickness(before, rows), _JUMP, _LEAST_JUMP)
    away = abs(end) if goes_on else max(abs(start), abs(end))
    return bool(away > limit and abs(end - start) > limit)


def find_pushed_away(before: Heights, after: Heights, rows: int) -> tuple[int, int] | None:
    """Find the layer that an edit makes vanish in more than a few columns, as none thins out.

    Parameters
    ----------
    before, after : array
        ``(boundaries, columns)`` heights in px; NaN where there are no layers.
    rows : int
        Rows of the image.

    Returns
    -------
    tuple of int or None
        The layer, 0 for the uppermost, and the number of columns; None if there is none.
    """
    earlier, lacking = (
        _find_missing(np.diff(heights, axis=0), ~np.isnan(heights[0]), _thickness(heights, rows))
        for heights in (before, after)
    )
    columns = (lacking & ~earlier).sum(axis=1)
    layer = int(columns.argmax()) if columns.size else 0
    return (layer, int(columns[layer])) if columns.size and columns[layer] > _PULLED else None


def _in_plane(
    labels: Labels, scheme: LabelScheme, ignore: Mask | None, index: int
) -> list[OpenPlace]:
    rows, columns = labels.shape
    heights = from_labels(labels, len(scheme.surfaces))
    drawn = ~np.isnan(heights[0])
    if not drawn.any():
        ignored = ignore is not None and bool(ignore.all())
        whole = OpenPlace(index, 0, columns - 1, rows // 2, Fault.EMPTY.value)
        return [] if ignored else [whole]
    filled = _fill(heights)
    free = _outside(ignore, filled)
    places: list[OpenPlace] = []
    for fault, name, line, found, at in _faults(labels, heights, filled, scheme):
        text = fault.value.format(name=name)
        for first, last in _runs(found & free):
            row = int(np.clip(np.median(at[first : last + 1]), 0, rows - 1))
            places.append(OpenPlace(index, first, last, row, text, line))
    return sorted(places, key=lambda place: (place.first, place.last, place.row))


def _faults(
    labels: Labels, heights: Heights, filled: Heights, scheme: LabelScheme
) -> Iterator[tuple[Fault, str, int | None, Mask, Heights]]:
    """Yield what can be wrong with a plane: name, boundary, columns and rows of it."""
    drawn = ~np.isnan(heights[0])
    thickness = _thickness(heights, len(labels))
    middle = filled.mean(axis=0)
    yield Fault.EMPTY, "", None, ~drawn, middle
    differs = draw(heights, len(labels)) != labels
    wrong = differs.any(axis=0)
    yield Fault.ORDER, "", None, wrong, differs.argmax(axis=0).astype(np.float32)
    thick = np.diff(heights, axis=0)
    most = drawn & ((thick <= 0).sum(axis=0) > len(thick) / 2)
    yield Fault.MOST, "", None, most & ~wrong, middle
    lacking = _find_missing(thick, drawn & ~most, thickness)
    for layer, missing in zip(scheme.classes[1:], lacking, strict=True):
        line = layer.value - 1
        yield Fault.MISSING, layer.abbreviation, line, missing & ~wrong, filled[line]
    jumps = _find_jumps(np.where(wrong, np.nan, heights), thickness)
    for line, surface in enumerate(scheme.surfaces):
        yield Fault.JUMP, surface.name, line, jumps[line], filled[line]


def _find_missing(thick: Heights, drawn: Mask, thickness: float) -> Mask:
    """Find columns without a layer, unless it thins out towards them; ``(layers, columns)``."""
    absent = drawn & (thick <= 0)
    found = np.zeros(absent.shape, bool)
    for layer, gone in enumerate(absent):
        for first, last in _runs(gone, apart=1):
            is_wide = last - first + 1 > _WIDEST * len(gone)
            tapers = not is_wide and _thins_out(thick[layer], first, last, thickness)
            if not tapers or _is_displaced(thick, layer, first, last):
                found[layer, first : last + 1] = True
    return found


def _thins_out(thick: npt.NDArray[np.float32], first: int, last: int, thickness: float) -> bool:
    """Whether a layer is thin beside the columns in which it is absent."""
    before, after = thick[max(first - _BESIDE, 0) : first], thick[last + 1 : last + 1 + _BESIDE]
    near = np.concatenate([before[-1:], after[:1]])
    beside = np.concatenate([before, after])
    return bool(
        np.nanmax(near, initial=0) <= _limit(thickness, _AT_EDGE, _LEAST_AT_EDGE)
        and np.nanmax(beside, initial=0) <= _limit(thickness, _TAPERED, _LEAST_TAPERED)
    )


def _is_displaced(thick: Heights, layer: int, first: int, last: int) -> bool:
    """Whether a neighbour takes the place of an absent layer, as when a boundary was pulled.

    In a fovea it does so a little, where the layers above are thin as well. Of the innermost layer
    nothing can be said: it swells towards the optic disc.
    """
    if last - first + 1 < _PULLED:
        return False
    here, usual = np.median(thick[:, first : last + 1], axis=1), np.nanmedian(thick, axis=1)
    is_foveal = here[:layer].sum() <= _FOVEA * usual[:layer].sum()
    for beside in (layer - 1, layer + 1):
        if not 0 < beside < len(thick):
            continue
        takes = here[beside] - usual[beside] > _DISPLACED * usual[layer]
        if takes and not (is_foveal and here[beside] < _SWOLLEN * usual[beside]):
            return True
    return False


def _find_jumps(heights: Heights, thickness: float) -> Mask:
    """Find steps between neighbouring columns and narrow spikes; ``(boundaries, columns)``."""
    steps = np.abs(np.diff(heights, axis=1)) > _limit(thickness, _JUMP, _LEAST_JUMP)
    found = np.zeros(heights.shape, bool)
    found[:, :-1] |= steps
    found[:, 1:] |= steps
    width = min(_NARROW, heights.shape[1])
    known = ~np.isnan(heights).any(axis=0)
    if known.sum() < width:
        return found
    closed = heights[:, known]
    usual = ndimage.median_filter(closed, (1, width), mode="nearest")
    away = np.abs(closed - usual) > _limit(thickness, _SPIKE, _LEAST_SPIKE)
    found[:, known] |= away
    return found


def _thickness(heights: Heights, rows: int) -> float:
    """Return the median thickness of all layers together, in px."""
    total = heights[-1] - heights[0]
    total = total[total > 0]
    return float(np.median(total)) if total.size else 2 * _NO_MASK * rows


def _limit(thickness: float, share: float, least: float) -> float:
    return max(least, share * thickness)


def _fill(heights: Heights) -> Heights:
    """Interpolate columns without layers, of which there must not be only such."""
    drawn = np.flatnonzero(~np.isnan(heights[0]))
    column = np.arange(heights.shape[1])
    return np.stack([np.interp(column, drawn, row[drawn]) for row in heights]).astype(np.float32)


def _outside(ignore: Mask | None, filled: Heights) -> Mask:
    """Return the columns in which nothing is ignored between the outermost boundaries."""
    if ignore is None or not ignore.any():
        return np.ones(filled.shape[1], bool)
    row = np.arange(len(ignore))[:, np.newaxis]
    within = (row >= np.floor(filled[0])) & (row < np.ceil(filled[-1]))
    return np.asarray(~(ignore & within).any(axis=0))


def _runs(found: Mask, apart: int = _APART) -> list[tuple[int, int]]:
    """Return first and last column of each run; runs that are hardly apart are one."""
    columns = np.flatnonzero(found)
    if not columns.size:
        return []
    parts = np.split(columns, np.flatnonzero(np.diff(columns) > apart) + 1)
    return [(int(part[0]), int(part[-1])) for part in parts]
