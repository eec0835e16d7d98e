"""The rim of a photograph's field of view, traced in polar coordinates around its aperture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.aperture import Aperture, nearest_circle

Array = npt.NDArray[np.float64]
Signal = npt.NDArray[np.float32]

_ANGLES = 720
_UNIT = 220  # radial steps from the centre to the circle
_FIRST, _LAST = int(0.2 * _UNIT), int(1.25 * _UNIT)
_FAR = 1.12  # radii up to which retina may lie beyond the circle
_SMOOTH = 20  # sectors on either side over which brightness is pooled
# Costs, in steps of full evidence along one direction.
_REGION = 0.3  # a step of surround inside the rim, or of retina outside
_MOST_REGION = 8.0
_EDGE = 12.0  # a rim where the signal does not fall
_OFF_APERTURE = 10.0  # a rim away from the aperture's own edge
_BEND = 0.15  # a step of the rim towards or away from the centre, from one direction to the next
_JUMP = 14.0  # a leap of any length
_REACH = 7  # steps that the rim may bend by without leaping
_LEAST_ARC = 0.1  # of all directions, from which a circle is fitted
_NEAR = 0.012  # radii that are not yet off the aperture's edge
_NEAR_PIXELS = 2.5  # what an outline may be off by, however small the photograph


@dataclass(frozen=True, eq=False)
class Rim:
    """The rim in each of `_ANGLES` directions.

    Attributes
    ----------
    angles : array
        Radians from the column axis towards the row axis.
    radii : array
        Distance from the aperture's centre, px.
    sharpness : array
        Share of the difference between retina and surround that falls at the rim; NaN where the
        rim is the edge of the frame.
    """

    angles: Array
    radii: Array
    sharpness: Array


@dataclass(frozen=True, eq=False)
class _Polar:
    """A signal around an aperture: a row per direction, a column per radial step."""

    signal: Signal
    inside_frame: npt.NDArray[np.bool_]
    angles: Array
    radii: Array  # in radii of the circle


def trace_rim(signal: Signal, noise: float, aperture: Aperture) -> Rim:
    """Trace where the retina ends in each direction.

    The rim is the closed path of least cost (dynamic programming): inside of it should be retina
    and outside surround, the signal should fall sharply across it, and it should keep to the
    aperture's edge unless it is seen elsewhere. What is as dark as the surround, but fades
    without an edge, therefore stays inside, as do lesions and vessels.

    Parameters
    ----------
    signal : array
        ``(rows, columns)``, 0 in the surround and about 1 on the retina.
    noise : float
        Standard deviation of the surround.
    aperture : Aperture
        Where the retina ends as far as nothing else is seen.

    Returns
    -------
    Rim
        On the signal's grid.
    """
    polar = _to_polar(signal, aperture)
    surround, retina, spread = _levels(polar, noise)
    blur = max(1, round(1.5 * _UNIT / aperture.radius - 0.5))
    sharpness = _sharpness(polar, surround, spread, blur)
    expected = aperture.reach(polar.angles) / aperture.radius
    cost = _region_cost(polar, surround, retina, spread, expected) - _EDGE * sharpness
    away = np.abs(polar.radii - expected[:, np.newaxis])
    if aperture.is_round:
        away = np.minimum(away, np.abs(polar.radii - 1))
    near = max(_NEAR, _NEAR_PIXELS / aperture.radius)
    cost += _OFF_APERTURE * np.clip((away - near) / 0.01, 0, 1)
    cost[:, polar.radii > _FAR] = np.inf
    start = _surest(cost, polar, expected)
    steps = _cheapest_path(cost, start)
    radii = _between_places(polar, surround, steps, blur)
    places = np.searchsorted(polar.radii, radii).clip(0, len(polar.radii) - 1)
    found = (np.arange(_ANGLES), places)
    seen = polar.inside_frame[found]
    sharp = np.where(seen, sharpness[found], np.nan)
    return Rim(polar.angles, radii * aperture.radius, sharp)


def _between_places(
    polar: _Polar, surround: Array, steps: npt.NDArray[np.intp], blur: int
) -> Array:
    """Return the radii at which the signal is halfway between retina and surround.

    The edge is as wide as a pixel of the photograph, in which the path may run anywhere.
    """
    width = 2 * blur + 2
    places = steps[:, np.newaxis] + np.arange(-width - 3, width + 1)
    around = np.take_along_axis(polar.signal, np.clip(places, 0, len(polar.radii) - 1), axis=1)
    retina = around[:, :3].mean(axis=1)
    bright = around[:, 3:] > ((surround + retina) / 2)[:, np.newaxis]
    moved = bright.sum(axis=1) - width - 0.5
    neighbours = np.stack([np.roll(moved, shift) for shift in range(-4, 5)])
    return np.asarray(polar.radii[steps] + np.median(neighbours, axis=0) / _UNIT)


def fit_to_rim(aperture: Aperture, rim: Rim) -> tuple[float, float, float] | None:
    """Fit the ``(row, column, radius)`` of the circle to the part of the rim that is round.

    Returns
    -------
    tuple or None
        None where too little of the rim is on the aperture's circle.
    """
    round_ = np.isfinite(rim.sharpness) & (np.abs(rim.radii / aperture.radius - 1) < 2 * _NEAR)
    if round_.mean() < _LEAST_ARC:
        return None
    angles, radii = rim.angles[round_], rim.radii[round_]
    points = np.column_stack(
        [aperture.row + radii * np.sin(angles), aperture.column + radii * np.cos(angles)]
    )
    return nearest_circle(points)


def _to_polar(signal: Signal, aperture: Aperture) -> _Polar:
    angles = np.linspace(0, 2 * np.pi, _ANGLES, endpoint=False, dtype=np.float64)
    radii = np.arange(_FIRST, _LAST) / _UNIT
    distance = (radii * aperture.radius)[np.newaxis]
    rows = (aperture.row + np.sin(angles)[:, np.newaxis] * distance).astype(np.float32)
    columns = (aperture.column + np.cos(angles)[:, np.newaxis] * distance).astype(np.float32)
    last = signal.shape[0] - 1, signal.shape[1] - 1
    inside = (rows >= 0) & (rows <= last[0]) & (columns >= 0) & (columns <= last[1])
    around = cv2.remap(signal, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return _Polar(around, inside, angles, radii)


def _levels(polar: _Polar, noise: float) -> tuple[Array, Array, Array]:
    """Return the surround's level, the retina's and the surround's noise in each direction."""
    beyond = (polar.radii > 1.03) & (polar.radii < 1.13)
    within = (polar.radii > 0.4) & (polar.radii < 0.97)
    seen = polar.inside_frame
    surround = _quantile(polar.signal[:, beyond], seen[:, beyond], 0.5)
    away = np.abs(polar.signal[:, beyond] - surround[:, np.newaxis])
    spread = _quantile(away, seen[:, beyond], 0.5)
    retina = _quantile(polar.signal[:, within], seen[:, within], 0.7)
    surround = _pool(surround, 0.0)
    retina = np.maximum(_pool(retina, 1.0), surround + 0.05)
    return surround, retina, np.maximum(1.48 * _pool(spread, 0.0), max(noise, 0.006))


