"""The centre lines of vessels as a graph: nodes, and the segments between them.

Centre lines are those of `skimage.morphology.skeletonize` (Zhang and Suen 1984, Commun. ACM 27:
236). Side lines shorter than the vessel is thick are taken out, and nodes nearer to each other
than that are one, which makes the crossing of two vessels one node with four segments.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.morphology import skeletonize

Mask = npt.NDArray[np.bool_]
Points = npt.NDArray[np.float64]
Pixel = tuple[int, int]

_EIGHT = np.ones((3, 3), int)
_SPUR = 1.5  # of the vessel's radius: what ends within it shows nothing beyond the wall
_OVERLAP = 1.5  # of two radii: so long is the part that vessels share which cross at 50°
_ROUNDS = 3  # of taking side lines out; each may free another


@dataclass(frozen=True, eq=False)
class Line:
    """A centre line between two nodes.

    Attributes
    ----------
    path : array
        ``(points, 2)`` float64 row and column in px, from `start` to `end`.
    start, end : int
        Nodes, as indices; the same one for a ring.
    """

    path: Points
    start: int
    end: int


@dataclass(frozen=True, eq=False)
class SkeletonGraph:
    """Centre lines and where they meet.

    Attributes
    ----------
    lines : tuple of Line
        All lines.
    nodes : array
        ``(nodes, 2)`` float64 row and column in px: ends and junctions.
    radius : array
        ``(nodes,)`` half of the vessel's width at each, in px.
    degree : array
        ``(nodes,)`` how many lines end there; 1 at an end.
    """

    lines: tuple[Line, ...]
    nodes: Points
    radius: npt.NDArray[np.float64]
    degree: npt.NDArray[np.intp]


def trace(mask: Mask) -> SkeletonGraph:
    """Trace the centre lines of a vessel mask.

    Parameters
    ----------
    mask : array
        ``(rows, columns)`` bool.
    """
    # A frame, so that lines at the image's edge have neighbours too.
    framed = np.pad(np.asarray(mask, bool), 1)
    distance = np.pad(wall_distance(mask), 1)
    skeleton = skeletonize(framed)
    graph = _graph(skeleton, distance)
    for _ in range(_ROUNDS):
        spurs = [line for line in graph.lines if _is_spur(line, graph)]
        if not spurs:
            break
        for line in spurs:
            own = line.path[1:-1]
            if line.start != line.end:
                own = line.path[:-1] if graph.degree[line.start] == 1 else line.path[1:]
            rows, columns = np.rint(own).astype(int).T
            skeleton[rows, columns] = False
        skeleton = skeletonize(skeleton)
        graph = _graph(skeleton, distance)
    graph = _join_near(graph)
    lines = tuple(Line(line.path - 1, line.start, line.end) for line in graph.lines)
    return SkeletonGraph(lines, graph.nodes - 1, graph.radius, graph.degree)


def wall_distance(mask: Mask) -> npt.NDArray[Any]:
    """Return the distance of each pixel of a mask from outside, in px; the image ends in a wall."""
    framed = np.pad(np.asarray(mask, np.uint8), 1)
    distance = cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance[1:-1, 1:-1])


def paint_segments(paths: Iterable[Points], mask: Mask) -> npt.NDArray[np.int32]:
    """Return which segment each pixel of a vessel mask belongs to: the nearest.

    Parameters
    ----------
    paths : iterable of array
        Centre lines of the segments, ``(points, 2)`` row and column in px.
    mask : array
        ``(rows, columns)`` bool.

    Returns
    -------
    array
        int32 ``(rows, columns)``: 1, 2, … in the order of the paths, 0 outside the mask.
    """
    lines = np.zeros(mask.shape, np.int32)
    for number, path in enumerate(paths, start=1):
        rows, columns = np.rint(path).astype(int).T
        lines[rows, columns] = number
    _, nearest = cv2.distanceTransformWithLabels(
        (lines == 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros(int(nearest.max()) + 1, np.int32)
    table[nearest[lines > 0]] = lines[lines > 0]
    return np.where(mask, table[nearest], 0).astype(np.int32)


def path_length(path: Points, scale: tuple[float, float] = (1.0, 1.0)) -> float:
    """Return the length of a path, its rows and columns `scale` apart."""
    return float(np.hypot(*(np.diff(path, axis=0) * scale).T).sum())


def _is_spur(line: Line, graph: SkeletonGraph) -> bool:
    if line.start == line.end and graph.degree[line.start] > 2:
        around = 2 * np.pi * graph.radius[line.start]
        return bool(path_length(line.path) <= around + 2)
    degrees = sorted((graph.degree[line.start], graph.degree[line.end]))
    if degrees[0] != 1 or degrees[1] < 3:
        return False
    junction = line.start if graph.degree[line.start] > 1 else line.end
    return bool(path_length(line.path) <= _SPUR * graph.radius[junction] + 1)


def _graph(skeleton: Mask, distance: npt.NDArray[Any]) -> SkeletonGraph:
    """Return the graph of a skeleton: junctions are pixels with three or more neighbours."""
    neighbours = ndimage.convolve(skeleton.astype(np.uint8), _EIGHT, mode="constant") - 1
    branching = skeleton & (neighbours >= 3)
    clusters, count = ndimage.label(branching, _EIGHT)
    centres = ndimage.center_of_mass(branching, clusters, np.arange(1, count + 1))
    nodes: list[tuple[float, float]] = [(float(r), float(c)) for r, c in centres]
    lines = []
    for chain in _chains(skeleton & ~branching):
        ends = []
        for index in (0, -1):
            found = _clusters_at(clusters, chain[index])
            if len(chain) == 1:  # both its ends: a line of one pixel joins two or ends here
                found = found[:1] if index == 0 else found[1:2]
            if found:
                ends.append(found[0] - 1)
            else:
                nodes.append(chain[index])
                ends.append(len(nodes) - 1)
        if _is_ring(chain, ends, count):
            ends[1] = ends[0]
        inner = np.array(chain, np.float64)
        around = [np.array([nodes[node]]) for node in ends]
        path = np.concatenate([around[0], inner, around[1]])
        # An end is a pixel of the line itself: it stands there once.
        different = np.r_[True, (np.diff(path, axis=0) != 0).any(axis=1)]
        if different.sum() > 1:
            lines.append(Line(path[different], *ends))
    return _finish(tuple(lines), np.array(nodes, np.float64).reshape(-1, 2), distance)


def _is_ring(chain: list[Pixel], ends: list[int], junctions: int) -> bool:
    """Whether a line without junctions comes back to where it began."""
    (r0, c0), (r1, c1) = chain[0], chain[-1]
    return len(chain) > 3 and min(ends) >= junctions and max(abs(r0 - r1), abs(c0 - c1)) == 1


def _finish(
    lines: tuple[Line, ...], nodes: Points, distance: npt.NDArray[Any] | None = None
) -> SkeletonGraph:
    degree = np.zeros(len(nodes), np.intp)
    for line in lines:
        degree[line.start] += 1
        degree[line.end] += 1
    radius = np.zeros(len(nodes))
    if distance is not None and len(nodes):
        # From the centre of a pixel to the wall, half a pixel before the nearest one outside.
        at = ndimage.map_coordinates(distance, nodes.T, order=1)
        radius = np.maximum(at - 0.5, 0.5)
    return SkeletonGraph(lines, nodes, radius, degree)


def _chains(pixels: Mask) -> list[list[Pixel]]:
    """Return the pixels of each line in order."""
    across = pixels.shape[1]
    # Neighbours with a common edge first: a line does not cut its own corners.
    beside = (-across, -1, 1, across, -across - 1, -across + 1, across - 1, across + 1)
    places = np.flatnonzero(pixels).tolist()
    left = set(places)
    ends = [place for place in places if sum(place + step in left for step in beside) <= 1]
    chains = []
    for start in (*ends, *places):  # rings have no end: they begin anywhere
        if start not in left:
            continue
        chain = [start]
        left.discard(start)
        while (following := _next(chain[-1], left, beside)) is not None:
            chain.append(following)
            left.discard(following)
        chains.append([divmod(place, across) for place in chain])
    return chains


def _next(place: int, left: set[int], steps: tuple[int, ...]) -> int | None:
    return next((place + step for step in steps if place + step in left), None)


def _clusters_at(clusters: npt.NDArray[Any], pixel: Pixel) -> list[int]:
    row, column = pixel
    around = clusters[row - 1 : row + 2, column - 1 : column + 2]
    return [int(value) for value in np.unique(around) if value]


def _join_near(graph: SkeletonGraph) -> SkeletonGraph:
    """Make one node of junctions whose vessels overlap: the crossing of two vessels."""
    group = np.arange(len(graph.nodes))
    joining = []
    for k, line in enumerate(graph.lines):
        inner = line.start != line.end and min(graph.degree[[line.start, line.end]]) > 2
        reach = _OVERLAP * graph.radius[[line.start, line.end]].sum()
        if inner and path_length(line.path) <= reach:
            joining.append(k)
            group[group == group[line.end]] = group[line.start]
    if not joining:
        return graph
    names, index = np.unique(group, return_inverse=True)
    nodes = np.array([graph.nodes[group == name].mean(axis=0) for name in names])
    radius = np.array([graph.radius[group == name].max() for name in names])
    lines = tuple(
        Line(line.path, int(index[line.start]), int(index[line.end]))
        for k, line in enumerate(graph.lines)
        if k not in joining
    )
    joined = _finish(lines, nodes)
    return SkeletonGraph(joined.lines, nodes, radius, joined.degree)
