"""Where the B-scans of an acquisition lie on the retina, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_retina_seg.types.acquisition import CirclePath, LinePath, ScanPath, ScanPattern
from napari_retina_seg.types.image import Laterality
from napari_retina_seg.types.pixel_size import SLICE_UM, plausible_um

_WIDTH = 0.02  # by which the length of a B-scan may differ from its columns times their size
_APART = 0.05  # by which single distances of B-scans may differ from their mean
_ROUNDED_MM = 0.002  # two positions in mm with three decimals
_TURNED = 0.02  # rad between B-scans that are called parallel
_MOST_MM = 1000.0

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Positions:
    """Start and end of each B-scan, in mm from the upper left corner of the en-face image.

    Attributes
    ----------
    start, end : array
        ``(slices, 2)`` float64: y downwards and x to the right. Of a circle `end` is the centre.
    columns : int
        A-scans of a B-scan.
    lateral_mm : float or None
        Their distance as the file states it.
    """

    start: Vector
    end: Vector
    columns: int
    lateral_mm: float | None

    @property
    def lengths(self) -> Vector:
        """``(slices,)`` float64: from start to end, in mm."""
        return np.asarray(np.hypot(*(self.end - self.start).T))

    @property
    def are_known(self) -> bool:
        """Whether there is a place for each B-scan."""
        both = np.stack([self.start, self.end])
        with np.errstate(invalid="ignore", over="ignore"):
            return bool((np.abs(both) < _MOST_MM).all() and (self.lengths > 0).all())

    def fit(self, lengths: Vector) -> bool:
        """Whether paths of these lengths have room for the columns, no more and no less."""
        if self.lateral_mm is None:
            return True
        width = self.columns * self.lateral_mm
        return bool((np.abs(lengths - width) <= _WIDTH * width).all())


@dataclass(frozen=True)
class Arrangement:
    """How the B-scans lie to each other.

    Attributes
    ----------
    pattern : ScanPattern
        As stated, or as their positions show where the file does not state it.
    slice_um : float or None
        Distance of the B-scans of a raster, None where it is unknown or contradicted.
    warnings : tuple of str
        Contradictions in the file.
    """

    pattern: ScanPattern
    slice_um: float | None = None
    warnings: tuple[str, ...] = ()


def arrange(
    positions: Positions, stated: ScanPattern, stated_distance_mm: float | None
) -> Arrangement:
    """Find the pattern of the B-scans, and the distance of those of a raster.

    Parameters
    ----------
    positions : Positions
        Where they lie.
    stated : ScanPattern
        What the file says.
    stated_distance_mm : float or None
        What the file says about their distance.
    """
    apart_mm = _distance_mm(positions)
    pattern = _pattern(positions, stated, is_regular=apart_mm is not None)
    if pattern is not ScanPattern.RASTER or len(positions.start) < 2:
        return Arrangement(pattern)
    stated_um = _um(stated_distance_mm)
    if not positions.are_known:
        return Arrangement(pattern, stated_um)
    if apart_mm is None:
        return Arrangement(
            pattern, None, ("The B-scans are not parallel and equally far apart: their distance"
                            " counts as unknown.",),
        )  # fmt: skip
    apart_um = _um(apart_mm)
    if stated_um is None or apart_um is None:
        return Arrangement(pattern, apart_um)
    if abs(stated_um - apart_um) > max(_APART * apart_um, 1000 * _ROUNDED_MM):
        return Arrangement(
            pattern, None, (f"The file says that B-scans are {stated_um:.4g} µm apart, but their"
                            f" positions say {apart_um:.4g} µm: their distance counts as"
                            " unknown.",),
        )  # fmt: skip
    return Arrangement(pattern, stated_um)


def place(
    positions: Positions,
    pattern: ScanPattern,
    laterality: Laterality,
    face_shape: tuple[int, ...],
    face_mm: tuple[float | None, float | None],
) -> tuple[tuple[ScanPath, ...], tuple[str, ...]]:
    """Find the B-scans on the en-face image.

    A circle begins at its start and runs over the superior quadrant to the nasal one, for the
    right eye clockwise in the displayed image: without knowing the eye its course is unknown.

    Parameters
    ----------
    positions : Positions
        Where they lie.
    pattern : ScanPattern
        How they lie.
    laterality : Laterality
        Which eye.
    face_shape : tuple of int
        Rows and columns of the en-face image.
    face_mm : tuple of (float or None)
        Height and width of its pixels.

    Returns
    -------
    tuple
        A path for each B-scan, or none if a place is unknown or contradicted; and a sentence for
        what is contradicted.
    """
    height, width = face_mm
    is_circle = pattern is ScanPattern.CIRCLE
    if height is None or width is None or not positions.are_known:
        return (), ()
    if is_circle and laterality is Laterality.UNKNOWN:
        return (), ("Which way the circular B-scan runs is unknown, as the file does not say which"
                    " eye it is: it is not shown on the en-face image.",)  # fmt: skip
    scale = np.array([height, width])
    # Pixels have their centres at whole numbers, and millimetres count from the outer edge.
    start, end = positions.start / scale - 0.5, positions.end / scale - 0.5
    middle = end if is_circle else (start + end) / 2
    is_inside = bool(((middle >= -0.5) & (middle <= np.array(face_shape[:2]) - 0.5)).all())
    lengths = positions.lengths * (2 * np.pi if is_circle else 1)
    if not (is_inside and positions.fit(lengths)):
        return (), ("The positions of the B-scans contradict the sizes of the images: they are not"
                    " shown on the en-face image.",)  # fmt: skip
    if is_circle:
        clockwise = laterality is Laterality.RIGHT
        return tuple(CirclePath(_point(one), _point(two), clockwise)
                     for one, two in zip(start, end, strict=True)), ()  # fmt: skip
    return tuple(
        LinePath(_point(one), _point(two)) for one, two in zip(start, end, strict=True)
    ), ()


def _pattern(positions: Positions, stated: ScanPattern, *, is_regular: bool) -> ScanPattern:
    count = len(positions.start)
    if stated is not ScanPattern.UNKNOWN and not (stated is ScanPattern.LINE and count > 1):
        return stated
    if not positions.are_known:
        return ScanPattern.UNKNOWN
    if count > 1:
        if is_regular:
            return ScanPattern.RASTER
        return ScanPattern.RADIAL if _is_star(positions) else ScanPattern.UNKNOWN
    if positions.lateral_mm is None:
        return ScanPattern.UNKNOWN
    if positions.fit(positions.lengths):
        return ScanPattern.LINE
    is_circle = positions.fit(2 * np.pi * positions.lengths)
    return ScanPattern.CIRCLE if is_circle else ScanPattern.UNKNOWN


def _distance_mm(positions: Positions) -> float | None:
    """Return the distance of parallel B-scans that are equally far apart, else None."""
    if len(positions.start) < 2 or not positions.are_known:
        return None
    directions = (positions.end - positions.start) / positions.lengths[:, np.newaxis]
    along = directions[0]
    across = np.array([-along[1], along[0]])
    if (np.abs(directions @ across) > _TURNED).any() or (directions @ along < 0).any():
        return None
    steps = np.diff((positions.start + positions.end) / 2 @ across)
    mean = float(steps.mean())
    if abs(mean) == 0 or (np.abs(steps - mean) > max(_APART * abs(mean), _ROUNDED_MM)).any():
        return None
    return abs(mean)


def _is_star(positions: Positions) -> bool:
    """Whether all B-scans go through one point, each in another direction."""
    middles = (positions.start + positions.end) / 2
    directions = (positions.end - positions.start) / positions.lengths[:, np.newaxis]
    spread = np.hypot(*(middles - middles.mean(axis=0)).T).max()
    angles = np.sort(np.arctan2(*directions.T) % np.pi)
    apart = np.diff(np.append(angles, angles[0] + np.pi))
    return bool(spread < _APART * positions.lengths.min() and (apart > _TURNED).all())


def _um(mm: float | None) -> float | None:
    return plausible_um(None if mm is None else 1000 * mm, SLICE_UM)


def _point(place: Sequence[float] | Vector) -> tuple[float, float]:
    return float(place[0]), float(place[1])
