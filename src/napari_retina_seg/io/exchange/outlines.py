"""Outlines of masks that lose nothing: regions to polygons and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Points = npt.NDArray[np.float64]
_Ring = list[tuple[float, float]]


def trace(region: npt.NDArray[np.bool_]) -> tuple[Points, ...]:
    """Draw one closed polygon around each connected part of a region.

    A polygon passes half-way between the centres of the pixels inside and those outside, so that
    `fill` gives back the region exactly. A hole is joined to the outer line by a cut that is
    walked there and back; parts that only touch at a corner are two.

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
    parts, _ = ndimage.label(region)
    outlines = []
    for number, place in enumerate(ndimage.find_objects(parts), 1):
        rows, columns = place
        points = _trace_part(parts[place] == number)
        outlines.append(points + np.array([columns.start, rows.start]))
    return tuple(outlines)


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


def _trace_part(part: npt.NDArray[np.bool_]) -> Points:
    from skimage.measure import find_contours

    padded = np.pad(part, 1)
    lines = find_contours(padded.astype(np.float32), 0.5, fully_connected="low")
    # To x and y of which 0 is the edge of the first pixel, not its centre in the padded array.
    rings = [line[:-1, ::-1] - 0.5 for line in lines]
    rings.sort(key=_area, reverse=True)
    ring = _join([[(float(x), float(y)) for x, y in ring] for ring in rings], part)
    return _straighten(np.array(ring))


def _area(ring: Points) -> float:
    x, y = ring.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def _join(rings: list[_Ring], part: npt.NDArray[np.bool_]) -> _Ring:
    """Join holes to the outer ring, the first, by cuts to the left along the pixels' centres."""
    attached: dict[tuple[float, float], list[_Ring]] = {}
    for hole in rings[1:]:
        # Left of its leftmost edge there are pixels of the part, up to a ring that reaches farther
        # left: so no chain of cuts comes back to itself.
        edges = (k for k, (x, y) in enumerate(hole) if x % 1 == 0)
        place = min(edges, key=hole.__getitem__)
        x, y = hole[place]
        outside = np.flatnonzero(~part[int(y), : int(x)])
        anchor = (float(outside[-1]) + 1 if outside.size else 0.0, y)
        attached.setdefault(anchor, []).append(hole[place:] + hole[: place + 1])
    return list(_walk(rings[0], attached))


def _walk(
    ring: _Ring, attached: dict[tuple[float, float], list[_Ring]]
) -> Iterator[tuple[float, float]]:
    """Yield the points of a ring, and at each those of the holes that hang on it."""
    stack = [iter(ring)]
    while stack:
        point = next(stack[-1], None)
        if point is None:
            stack.pop()
            continue
        yield point
        stack += [iter([*hole, point]) for hole in attached.pop(point, ())]


def _straighten(points: Points) -> Points:
    """Leave out the points of straight stretches; where a line turns back it stays."""
    before = points - np.roll(points, 1, axis=0)
    after = np.roll(points, -1, axis=0) - points
    cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    onwards = (before * after).sum(axis=1) > 0
    straight = (cross == 0) & onwards
    return np.asarray(points[~straight])
