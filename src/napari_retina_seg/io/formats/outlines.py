"""Lossless conversion of regions to polygons and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Points = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.intp]

# How far inside its pixels an outline runs. The centres of the pixels are within it and those of
# their neighbours are not, so that programs which test centres (COCO's) fill the region; and cut to
# whole numbers, as OpenCV and Pillow want or make them, its points are the pixels of the rim, which
# both paint. Half-way between the pixels, the right and lower rim would be painted one too far.
_INSET = 0.1
_RIGHT, _DOWN, _LEFT, _UP = range(4)  # with the region on the right hand


def trace(region: npt.NDArray[np.bool_]) -> tuple[Points, ...]:
    """Draw one closed polygon around each connected part of a region.

    A polygon runs along the edges of the pixels, a tenth of a pixel inside of them: OpenCV
    (``fillPoly``, points as whole numbers, cut, not rounded), Pillow (``ImageDraw.polygon``),
    pycocotools and `fill` all give back the region exactly. A hole is joined to the outer line by a
    cut that is walked there and back; parts that only touch at a corner are two.

    Parameters
    ----------
    region : array
        ``(rows, columns)`` bool.

    Returns
    -------
    tuple of array
        ``(points, 2)`` x and y in px each, 0 at the left and the upper edge of the image; the
        first point is not repeated.
    """
    parts, count = ndimage.label(region)
    corners = _find_corners(region)
    rings: list[list[_Ints]] = [[] for _ in range(count)]
    for ring in _walk_rings(corners.following):
        x, y = np.floor(corners.points[ring[0]]).astype(np.intp)
        rings[parts[y, x] - 1].append(ring)
    left_sides = _mark_left_sides(corners, region.shape)
    return tuple(_join(own, corners, left_sides, region) for own in rings)


@dataclass(frozen=True, eq=False)
class _Corners:
    """Corners of outlines.

    Attributes
    ----------
    x, y : array
        Corners of pixels.
    out : array
        The direction that is taken there.
    following : array
        Index of the next corner on the outline.
    points : array
        ``(corners, 2)`` x and y of the polygon's points.
    """

    x: _Ints
    y: _Ints
    out: _Ints
    following: _Ints
    points: Points


def _find_corners(region: npt.NDArray[np.bool_]) -> _Corners:
    padded = np.pad(region, 1)
    # The four pixels around each corner of a pixel.
    a, b, c, d = padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    turns = (
        (c & ~a & ~d, _RIGHT, _DOWN),
        (a & ~b & ~c, _DOWN, _LEFT),
        (b & ~a & ~d, _LEFT, _UP),
        (d & ~b & ~c, _UP, _RIGHT),
        (~a & b & c & d, _RIGHT, _UP),
        (a & ~b & c & d, _DOWN, _RIGHT),
        (a & b & c & ~d, _LEFT, _DOWN),
        (a & b & ~c & d, _UP, _LEFT),
    )
    places = [np.nonzero(where) for where, _, _ in turns]
    y, x = (np.concatenate([place[axis] for place in places]) for axis in (0, 1))
    sizes = [len(place[0]) for place in places]
    come = np.repeat([come for _, come, _ in turns], sizes)
    out = np.repeat([out for _, _, out in turns], sizes)
    following = np.empty(len(x), np.intp)
    for direction in range(4):
        line, place = (y, x) if direction in (_RIGHT, _LEFT) else (x, y)
        place = place if direction in (_RIGHT, _DOWN) else -place
        ends = [np.flatnonzero(which == direction) for which in (out, come)]
        # On a line, stretches of a direction follow each other: the first start has the first end.
        starts, stops = (of[np.lexsort((place[of], line[of]))] for of in ends)
        following[starts] = stops
    inward = np.array([_INSET, -_INSET, -_INSET, _INSET])
    sideways = (come == _DOWN) | (come == _UP)
    points = np.column_stack(
        [x + inward[np.where(sideways, come, out)], y + inward[np.where(sideways, out, come)]]
    )
    return _Corners(x, y, out, following, points)


def _walk_rings(following: _Ints) -> list[_Ints]:
    after = following.tolist()
    seen = bytearray(len(after))
    rings = []
    for start in range(len(after)):
        ring = []
        place = start
        while not seen[place]:
            seen[place] = 1
            ring.append(place)
            place = after[place]
        if ring:
            rings.append(np.array(ring))
    return rings


def _mark_left_sides(corners: _Corners, shape: tuple[int, ...]) -> _Ints:
    """Return, for each pixel left of which there is none, the corner below its left side."""
    sides = np.full(shape, -1, np.intp)
    starts = np.flatnonzero(corners.out == _UP)
    lengths = corners.y[starts] - corners.y[corners.following[starts]]
    owner = np.repeat(starts, lengths)
    steps = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    sides[corners.y[owner] - 1 - steps, corners.x[owner]] = owner
    return sides


def _join(
    rings: list[_Ints], corners: _Corners, left_sides: _Ints, region: npt.NDArray[np.bool_]
) -> Points:
    """Join holes to the outer ring by cuts to the left along the pixels' centres."""
    rings.sort(key=lambda ring: _area(corners.points[ring]), reverse=True)
    outer, *holes = (_Ring(ring) for ring in rings)
    anchored: dict[int, list[_Ring]] = {}
    for hole in holes:
        # Left of its leftmost side there are pixels of the part, up to a ring that reaches farther
        # left: so no chain of cuts comes back to itself.
        sides = hole.corners[corners.out[hole.corners] == _DOWN]
        side = sides[np.lexsort((corners.y[sides], corners.x[sides]))[0]]
        row, column = corners.y[side], corners.x[side]
        gaps = np.flatnonzero(~region[row, :column])
        first = int(gaps[-1]) + 1 if gaps.size else 0
        begin = int(np.flatnonzero(hole.corners == side)[0]) + 1
        hole.corners = np.roll(hole.corners, -begin)
        hole.entry = (corners.points[side, 0], row + 0.5)
        hole.anchor = (first + _INSET, row + 0.5)
        anchored.setdefault(int(left_sides[row, first]), []).append(hole)
    return np.array(list(_walk(outer, corners.points, anchored)))