def _quantile(values: Signal, seen: npt.NDArray[np.bool_], share: float) -> Array:
    """Return a quantile of what is seen of each row; NaN where that is nothing."""
    ordered = np.sort(np.where(seen, values, np.inf), axis=1)
    count = seen.sum(axis=1)
    place = np.clip((share * (count - 1)).round().astype(int), 0, values.shape[1] - 1)
    found = ordered[np.arange(len(values)), place].astype(np.float64)
    return np.where(count > 0, found, np.nan)


def _pool(values: Array, otherwise: float) -> Array:
    """Take the median over neighbouring directions, going around; fill gaps from all of them."""
    known = np.isfinite(values)
    if not known.any():
        return np.full(len(values), otherwise)
    around = np.arange(-_SMOOTH, _SMOOTH + 1, 4)
    places = (np.arange(0, _ANGLES, 4)[:, np.newaxis] + around) % _ANGLES
    filled = np.where(known, values, np.median(values[known]))
    coarse = np.median(filled[places], axis=1)
    return np.repeat(coarse, 4)


def _sharpness(polar: _Polar, surround: Array, spread: Array, blur: int) -> Array:
    """Return which share of the step from retina to surround happens at each place.

    The `blur` steps on either side are left out: the edge is no sharper than a pixel, which in a
    small photograph is more than a step.
    """
    sums = np.cumsum(np.pad(polar.signal.astype(np.float64), ((0, 0), (1, 0))), axis=1)
    steps = np.arange(len(polar.radii))

    def mean(start: int, end: int) -> Array:
        first = np.clip(steps + start, 0, len(steps) - 1)
        last = np.maximum(np.clip(steps + end, 0, len(steps)), first + 1)
        return np.asarray((sums[:, last] - sums[:, first]) / (last - first))

    inside = mean(-3 - blur, -blur)
    level = np.maximum(mean(-15 - blur, -2 - blur), inside) - surround[:, np.newaxis]
    share = (inside - mean(blur, 3 + blur)) / np.maximum(level, 4 * spread[:, np.newaxis])
    return np.where(polar.inside_frame, np.clip(share, 0, 1), 0.0)


