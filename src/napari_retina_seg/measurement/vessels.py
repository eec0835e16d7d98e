"""Vessels of a photograph: density, calibre, tortuosity, branching, fractal dimension."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from napari_retina_seg.measurement.calibre import arc_and_chord, mean_curvature, smooth_path, widths
from napari_retina_seg.measurement.fractal import FractalDimension, box_dimension
from napari_retina_seg.measurement.skeleton import (
    Line,
    Mask,
    Points,
    SkeletonGraph,
    trace,
    wall_distance,
)
from napari_retina_seg.measurement.units import Grid, MeasureError

_SHORTEST = 5  # points of a centre line away from its nodes in which a width is measured
_DIRECTION = 2.0  # of the vessel's width: how far a branch is followed for its angle
_WALL = 1.5  # of the node's radius; nearer, centre lines bend towards the node
_LEAST_DIRECTION = 16.0  # px


@dataclass(frozen=True, eq=False)
class VesselSegment:
    """A vessel between two branching points or ends.

    Attributes
    ----------
    number : int
        1, 2, …: its value in the layer of segments.
    path : array
        ``(points, 2)`` row and column of the centre line in px.
    widths : array
        ``(points,)`` width in `Vessels.unit`; NaN near nodes, where walls of others are near.
    length, chord, calibre : float
        In `Vessels.unit`; the calibre is the median of the widths, NaN if there are too few.
    tortuosity : float
        Length over chord (Hart et al. 1999); 1 for a straight vessel, NaN for a ring.
    curvature : float
        Mean absolute curvature in 1 / `Vessels.unit`; NaN for a short segment.
    kind : str
        Class of most of its pixels.
    start, end : int
        Its nodes.
    """

    number: int
    path: Points
    widths: npt.NDArray[np.float64]
    length: float
    chord: float
    calibre: float
    tortuosity: float
    curvature: float
    kind: str
    start: int
    end: int


@dataclass(frozen=True)
class Branching:
    """A node at which three or more segments meet.

    Attributes
    ----------
    row, column : float
        Place in px.
    segments : tuple of int
        Numbers of the segments.
    angles : tuple of float
        Between neighbouring segments, in degrees, smallest first; their sum is 360.
    is_crossing : bool
        Whether four or more segments meet: mostly one vessel over another.
    """

    row: float
    column: float
    segments: tuple[int, ...]
    angles: tuple[float, ...]
    is_crossing: bool


@dataclass(frozen=True)
class Density:
    """How much of a region vessels fill.

    Attributes
    ----------
    region : str
        Which part of the picture.
    area : float
        Share of the region's area, 0 to 1.
    skeleton : float
        Length of the centre lines per area, in `Grid.density_unit`.
    region_area : float
        In `Grid.area_unit`.
    """

    region: str
    area: float
    skeleton: float
    region_area: float


@dataclass(frozen=True, eq=False)
class Vessels:
    """What was measured of the vessels of one photograph.

    Attributes
    ----------
    segments : tuple of VesselSegment
        In order of their numbers.
    branchings : tuple of Branching
        Bifurcations and crossings.
    density : Density
        In the field of view.
    fractal : FractalDimension or None
        None if too little is drawn.
    grid : Grid
        Size of a pixel.
    mask, field : array
        ``(rows, columns)`` bool: the vessels, and where was looked.
    notes : tuple of str
        What was not measured, and why.
    """

    segments: tuple[VesselSegment, ...]
    branchings: tuple[Branching, ...]
    density: Density
    fractal: FractalDimension | None
    grid: Grid
    mask: Mask
    field: Mask
    notes: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """Unit of lengths: ``µm`` or ``px``."""
        return self.grid.unit


def measure_vessels(
    labels: npt.NDArray[Any],
    kinds: dict[int, str] | None = None,
    *,
    field: Mask | None = None,
    grid: Grid | None = None,
) -> Vessels:
    """Measure the vessels of one photograph.

    Parameters
    ----------
    labels : array
        ``(rows, columns)`` class values, or bool.
    kinds : dict, optional
        Values of vessels with the names of their classes; by default 1 is ``Vessel``.
    field : array, optional
        bool, where the retina is seen; by default everywhere. Vessels outside do not count.
    grid : Grid, optional
        Size of a pixel; by default lengths are in px.

    Raises
    ------
    MeasureError
        If nothing is drawn in the field, or sizes do not fit.
    """
    kinds = kinds or {1: "Vessel"}
    grid = grid or Grid()
    field = np.ones(labels.shape, bool) if field is None else np.asarray(field, bool)
    if labels.ndim != 2 or field.shape != labels.shape:
        raise MeasureError(
            f"Vessels are measured in one plane: received a mask of {labels.shape} px and a field"
            f" of {field.shape} px."
        )
    mask = np.isin(labels, list(kinds)) & field
    if not mask.any():
        raise MeasureError("The mask is empty: there are no vessels in the field of view.")
    graph = trace(mask)
    distance = wall_distance(mask)
    segments = tuple(
        _measure(number, line, graph, (mask, distance, labels), kinds, grid)
        for number, line in enumerate(graph.lines, start=1)
    )
    notes = []
    fractal = None
    try:
        fractal = box_dimension(_drawn_lines(segments, mask.shape))
    except MeasureError as error:
        notes.append(str(error))
    density = measure_density("field", mask, field, segments, grid)
    branchings = _branchings(graph, segments, grid)
    return Vessels(segments, branchings, density, fractal, grid, mask, field, tuple(notes))


def measure_density(
    region: str, mask: Mask, inside: Mask, segments: tuple[VesselSegment, ...], grid: Grid
) -> Density:
    """Measure how much of a region vessels fill.

    Parameters
    ----------
    region : str
        Its name.
    mask, inside : array
        ``(rows, columns)`` bool: the vessels, and the region.
    segments : tuple of VesselSegment
        The centre lines, of which each step counts by its middle.
    grid : Grid
        Size of a pixel.
    """
    size = int(inside.sum())
    if not size:
        return Density(region, np.nan, np.nan, 0.0)
    length = 0.0
    scale = np.array([grid.row, grid.column])
    for segment in segments:
        smooth = smooth_path(segment.path)
        steps = np.hypot(*(np.diff(smooth, axis=0) * scale).T)
        middle = np.rint((smooth[1:] + smooth[:-1]) / 2).astype(int)
        rows, columns = np.clip(middle, 0, np.array(inside.shape) - 1).T
        length += float(steps[inside[rows, columns]].sum())
    area = size * grid.pixel_area
    in_mm = length / 1000 if grid.unit == "µm" else length
    return Density(region, float((mask & inside).sum()) / size, in_mm / area, area)


def _measure(
    number: int,
    line: Line,
    graph: SkeletonGraph,
    planes: tuple[Mask, npt.NDArray[Any], npt.NDArray[Any]],
    kinds: dict[int, str],
    grid: Grid,
) -> VesselSegment:
    mask, distance, labels = planes
    scale = (grid.row, grid.column)
    ring = line.start == line.end and graph.degree[line.start] == 2
    length, chord = arc_and_chord(line.path, scale, ring=ring)
    rows, columns = np.clip(np.rint(line.path).astype(int), 0, np.array(mask.shape) - 1).T
    radius = float(distance[rows, columns].max())
    width = widths(mask, line.path, radius, scale, ring=ring)
    if not ring:
        width[_near_nodes(line, graph)] = np.nan
    seen = width[np.isfinite(width)]
    calibre = float(np.median(seen)) if len(seen) >= _SHORTEST else np.nan
    values = labels[rows, columns]
    count = {kind: int((values == value).sum()) for value, kind in kinds.items()}
    return VesselSegment(
        number,
        line.path,
        width,
        length,
        chord,
        calibre,
        length / chord if chord > 0 else np.nan,
        mean_curvature(line.path, scale, ring=ring),
        max(count, key=lambda kind: count[kind]),
        line.start,
        line.end,
    )


def _near_nodes(line: Line, graph: SkeletonGraph) -> npt.NDArray[np.bool_]:
    """Return the points of a line so near to its ends that other walls may be met."""
    near = np.zeros(len(line.path), bool)
    for node in (line.start, line.end):
        reach = graph.radius[node] + 1
        near |= np.hypot(*(line.path - graph.nodes[node]).T) <= reach
    return near


def _drawn_lines(segments: tuple[VesselSegment, ...], shape: tuple[int, ...]) -> Mask:
    drawn = np.zeros(shape, np.uint8)
    for segment in segments:
        points = np.rint(segment.path[:, ::-1]).astype(np.int32)
        cv2.polylines(drawn, [points.reshape(-1, 1, 2)], isClosed=False, color=1)
    return drawn > 0


def _branchings(
    graph: SkeletonGraph, segments: tuple[VesselSegment, ...], grid: Grid
) -> tuple[Branching, ...]:
    leaving: dict[int, list[tuple[int, Points]]] = {}
    for line, segment in zip(graph.lines, segments, strict=True):
        leaving.setdefault(line.start, []).append((segment.number, line.path))
        leaving.setdefault(line.end, []).append((segment.number, line.path[::-1]))
    found = []
    for node, ends in sorted(leaving.items()):
        if len(ends) < 3:
            continue
        place = graph.nodes[node]
        directions = sorted(_direction(path, place, graph.radius[node], grid) for _, path in ends)
        turns = np.diff([*directions, directions[0] + 360])
        angles = tuple(sorted(float(turn) for turn in turns))
        numbers = tuple(number for number, _ in ends)
        found.append(
            Branching(float(place[0]), float(place[1]), numbers, angles, is_crossing=len(ends) > 3)
        )
    return tuple(found)


def _direction(path: Points, node: Points, radius: float, grid: Grid) -> float:
    """Return the direction in which a branch leaves a node, in degrees.

    A line is fitted to its centre line from the wall of the node outwards.
    """
    far = max(_DIRECTION * 2 * radius, _LEAST_DIRECTION)
    away = np.hypot(*(path - node).T)
    near = _WALL * radius
    chosen = path[(away >= near) & (away <= near + far)]
    if len(chosen) < 3:
        chosen = path[: max(2, len(path))]
    scaled = chosen * np.array([grid.row, grid.column])
    centred = scaled - scaled.mean(axis=0)
    axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    outwards = scaled[-1] - scaled[0]
    if axis @ outwards < 0:
        axis = -axis
    return float(np.degrees(np.arctan2(axis[0], axis[1])) % 360)


def smallest_angles(branchings: tuple[Branching, ...]) -> list[float]:
    """Return the branching angle of every bifurcation: the smallest of its three."""
    return [one.angles[0] for one in branchings if not one.is_crossing]
