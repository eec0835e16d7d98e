"""The aperture of a fundus camera in a photograph: a circle, and the straight lines that cut it."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
Signal = npt.NDArray[np.float32]

_LEVELS = (0.06, 0.1, 0.16, 0.25, 0.4, 0.6)  # of the retina's signal, at which outlines are taken
_NOISES = 2.5  # a level lies so many standard deviations of the surround above it
_MARGIN = 3  # px along the frame in which an outline may be the frame's own
_FEWEST_POINTS = 12
_MOST_POINTS = 240
_TRIES = 150  # random circles and lines (RANSAC, Fischler and Bolles 1981), always the same ones
_ON_CIRCLE = 0.01  # distance to the circle that still counts as on it, in radii
_LONGEST_CUTS = 4
_SHORTEST_CUT = 0.24  # of the outline's extent: a shorter run of an arc is straight, too
_LEAST_FALL = 0.3  # of the signal, across a cut; a straight border of a shadow falls by less
_MOSTLY_STRAIGHT = 0.8  # of an outline that may be a polygon
_SECTORS = 72


@dataclass(frozen=True)
class Cut:
    """A straight edge of an aperture.

    Attributes
    ----------
    angle : float
        Direction of its outer normal, in radians from the column axis towards the row axis.
    offset : float
        Its distance from the centre of the circle, px.
    """

    angle: float
    offset: float


@dataclass(frozen=True)
class Aperture:
    """A circle and its straight cuts, on the grid of the signal it was found in.

    Attributes
    ----------
    row, column, radius : float
        The circle, px.
    cuts : tuple of Cut
        The straight edges within it.
    is_round : bool
        Whether there is an arc of the circle; without one it is only the size of a polygon.
    """

    row: float
    column: float
    radius: float
    cuts: tuple[Cut, ...] = ()
    is_round: bool = True

    def reach(self, angles: Points) -> Points:
        """Return the distance of the aperture's edge from its centre in each direction, px."""
        edge = np.full(len(angles), self.radius)
        for cut in self.cuts:
            towards = np.cos(angles - cut.angle)
            with np.errstate(divide="ignore"):
                edge = np.where(towards > 0, np.minimum(edge, cut.offset / towards), edge)
        return edge


@dataclass(frozen=True, eq=False)
class _Outline:
    """Points along the edge of the bright part, in order, and what of them is straight."""

    points: Points
    extent: float
    lines: list[tuple[Points, float]] = field(default_factory=list)  # unit normal, offset
    curved: npt.NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, bool))