def _region_cost(
    polar: _Polar, surround: Array, retina: Array, spread: Array, expected: Array
) -> Array:
    """Return what it costs to have the rim at each place and not where it is expected.

    It is limited: however much looks like surround, only an edge makes a rim of its border.
    """
    step = retina - surround
    tolerated = np.clip(4 * spread, 0.2 * step, 0.4 * step)[:, np.newaxis]
    evidence = (polar.signal - surround[:, np.newaxis] - tolerated) / tolerated
    evidence = np.where(polar.inside_frame, np.clip(evidence, -1, 1), 0.0)
    before = np.cumsum(np.pad(evidence, ((0, 0), (1, 0))), axis=1)[:, :-1]
    places = np.abs(polar.radii - expected[:, np.newaxis]).argmin(axis=1)
    before -= before[np.arange(_ANGLES), places][:, np.newaxis]
    return np.asarray(-_MOST_REGION * np.tanh(before * (_REGION / _MOST_REGION)))


def _surest(cost: Array, polar: _Polar, expected: Array) -> tuple[int, int]:
    """Return the direction in which the aperture's edge is seen best, and the step it is at."""
    steps = np.abs(polar.radii - expected[:, np.newaxis]).argmin(axis=1)
    every = np.arange(_ANGLES)
    advantage = cost[every, steps] - cost.min(axis=1)
    advantage[~polar.inside_frame[every, steps]] = 50.0
    pooled = sum(np.roll(advantage, shift) for shift in range(-4, 5))
    direction = int(np.argmin(pooled))
    return direction, int(steps[direction])


def _cheapest_path(cost: Array, start: tuple[int, int]) -> npt.NDArray[np.intp]:
    """Return the step in each direction of the cheapest path that closes where it starts."""
    direction, step = start
    turned = np.roll(cost, -direction, axis=0)
    count = cost.shape[1]
    home = np.abs(np.arange(count) - step) <= 3
    current = np.where(home, turned[0], np.inf)
    # Candidates for the step before: each neighbour, and a leap from the cheapest of all.
    shifts = np.arange(-_REACH, _REACH + 1)
    bend = _BEND * np.abs(shifts)
    padded = np.full(count + 2 * _REACH, np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(shifts))
    here = np.arange(count)
    came_from = np.empty((_ANGLES, count), np.intp)
    for n in range(1, _ANGLES + 1):
        padded[_REACH : _REACH + count] = current
        reached = windows + bend
        chosen = reached.argmin(axis=1)
        cheapest = reached[here, chosen]
        leap = int(current.argmin())
        leaps = cheapest > current[leap] + _JUMP
        came_from[n - 1] = np.where(leaps, leap, here + chosen - _REACH)
        current = np.where(leaps, current[leap] + _JUMP, cheapest) + turned[n % _ANGLES]
    place = int(np.where(home, current, np.inf).argmin())
    path = np.empty(_ANGLES, np.intp)
    for n in range(_ANGLES - 1, -1, -1):
        place = came_from[n, place]
        path[n] = place
    return np.roll(path, direction)