@dataclass(eq=False)
class _Ring:
    """A ring, and of a hole where the cut that leads to it begins and ends."""

    corners: _Ints
    anchor: tuple[float, float] = (0.0, 0.0)
    entry: tuple[float, float] = (0.0, 0.0)


def _walk(
    outer: _Ring, points: Points, anchored: dict[int, list[_Ring]]
) -> Iterator[tuple[float, float]]:
    """Yield the points of a ring, and those of the holes that hang on it."""
    stack = [_walk_ring(outer, points, anchored)]
    while stack:
        step = next(stack[-1], None)
        if step is None:
            stack.pop()
        elif isinstance(step, _Ring):
            stack.append(_walk_hole(step, points, anchored))
        else:
            yield step


def _walk_ring(
    ring: _Ring, points: Points, anchored: dict[int, list[_Ring]]
) -> Iterator[tuple[float, float] | _Ring]:
    for corner in ring.corners.tolist():
        yield points[corner, 0], points[corner, 1]
        # Left sides are walked upwards: the lowest hole comes first.
        yield from sorted(anchored.get(corner, ()), key=lambda hole: -hole.anchor[1])


def _walk_hole(
    hole: _Ring, points: Points, anchored: dict[int, list[_Ring]]
) -> Iterator[tuple[float, float] | _Ring]:
    yield hole.anchor
    yield hole.entry
    yield from _walk_ring(hole, points, anchored)
    yield hole.entry
    yield hole.anchor


def _area(ring: Points) -> float:
    """Return the area within a ring, negative if it is a hole."""
    x, y = ring.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def fill(polygons: Iterable[Points], shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return the pixels whose centre is inside of any polygon.

    In time of the polygon's length and the image's size, where testing each pixel against each
    edge takes their product.

    Parameters
    ----------
    polygons : iterable of array
        ``(points, 2)`` x and y in px; what a polygon winds around twice is outside of it.
    shape : tuple of int
        ``(rows, columns)``.

    Returns
    -------
    array
        ``(rows, columns)`` bool.
    """
    region = np.zeros(shape, bool)
    for points in polygons:
        # Only where the polygon is: a mask may have thousands of specks.
        low = np.clip(np.floor(points.min(axis=0)), 0, shape[::-1]).astype(np.intp)
        high = np.clip(np.ceil(points.max(axis=0)), 0, shape[::-1]).astype(np.intp)
        box = region[low[1] : high[1], low[0] : high[0]]
        box |= _fill_one(points - low, (box.shape[0], box.shape[1]))
    return region


def _fill_one(points: Points, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Toggle, in each row, all pixels to the right of each edge."""
    rows, columns = shape
    start, end = points, np.roll(points, -1, axis=0)
    # Row r is crossed if its centre r + 1/2 lies between the ends, of which one belongs to it.
    low = np.ceil(np.clip(np.minimum(start[:, 1], end[:, 1]), 0, rows) - 0.5).astype(np.intp)
    high = np.ceil(np.clip(np.maximum(start[:, 1], end[:, 1]), 0, rows) - 0.5).astype(np.intp)
    count = np.maximum(high - low, 0)
    edge = np.repeat(np.arange(len(points)), count)
    row = low[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    (x0, y0), (x1, y1) = start[edge].T, end[edge].T
    x = x0 + (row + 0.5 - y0) * (x1 - x0) / (y1 - y0)
    column = np.clip(np.ceil(x - 0.5), 0, columns).astype(np.intp)
    toggles = np.zeros((rows, columns + 1), np.uint8)
    np.bitwise_xor.at(toggles, (row, column), 1)
    return np.asarray(np.bitwise_xor.accumulate(toggles, axis=1)[:, :columns], bool)