def find_aperture(signal: Signal, noise: float) -> Aperture | None:
    """Find the aperture whose edge is the sharpest and explains most of an outline.

    Outlines are taken at several levels, since neither the surround nor the retina is even.
    Straight runs are taken out of each first; random circles through the rest then vote.

    Parameters
    ----------
    signal : array
        ``(rows, columns)``, 0 in the surround and about 1 on the retina.
    noise : float
        Standard deviation of the surround.

    Returns
    -------
    Aperture or None
        None where no outline is round.
    """
    rng = np.random.default_rng(0)
    best: tuple[float, Aperture] | None = None
    for level in _LEVELS:
        points = outline(signal > level) if level > _NOISES * noise else np.empty((0, 2))
        points = points[:: max(1, len(points) // _MOST_POINTS)]
        extent = float(np.ptp(points, axis=0).max()) if len(points) else 0.0
        if len(points) < 2 * _FEWEST_POINTS or extent < 0.3 * min(signal.shape):
            continue
        edge = _find_lines(signal, points, extent, rng)
        for score, aperture in _candidates(signal, edge, rng):
            if best is None or score > best[0]:
                best = score, aperture
    return None if best is None else best[1]


def outline(mask: npt.NDArray[np.bool_]) -> Points:
    """Return the outline of the largest part of a mask, less what lies along the frame.

    Returns
    -------
    array
        ``(points, 2)`` rows and columns, in order.
    """
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    closed = cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_CLOSE, kernel)
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, kernel)
    contours, _ = cv2.findContours(opened, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return np.empty((0, 2))
    points = max(contours, key=cv2.contourArea)[:, 0, ::-1].astype(np.float64)
    last = np.array(mask.shape) - 1
    return np.asarray(points[((points >= _MARGIN) & (points <= last - _MARGIN)).all(axis=1)])


def fit_circle(mask: npt.NDArray[np.bool_]) -> tuple[float, float, float] | None:
    """Fit the ``(row, column, radius)`` that most of the outline of a mask lies on."""
    points = outline(mask)
    points = points[:: max(1, len(points) // _MOST_POINTS)]
    if len(points) < 2 * _FEWEST_POINTS:
        return None
    extent = float(np.ptp(points, axis=0).max())
    rng = np.random.default_rng(0)
    curved = points[_find_lines(mask.astype(np.float32), points, extent, rng).curved]
    circles = _likely_circles(curved, extent, rng)
    return circles[0][0] if circles else None


def _find_lines(
    signal: Signal, points: Points, extent: float, rng: np.random.Generator
) -> _Outline:
    """Extract from an outline the long straight runs across which the signal falls."""
    curved, free = np.ones((2, len(points)), bool)
    lines: list[tuple[Points, float]] = []
    for _ in range(_LONGEST_CUTS):
        on = _most_on_a_line(points, free, extent, rng)
        if on is None:
            break
        middle = points[on].mean(axis=0)
        along, normal = np.linalg.svd(points[on] - middle, full_matrices=False)[2]
        away = np.abs((points - middle) @ normal)
        run = _longest_run((points[free & (away <= 1.3)] - middle) @ along, 0.06 * extent)
        if run < _SHORTEST_CUT * extent:
            break
        if _fall(signal, points[on], normal, extent) > _LEAST_FALL:
            lines.append((normal, float(middle @ normal)))
            curved &= (away > 2.5) | ~free
        free &= away > 2.5
    return _Outline(points, extent, lines, curved)


def _most_on_a_line(
    points: Points, free: npt.NDArray[np.bool_], extent: float, rng: np.random.Generator
) -> npt.NDArray[np.bool_] | None:
    """Return which free points lie on the line through two of them that holds the most."""
    starts = np.flatnonzero(free)
    if len(starts) < _FEWEST_POINTS:
        return None
    count = len(points)
    first = rng.choice(starts, _TRIES)
    second = (first + rng.integers(max(4, count // 25), max(6, count // 6), _TRIES)) % count
    across = points[second] - points[first]
    length = np.hypot(*across.T)
    usable = (length > _SHORTEST_CUT / 2 * extent) & free[second]
    if not usable.any():
        return None
    first, across, length = first[usable], across[usable], length[usable]
    normals = np.column_stack([-across[:, 1], across[:, 0]]) / length[:, np.newaxis]
    offsets = (normals * points[first]).sum(axis=1, keepdims=True)
    on = (np.abs(normals @ points.T - offsets) <= 1.0) & free
    return np.asarray(on[on.sum(axis=1).argmax()])


def _fall(signal: Signal, points: Points, normal: Points, extent: float) -> float:
    """Return which share of the signal is lost across a line, in the median of its points."""
    step = max(2.0, 0.006 * extent) * normal
    sides = [_at(signal, *(points + side).T) for side in (-step, step)]
    bright, dark = np.maximum(*sides), np.minimum(*sides)
    return float(np.median((bright - dark) / np.maximum(bright, 1e-3)))


def _longest_run(places: Points, gap: float) -> float:
    """Return the length of the longest stretch without a gap."""
    if len(places) < 2:
        return 0.0
    places = np.sort(places)
    ends = np.flatnonzero(np.diff(places) > gap)
    first, last = np.r_[0, ends + 1], np.r_[ends, len(places) - 1]
    return float((places[last] - places[first]).max())


def _candidates(
    signal: Signal, edge: _Outline, rng: np.random.Generator
) -> list[tuple[float, Aperture]]:
    """Return the candidate apertures of an outline, each with its score."""
    curved = edge.points[edge.curved]
    straight = 1 - len(curved) / len(edge.points)
    found = []
    if straight > _MOSTLY_STRAIGHT:
        found.append(_polygon(signal, edge, straight))
    for circle, on in _likely_circles(curved, edge.extent, rng):
        angles = np.arctan2(on[:, 0] - circle[0], on[:, 1] - circle[1])
        covered = len(np.unique((angles * _SECTORS / (2 * np.pi)).astype(int))) / _SECTORS
        explained = len(on) / len(edge.points) + straight
        drop = np.clip(np.minimum(_drop(signal, circle, angles), 0.5), 0, None).mean()
        aperture = Aperture(*circle, _cuts_of(edge, circle))
        found.append((float(drop * explained * min(1.0, covered + 0.3)), aperture))
    return found


def _polygon(signal: Signal, edge: _Outline, straight: float) -> tuple[float, Aperture]:
    """Return the aperture without an arc that the straight runs of an outline make."""
    row, column = (np.ptp(edge.points, axis=0) / 2 + edge.points.min(axis=0)).tolist()
    radius = float(np.hypot(*(edge.points - (row, column)).T).max())
    circle = row, column, radius
    towards = edge.points - (row, column)
    away = np.hypot(*towards.T)
    angles = np.arctan2(*towards.T)
    drop = np.clip(np.minimum(_drop(signal, (row, column, away), angles), 0.5), 0, None).mean()
    return float(drop * straight), Aperture(*circle, _cuts_of(edge, circle), is_round=False)


def _cuts_of(edge: _Outline, circle: tuple[float, float, float]) -> tuple[Cut, ...]:
    cuts = []
    for normal, offset in edge.lines:
        away = offset - float(normal @ np.array(circle[:2]))
        row, column = normal if away > 0 else -normal
        if 0.2 * circle[2] < abs(away) < 0.99 * circle[2]:
            cuts.append(Cut(float(np.arctan2(row, column)), abs(away)))
    return tuple(cuts)


def _likely_circles(
    points: Points, extent: float, rng: np.random.Generator
) -> list[tuple[tuple[float, float, float], Points]]:
    """Return a few circles ``(row, column, radius)`` with the points on them, most points first."""
    if len(points) < _FEWEST_POINTS:
        return []
    circles = _circles_through(points[rng.integers(0, len(points), (_TRIES, 3))])
    circles = circles[(circles[:, 2] > 0.4 * extent) & (circles[:, 2] < 1.5 * extent)]
    if not len(circles):
        return []
    on = np.abs(_distances(points, circles)) <= np.maximum(1.0, _ON_CIRCLE * circles[:, 2:])
    fitted = []
    for index in np.argsort(-on.sum(axis=1), kind="stable")[:4]:
        circle, chosen = tuple(circles[index]), points[on[index]]
        for _ in range(3):
            if len(chosen) < _FEWEST_POINTS:
                break
            circle = nearest_circle(chosen)
            away = np.abs(_distances(points, np.array([circle]))[0])
            chosen = points[away <= max(1.0, 0.8 * _ON_CIRCLE * circle[2])]
        if len(chosen) >= _FEWEST_POINTS:
            fitted.append((circle, chosen))
    return sorted(fitted, key=lambda pair: -len(pair[1]))


def _distances(points: Points, circles: Points) -> Points:
    """Return how far each point lies outside each circle, ``(circles, points)``."""
    rows, columns = (points[:, axis] - circles[:, axis : axis + 1] for axis in (0, 1))
    return np.asarray(np.hypot(rows, columns) - circles[:, 2:])


def _circles_through(triples: npt.NDArray[np.float64]) -> Points:
    """Return rows, columns and radii of the circles through triples that are not on a line."""
    origin = triples[:, 0]
    (b_row, b_column), (c_row, c_column) = (triples[:, 1:] - origin[:, np.newaxis]).transpose(
        1, 2, 0
    )
    twice_area = 2 * (b_row * c_column - b_column * c_row)
    b_square, c_square = b_row**2 + b_column**2, c_row**2 + c_column**2
    with np.errstate(divide="ignore", invalid="ignore"):
        row = (c_column * b_square - b_column * c_square) / twice_area
        column = (b_row * c_square - c_row * b_square) / twice_area
    circles = np.column_stack([origin[:, 0] + row, origin[:, 1] + column, np.hypot(row, column)])
    return np.asarray(circles[np.isfinite(circles).all(axis=1)])


def nearest_circle(points: Points) -> tuple[float, float, float]:
    """Return row, column, radius of the least-squares circle (Kåsa 1976)."""
    system = np.column_stack([2 * points, np.ones(len(points))])
    row, column, rest = np.linalg.lstsq(system, (points**2).sum(axis=1), rcond=None)[0]
    return float(row), float(column), float(np.sqrt(max(rest + row**2 + column**2, 0)))


def _drop(signal: Signal, circle: tuple[float, float, float | Points], angles: Points) -> Points:
    """Return by how much the signal falls across a circle, 0 where it leaves the frame."""
    row, column, radius = circle
    width = np.maximum(2.0, 0.012 * radius)
    inner, outer = (
        _at(signal, row + away * np.sin(angles), column + away * np.cos(angles))
        for away in (radius - width, radius + width)
    )
    return np.asarray(np.nan_to_num(inner - outer), np.float64)


def _at(signal: Signal, rows: Points, columns: Points) -> Points:
    """Return the signal at places between pixels; NaN outside the frame."""
    across, down = (places.astype(np.float32)[np.newaxis] for places in (columns, rows))
    found = cv2.remap(signal, across, down, cv2.INTER_LINEAR, borderValue=np.nan)
    return np.asarray(found[0], np.float64)
